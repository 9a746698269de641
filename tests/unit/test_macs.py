"""Multiply-accumulates, against counts by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from geoml.errors import InputError
from geoml.macs import macs


def counted(keras: Any, shape: tuple[int | None, ...], *layers: Any) -> int:
    return macs(keras.Sequential([keras.Input(shape), *layers]))


@pytest.mark.parametrize(
    ("shape", "make", "expected"),
    [
        ((5,), lambda layers: layers.Dense(3), 5 * 3),
        ((4, 6, 5), lambda layers: layers.Dense(3), 4 * 6 * 5 * 3),
        ((20, 4), lambda layers: layers.Conv1D(7, 3, padding="same"), 20 * 3 * 4 * 7),
        ((20, 4), lambda layers: layers.Conv1D(7, 3, 2, use_bias=False), 9 * 3 * 4 * 7),
        ((12, 10, 3), lambda layers: layers.Conv2D(8, (5, 3), 2, "same"), 6 * 5 * 15 * 3 * 8),
        ((12, 10, 4), lambda layers: layers.Conv2D(8, 3, groups=2), 10 * 8 * 9 * 2 * 8),
        ((12, 10, 3), lambda layers: layers.Conv2D(8, 3, dilation_rate=2), 8 * 6 * 9 * 3 * 8),
        ((12, 10, 3), lambda layers: layers.DepthwiseConv2D(3, 2, depth_multiplier=2), 5 * 4 * 9 * 3 * 2),
        ((12, 3), lambda layers: layers.DepthwiseConv1D(3), 10 * 3 * 3),
        ((12, 10, 3), lambda layers: layers.SeparableConv2D(8, 3), 10 * 8 * (9 * 3 + 3 * 8)),
        ((12, 3), lambda layers: layers.SeparableConv1D(8, 3), 10 * (3 * 3 + 3 * 8)),
        ((12, 10, 3), lambda layers: layers.BatchNormalization(), 0),
        ((12, 10, 3), lambda layers: layers.MaxPooling2D(), 0),
    ],
)
def test_one_layer(keras_on_cpu: Any, shape: tuple[int, ...], make: Callable[[Any], Any], expected: int):
    assert counted(keras_on_cpu, shape, make(keras_on_cpu.layers)) == expected


def test_networks_inside_networks_and_layers_used_twice(keras_on_cpu: Any):
    layers = keras_on_cpu.layers
    inner = keras_on_cpu.Sequential([keras_on_cpu.Input((4,)), layers.Dense(4), layers.Dense(4)])
    twice = layers.Dense(4)
    x = keras_on_cpu.Input((4,))
    y = layers.Add()([twice(x), twice(inner(x))])
    assert macs(keras_on_cpu.Model(x, layers.Dense(2)(y))) == 4 * 16 + 8


def test_use_in_another_network_does_not_count(keras_on_cpu: Any):
    layer = keras_on_cpu.layers.Conv2D(2, 3)
    small, large = (keras_on_cpu.Input((side, side, 1)) for side in (4, 10))
    networks = [keras_on_cpu.Model(x, layer(x)) for x in (small, large)]
    assert [macs(network) for network in networks] == [4 * 18, 64 * 18]


def test_an_open_size_is_refused(keras_on_cpu: Any):
    with pytest.raises(InputError, match="layer wide: shape: expected a fixed size"):
        counted(keras_on_cpu, (None, 8, 1), keras_on_cpu.layers.Conv2D(2, 3, name="wide"))


def test_an_unknown_layer_with_matrices_is_refused(keras_on_cpu: Any):
    with pytest.raises(InputError, match="layer memory: kind: expected a convolution or a dense layer, got LSTM"):
        counted(keras_on_cpu, (8, 1), keras_on_cpu.layers.LSTM(2, name="memory"))


def test_a_network_without_known_layers_is_refused(keras_on_cpu: Any):
    with pytest.raises(InputError, match="network: expected a network made of layers"):
        macs(keras_on_cpu.Sequential([keras_on_cpu.layers.Dense(3)]))

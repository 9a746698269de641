"""The fused batch normalisation is that of Keras: outputs, gradients, moving averages, file."""

from typing import Any

import numpy as np
import pytest


@pytest.mark.parametrize("shape", [(64, 7), (16, 50, 6), (8, 20, 2, 6)], ids=str)
@pytest.mark.parametrize("offset", [0, 5])
def test_same_function_as_keras(keras_on_cpu: Any, shape: tuple[int, ...], offset: int):
    import tensorflow as tf

    from geoml.layers.batch_normalization import fused

    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(offset, 2, shape).astype(np.float32))
    toward = tf.constant(rng.normal(size=shape).astype(np.float32))
    results = []
    for make in (fused, lambda layer: layer):
        layer = make(keras_on_cpu.layers.BatchNormalization(momentum=0.9))
        layer.build(shape)
        values = np.random.default_rng(1)
        layer.gamma.assign(values.uniform(0.5, 2, shape[-1]))
        layer.beta.assign(values.normal(size=shape[-1]))
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(y * toward)
        gradients = tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])
        results.append([y, *gradients, layer.moving_mean, layer.moving_variance, layer(x), layer(x, training=False)])
    for ours, theirs in zip(*results, strict=True):
        assert np.abs(np.asarray(ours) - theirs).max() <= 1e-5 * max(1, np.abs(theirs).max())


def test_a_frozen_layer_does_not_move(keras_on_cpu: Any):
    from geoml.layers.batch_normalization import fused

    layer = fused(keras_on_cpu.layers.BatchNormalization())
    x = np.random.default_rng(0).normal(3, 1, (20, 4)).astype(np.float32)
    layer.build(x.shape)
    layer.trainable = False
    assert np.allclose(layer(x, training=True), x, rtol=1e-3)
    assert (np.asarray(layer.moving_mean) == 0).all()


def test_the_layer_in_a_file_is_that_of_keras(keras_on_cpu: Any, tmp_path: Any):
    from geoml import models

    network = models.build("polarity", "cnn_ross", {}, (400, 1))
    network.save(tmp_path / "plain.keras")
    loaded = keras_on_cpu.saving.load_model(tmp_path / "plain.keras", compile=False)
    kinds = {type(layer) for layer in loaded.layers}
    assert keras_on_cpu.layers.BatchNormalization in kinds and all(
        kind.__module__.startswith("keras") for kind in kinds
    )

"""What the networks of the patchnet task share: the family of SeismicPatchNet, its convolutional form, the output."""

from typing import Any

import keras
import numpy as np

from geoml.errors import InputError
from geoml.layers.batch_normalization import fused
from geoml.tasks.patchnet import topology

_TAIL = ("pool3", "logits", "bsr")
_LANES = 16  # channels that processors work on at once


@keras.saving.register_keras_serializable(package="geoml")
class MinPooling2D(keras.layers.MaxPooling2D):
    """Smallest values instead of largest: keeps negative lobes (card, section 3). Arguments as of max-pooling."""

    def call(self, x: Any) -> Any:
        """-max_pool(-x), so that what pads is never the smallest."""
        return -super().call(-x)


def patch(input_shape: tuple[int, ...]) -> keras.KerasTensor:
    """Input of a network: (b, 112, 112, 1), amplitudes of -1..1, rows downwards."""
    return keras.Input(input_shape, name="patch")


def probabilities(logits: keras.KerasTensor) -> keras.KerasTensor:
    """Softmax ``bsr`` in float32: (b, classes), the BSR last."""
    return keras.layers.Activation("softmax", dtype="float32", name="bsr")(logits)


def searchable(
    document: topology.Document,
    input_shape: tuple[int, ...],
    classes: int,
    *,
    name: str,
    dropout: float,
    padding: str = "same",
    early: bool = False,
    activations: tuple[str, str] = ("relu", "relu"),
) -> keras.Model:
    """The network of a document: Glorot-uniform weights, biases of zero, neither normalisation nor weight decay.

    Layers, but for dropout and softmax, are those of :func:`geoml.tasks.patchnet.topology.layers`, by name.

    Args:
        document: See :mod:`geoml.tasks.patchnet.topology`.
        input_shape: (side, side, 1).
        classes: Number of classes.
        name: Of the network.
        dropout: Share of the features in front of the dense layer that training drops.
        padding, early: See :func:`geoml.tasks.patchnet.topology.layers`.
        activations: After the convolutions of the stem and after those of the fusion blocks.
    """
    topology.check(document, "candidate")
    tensors = {"patch": patch(input_shape)}
    for row in topology.layers(document, input_shape[0], padding=padding, early=early)[:-1]:
        activation = activations[row.name.startswith("b")]
        x = [tensors[source] for source in row.inputs]
        tensors[row.name] = _layer(row, padding, activation)(x if row.kind == "concatenate" else x[0])
    x = keras.layers.Dropout(dropout)(tensors["pool3"])
    # Dense on (b, 1, 1, features): where the patch is larger, the same layer answers at every place.
    x = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(tensors["patch"], probabilities(keras.layers.Flatten(dtype="float32")(x)), name=name)


def fully_convolutional(network: keras.Model) -> keras.Model:
    """The same weights for inputs of any size: one answer every 16 pixels instead of one in all (card, section 8).

    Answer (i, j) is about the patch whose first pixel is (16 i, 16 j). A network that pads nothing gives exactly what
    it gives for that patch alone, up to rounding. One that pads gives something else, because here its layers see what
    lies around the patch; with it, sides should be multiples of 16, which are padded on the side where patches are.

    Only the first (height - 112) // 16 + 1 rows, and columns alike, are about patches that are all inside: a network
    that pads, or does not look at the last pixels of a patch, may give more.

    Args:
        network: Of the family: ``v1_search``, ``v1_tf2``, ``v1_valid``, ``searched``, fresh or from a file.

    Returns:
        A network (b, height, width, 1) to float32 probabilities (b, rows, columns, classes), sharing its layers.

    Raises:
        InputError: a network that is not of the family.
    """
    layers = {layer.name: layer for layer in network.layers}
    if any(name not in layers for name in _TAIL):
        raise InputError(
            network.name, "network", f"one of the SeismicPatchNet family, with layers {', '.join(_TAIL)}",
            "one without", "Other networks can slide over a section.",
        )  # fmt: skip
    pool, logits, answer = (layers[name] for name in _TAIL)
    pixels = keras.Input((None, None, network.input_shape[-1]), name="patch")
    features = keras.models.clone_model(
        keras.Model(network.inputs, pool.input), input_tensors=[pixels], clone_function=lambda layer: layer
    )
    # Dense before the mean: the same answer, and two channels to pool instead of hundreds.
    x = logits(features.outputs[0])
    x = keras.layers.AveragePooling2D(pool.pool_size, strides=1, dtype="float32", name="pool3")(x)
    return keras.Model(pixels, answer(x), name=f"{network.name}_convolutional")


def aligned(network: keras.Model) -> keras.Model:
    """A copy that gives the same with layers as fast kernels of other runtimes want them.

    The channels of the first two convolutions are filled up with zeros to a multiple of 16, without which the third,
    most of all work, is done through copies of its input; and what is dense at every place is a convolution.

    Args:
        network: Of the family, or its convolutional form.
    """

    def copied(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if layer.name in ("conv0", "conv1"):
            config["filters"] += -config["filters"] % _LANES
        if layer.name == "logits":
            return keras.layers.Conv2D(layer.units, 1, dtype="float32", name=layer.name)
        return type(layer).from_config(config)

    made = keras.models.clone_model(network, clone_function=copied)
    for layer in network.layers:
        twin = made.get_layer(layer.name)
        twin.set_weights([_filled(*pair) for pair in zip(layer.get_weights(), twin.get_weights(), strict=True)])
    return made


def _filled(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Weights with zeros behind them, in the shape of ``like``."""
    values = values.reshape((1,) * (like.ndim - values.ndim) + values.shape)
    return np.pad(values, [(0, wide - narrow) for wide, narrow in zip(like.shape, values.shape, strict=True)])


def comparison(name: str, make: str, input_shape: tuple[int, ...], classes: int, dense: int = 0) -> keras.Model:
    """A network of Keras' own with random weights, on patches of one channel.

    Args:
        name: Of the network.
        make: Function of ``keras.applications``.
        input_shape: (side, side, 1).
        classes: Number of classes.
        dense: Width of two dense layers on all features; 0: one mean of each feature, and none.
    """
    pixels = patch(input_shape)
    base = getattr(keras.applications, make)(include_top=False, weights=None, input_tensor=pixels)
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9  # Keras' 0.99 and 0.999 need more steps than these data give
            fused(layer)
    x = base.output
    if dense:
        x = keras.layers.Flatten()(x)
        for number in (1, 2):
            x = keras.layers.Dense(dense, activation="relu", name=f"fc{number}")(x)
    else:
        x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(pixels, probabilities(x), name=name)


def _layer(row: topology.Layer, padding: str, activation: str) -> keras.layers.Layer:
    if row.kind == "conv":
        return keras.layers.Conv2D(
            row.shape_out[2], row.kernel, row.stride, padding, activation=activation, name=row.name
        )
    if row.kind == "max_pool":
        return keras.layers.MaxPooling2D(row.kernel, row.stride, padding, name=row.name)
    if row.kind == "min_pool":
        return MinPooling2D(row.kernel, row.stride, padding, name=row.name)
    if row.kind == "average_pool":
        return keras.layers.AveragePooling2D(row.kernel, row.stride, "valid", name=row.name)
    if row.kind == "concatenate":
        return keras.layers.Concatenate(name=row.name)
    less = row.shape_in[0] - row.shape_out[0]
    return keras.layers.Cropping2D(((less // 2, less - less // 2),) * 2, name=row.name)

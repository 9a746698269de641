"""What the fold networks share: colours and scaling inside the network, batch normalisation, the output."""

from typing import Any

import keras
from keras import ops

from geoml.layers.batch_normalization import fused

_LUMINANCE = (0.299, 0.587, 0.114)  # of red, green, blue
# Red, green, blue means and divisors, in grey levels; method card, section 2, and Keras' own weights for "caffe".
_SCALINGS = {
    "unit": ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "caffe": ((123.68, 116.779, 103.939), (1.0, 1.0, 1.0)),
}


@keras.saving.register_keras_serializable(package="geoml")
class Pixels(keras.layers.Layer):
    """RGB of 0..255 to the numbers a network was made for; nothing in it is trained.

    Args:
        colour: ``coloured``, or ``grey``: the luminance in all three channels.
        scaling: ``unit`` (0..1), ``imagenet`` (mean and deviation of ImageNet's channels) or ``caffe`` (what Keras'
            ResNet weights expect: mean removed, channels in the order blue, green, red).
    """

    def __init__(self, colour: str, scaling: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.colour, self.scaling = colour, scaling

    def call(self, rgb: Any) -> Any:
        """Images (b, h, w, 3) to the same shape."""
        if self.colour == "grey":
            rgb = ops.repeat(ops.sum(rgb * ops.array(_LUMINANCE, rgb.dtype), axis=-1, keepdims=True), 3, axis=-1)
        mean, deviation = (ops.array(values, rgb.dtype) for values in _SCALINGS[self.scaling])
        scaled = (rgb - mean) / deviation
        return ops.flip(scaled, axis=-1) if self.scaling == "caffe" else scaled

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape stays."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Arguments, for the file."""
        return super().get_config() | {"colour": self.colour, "scaling": self.scaling}


def image(shape: tuple[int | None, ...], colour: str, scaling: str) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Input of a network and what its first convolution sees.

    Args:
        shape: (height, width, 3); None for a size that may differ from batch to batch.
        colour, scaling: See :class:`Pixels`, which stays in float32 under mixed precision.
    """
    pixels = keras.Input(shape, name="image")
    return pixels, Pixels(colour, scaling, dtype="float32", name="pixels")(pixels)


def any_size(input_shape: tuple[int, ...]) -> tuple[int | None, ...]:
    """The shape with height and width left open, for networks that pool over the whole image."""
    return None, None, input_shape[-1]


def batch_norm(x: keras.KerasTensor) -> keras.KerasTensor:
    """Batch normalisation with momentum and epsilon of the original (method card, pitfall 9)."""
    return fused(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5))(x)


def conv(x: keras.KerasTensor, filters: int, size: int = 3, stride: int = 1, **options: Any) -> keras.KerasTensor:
    """Convolution for a ReLU, padded alike on both sides also where it strides."""
    pad = size // 2 if stride > 1 else 0
    if pad:
        x = keras.layers.ZeroPadding2D(pad)(x)
    padding = "valid" if pad else "same"
    return keras.layers.Conv2D(filters, size, stride, padding, kernel_initializer="he_normal", **options)(x)


def probabilities(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """Dense layer ``logits`` and softmax ``fold`` in float32: (b, features) to (b, classes)."""
    x = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.layers.Activation("softmax", dtype="float32", name="fold")(x)


def applications_resnet(input_shape: tuple[int, ...], classes: int, colour: str, depth: int, name: str) -> keras.Model:
    """Keras' own ResNet v1 without its top as the layer ``backbone``, mean pooling, one dense layer.

    Keras' version has convolution biases and strides in the first convolution of a block, so it counts more parameters
    than the original (method card, section 4.3). ``get_layer("backbone").load_weights`` takes Keras' ImageNet files
    without top; the network's input needs no preparation for them.

    Args:
        input_shape: (height, width, 3), of which only the channels count.
        classes: Number of classes.
        colour: See :class:`Pixels`.
        depth: 50, 101 or 152.
        name: Of the network.
    """
    pixels, x = image(any_size(input_shape), colour, "caffe")
    make = getattr(keras.applications, f"ResNet{depth}")
    backbone = make(include_top=False, weights=None, input_shape=any_size(input_shape), name="backbone")
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9
            fused(layer)
    x = keras.layers.Activation("linear", name="last_conv")(backbone(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(pixels, probabilities(x, classes), name=name)

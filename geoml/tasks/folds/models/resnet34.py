"""ResNet34 v1 (He et al. 2016, table 1; method card, section 4.3), which Keras does not have."""

import keras

from geoml.tasks.folds.models._blocks import any_size, batch_norm, conv, image, probabilities

NAME = "ResNet34"
LEARNING = "transfer"


def build(input_shape: tuple[int, int, int], classes: int, *, colour: str = "coloured") -> keras.Model:
    """RGB image of any size, 0..255, to probabilities; 21,286,211 trainable parameters.

    Args:
        input_shape: (height, width, 3), of which only the channels count.
        classes: Number of classes.
        colour: ``coloured`` or ``grey``.
    """
    pixels, x = image(any_size(input_shape), colour, "imagenet")
    x = keras.layers.ReLU()(batch_norm(conv(x, 64, 7, 2, use_bias=False)))
    x = keras.layers.MaxPooling2D(3, 2)(keras.layers.ZeroPadding2D(1)(x))
    for filters, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            last = filters == 512 and block == blocks - 1
            x = _basic(x, filters, "last_conv" if last else None)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(pixels, probabilities(x, classes), name="resnet34")


def _basic(x: keras.KerasTensor, filters: int, name: str | None) -> keras.KerasTensor:
    """Basic block; where the filters double, the first convolution strides and the shortcut is a convolution."""
    stride = 1 if x.shape[-1] == filters else 2
    shortcut = batch_norm(conv(x, filters, 1, stride, use_bias=False)) if stride > 1 else x
    y = keras.layers.ReLU()(batch_norm(conv(x, filters, 3, stride, use_bias=False)))
    y = batch_norm(conv(y, filters, use_bias=False))
    return keras.layers.ReLU(name=name)(keras.layers.Add()([shortcut, y]))

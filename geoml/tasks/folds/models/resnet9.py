"""The usual small residual network of nine weighted layers (method card, section 4.2): the project's default."""

import keras

from geoml.tasks.folds.models._blocks import any_size, batch_norm, conv, image, probabilities

NAME = "ResNet9"
LEARNING = "deep"


def build(input_shape: tuple[int, int, int], classes: int, *, colour: str = "coloured", width: int = 64) -> keras.Model:
    """RGB image of any size, 0..255, to probabilities; 6,571,779 trainable parameters.

    Args:
        input_shape: (height, width, 3), of which only the channels count.
        classes: Number of classes.
        colour: ``coloured`` or ``grey``.
        width: Filters of the first convolution; the others are 2, 4 and 8 times as many.
    """
    pixels, x = image(any_size(input_shape), colour, "imagenet")
    x = _cb(x, width)
    x = keras.layers.MaxPooling2D(2)(_cb(x, 2 * width))
    x = keras.layers.Add()([x, _cb(_cb(x, 2 * width), 2 * width)])
    x = keras.layers.MaxPooling2D(2)(_cb(x, 4 * width))
    x = keras.layers.MaxPooling2D(2)(_cb(x, 8 * width))
    x = keras.layers.Add(name="last_conv")([x, _cb(_cb(x, 8 * width), 8 * width)])
    x = keras.layers.GlobalMaxPooling2D()(x)
    x = keras.layers.Dropout(0.2)(x)
    return keras.Model(pixels, probabilities(x, classes), name="resnet9")


def _cb(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    return keras.layers.ReLU()(batch_norm(conv(x, filters)))

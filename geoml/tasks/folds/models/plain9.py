"""What the study's repository calls ResNet9: nine weighted layers without shortcuts (method card, section 4.1)."""

import keras

from geoml.tasks.folds.models._blocks import conv, image, probabilities

NAME = "plain9"
LEARNING = "deep"


def build(
    input_shape: tuple[int, int, int], classes: int, *, colour: str = "coloured", dense: int = 4096, width: int = 32
) -> keras.Model:
    """RGB image of one size, 0..255, to probabilities; 277,962,435 parameters for 128 x 128.

    Args:
        input_shape: (height, width, 3).
        classes: Number of classes.
        colour: ``coloured`` or ``grey``.
        dense: Units of the first hidden dense layer; the second has half as many.
        width: Filters of the first convolution; the others are 2, 4, 4, 8 and 8 times as many.
    """
    pixels, x = image(input_shape, colour, "unit")
    for first, second, name in ((1, 2, None), (4, 4, None), (8, 8, "last_conv")):
        x = conv(x, first * width, activation="relu")
        x = conv(x, second * width, activation="relu", name=name)
        x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.Flatten()(x)
    for units in (dense, dense // 2):
        x = keras.layers.Dense(units, activation="relu", kernel_initializer="he_normal")(x)
    return keras.Model(pixels, probabilities(x, classes), name="plain9")

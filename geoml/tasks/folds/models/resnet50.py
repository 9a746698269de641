"""ResNet50 v1 as Keras has it, with random or ImageNet start (method card, section 4.3)."""

import keras

from geoml.tasks.folds.models._blocks import applications_resnet

NAME = "ResNet50"
LEARNING = "transfer"


def build(input_shape: tuple[int, int, int], classes: int, *, colour: str = "coloured") -> keras.Model:
    """RGB image of any size, 0..255, to probabilities; 23,540,739 trainable parameters of 23,593,859.

    Args:
        input_shape: (height, width, 3), of which only the channels count.
        classes: Number of classes.
        colour: ``coloured`` or ``grey``.
    """
    return applications_resnet(input_shape, classes, colour, 50, "resnet50")

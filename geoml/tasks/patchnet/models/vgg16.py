"""VGG-16 with its two dense layers of 4,096, as Keras has it, to compare with; random weights, one channel."""

import keras

from geoml.tasks.patchnet.models._blocks import comparison

NAME = "VGG-16"
LEARNING = "deep"


def build(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Patch to probabilities; 50,381,506 parameters, 3,858 million multiply-accumulates.

    Args:
        input_shape: (112, 112, 1); amplitudes of -1..1 need no preparation.
        classes: Number of classes.
    """
    return comparison("vgg16", "VGG16", input_shape, classes, dense=4096)

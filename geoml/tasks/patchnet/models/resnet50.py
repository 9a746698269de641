"""ResNet50 v1 as Keras has it, to compare with; random weights, one channel."""

import keras

from geoml.tasks.patchnet.models._blocks import comparison

NAME = "ResNet-50"
LEARNING = "deep"


def build(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Patch to probabilities; 23,532,418 trainable parameters of 23,585,538, 1,000 million multiply-accumulates.

    Args:
        input_shape: (112, 112, 1); amplitudes of -1..1 need no preparation.
        classes: Number of classes.
    """
    return comparison("resnet50", "ResNet50", input_shape, classes)

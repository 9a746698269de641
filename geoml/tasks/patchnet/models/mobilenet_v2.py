"""MobileNetV2 as Keras has it, to compare with; random weights, one channel."""

import keras

from geoml.tasks.patchnet.models._blocks import comparison

NAME = "MobileNetV2"
LEARNING = "deep"


def build(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Patch to probabilities; 2,225,858 trainable parameters of 2,259,970, 79 million multiply-accumulates.

    Args:
        input_shape: (112, 112, 1); amplitudes of -1..1 need no preparation.
        classes: Number of classes.
    """
    return comparison("mobilenet_v2", "MobileNetV2", input_shape, classes)

"""Convolutional first-motion polarity (Ross, Meier & Hauksson 2018): three convolutions, two hidden dense layers."""

import keras

from geoml.tasks.polarity.models._blocks import batch_norm


def build(input_shape: tuple[int, int], classes: int) -> keras.Model:
    """Waveform (400, 1) to probabilities (3,); 3,668,227 parameters.

    Args:
        input_shape: (samples, channels).
        classes: Number of classes.
    """
    x = wave = keras.Input(input_shape, name="waveform")
    for filters, width in ((32, 21), (64, 15), (128, 11)):
        x = keras.layers.Conv1D(filters, width, padding="same")(x)
        x = batch_norm()(x)
        x = keras.layers.ReLU()(x)
        x = keras.layers.MaxPooling1D(2)(x)
    x = keras.layers.Flatten()(x)
    for _ in range(2):
        x = keras.layers.Dense(512)(x)
        x = batch_norm()(x)
        x = keras.layers.ReLU()(x)
    return keras.Model(wave, keras.layers.Dense(classes, activation="softmax", name="po")(x), name="cnn_ross")

"""Attention-based first-motion polarity (Zhang, Li & Zhang 2023); the name, spelling included, is the original's."""

import keras

from geoml.tasks.polarity.models._blocks import attention, classifier, encoder


def build(input_shape: tuple[int, int], classes: int) -> keras.Model:
    """Waveform (400, 1) to probabilities (3,); 935,076 parameters.

    Args:
        input_shape: (samples, channels).
        classes: Number of classes.
    """
    wave = keras.Input(input_shape, name="waveform")
    return keras.Model(wave, classifier(attention(encoder(wave)), classes), name="bulid_pd_model")

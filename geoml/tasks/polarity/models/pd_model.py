"""The two-column attention network: the waveform beside the sign of its slope.

The original's two-dimensional code was not found; this is the fully specified form of the method card, with the
difference sign that DiTingMotion adds as a second channel. Both columns change sign with the trace.
"""

import keras

from geoml.tasks.polarity.models._blocks import attention, classifier, encoder


def build(input_shape: tuple[int, int], classes: int) -> keras.Model:
    """Waveform (400, 1) to probabilities (3,); 975,572 parameters.

    Args:
        input_shape: (samples, channels).
        classes: Number of classes.
    """
    wave = keras.Input(input_shape, name="waveform")
    before = keras.layers.ZeroPadding1D((1, 0))(keras.layers.Cropping1D((0, 1))(wave))
    slope = keras.ops.sign(wave - before)
    columns = keras.layers.Reshape((input_shape[0], 2, 1))(keras.layers.Concatenate()([wave, slope]))
    features = keras.layers.Reshape((input_shape[0] // 8, 128))(encoder(columns, dimensions=2))
    return keras.Model(wave, classifier(attention(features), classes), name="pd_model")

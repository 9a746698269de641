"""A small network on the log spectrogram (method card, section 8)."""

import keras
from keras import ops

from geoml.tasks.tremor.models._layers import (
    Spectrum,
    batch_norm,
    log_change,
    mean_and_maximum,
    probabilities,
    relative,
    waveform,
)

NAME = "Spectrogram"
LEARNING = "deep"

_WINDOW, _HOP = 128, 32  # samples: 6.4 and 1.6 s
_FIRST, _LAST, _BAND = 7, 62, 8  # periods in a window: 1.1 to 9.7 Hz in 7 bands
_CONVOLUTIONS = ((8, (1, 1)), (8, (2, 2)), (16, (2, 2)), (16, (2, 1)), (16, (2, 1)))  # filters, strides


def build(input_shape: tuple[int, int], classes: int) -> keras.Model:
    """Waveform (b, 20000, 1) to probabilities (b, 2); 11,130 parameters, 10,938 of them trained.

    The powers of 8 neighbouring frequencies are one band: finer ones were learnt by heart.

    Args:
        input_shape: (samples, channels).
        classes: Number of classes.
    """
    wave = waveform(input_shape)
    x = Spectrum(_WINDOW, _HOP, _FIRST, _LAST)(ops.squeeze(wave, 2))
    times, frequencies = x.shape[1:]
    x = ops.mean(ops.reshape(x, (-1, times, frequencies // _BAND, _BAND)), axis=3, keepdims=True)
    x = log_change(relative(x))
    for filters, strides in _CONVOLUTIONS:
        x = keras.layers.Conv2D(filters, (5, 3), strides=strides, padding="same", use_bias=False)(x)
        x = keras.layers.ReLU()(batch_norm()(x))
    return keras.Model(wave, probabilities(mean_and_maximum(x), classes), name="spectrogram")

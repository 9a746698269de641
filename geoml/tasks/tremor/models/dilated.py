"""Dilated convolutions on the log power of every second, with no tie to a position (method card, section 8)."""

import keras
from keras import ops

from geoml.tasks.tremor import RATE_HZ
from geoml.tasks.tremor.models._layers import (
    batch_norm,
    log_change,
    mean_and_maximum,
    power,
    probabilities,
    waveform,
)

NAME = "Dilated convolutions"
LEARNING = "deep"

DILATIONS = (1, 2, 5, 10, 20, 40)  # seconds; divisors of a trace's 1000
_FIRST, _KERNEL = 5, 3  # seconds that the first and the dilated convolutions look at
_STEP = round(RATE_HZ)  # samples of a power


def build(input_shape: tuple[int, int], classes: int, *, channels: int = 24) -> keras.Model:
    """Waveform (b, 20000, 1) to probabilities (b, 2); 11,450 parameters, 11,018 of them trained.

    What tells tremor is when it is loud, so the network sees how the trace's power changes from second to second, as a
    logarithm. One feature looks at 161 s, three or more cycles of a surface wave. The mean and the maximum over time of
    every feature are what is classified.

    Args:
        input_shape: (samples, channels).
        classes: Number of classes.
        channels: Filters of every convolution.
    """
    wave = waveform(input_shape)
    x = ops.expand_dims(log_change(power(wave, _STEP)), 2)
    x = keras.layers.Conv1D(channels, _FIRST, padding="same", use_bias=False, name="first")(x)
    x = keras.layers.ReLU()(batch_norm()(x))
    for dilation in DILATIONS:
        x = keras.layers.Add(name=f"dilation_{dilation}")([x, _dilated(x, dilation)])
    return keras.Model(wave, probabilities(mean_and_maximum(x), classes), name="dilated")


def receptive_field() -> int:
    """Samples that one feature before the pooling looks at: 3,220, which are 161 s."""
    return _STEP * (_FIRST + sum((_KERNEL - 1) * dilation for dilation in DILATIONS))


def _dilated(x: keras.KerasTensor, dilation: int) -> keras.KerasTensor:
    """Dilated convolution, batch normalisation, ReLU of x (b, n, c).

    Written line by line with ``dilation`` columns, the series has the samples that belong together in columns, and an
    ordinary convolution does it, nearly twice as fast as TensorFlow's dilated one.
    """
    n, channels = x.shape[1:]
    y = keras.layers.Reshape((n // dilation, dilation, channels))(x)
    y = keras.layers.Conv2D(channels, (_KERNEL, 1), padding="same", use_bias=False)(y)
    y = keras.layers.ReLU()(batch_norm()(y))
    return keras.layers.Reshape((n, channels))(y)

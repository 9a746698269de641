"""Two dense layers on the spectrum of the envelope: what a network has to beat (method card, section 8)."""

import keras
from keras import ops

from geoml.tasks.tremor import RATE_HZ
from geoml.tasks.tremor.models._layers import FLOOR, Spectrum, mean_and_maximum, power, probabilities, waveform

NAME = "Envelope spectrum"
LEARNING = "deep"

_WINDOW_S, _HOP_S = 100, 50
_FIRST, _LAST = 1, 10  # periods in a window: 0.01 to 0.1 Hz


def build(input_shape: tuple[int, int], classes: int, *, hidden: int = 32) -> keras.Model:
    """Waveform (b, 20000, 1) to probabilities (b, 2); 818 parameters, 778 of them trained.

    The envelope is the root of the mean square of every second. Of the power of its changes at 0.01 to 0.1 Hz, in
    pieces of 100 s, the mean and the maximum over the trace are looked at. Finer spectra were learnt by heart.

    Args:
        input_shape: (samples, channels).
        classes: Number of classes.
        hidden: Units of the first dense layer.
    """
    wave = waveform(input_shape)
    envelope = ops.sqrt(power(wave, round(RATE_HZ)))
    envelope = envelope - ops.mean(envelope, axis=1, keepdims=True)
    x = ops.log(Spectrum(_WINDOW_S, _HOP_S, _FIRST, _LAST)(envelope) + FLOOR)
    x = keras.layers.Dense(hidden, activation="relu")(mean_and_maximum(x))
    return keras.Model(wave, probabilities(x, classes), name="envelope")

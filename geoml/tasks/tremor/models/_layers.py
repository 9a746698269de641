"""What the networks of the tremor task share: the input, spectra and powers, batch normalisation, the output."""

from typing import Any

import keras
import numpy as np
from keras import ops

from geoml.layers.batch_normalization import fused

FLOOR = 1e-3  # of powers, a trace's mean being 1, before their logarithm is taken


def waveform(input_shape: tuple[int, ...]) -> keras.KerasTensor:
    """Input of a network: (b, samples, 1)."""
    return keras.Input(input_shape, name="waveform")


def batch_norm(**options: Any) -> keras.layers.BatchNormalization:
    """Batch normalisation with the published momentum and epsilon (method card, section 4)."""
    return fused(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, **options))


def probabilities(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """Dense layer and softmax in float32: features (b, k) to (b, classes)."""
    return keras.layers.Dense(classes, activation="softmax", dtype="float32", name="tremor")(x)


def power(wave: keras.KerasTensor, step: int) -> keras.KerasTensor:
    """Mean square of every ``step`` samples, over that of the whole trace: (b, samples, 1) to (b, samples / step)."""
    squares = ops.reshape(ops.square(wave), (-1, wave.shape[1] // step, step))
    return relative(ops.mean(squares, axis=2))


def relative(powers: keras.KerasTensor) -> keras.KerasTensor:
    """Powers (b, ...) over their mean, so that the gain of a trace does not matter."""
    axes = tuple(range(1, len(powers.shape)))
    return powers / (ops.mean(powers, axis=axes, keepdims=True) + 1e-30)


def log_change(powers: keras.KerasTensor) -> keras.KerasTensor:
    """Logarithm of powers (b, times, ...) less its mean in time, so that the colour of the noise does not matter."""
    log = ops.log(powers + FLOOR)
    return log - ops.mean(log, axis=1, keepdims=True)


def mean_and_maximum(x: keras.KerasTensor) -> keras.KerasTensor:
    """Of every feature, over all that is between: (b, ..., k) to (b, 2 k), normalised."""
    axes = tuple(range(1, len(x.shape) - 1))
    return batch_norm()(ops.concatenate([ops.mean(x, axis=axes), ops.max(x, axis=axes)], axis=1))


@keras.saving.register_keras_serializable(package="geoml")
class Spectrum(keras.layers.Layer):
    """Power at equally spaced frequencies of tapered (Hann) pieces of a series, by a product with sines and cosines.

    Frequency ``k`` has ``k`` periods in a piece. White noise of variance 1 has a mean power of 1.

    Args:
        window: Length of a piece.
        hop: From the start of a piece to that of the next; divides ``window`` and the length of the series.
        first, last: Frequencies.
    """

    def __init__(self, window: int, hop: int, first: int, last: int, **options: Any) -> None:
        super().__init__(**options | {"dtype": "float32"})
        self.sizes = {"window": window, "hop": hop, "first": first, "last": last}
        taper = np.hanning(window + 1)[:-1]
        turns = 2j * np.pi * np.arange(first, last + 1) * np.arange(window)[:, None] / window
        waves = np.exp(turns) * (taper / np.sqrt((taper**2).sum()))[:, None]
        self.kernel = np.concatenate([waves.real, waves.imag], axis=1).reshape(window // hop, hop, -1)

    def call(self, x: Any) -> Any:
        """(b, n) to (b, pieces, frequencies)."""
        hop = self.sizes["hop"]
        hops = ops.reshape(x, (-1, x.shape[1] // hop, hop))
        cosine, sine = ops.split(ops.conv(hops, ops.convert_to_tensor(self.kernel, x.dtype)), 2, axis=2)
        return ops.square(cosine) + ops.square(sine)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """(b, pieces, frequencies)."""
        b, n = input_shape
        window, hop, first, last = self.sizes.values()
        return b, n and (n - window) // hop + 1, last - first + 1

    def get_config(self) -> dict[str, Any]:
        """Arguments, for the file."""
        return super().get_config() | self.sizes

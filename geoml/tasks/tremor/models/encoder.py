"""The encoder of deep clustering (method card, section 5); the original calls it dilated, but no dilation is used."""

import keras

from geoml.tasks.tremor.models._layers import batch_norm, waveform

NAME = "Deep clustering"
LEARNING = "deep"


def build(
    input_shape: tuple[int, int],
    classes: int,
    *,
    num_layers: int = 10,
    channels: int = 16,
    embedding: int = 10,
    front: bool = False,
) -> keras.Model:
    """Waveform (b, 20000, 1) to an embedding (b, 10) between -1 and 1; 7,760 parameters, 7,440 of them trained.

    Args:
        input_shape: (samples, channels).
        classes: Not used: what is learnt are distances.
        num_layers: Convolutions; all but the first are followed by pooling.
        channels: Filters of every convolution.
        embedding: Numbers of a trace.
        front: Three small convolutions first, each with pooling, so that an eighth of the samples is left.
    """
    x = wave = waveform(input_shape)
    for _ in range(3 if front else 0):
        x = _halved(x, 1, 2)
    x = keras.layers.ReLU()(batch_norm()(keras.layers.Conv1D(channels, 3, use_bias=False)(x)))
    for _ in range(num_layers - 1):
        x = _halved(x, channels, 3)
    x = keras.layers.GlobalMaxPooling1D()(x)
    x = keras.layers.Dense(embedding, use_bias=False, activation="tanh", dtype="float32", name="embedding")(x)
    return keras.Model(wave, x, name="encoder")


def _halved(x: keras.KerasTensor, filters: int, kernel: int) -> keras.KerasTensor:
    """Convolution, batch normalisation, maximum of two, ReLU: the last two in the order that has less to do."""
    x = batch_norm()(keras.layers.Conv1D(filters, kernel, use_bias=False)(x))
    return keras.layers.ReLU()(keras.layers.MaxPooling1D(2)(x))

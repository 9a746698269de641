"""What the attention networks share (method: Zhang, Li & Zhang 2023; sizes from the public APP code)."""

import keras

from geoml.layers.attention import SeqSelfAttention
from geoml.layers.batch_normalization import fused


def batch_norm() -> keras.layers.BatchNormalization:
    """Batch normalisation whose averages follow within tens of steps, so that short trainings can be validated."""
    return fused(keras.layers.BatchNormalization(momentum=0.9))


def encoder(x: keras.KerasTensor, dimensions: int = 1) -> keras.KerasTensor:
    """Three times convolution, ReLU, halving, batch normalisation: (400, ...) to (50, ..., 64).

    Args:
        x: (batch, 400, channels) or, with ``dimensions`` 2, (batch, 400, columns, channels); columns are kept.
        dimensions: 1 or 2.
    """
    for filters in (16, 32, 64):
        if dimensions == 1:
            x = keras.layers.Conv1D(filters, 3, padding="same", activation="relu")(x)
            x = keras.layers.MaxPooling1D(2)(x)
        else:
            x = keras.layers.Conv2D(filters, (3, 2), padding="same", activation="relu")(x)
            x = keras.layers.MaxPooling2D((2, 1))(x)
        x = batch_norm()(x)
    return x


def attention(x: keras.KerasTensor) -> keras.KerasTensor:
    """LSTM of 128 and local additive self-attention of width 20 on it: (50, 64) to (50, 128).

    The layer named ``attention`` also gives its weights, (50, 50): which step looked at which.
    """
    x = keras.layers.LSTM(128, return_sequences=True)(x)
    x, _ = SeqSelfAttention(
        units=32, attention_width=20, attention_activation="relu", return_attention=True, name="attention"
    )(x)
    return x


def classifier(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """Dense 128, softmax: (50, 128) to probabilities ``po``."""
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(128, activation="relu")(x)
    return keras.layers.Dense(classes, activation="softmax", name="po")(x)

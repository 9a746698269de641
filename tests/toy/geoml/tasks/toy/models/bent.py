"""Two dense layers."""

import keras


def build(input_shape: tuple[int, ...], classes: int, *, units: int = 4) -> keras.Model:
    """(8,) to probabilities (2,)."""
    x = keras.Input(input_shape)
    y = keras.layers.Dense(units, activation="tanh")(x)
    return keras.Model(x, keras.layers.Dense(classes, activation="softmax", name="side")(y), name="bent")

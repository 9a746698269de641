"""One dense layer."""

import keras


def build(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """(8,) to probabilities (2,); 18 parameters."""
    x = keras.Input(input_shape)
    return keras.Model(x, keras.layers.Dense(classes, activation="softmax", name="side")(x), name="line")

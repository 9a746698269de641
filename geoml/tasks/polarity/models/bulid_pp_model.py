"""Attention-based phase picking and polarity (Zhang, Li & Zhang 2023); the name is the original's."""

import keras

from geoml.tasks.polarity.models._blocks import attention, batch_norm, classifier, encoder


def build(input_shape: tuple[int, int], classes: int) -> keras.Model:
    """Waveform (400, 1) to a P curve ``pk`` (400, 1) and probabilities ``po`` (3,); 967,941 parameters.

    Args:
        input_shape: (samples, channels).
        classes: Number of classes.
    """
    wave = keras.Input(input_shape, name="waveform")
    features = attention(encoder(wave))
    x = features
    for filters in (64, 32, 16):
        x = keras.layers.UpSampling1D(2)(x)
        x = keras.layers.Conv1D(filters, 3, padding="same", activation="relu")(x)
        x = batch_norm()(x)
    pick = keras.layers.Conv1D(1, 3, padding="same", activation="sigmoid", name="pk")(x)
    return keras.Model(wave, {"pk": pick, "po": classifier(features, classes)}, name="bulid_pp_model")

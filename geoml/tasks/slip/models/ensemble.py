"""Independent Gaussian networks that are trained side by side (method card, section 12)."""

import keras

from geoml.tasks.slip.models._blocks import MeanAndSigma, fault_map, hidden

NAME = "SSF-CNN, ensemble"
LEARNING = "deep"


def build(
    input_shape: tuple[int, int, int], classes: int, *, members: int = 5, channels: int = 4, bn_momentum: float = 0.8
) -> keras.Model:
    """Fault map to (b, 2 members): mean_1, sigma_1, mean_2, ...; five members have 169,710 parameters.

    Args:
        input_shape: (128, 64, 1).
        classes: Not used; there are none.
        members: Networks, each as ``gaussian``, that share nothing but their batches.
        channels, bn_momentum: See ``gaussian``.
    """
    faults = fault_map(input_shape)
    answers = []
    for _ in range(members):
        x = hidden(faults, channels, bn_momentum)
        answers.append(keras.layers.Dense(2, dtype="float32")(x))
    x = keras.layers.Concatenate(dtype="float32")(answers) if members > 1 else answers[0]
    return keras.Model(faults, MeanAndSigma(dtype="float32", name="efficiency")(x), name="ensemble")

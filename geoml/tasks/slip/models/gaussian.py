"""SSF-CNN that also says how sure it is: mean and standard deviation of the efficiency (method card, section 12)."""

import keras

from geoml.tasks.slip.models._blocks import MeanAndSigma, fault_map, hidden

NAME = "SSF-CNN, Gaussian"
LEARNING = "deep"


def build(
    input_shape: tuple[int, int, int], classes: int, *, channels: int = 4, bn_momentum: float = 0.8
) -> keras.Model:
    """Fault map to (b, 2): mean and sigma of the efficiency; 33,942 parameters, 33,902 of them trained.

    Args:
        input_shape: (128, 64, 1).
        classes: Not used; there are none.
        channels: Filters of the first pair of convolutions; the second pair and the dense layer have twice as many.
        bn_momentum: Of the moving statistics of the batch normalisations.
    """
    faults = fault_map(input_shape)
    x = hidden(faults, channels, bn_momentum)
    x = keras.layers.Dense(2, dtype="float32")(x)
    return keras.Model(faults, MeanAndSigma(dtype="float32", name="efficiency")(x), name="gaussian")

"""SSF-CNN, the published network (Chaipornkaew et al. 2022; method card, section 7)."""

import keras

from geoml.tasks.slip.models._blocks import efficiency, fault_map, hidden

NAME = "SSF-CNN"
LEARNING = "deep"


def build(
    input_shape: tuple[int, int, int], classes: int, *, channels: int = 4, bn_momentum: float = 0.8
) -> keras.Model:
    """Fault map to efficiency (b, 1); 33,933 parameters, 33,893 of them trained.

    Args:
        input_shape: (128, 64, 1).
        classes: Not used; there are none.
        channels: Filters of the first pair of convolutions; the second pair and the dense layer have twice as many.
        bn_momentum: Of the moving statistics of the batch normalisations.
    """
    faults = fault_map(input_shape)
    x = hidden(faults, channels, bn_momentum)
    return keras.Model(faults, efficiency(x), name="ssf_cnn")

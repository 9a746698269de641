"""SSF-CNN that pools over the whole window, so that it does not matter where a fault lies (method card, section 12)."""

import keras

from geoml.tasks.slip.models._blocks import Convolutions, efficiency, fault_map, settled

NAME = "SSF-CNN, global pooling"
LEARNING = "deep"


def build(
    input_shape: tuple[int, int, int], classes: int, *, channels: int = 4, bn_momentum: float = 0.8
) -> keras.Model:
    """Fault map to efficiency (b, 1); 1,197 parameters, 1,141 of them trained, against 33,933 of the published.

    Mean and maximum of every feature over the window take the place of the flattened features and their dense layer.

    Args:
        input_shape: (128, 64, 1).
        classes: Not used; there are none.
        channels: Filters of the first pair of convolutions; the second pair has twice as many.
        bn_momentum: Of the moving statistics of the batch normalisations.
    """
    faults = fault_map(input_shape)
    x = Convolutions(channels, bn_momentum)(faults)
    x = keras.layers.Concatenate()([keras.layers.GlobalAveragePooling2D()(x), keras.layers.GlobalMaxPooling2D()(x)])
    return keras.Model(faults, efficiency(settled(x, bn_momentum)), name="global_pooling")

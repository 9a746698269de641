"""SeismicPatchNet_v1 without padding, so that it gives a whole section at once what it gives window by window."""

import keras

from geoml.tasks.patchnet.models._blocks import searchable
from geoml.tasks.patchnet.topology import V1_VALID

NAME = "SeismicPatchNet v1, unpadded"
LEARNING = "deep"


def build(input_shape: tuple[int, int, int], classes: int, *, dropout: float = 0.5) -> keras.Model:
    """Patch to probabilities; 633,999 parameters, 157 million multiply-accumulates.

    Not a published network. It has the widths of ``v1_search`` and differs where that one needs its padding: no layer
    pads; kernels of the units C1 and C2 are 2 and 3, pools of P1 and P2 are 2 and 3, in all blocks; pools 1 and 2 are
    2 x 2; what goes into the units of a block is cropped at the centre, so that all are left with the same size. Sides
    go 112, 53, 26, 24, 12, 10, 8, 4, 2, and the mean is over 2 x 2.

    Args:
        input_shape: (112, 112, 1).
        classes: Number of classes.
        dropout: Share of the 459 features that training drops.
    """
    return searchable(V1_VALID, input_shape, classes, name="v1_valid", dropout=dropout, padding="valid")

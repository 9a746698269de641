"""SeismicPatchNet_v1 as the search found it (Geng & Wang 2020; method card, sections 3 and 7)."""

import keras

from geoml.tasks.patchnet.models._blocks import searchable
from geoml.tasks.patchnet.topology import V1

NAME = "SeismicPatchNet v1"
LEARNING = "deep"


def build(input_shape: tuple[int, int, int], classes: int, *, dropout: float = 0.5) -> keras.Model:
    """Patch to probabilities; 725,697 parameters, 239 million multiply-accumulates.

    The original's dropout was active in validation too; here it is in training only.

    Args:
        input_shape: (112, 112, 1).
        classes: Number of classes.
        dropout: Share of the 459 features that training drops.
    """
    return searchable(V1, input_shape, classes, name="v1_search", dropout=dropout)

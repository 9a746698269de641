"""SeismicPatchNet_v1 as in the authors' later TensorFlow 2 file, a different network (method card, section 7.1)."""

import keras

from geoml.tasks.patchnet.models._blocks import searchable
from geoml.tasks.patchnet.topology import V1

NAME = "SeismicPatchNet v1, TF 2"
LEARNING = "deep"


def build(input_shape: tuple[int, int, int], classes: int, *, dropout: float = 0.3) -> keras.Model:
    """Patch to probabilities; 725,697 parameters, 85 million multiply-accumulates.

    Differs from ``v1_search``: conv1 has the stride 2 and pool2 is not there, so that all blocks see 7 x 7; the stem
    has ELU, the blocks have no activation. Differs from the authors' file: dropout is in training only, not in every
    call; the dense layer is linear with a softmax after it, where the file has an ELU and a comment that says softmax.

    Args:
        input_shape: (112, 112, 1).
        classes: Number of classes.
        dropout: Share of the 459 features that training drops.
    """
    return searchable(
        V1, input_shape, classes, name="v1_tf2", dropout=dropout, early=True, activations=("elu", "linear")
    )

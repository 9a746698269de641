"""The network of a candidate of the architecture search (method card, sections 3 and 4)."""

from typing import Any

import keras

from geoml.tasks.patchnet.models._blocks import searchable

NAME = "searched"
LEARNING = "deep"


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    candidate: dict[str, Any],
    dropout: float = 0.5,
    padding: str = "same",
) -> keras.Model:
    """Patch to probabilities.

    Args:
        input_shape: (112, 112, 1).
        classes: Number of classes.
        candidate: A document of :mod:`geoml.tasks.patchnet.topology`.
        dropout: Share of the features that training drops.
        padding: ``same`` as published, or ``valid``: no layer pads, as in ``v1_valid``.

    Raises:
        InputError: not such a document, or a block whose kernels do not fit without padding.
    """
    return searchable(candidate, input_shape, classes, name="searched", dropout=dropout, padding=padding)

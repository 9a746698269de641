"""Precision as the APP papers count it: undecidable traces called up or down are no errors."""

from geoml.metrics import divide, precision
from geoml.predictions import Predictions
from geoml.tasks.polarity.metrics import DOWN, UP


def score(p: Predictions, k: int) -> float:
    """For up ``C[U, U] / (C[U, U] + C[D, U])``, down likewise, N as usual. Never less than the standard precision."""
    if k not in (UP, DOWN):
        return precision.score(p, k)
    return divide(p.confusion[k, k], p.confusion[UP, k] + p.confusion[DOWN, k])

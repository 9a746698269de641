"""Share of the samples called a class that are of it."""

from geoml.metrics import divide
from geoml.predictions import Predictions


def score(p: Predictions, k: int) -> float:
    """``C[k, k] / sum_i C[i, k]``; undefined when class k is never called."""
    return divide(p.confusion[k, k], p.confusion[:, k].sum())

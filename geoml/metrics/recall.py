"""Share of the samples of a class that are called it."""

from geoml.metrics import divide
from geoml.predictions import Predictions


def score(p: Predictions, k: int) -> float:
    """``C[k, k] / sum_j C[k, j]``; undefined when no sample is of class k."""
    return divide(p.confusion[k, k], p.confusion[k].sum())

"""Harmonic mean of precision and recall of a class."""

from geoml.metrics import divide
from geoml.predictions import Predictions


def score(p: Predictions, k: int) -> float:
    """``2 C[k, k] / (sum_i C[i, k] + sum_j C[k, j])``; undefined when class k neither occurs nor is called."""
    return divide(2 * p.confusion[k, k], p.confusion[:, k].sum() + p.confusion[k].sum())

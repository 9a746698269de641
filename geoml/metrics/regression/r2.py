"""Coefficient of determination."""

from geoml.metrics import divide
from geoml.metrics.regression import error, mean
from geoml.predictions import Predictions


def score(p: Predictions) -> float:
    """1 minus mean squared error over variance of the truth; 0 for always saying its mean, negative for worse."""
    squared = mean(p, "squared error", lambda: error(p) ** 2)
    variance = mean(p, "squared truth", lambda: p.truth**2) - mean(p, "truth", lambda: p.truth) ** 2
    return 1 - divide(squared, variance if variance > 1e-12 else 0)

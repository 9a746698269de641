"""Mean error: positive where the model says too much."""

from geoml.metrics.regression import error, mean
from geoml.predictions import Predictions


def score(p: Predictions) -> float:
    """Mean of value said minus true value."""
    return mean(p, "error", lambda: error(p))

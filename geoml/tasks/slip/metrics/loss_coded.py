"""The loss as the original's code works it out, over all samples as one batch (card, section 8)."""

from geoml.metrics.regression import error, mean
from geoml.predictions import Predictions
from geoml.tasks.slip.metrics import weight


def score(p: Predictions) -> float:
    """Mean of error^2 times mean of 1 / (SD^2 + 1e-5); ``coded`` of the losses."""
    return mean(p, "squared error", lambda: error(p) ** 2) * mean(p, "weight", lambda: weight(p))

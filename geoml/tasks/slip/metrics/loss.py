"""The loss of the publication's formula: every squared error weighted by its own label's spread."""

from geoml.metrics.regression import error, mean
from geoml.predictions import Predictions
from geoml.tasks.slip.metrics import weight


def score(p: Predictions) -> float:
    """Mean of error^2 / (SD^2 + 1e-5); ``per_sample`` of the losses."""
    return mean(p, "weighted error", lambda: error(p) ** 2 * weight(p))

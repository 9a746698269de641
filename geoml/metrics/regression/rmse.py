"""Root-mean-square error, in the units of the values."""

import numpy as np

from geoml.metrics.regression import error, mean
from geoml.predictions import Predictions


def score(p: Predictions) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(mean(p, "squared error", lambda: error(p) ** 2)))

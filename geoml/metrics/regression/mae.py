"""Mean absolute error, in the units of the values."""

import numpy as np

from geoml.metrics.regression import error, mean
from geoml.predictions import Predictions


def score(p: Predictions) -> float:
    """Mean of |error|."""
    return mean(p, "absolute error", lambda: np.abs(error(p)))

"""Scores that only kinematic efficiency has: errors against the spread of the label along strike (card, section 8).

``p.strata["sd"]`` is that spread, ``p.output[:, 1]`` the standard deviation that the model gives.
"""

import numpy as np

from geoml.metrics.regression import error, mean
from geoml.predictions import Predictions

EPSILON = 1e-5  # keeps the weight of a label without spread finite, as published


def weight(p: Predictions) -> np.ndarray:
    """(n,) weight of each label in the published loss."""
    return 1 / (p.strata["sd"].astype(float) ** 2 + EPSILON)


def within(p: Predictions, times: int) -> float:
    """Share of the samples whose error is at most so many times the SD of the label."""
    return mean(p, f"within {times} sd", lambda: np.abs(error(p)) <= times * p.strata["sd"].astype(float))


def covered(p: Predictions, times: int) -> float:
    """Share of the samples whose error is at most so many times the standard deviation that the model gives."""
    return mean(p, f"within {times} sigma", lambda: np.abs(error(p)) <= times * p.output[:, 1])

"""How far confidence is from accuracy."""

import numpy as np

from geoml.metrics import divide
from geoml.predictions import Predictions

BINS = 15  # Guo et al. 2017, On calibration of modern neural networks


def score(p: Predictions) -> float:
    """Mean of |accuracy - confidence| over 15 equal bins of the largest probability, weighted by their samples."""

    def cells() -> tuple[np.ndarray, np.ndarray]:
        confidence = p.output.max(axis=1, initial=0)
        return bins(confidence), (p.decided == p.truth) - confidence

    return divide(np.abs(p.totals("calibration", cells, BINS)).sum(), p.confusion.sum())


def bins(confidence: np.ndarray) -> np.ndarray:
    """(n,) bin of each confidence; 1 belongs to the last."""
    return np.minimum((confidence * BINS).astype(int), BINS - 1)

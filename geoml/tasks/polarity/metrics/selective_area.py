"""Area below accuracy against coverage, as the confidence asked for falls."""

import numpy as np

from geoml.predictions import Predictions
from geoml.tasks.polarity.metrics import UNKNOWN

LEVELS = 100  # steps of the threshold t on max(p(U), p(D))


def score(p: Predictions) -> float:
    """Area below :func:`curve`: 1 if every trace is read and right, less for wrong readings and for none."""
    if not p.confusion.sum():
        return float("nan")
    _, coverage, accuracy = curve(p)
    return float(np.sum(np.diff(coverage, prepend=0) * np.nan_to_num(accuracy)))


def curve(p: Predictions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Threshold t from high to low, share of traces called up or down with at least t, and accuracy on these.

    Accuracy is NaN where nothing is called; an undecidable trace that is called is wrong.
    """

    def cells() -> tuple[np.ndarray, None]:
        confidence = p.output[:, :UNKNOWN].max(axis=1, initial=0)
        level = np.minimum((confidence * LEVELS).astype(int), LEVELS - 1)
        kind = np.where(p.decided == UNKNOWN, 2, p.decided == p.truth)
        return level * 3 + kind, None

    counts = p.totals("selective", cells, LEVELS * 3).reshape(LEVELS, 3)[::-1]
    wrong, right = counts[:, 0].cumsum(), counts[:, 1].cumsum()
    with np.errstate(invalid="ignore"):
        return np.arange(LEVELS)[::-1] / LEVELS, (wrong + right) / counts.sum(), right / (wrong + right)

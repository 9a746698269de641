"""Scores of values: what the model said, ``p.output[:, 0]``, against ``p.truth``."""

from collections.abc import Callable

import numpy as np

from geoml.metrics import divide
from geoml.predictions import Predictions


def error(p: Predictions) -> np.ndarray:
    """(n,) value said minus true value."""
    return p.output[:, 0] - p.truth


def mean(p: Predictions, name: str, values: Callable[[], np.ndarray]) -> float:
    """Mean over all samples, each counted as often as its group.

    Args:
        p: Predictions.
        name: Under which the sums by group are kept for the other draws.
        values: Gives what is averaged, (n,).
    """
    one = np.zeros(len(p), np.intp)
    total = p.totals(name, lambda: (one, values()), 1)[0]
    return divide(total, p.totals("samples", lambda: (one, None), 1)[0])

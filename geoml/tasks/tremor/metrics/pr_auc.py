"""Area under the curve of precision over recall of tremor, as average precision."""

import math

import numpy as np

from geoml.predictions import Predictions
from geoml.tasks.tremor.metrics import TREMOR


def score(p: Predictions) -> float:
    """Sum over the thresholds of precision times gain in recall; traces of equal probability come together."""

    def steps() -> tuple[np.ndarray, int]:
        levels, step = np.unique(-p.output[:, TREMOR], return_inverse=True)
        return step, len(levels)

    step, levels = p.once("average precision", steps)
    positive = p.truth == TREMOR
    right = np.bincount(step[positive], p.weight[positive], levels)
    called = np.cumsum(np.bincount(step, p.weight, levels))
    if not right.sum():
        return math.nan
    used = called > 0
    return float(right[used] @ (np.cumsum(right)[used] / called[used]) / right.sum())

"""Area under the curve of true against false positives, each class against the rest."""

import math

import numpy as np

from geoml.predictions import Predictions


def score(p: Predictions) -> float:
    """Mean over the classes that occur, but are not all there is; samples of equal probability count half."""
    values = [value for k in range(len(p.classes)) if not math.isnan(value := _area(p, k))]
    return sum(values) / len(values) if values else math.nan


def _area(p: Predictions, k: int) -> float:
    def steps() -> tuple[np.ndarray, np.ndarray]:
        levels, step = np.unique(p.output[:, k], return_inverse=True)
        return step, np.arange(len(levels))

    step, levels = p.once(("roc", k), steps)
    positive = p.truth == k
    right = np.bincount(step[positive], p.weight[positive], len(levels))
    wrong = np.bincount(step[~positive], p.weight[~positive], len(levels))
    pairs = right.sum() * wrong.sum()
    below = np.cumsum(wrong) - wrong / 2
    return float(right @ below / pairs) if pairs else math.nan

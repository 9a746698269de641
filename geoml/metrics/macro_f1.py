"""Mean of the classes' F1, each class counting the same."""

import math

from geoml.metrics import f1
from geoml.predictions import Predictions


def score(p: Predictions) -> float:
    """Mean over the classes that occur or are called."""
    values = [value for k in range(len(p.classes)) if not math.isnan(value := f1.score(p, k))]
    return sum(values) / len(values) if values else math.nan

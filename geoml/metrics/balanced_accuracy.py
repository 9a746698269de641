"""Mean of the classes' recalls, each class counting the same."""

import math

from geoml.metrics import recall
from geoml.predictions import Predictions


def score(p: Predictions) -> float:
    """Mean over the classes that occur."""
    values = [value for k in range(len(p.classes)) if not math.isnan(value := recall.score(p, k))]
    return sum(values) / len(values) if values else math.nan

"""Mean of the classes' F1, each class counting as often as it occurs."""

from geoml.metrics import divide, f1
from geoml.predictions import Predictions


def score(p: Predictions) -> float:
    """A class that is never called has F1 0 here; one that does not occur has no weight."""
    occurs = p.confusion.sum(axis=1)
    return divide(sum(n * f1.score(p, k) for k, n in enumerate(occurs) if n), occurs.sum())

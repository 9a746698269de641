"""Matthews correlation coefficient of any number of classes."""

import math

from geoml.metrics import divide
from geoml.predictions import Predictions


def score(p: Predictions) -> float:
    """R_K of Gorodkin (2004); undefined when all samples are, or are called, one class."""
    confusion = p.confusion
    n, right = float(confusion.sum()), float(confusion.trace())
    true, called = confusion.sum(axis=1), confusion.sum(axis=0)
    spread = (n * n - float(called @ called)) * (n * n - float(true @ true))
    return divide(right * n - float(true @ called), math.sqrt(spread))

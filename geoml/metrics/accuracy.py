"""Share of samples with the right class."""

from geoml.metrics import divide
from geoml.predictions import Predictions


def score(p: Predictions) -> float:
    """Trace of the confusion matrix over its sum."""
    return divide(p.confusion.trace(), p.confusion.sum())

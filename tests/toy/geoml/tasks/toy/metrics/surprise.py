"""Share of samples with the wrong class."""

from geoml.predictions import Predictions


def score(p: Predictions) -> float:
    """One minus accuracy."""
    return float(1 - p.confusion.trace() / p.confusion.sum())

"""Harmonic mean of precision and recall of tremor."""

from geoml.metrics import f1
from geoml.predictions import Predictions
from geoml.tasks.tremor.metrics import TREMOR


def score(p: Predictions) -> float:
    """At a probability of one half; see :mod:`geoml.metrics.f1`."""
    return f1.score(p, TREMOR)

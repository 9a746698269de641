"""Share of the tremor traces that are called tremor."""

from geoml.metrics import recall
from geoml.predictions import Predictions
from geoml.tasks.tremor.metrics import TREMOR


def score(p: Predictions) -> float:
    """At a probability of one half; see :mod:`geoml.metrics.recall`."""
    return recall.score(p, TREMOR)

"""Share of the traces called tremor that are tremor."""

from geoml.metrics import precision
from geoml.predictions import Predictions
from geoml.tasks.tremor.metrics import TREMOR


def score(p: Predictions) -> float:
    """At a probability of one half; see :mod:`geoml.metrics.precision`."""
    return precision.score(p, TREMOR)

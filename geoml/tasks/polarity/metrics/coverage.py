"""Share of the traces that get a reading."""

from geoml.metrics import divide
from geoml.predictions import Predictions
from geoml.tasks.polarity.metrics import UNKNOWN


def score(p: Predictions) -> float:
    """Share of all traces that are called up or down."""
    return divide(p.confusion[:, :UNKNOWN].sum(), p.confusion.sum())

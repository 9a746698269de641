"""Share of the readings that are right."""

from geoml.metrics import divide
from geoml.predictions import Predictions
from geoml.tasks.polarity.metrics import UNKNOWN


def score(p: Predictions) -> float:
    """Accuracy on the traces that are called up or down; an undecidable trace that is called is wrong."""
    called = p.confusion[:, :UNKNOWN]
    return divide(called.trace(), called.sum())

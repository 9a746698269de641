"""How often the truth lies in the model's own 1-sigma interval; 0.683 would be right."""

from geoml.predictions import Predictions
from geoml.tasks.slip.metrics import covered


def score(p: Predictions) -> float:
    """Share with |error| <= sigma."""
    return covered(p, 1)

"""How often the truth lies in the model's own 2-sigma interval; 0.954 would be right."""

from geoml.predictions import Predictions
from geoml.tasks.slip.metrics import covered


def score(p: Predictions) -> float:
    """Share with |error| <= 2 sigma."""
    return covered(p, 2)

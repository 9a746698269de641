"""Matthews correlation on the traces that are up or down, the model asked only for up or down."""

from geoml.metrics import mcc
from geoml.predictions import Predictions
from geoml.tasks.polarity.metrics import DOWN, UP


def score(p: Predictions) -> float:
    """True N traces left out, p(U) compared with p(D), p(N) ignored: the only fair score across networks."""
    return mcc.score(p.among(UP, DOWN))

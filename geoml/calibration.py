"""How far probabilities can be believed: temperature scaling and reliability (Guo et al. 2017)."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from geoml.predictions import Predictions


def calibration(test: "Predictions", validation: "Predictions") -> dict[str, Any]:
    """Temperature from validation, and error and reliability bins of the test samples before and after it."""
    from geoml.metrics import expected_calibration_error

    t = temperature(validation)
    after = scale(test, t)
    return {
        "temperature": t,
        "fitted_on": len(validation),
        "ece_before": expected_calibration_error.score(test),
        "ece_after": expected_calibration_error.score(after),
        "bins_before": _reliability(test),
        "bins_after": _reliability(after),
    }


def temperature(p: "Predictions") -> float:
    """The T that makes ``softmax(log p / T)`` most likely (Guo et al. 2017); above 1 makes less sure."""
    from scipy.optimize import minimize_scalar

    if not len(p):
        return 1.0
    logs, rows = _logs(p.output), np.arange(len(p))

    def loss(log_t: float) -> float:
        powers = logs / np.exp(log_t)
        return float((np.log(np.exp(powers).sum(axis=1)) - powers[rows, p.truth]).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded").x))


def scale(p: "Predictions", t: float) -> "Predictions":
    """Predictions with probabilities ``softmax(log p / t)``."""
    from geoml.predictions import Predictions

    return Predictions(p.group, p.truth, scaled(p.output, t), p.classes, p.id)


def scaled(probabilities: np.ndarray, t: float) -> np.ndarray:
    """Probabilities (n, K) float32 at a temperature: ``softmax(log p / t)``."""
    powers = np.exp(_logs(probabilities) / t)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def _reliability(p: "Predictions") -> list[dict[str, float]]:
    """Mean confidence and accuracy in each used confidence bin."""
    from geoml.metrics import expected_calibration_error

    confidence = p.output.max(axis=1, initial=0)
    bins, right = expected_calibration_error.bins(confidence), p.decided == p.truth
    used = np.unique(bins)
    return [
        {"n": int((bins == b).sum()), "confidence": confidence[bins == b].mean(), "accuracy": right[bins == b].mean()}
        for b in used
    ]


def _logs(probabilities: np.ndarray) -> np.ndarray:
    """(n, K) float64 logarithms, the largest of a row 0, so that its powers never all vanish."""
    logs = np.log(np.maximum(probabilities.astype(np.float64), 1e-12))
    return logs - logs.max(axis=1, keepdims=True)

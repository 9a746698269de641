"""From prepared traces to probabilities: networks, estimators of features, and the classifier of embeddings."""

from typing import Any

import numpy as np

from geoml.calibration import scaled
from geoml.models import Estimator
from geoml.runtimes import Exported

_AT_A_TIME = 64  # traces that a network is asked about: the encoder takes 8 MB for each
_FEW = 4  # the same of an exported one, which is no faster with more
_DIGITS = 6  # of unit embeddings: what differs by rounding only is equal, and short in a model file


def outputs(model: Any, inputs: np.ndarray) -> np.ndarray:
    """Probabilities (n, 2) for traces (n, 20000), or for features (n, k) where an estimator is asked.

    Those of networks are at the temperature that calibration found; a network that embeds answers through the
    support-vector classifier of its embeddings.
    """
    answer = _answer(model, inputs)
    if "classifier" in model.meta:
        answer = classify(model.meta["classifier"], answer)
    return scaled(answer, model.meta.get("temperature", 1.0))


def ask(model: Any, waves: np.ndarray) -> np.ndarray:
    """Probabilities (n, 2) of traces (n, 20000), whatever the model looks at."""
    if isinstance(model, Estimator):
        from geoml.tasks.tremor.features import features_of

        waves = features_of(waves)
    return outputs(model, waves)


def embed(model: Any, waves: np.ndarray) -> np.ndarray:
    """Embeddings (n, D) of traces (n, 20000), of a network that embeds."""
    return _answer(model, waves)


def classify(numbers: dict[str, Any], embedding: np.ndarray) -> np.ndarray:
    """Probabilities (n, 2) of embeddings (n, D), by the ``numbers`` of :func:`.clustering.classifier`."""
    p = 1 / (1 + np.exp(-numbers["slope"] * decision(numbers, embedding) - numbers["offset"]))
    return np.stack([1 - p, p], axis=1)


def decision(numbers: dict[str, Any], embedding: np.ndarray) -> np.ndarray:
    """Decision (n,) of the support-vector classifier about embeddings (n, D): tremor where it is positive."""
    unit, vectors = unit_length(embedding), np.array(numbers["support_vectors"])
    distance = (unit**2).sum(axis=1)[:, None] + (vectors**2).sum(axis=1) - 2 * unit @ vectors.T
    return np.exp(-numbers["gamma"] * distance) @ np.array(numbers["dual"]) + numbers["intercept"]


def unit_length(embedding: np.ndarray) -> np.ndarray:
    """Embeddings (n, D) scaled to unit length; a zero one stays."""
    embedding = np.asarray(embedding, float)
    length = np.linalg.norm(embedding, axis=1, keepdims=True)
    return np.round(embedding / np.where(length > 0, length, 1), _DIGITS)


def _answer(model: Any, inputs: np.ndarray) -> np.ndarray:
    """What the model itself says: (n, 2) probabilities or (n, D) embeddings."""
    if isinstance(model, Estimator):
        return model.infer(inputs)["answer"]
    size = _FEW if isinstance(model, Exported) else _AT_A_TIME
    return next(iter(model.infer(inputs[:, :, None], size).values()))

"""What one score cannot say about a tremor detector: what it confuses, what it learnt by heart, where it looks."""

from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.calibration import calibration, scale
from geoml.files import plain
from geoml.metrics import divide
from geoml.models import Estimator
from geoml.predictions import Predictions
from geoml.tasks.tremor import RATE_HZ, answers, task
from geoml.tasks.tremor.clustering import cluster

if TYPE_CHECKING:
    from geoml.store import Store

SHOWN = 6  # test traces on the page
SLICE_S = 20.0  # of the trace that is silenced at a time
_TRUTHS = {"label": "label", "event": "group", "station": "station", "component": "component"}


def evaluate(
    model: Any, store: "Store", test: Predictions, validation: Predictions, train: Predictions
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Scores by set, threshold, kind of negative and station, calibration, clusters of embeddings, and traces to show.

    Returns:
        Details for ``metrics.json``; of the traces to show ``waves`` (k, 20000), ``label`` (k,), ``probability`` (k,),
        ``distance_km`` (k,), ``after_origin_s`` (k,), ``kind`` (k,), ``id`` (k,) and, of a network, ``saliency``
        (k, slices); ``score`` (n,) and ``truth`` (n,) of the test traces; of a network that embeds ``embedding``
        (n, D), ``test_waves`` (n rows, read when they are drawn) and ``test_label``, ``_event``, ``_station``,
        ``_component`` of the test traces, and the same four as ``val_`` of the validation traces.
    """
    rows = store.rows("test")
    threshold, t = model.meta["threshold"], model.meta["temperature"]
    details: dict[str, Any] = {
        "by_set": {name: _scores(p) for name, p in (("train", train), ("val", validation), ("test", test))},
        "threshold": threshold,
        "at_threshold": _at(test, threshold),
        "confusion": test.confusion,
        "calibration": calibration(scale(test, 1 / t), scale(validation, 1 / t)),
        "by_kind": _by(test, "kind", threshold),
        "by_station": _by(test, "station", threshold),
        "by_component": _by(test, "component", threshold),
        "overlap": store.meta["audit"],
    }
    shown = _chosen(test)
    at = rows[shown]
    examples: dict[str, Any] = {
        name: store.samples[name][at] for name in ("label", "distance_km", "after_origin_s", "kind", "id")
    }
    examples |= {"waves": store.inputs[at], "probability": test.output[shown, 1]}
    examples |= {"score": test.output[:, 1], "truth": test.truth}
    if not isinstance(model, Estimator):
        examples["saliency"] = occlusion(model, examples["waves"])
        if "classifier" in model.meta:
            details["clusters"], more = _clusters(model, store)
            examples |= more
    return plain(details), examples


def occlusion(model: Any, waves: np.ndarray) -> np.ndarray:
    """What each slice of 20 s adds to the logit of tremor: how far it falls when the slice is silenced.

    Args:
        model: Of this task.
        waves: (k, 20000).

    Returns:
        (k, 50) float32.
    """
    size = round(SLICE_S * RATE_HZ)
    pieces = waves.shape[1] // size
    silenced = np.repeat(waves[:, None], pieces + 1, axis=1)
    for k in range(pieces):
        silenced[:, k + 1, k * size : (k + 1) * size] = 0
    answer = answers.ask(model, silenced.reshape(-1, waves.shape[1]))
    logit = np.diff(np.log(np.maximum(answer, np.finfo(np.float32).tiny)), axis=1).reshape(len(waves), -1)
    return logit[:, :1] - logit[:, 1:]


def _scores(p: Predictions) -> dict[str, float]:
    """Of one set; what is only learnt by heart is good on train and not on test."""
    chosen = np.maximum(p.output[np.arange(len(p)), p.truth], 1e-9)
    return {"n": len(p), "accuracy": float((p.decided == p.truth).mean()), "loss": float(-np.log(chosen).mean())}


def scores_of(confusion: np.ndarray) -> dict[str, float]:
    """Scores of tremor from counts (2, 2), ``[label, called]``."""
    (rest, false), (missed, right) = confusion.tolist()
    return {
        "accuracy": divide(rest + right, rest + false + missed + right),
        "precision": divide(right, false + right),
        "recall": divide(right, missed + right),
        "f1": divide(2 * right, false + missed + 2 * right),
    }


def _at(p: Predictions, threshold: float) -> dict[str, Any]:
    """Counts and scores of calling tremor from a probability on."""
    called = p.output[:, 1] >= threshold
    confusion = np.bincount(2 * p.truth.astype(int) + called, minlength=4).reshape(2, 2)
    return {"confusion": confusion} | scores_of(confusion)


def _by(p: Predictions, stratum: str, threshold: float) -> dict[str, Any]:
    """Accuracy, at one half and at the threshold, and share of tremor, for each kind of trace."""
    found = {}
    for name in np.unique(p.strata[stratum]).tolist():
        part = p.take(p.strata[stratum] == name)
        found[str(name) or "not given"] = {
            "n": len(part),
            "tremor": float((part.truth == 1).mean()),
            "accuracy": float((part.decided == part.truth).mean()),
            "accuracy_at_threshold": float(((part.output[:, 1] >= threshold) == (part.truth == 1)).mean()),
        }
    return found


def _chosen(test: Predictions) -> np.ndarray:
    """Places of no tremor and of tremor, from the surest right to the surest wrong, at most three each."""
    places = []
    for k in range(len(task.CLASSES)):
        own = np.flatnonzero(test.truth == k)
        own = own[np.argsort(-test.output[own, k], kind="stable")]
        places.append(own[np.linspace(0, len(own) - 1, min(SHOWN // 2, len(own))).round().astype(int)])
    return np.concatenate(places)


def _clusters(model: Any, store: "Store") -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """How the embeddings of the test traces fall into groups, and what these groups are."""
    rows = store.rows("test")
    embedding = np.concatenate([answers.embed(model, store.inputs[piece]) for piece in store.blocks(rows, 1024)])
    truths = {name: store.samples[of][rows] for name, of in _TRUTHS.items()}
    named: dict[str, Any] = {"embedding": embedding, "test_waves": [store.inputs[row] for row in rows]}
    named |= {f"test_{name}": values for name, values in truths.items()}
    val = store.rows("val")
    named |= {f"val_{name}": store.samples[of][val] for name, of in _TRUTHS.items()}
    return cluster(embedding, truths, model.meta["run"]["seed"]), named

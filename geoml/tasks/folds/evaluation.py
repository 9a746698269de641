"""What one score cannot say about a fold classifier: which shapes it confuses, on what images, how sure it may be."""

from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.bootstrap import wilson
from geoml.calibration import calibration
from geoml.files import plain
from geoml.metrics import accuracy
from geoml.models import Model
from geoml.predictions import Predictions

if TYPE_CHECKING:
    from geoml.store import Store

SHOWN = 24  # images of the gallery, as published


def evaluate(
    model: Any, store: "Store", test: Predictions, validation: Predictions
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Confusion, calibration and accuracy by kind of image; and images for the gallery.

    Returns:
        Details for ``metrics.json``; ``images`` (k, size, size, 3) uint8, ``truth`` (k,), ``probabilities`` (k, 3) and,
        of a network, ``heat`` (k, size, size): Grad-CAM of the answer. Without images (a table of features) k is 0.
    """
    rows = store.rows("test")
    samples = {name: store.samples[name][rows] for name in ("domain", "style", "true_label")}
    details = {
        "confusion": {name: p.confusion.astype(int).tolist() for name, p in (("val", validation), ("test", test))},
        "calibration": calibration(test, validation),
        "interval": "95 %, Wilson",
        "by_domain": _by(test, samples["domain"]),
        "by_style": _by(test, samples["style"]),
        "by_label": _by(test, _said(samples["true_label"], test.truth)),
    }
    return plain(details), _examples(model, store, rows, test)


def _said(true_label: np.ndarray, label: np.ndarray) -> np.ndarray:
    """(n,) whether a label is right, where that is known (synthetic images)."""
    return np.where(true_label < 0, "", np.where(true_label == label, "right label", "wrong label"))


def _by(p: Predictions, kind: np.ndarray) -> dict[str, Any]:
    """Accuracy for each kind of image."""
    found: dict[str, Any] = {}
    for name in np.unique(kind):
        part = p.take(kind == name)
        low, high = wilson(accuracy.score(part), len(part))
        found[str(name) or "not given"] = {
            "n": len(part), "accuracy": accuracy.score(part), "accuracy_ci_low": low, "accuracy_ci_high": high
        }  # fmt: skip
    return found


def _examples(model: Any, store: "Store", rows: np.ndarray, test: Predictions) -> dict[str, np.ndarray]:
    """The same share of right and wrong answers as in the whole test set, spread over it."""
    if store.inputs.ndim != 4:
        return {"images": np.empty((0, 1, 1, 3), np.uint8), "truth": test.truth[:0], "probabilities": test.output[:0]}
    order = np.argsort(test.truth, kind="stable")
    shown = order[np.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().astype(int)]
    images = store.inputs[np.sort(rows[shown])][np.argsort(np.argsort(rows[shown]))]
    examples = {"images": images, "truth": test.truth[shown], "probabilities": test.output[shown]}
    if isinstance(model, Model):
        from geoml.tasks.folds.gradcam import maps

        examples["heat"] = maps(model.network, images)
    return examples

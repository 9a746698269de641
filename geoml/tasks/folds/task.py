"""Fold geometry from images: what the generic rooms ask of this task.

Classes, everywhere inside the project: box = 0, chevron = 1, rounded = 2 (method card, section 1.1).
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.calibration import temperature
from geoml.errors import InputError
from geoml.predictions import Predictions
from geoml.tasks.folds import CLASSES
from geoml.tasks.folds.answers import outputs
from geoml.tasks.folds.augment import augment
from geoml.tasks.folds.features import FEATURES

if TYPE_CHECKING:
    from geoml.store import Store

__all__ = ["CLASSES", "outputs"]
METHOD = "Abdallah, Bond & Butler 2021-2023, Fold-Classification-Tool, University of Aberdeen"
STRATA = ("domain", "in_train")
_ONE_HOT = np.eye(len(CLASSES), dtype=np.float32)


def input_shape(meta: dict[str, Any]) -> tuple[int, ...]:
    """What a network of this task takes: (height, width, 3), RGB of 0..255."""
    shape = tuple(meta["input_shape"])
    if len(shape) != 3:
        raise InputError(meta["dataset"], "reader", "images, for a network", f"a table of {shape[0]} features",
                         "Give the network `datasets:` of images; features are for `model: shallow`.")  # fmt: skip
    return shape


def losses(outputs: list[str], loss: str) -> dict[str, str]:
    """Loss by output."""
    return dict.fromkeys(outputs, loss)


def metrics(outputs: list[str]) -> dict[str, list[str]]:
    """Keras metrics that training shows."""
    return {name: ["accuracy"] for name in outputs}


def batch(
    store: "Store", rows: np.ndarray, outputs: list[str], rng: np.random.Generator, settings: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Training batch: images (b, h, w, 3) float32 of 0..255, augmented, and one-hot (b, 3)."""
    rows = np.sort(rows)  # in the order of the file
    return augment(store.inputs[rows], rng, settings), _ONE_HOT[truth(store, rows)]


def validation(store: "Store", outputs: list[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Validation images (n, size, size, 3), not changed, and their targets by output."""
    rows = store.rows("val")
    return store.inputs[rows].astype(np.float32), {outputs[0]: _ONE_HOT[truth(store, rows)]}


def features(store: "Store", rows: np.ndarray) -> np.ndarray:
    """The 48 features (n, 48); what is undefined, such as the noise of a flat image, is 0 (card, section 5.2)."""
    if FEATURES[0] not in store.samples:
        raise InputError(store.folder, "prepare.features", "true, for `model: shallow`", "false")
    return np.nan_to_num(np.column_stack([store.samples[name][rows] for name in FEATURES]))


def truth(store: "Store", rows: np.ndarray) -> np.ndarray:
    """(n,) int8 labels of rows of a prepared set."""
    return store.samples["label"][rows]


def monitor(y: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> dict[str, float]:
    """Scores on validation data that a training can be chosen by."""
    return {"accuracy": float(np.mean([(y[name].argmax(1) == outputs[name].argmax(1)).mean() for name in y]))}


def model_meta(meta: dict[str, Any]) -> dict[str, Any]:
    """What a model file must say beside the generic facts, for prediction anywhere."""
    return {"prepare": meta["prepare"], "sample_shape": meta["input_shape"], "method": METHOD}


def calibrate(model: Any, store: "Store") -> dict[str, Any]:
    """The temperature that makes the probabilities of the validation images most likely (card, section 9)."""
    rows = store.rows("val")
    inputs = features(store, rows) if "network" not in vars(model) else store.inputs[rows]
    answers = Predictions(np.arange(len(rows)), truth(store, rows), outputs(model, inputs), CLASSES)
    return {"temperature": temperature(answers)}


def audit(columns: dict[str, np.ndarray], where: str) -> dict[str, Any]:
    """Images of each domain, and labels that are known to be wrong (synthetic images say so)."""
    domains, counts = np.unique(columns["domain"].astype("U"), return_counts=True)
    known = columns["true_label"] >= 0
    wrong = {"wrong labels": int((columns["true_label"] != columns["label"])[known].sum())} if known.any() else {}
    return {f"{name} images": int(n) for name, n in zip(domains, counts, strict=True)} | wrong

"""Kinematic efficiency: what the generic rooms ask of this task, a regression.

Efficiency is the slip on active faults over the plate displacement in the same time step (method card, section 1).
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.errors import InputError
from geoml.models import Estimator
from geoml.registry import closest
from geoml.tasks.slip import HEIGHT, STEP, WIDTH
from geoml.tasks.slip.answers import answer, ask, distribution, outputs
from geoml.tasks.slip.augment import augment
from geoml.tasks.slip.features import NAMES

if TYPE_CHECKING:
    from geoml.store import Store

__all__ = ["ask", "outputs"]
CLASSES = ()
METHOD = "Chaipornkaew, Elston, Cooke, Mukerji & Graham 2022, Geophysical Research Letters"
STRATA = ("sd", "condition", "window", "frame")
TESTED = ("val", "train")  # beside the test set; what was published is of all three


def input_shape(meta: dict[str, Any]) -> tuple[int, ...]:
    """What a network of this task takes: (128, 64, 1), a map of active faults."""
    if meta["input_shape"] != [HEIGHT, WIDTH]:
        raise InputError(meta["dataset"], "input_shape", f"maps of {HEIGHT} x {WIDTH}", meta["input_shape"])
    return HEIGHT, WIDTH, 1


def losses(outputs: list[str], loss: str) -> dict[str, Any]:
    """Loss function by output; ``loss`` is a name of :mod:`geoml.tasks.slip.losses`."""
    from geoml.tasks.slip.losses import LOSSES

    if loss not in LOSSES:
        raise InputError("fit", "loss", "a loss of geoml/tasks/slip/losses.py", repr(loss), closest(loss, LOSSES))
    return dict.fromkeys(outputs, LOSSES[loss])


def metrics(outputs: list[str]) -> dict[str, list[Any]]:
    """Keras metrics that training shows."""
    from geoml.tasks.slip.losses import accuracy_2sd

    return {name: [accuracy_2sd] for name in outputs}


def batch(
    store: "Store", rows: np.ndarray, outputs: list[str], rng: np.random.Generator, settings: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Training batch: maps (b, 128, 64, 1) float32, augmented, and efficiency with its SD (b, 2)."""
    rows = np.sort(rows)  # in the order of the file
    return augment(store.inputs[rows], rng, settings), _targets(store, rows)


def validation(store: "Store", outputs: list[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Validation maps (n, 128, 64, 1), not changed, and their targets (n, 2) by output."""
    rows = store.rows("val")
    return store.inputs[rows][..., None], {outputs[0]: _targets(store, rows)}


def features(store: "Store", rows: np.ndarray) -> np.ndarray:
    """What the baselines see of the maps (n, k), in the order of :data:`geoml.tasks.slip.features.NAMES`."""
    return np.column_stack([store.samples[name][rows] for name in NAMES])


def truth(store: "Store", rows: np.ndarray) -> np.ndarray:
    """(n,) efficiency of rows of a prepared set."""
    return store.samples["efficiency"][rows]


def monitor(y: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> dict[str, float]:
    """Scores on validation data that a training can be chosen by; the first compares runs."""
    (name,) = y
    truth, sd = y[name].T
    error = np.abs(distribution(outputs[name])[0] - truth)
    spread = truth.var()
    return {
        "r2": float(1 - (error**2).mean() / spread) if spread else float("nan"),
        "accuracy_2sd": float((error <= 2 * sd).mean()),
        "accuracy_1sd": float((error <= sd).mean()),
        "mae": float(error.mean()),
    }


def model_meta(meta: dict[str, Any]) -> dict[str, Any]:
    """What a model file must say beside the generic facts, for prediction anywhere."""
    return {"prepare": {}, "sample_shape": meta["input_shape"], "grid_step": STEP, "method": METHOD}


def calibrate(model: Any, store: "Store") -> dict[str, Any]:
    """The factor on the model's standard deviation that fits its errors on the validation maps.

    With it their mean squared error over variance is 1. A model without a deviation of its own gets its
    root-mean-square error for all maps.
    """
    rows = store.rows("val")
    given = answer(model, features(store, rows) if isinstance(model, Estimator) else store.inputs[rows])
    mean, sigma = distribution(given)
    scale = float(np.sqrt((((mean - truth(store, rows)) / sigma) ** 2).mean()))
    return {"sigma_scale": scale, "has_sigma": given.shape[1] > 1}


def audit(columns: dict[str, np.ndarray], where: str) -> dict[str, Any]:
    """How far the sets overlap: experiments, frames, and windows that share 14 columns of one frame (card, 10.1)."""
    if "split" not in columns:
        return {}
    train, test = columns["split"] == 0, columns["split"] == 2
    experiment = np.unique(columns["group"], return_inverse=True)[1]
    frame = experiment * (1 << 32) + columns["frame"].astype(np.int64) * (1 << 8)
    window = frame + columns["window"]
    neighbour = np.isin(window + 1, window[train]) | np.isin(window - 1, window[train])
    return {
        "test samples": int(test.sum()),
        "of an experiment in train": int(np.isin(experiment[test], experiment[train]).sum()),
        "of a frame in train": int(np.isin(frame[test], frame[train]).sum()),
        "sharing columns with train": int(neighbour[test].sum()),
    }


def _targets(store: "Store", rows: np.ndarray) -> np.ndarray:
    samples = store.samples
    return np.column_stack([samples["efficiency"][rows], samples["sd"][rows]]).astype(np.float32)

"""Kinematic efficiency: what the generic rooms ask of this task, a regression.

Efficiency is the slip on active faults over the plate displacement in the same time step (method card, section 1).
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.errors import InputError
from geoml.models import Estimator
from geoml.registry import closest
from geoml.tasks.slip import HEIGHT, STEP, WIDTH
from geoml.tasks.slip.augment import augment
from geoml.tasks.slip.features import NAMES, features_of

if TYPE_CHECKING:
    from geoml.store import Store

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


def outputs(model: Any, inputs: np.ndarray) -> np.ndarray:
    """Efficiency and its standard deviation (n, 2), for maps (n, 128, 64) or, of an estimator, features (n, k).

    The deviation is the model's own, or 1, times the scale that :func:`calibrate` found; NaN without that.
    """
    mean, sigma = distribution(_answer(model, inputs))
    return np.column_stack([mean, sigma * model.meta.get("sigma_scale", np.nan)])


def ask(model: Any, maps: np.ndarray) -> np.ndarray:
    """Efficiency and its standard deviation (n, 2) of maps (n, 128, 64), whatever the model looks at."""
    return outputs(model, features_of(maps) if isinstance(model, Estimator) else maps)


def distribution(answer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (n,) of an answer: (n, 1) values, or (n, 2 m) means and deviations of m members.

    Of several members it is that of their equal mixture (Lakshminarayanan et al. 2017, section 2.4); without a
    deviation it is 1.
    """
    if answer.shape[1] == 1:
        return answer[:, 0], np.ones(len(answer))
    mean, sigma = answer[:, 0::2], answer[:, 1::2]
    centre = mean.mean(axis=1)
    return centre, np.sqrt((sigma**2).mean(axis=1) + mean.var(axis=1))


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
    answer = _answer(model, features(store, rows) if isinstance(model, Estimator) else store.inputs[rows])
    mean, sigma = distribution(answer)
    scale = float(np.sqrt((((mean - truth(store, rows)) / sigma) ** 2).mean()))
    return {"sigma_scale": scale, "has_sigma": answer.shape[1] > 1}


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


def _answer(model: Any, inputs: np.ndarray) -> np.ndarray:
    """(n, 1) or (n, 2 m), as the model gives it."""
    return next(iter(model.infer(inputs[..., None] if inputs.ndim == 3 else inputs).values()))

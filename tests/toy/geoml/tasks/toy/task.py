"""A toy task, all that the engine asks of one: on which side of zero do the eight numbers of a sample lie?"""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from geoml.store import Store

CLASSES = ("LEFT", "RIGHT")


def input_shape(meta: dict[str, Any]) -> tuple[int, ...]:
    """What a network of this task takes."""
    return tuple(meta["input_shape"])


def losses(outputs: list[str], loss: str) -> dict[str, str]:
    """Loss by output."""
    return dict.fromkeys(outputs, loss)


def metrics(outputs: list[str]) -> dict[str, list[str]]:
    """Keras metrics that training shows."""
    return {name: ["accuracy"] for name in outputs}


def batch(
    store: "Store", rows: np.ndarray, outputs: list[str], rng: np.random.Generator, settings: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Training batch with a little noise: (b, 8) and one-hot (b, 2)."""
    x = store.inputs[rows]
    return x + rng.normal(0, settings["noise"], x.shape).astype(np.float32), one_hot(store, rows)


def validation(store: "Store", outputs: list[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Validation samples and their targets by output."""
    rows = store.rows("val")
    return store.inputs[rows], {outputs[0]: one_hot(store, rows)}


def one_hot(store: "Store", rows: np.ndarray) -> np.ndarray:
    """(b, 2) float32 targets."""
    return np.eye(2, dtype=np.float32)[store.samples["label"][rows]]


def outputs(model: Any, inputs: np.ndarray) -> np.ndarray:
    """Probabilities (n, 2) for prepared samples."""
    return next(iter(model.infer(inputs).values()))


def truth(store: "Store", rows: np.ndarray) -> np.ndarray:
    """(n,) labels."""
    return store.samples["label"][rows]


def monitor(y: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> dict[str, float]:
    """Scores on validation data that a training can be chosen by."""
    return {"accuracy": float(np.mean([(y[name].argmax(1) == outputs[name].argmax(1)).mean() for name in y]))}


def model_meta(meta: dict[str, Any]) -> dict[str, Any]:
    """What a model file must say beside the generic facts."""
    return {"prepare": meta["prepare"]}


def calibrate(model: Any, store: "Store") -> dict[str, Any]:
    """Nothing to choose on validation data."""
    return {}


def audit(columns: dict[str, np.ndarray], where: str) -> dict[str, Any]:
    """Nothing to compare the labels with."""
    return {}

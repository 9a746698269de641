"""First-motion polarity: what the generic rooms ask of this task.

Label code, everywhere inside the project: U = 0 (up, compression), D = 1 (down, dilatation), N = 2 (not readable).
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.tasks.polarity import augment
from geoml.tasks.polarity.answers import network_input, outputs
from geoml.tasks.polarity.audit import audit as audit_labels
from geoml.tasks.polarity.audit import check
from geoml.tasks.polarity.windows import BEFORE, RATE_HZ

if TYPE_CHECKING:
    from geoml.store import Store

CLASSES = ("U", "D", "N")
METHOD = "Zhang, Li & Zhang 2023, SRL 94(2A), 813-828; Ross, Meier & Hauksson 2018, JGR 123, 5120-5129"
_ONE_HOT = np.eye(3, dtype=np.float32)


def input_shape(meta: dict[str, Any]) -> tuple[int, int]:
    """What a network of this task takes: (samples, channels)."""
    return augment.WINDOW, 1


def losses(outputs: list[str], loss: str) -> dict[str, str]:
    """Loss by output: the configured one for polarity, mean squared error for the P curve (APP)."""
    return {name: "mse" if name == "pk" else loss for name in outputs}


def metrics(outputs: list[str]) -> dict[str, list[str]]:
    """Keras metrics that training shows."""
    return {"po": ["accuracy"]}


def batch(
    store: "Store", rows: np.ndarray, outputs: list[str], rng: np.random.Generator, settings: dict[str, Any]
) -> tuple[np.ndarray, Any]:
    """Training batch: windows (b, 400, 1) and targets, one-hot (b, 3) or a dictionary with the P curve (b, 400, 1)."""
    norm = store.meta["prepare"]["norm"]
    wave, label, shift = augment.augment(store.inputs, store.samples["label"], rows, norm, rng, settings)
    return wave[:, :, None], _targets(label, shift, outputs)


def validation(store: "Store", outputs: list[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Validation windows (n, 400, 1), not changed, and all targets by output."""
    rows = store.rows("val")
    y = _targets(store.samples["label"][rows], 0, outputs)
    return network_input(store.inputs[rows], store.meta), y if isinstance(y, dict) else {outputs[0]: y}


def truth(store: "Store", rows: np.ndarray) -> np.ndarray:
    """(n,) int8 labels of rows of a prepared set."""
    return store.samples["label"][rows]


def monitor(y: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> dict[str, float]:
    """Scores on validation data that a training can be chosen by."""
    return {"accuracy": float((y["po"].argmax(1) == outputs["po"].argmax(1)).mean())}


def model_meta(meta: dict[str, Any]) -> dict[str, Any]:
    """What a model file must say beside the generic facts, for prediction anywhere."""
    own = {"labels": None, "reversals": None}  # of the training data, not of what the model is used on
    return {
        "prepare": meta["prepare"] | own,
        "method": METHOD,
        "rate_hz": RATE_HZ,
        "pick_sample": augment.PICK,
        "stored_pick_sample": BEFORE,
    }


def calibrate(model: Any, store: "Store") -> dict[str, Any]:
    """The lowest confidence at which 99 % of the readings of up or down validation traces are right (card, section 8).

    Below it, a trace is answered N. Traces that the analyst left unread do not count: many of them are clear, and a
    reading there is not known to be wrong. ``threshold`` is None where no confidence reaches 99 %.
    """
    rows = store.rows("val")
    rows = rows[truth(store, rows) < 2]
    output = outputs(model, store.inputs[rows])
    confidence = np.where(output.argmax(axis=1) < 2, output.max(axis=1), -1)
    order = np.argsort(-confidence, kind="stable")[: np.count_nonzero(confidence >= 0)]
    right = (output.argmax(axis=1) == truth(store, rows))[order].cumsum() / np.arange(1, len(order) + 1)
    reached = np.flatnonzero(right >= 0.99)
    return {"threshold": float(confidence[order[reached[-1]]]) if len(reached) else None}


def audit(columns: dict[str, np.ndarray], where: str) -> dict[str, Any]:
    """Labels against the sign of the first break; an inverted set is an error."""
    table = audit_labels(columns["label"], columns["first_break"])
    check(table, where)
    return table


def _targets(label: np.ndarray, shift: np.ndarray | int, outputs: list[str]) -> Any:
    one_hot = _ONE_HOT[label]
    if "pk" not in outputs:
        return one_hot
    return {"pk": augment.curve(shift, len(label))[:, :, None], "po": one_hot}

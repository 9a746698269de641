"""First-motion polarity: what the generic rooms ask of this task.

Label code, everywhere inside the project: U = 0 (up, compression), D = 1 (down, dilatation), N = 2 (not readable).
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.predictions import Predictions
from geoml.tasks.polarity import augment, evaluation
from geoml.tasks.polarity.audit import audit as audit_labels
from geoml.tasks.polarity.audit import check
from geoml.tasks.polarity.windows import BEFORE, RATE_HZ

if TYPE_CHECKING:
    from geoml.store import Store

CLASSES = ("U", "D", "N")
UNIT = "windows"  # what the speed columns of the tables count
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


def network_input(inputs: np.ndarray, meta: dict[str, Any], shift: int = 0) -> np.ndarray:
    """Prepared samples (n, 600) to windows (n, 400, 1), normalised as in training.

    Args:
        inputs: (n, 600) float32, P at 300.
        meta: Metadata of the prepared set or of the model.
        shift: Added pick error in samples: P then lies at ``200 - shift``.
    """
    wave = augment.windows(inputs, np.arange(len(inputs)), shift)
    return augment.normalise(wave, meta["prepare"]["norm"])[:, :, None]


def outputs(model: Any, inputs: np.ndarray, shift: int = 0) -> np.ndarray:
    """Probabilities (n, 3) of U, D, N for prepared samples (n, 600).

    The network sees every window and its negative; the answers are averaged after exchanging U and D in the second,
    so negating a trace exchanges p(U) and p(D) exactly.
    """
    wave = network_input(inputs, model.meta, shift)
    up, down = model.infer(wave)["po"], model.infer(-wave)["po"]
    return (up + down[:, [1, 0, 2]]) / 2


def truth(store: "Store", rows: np.ndarray) -> np.ndarray:
    """(n,) int8 labels of rows of a prepared set."""
    return store.samples["label"][rows]


def evaluate(
    model: Any, store: "Store", test: Predictions, validation: Predictions
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What is not a single score (see :mod:`geoml.tasks.polarity.evaluation`), and windows for the gallery.

    Returns:
        Details for ``metrics.json``; ``windows`` (k, 400), ``truth`` (k,), ``probabilities`` (k, 3) and, where the
        network attends, ``attention`` (k, 50, 50).
    """
    rows = store.rows("test")

    def probabilities(at: np.ndarray, shift: int, noise_db: float | None) -> np.ndarray:
        inputs = store.inputs[rows[at]]
        return outputs(model, inputs if noise_db is None else augment.with_noise(inputs, noise_db), shift)

    samples = {name: values[rows] for name, values in store.samples.items()}
    details = evaluation.evaluate(samples, probabilities, test, validation)
    right = test.decided == test.truth
    kinds = [(test.truth == k) & (right == hit) for hit in (True, False) for k in range(len(CLASSES))]
    shown = np.concatenate([np.flatnonzero(kind)[:2] for kind in kinds])
    wave = network_input(store.inputs[rows[shown]], model.meta)
    examples = {"windows": wave[:, :, 0], "truth": test.truth[shown], "probabilities": test.output[shown]}
    if "attention" in {layer.name for layer in model.network.layers}:
        examples["attention"] = attention_map(model, wave)
    return details, examples


def attention_map(model: Any, wave: np.ndarray) -> np.ndarray:
    """Which step looked at which, (n, 50, 50), rows summing to 1, for windows (n, 400, 1)."""
    import keras

    weights = model.network.get_layer("attention").output[1]
    return np.asarray(keras.Model(model.network.inputs, weights).predict_on_batch(wave))


def monitor(y: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> dict[str, float]:
    """Scores on validation data that a training can be chosen by."""
    return {"accuracy": float((y["po"].argmax(1) == outputs["po"].argmax(1)).mean())}


def model_meta(meta: dict[str, Any]) -> dict[str, Any]:
    """What a model file must say beside the generic facts, for prediction anywhere."""
    return {"prepare": meta["prepare"], "rate_hz": RATE_HZ, "pick_sample": augment.PICK, "stored_pick_sample": BEFORE}


def calibrate(model: Any, store: "Store") -> dict[str, Any]:
    """The confidence below which a reading is answered N (see :func:`evaluation.threshold`)."""
    rows = store.rows("val")
    validation = Predictions(rows, truth(store, rows), outputs(model, store.inputs[rows]), CLASSES)
    return {"threshold": evaluation.threshold(validation)}


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

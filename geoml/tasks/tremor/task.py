"""Triggered tremor: what the generic rooms ask of this task.

Classes, everywhere inside the project: no tremor = 0, tremor = 1 (method card).
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.calibration import scaled, temperature
from geoml.errors import InputError
from geoml.models import Estimator
from geoml.predictions import Predictions
from geoml.registry import closest
from geoml.store import encoded
from geoml.tasks.tremor import RATE_HZ, SAMPLES
from geoml.tasks.tremor.answers import embed, outputs
from geoml.tasks.tremor.augment import augment
from geoml.tasks.tremor.features import NAMES

if TYPE_CHECKING:
    from geoml.store import Store

CLASSES = ("no", "yes")
METHOD = "Rothrock and others, seisml (ConvNet, deep clustering); Wang, Le Roux & Hershey 2018 (losses)"
STRATA = ("kind", "station", "component")
TESTED = ("val", "train")  # beside the test set: what a model has only learnt by heart shows in the difference
SHOWN_EPOCHS = (1, 5, 10, 20, 50, 100, 200)
FALSE_ALARMS = 0.05  # of the validation traces without tremor
_ONE_HOT = np.eye(len(CLASSES), dtype=np.float32)


def input_shape(meta: dict[str, Any]) -> tuple[int, int]:
    """What a network of this task takes: (samples, channels)."""
    if meta["input_shape"] != [SAMPLES]:
        raise InputError(meta["dataset"], "input_shape", f"traces of {SAMPLES} samples", meta["input_shape"])
    return SAMPLES, 1


def losses(outputs: list[str], loss: str) -> dict[str, Any]:
    """Loss function by output; ``loss`` is a name of :mod:`geoml.tasks.tremor.losses`."""
    from geoml.tasks.tremor.losses import LOSSES

    if loss not in LOSSES:
        raise InputError("fit", "loss", "a loss of geoml/tasks/tremor/losses.py", repr(loss), closest(loss, LOSSES))
    if (loss == "categorical_crossentropy") == ("embedding" in outputs):
        raise InputError("fit", "loss", f"one for the output {outputs[0]!r}", repr(loss),
                         "Probabilities learn with categorical_crossentropy, embeddings with the others.")  # fmt: skip
    return dict.fromkeys(outputs, LOSSES[loss])


def metrics(outputs: list[str]) -> dict[str, list[str]]:
    """Keras metrics that training shows."""
    return {name: [] if name == "embedding" else ["accuracy"] for name in outputs}


def batch(
    store: "Store", rows: np.ndarray, outputs: list[str], rng: np.random.Generator, settings: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Training batch: traces (b, 20000, 1) float32, augmented, and one-hot (b, 2)."""
    rows = np.sort(rows)  # in the order of the file
    label = truth(store, rows)
    waves = augment(store.inputs[rows], label, rng, settings, store.meta["prepare"]["norm"])
    return waves[:, :, None], _ONE_HOT[label]


def validation(store: "Store", outputs: list[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Validation traces (n, 20000, 1), not changed, and their targets by output."""
    rows = store.rows("val")
    return store.inputs[rows][:, :, None], {outputs[0]: _ONE_HOT[truth(store, rows)]}


def features(store: "Store", rows: np.ndarray) -> np.ndarray:
    """What the shallow baselines see (n, k), in the order of :data:`geoml.tasks.tremor.features.NAMES`."""
    return np.column_stack([store.samples[name][rows] for name in NAMES])


def truth(store: "Store", rows: np.ndarray) -> np.ndarray:
    """(n,) int8 labels of rows of a prepared set."""
    return store.samples["label"][rows]


def monitor(y: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> dict[str, float]:
    """Scores on validation data that a training can be chosen by.

    Accuracy; of embeddings, how often most of the eleven nearest other traces are of a trace's class (card, section 5).
    """
    ((name, output),) = outputs.items()
    label = y[name].argmax(axis=1)
    if name == "embedding":
        from geoml.tasks.tremor.clustering import neighbours

        return {"accuracy": neighbours(output, label)}
    return {"accuracy": float((label == output.argmax(axis=1)).mean())}


def by_epoch(epoch: int, outputs: dict[str, np.ndarray]) -> Any:
    """What to keep of the answers to the validation traces after an epoch: some epochs' embeddings, for the figures."""
    if "embedding" not in outputs or epoch not in SHOWN_EPOCHS:
        return None
    return np.round(outputs["embedding"].astype(float), 4).tolist()


def model_meta(meta: dict[str, Any]) -> dict[str, Any]:
    """What a model file must say beside the generic facts, for prediction anywhere."""
    return {"prepare": meta["prepare"], "sample_shape": meta["input_shape"], "rate_hz": RATE_HZ, "method": METHOD}


def calibrate(model: Any, store: "Store") -> dict[str, Any]:
    """Temperature and thresholds from the validation traces; of a network that embeds, first its classifier.

    ``threshold`` is the p(tremor) from which on calling tremor gives the largest F1 (card, section 8),
    ``detection_threshold`` that of continuous records.
    """
    found: dict[str, Any] = {}
    if not isinstance(model, Estimator) and "embedding" in model.network.output_names:
        from geoml.tasks.tremor.clustering import classifier
        from geoml.train import training_rows

        rows = training_rows(store, model.meta.get("train_share", 1), model.meta["run"]["seed"])
        pieces = [embed(model, store.inputs[piece]) for piece in store.blocks(rows, 1024)]
        found["classifier"] = classifier(np.concatenate(pieces), truth(store, rows), model.meta["run"]["seed"])
    model.meta.update(found)
    rows = store.rows("val")
    answer = outputs(model, features(store, rows) if isinstance(model, Estimator) else store.inputs[rows])
    label = truth(store, rows)
    found["temperature"] = temperature(Predictions(np.arange(len(rows)), label, answer, CLASSES))
    score = scaled(answer, found["temperature"])[:, 1]
    return found | {
        "threshold": best_threshold(label, score),
        "detection_threshold": detection_threshold(label, score),
    }


def best_threshold(label: np.ndarray, score: np.ndarray) -> float:
    """The score (n,) from which on calling tremor has the largest F1; halfway to the next lower one."""
    order = np.argsort(-score, kind="stable")
    levels, right = score[order], (label[order] == 1).cumsum()
    called = np.arange(1, len(order) + 1)
    f1 = np.where(np.append(levels[1:] != levels[:-1], True), 2 * right / (called + (label == 1).sum()), -1)
    best = int(f1.argmax())
    return _halfway(levels[best + 1] if best + 1 < len(levels) else 0, levels[best])


def detection_threshold(label: np.ndarray, score: np.ndarray) -> float:
    """The lowest score (n,) from which on at most 5 % of the traces without tremor are called; for continuous records.

    Records are nearly all without tremor, where the largest F1 among traces of which half have it calls far too much.
    Halfway between the highest score that must not be called and the next one above.
    """
    wrong = np.sort(score[label == 0])[::-1]
    if not len(wrong):
        return best_threshold(label, score)
    highest = wrong[int(FALSE_ALARMS * len(wrong))]
    above = score[score > highest]
    return _halfway(highest, above.min() if len(above) else np.nextafter(np.float32(1), np.float32(2)))


def _halfway(lower: Any, upper: Any) -> float:
    """Between two scores, or the upper one where their precision has nothing between: it parts them as they are."""
    halfway = (lower + upper) / 2
    return float(halfway if halfway > lower else upper)


def audit(columns: dict[str, np.ndarray], where: str) -> dict[str, Any]:
    """Whether the sets have both classes, and what else than tremor tells the classes or the sets apart.

    Raises:
        InputError: a set without tremor or without anything else.
    """
    label = columns["label"]
    kinds, counts = np.unique(encoded(columns["kind"]), return_counts=True)
    table: dict[str, Any] = {
        f"{kind.decode()} traces": n for kind, n in zip(kinds.tolist(), counts.tolist(), strict=True) if kind
    }
    for key, name in (("group", "events"), ("station", "stations"), ("rate_hz", "sampling rates")):
        values, index = np.unique(columns[key], return_inverse=True)
        share = np.bincount(index, label) / np.bincount(index)
        table[f"{name} of one class only"] = f"{int(((share == 0) | (share == 1)).sum())} of {len(values)}"
    if "split" not in columns:
        return table
    for code, split in enumerate(("train", "val", "test")):
        inside = label[columns["split"] == code]
        for k, name in enumerate(("no tremor", "tremor")):
            if len(inside) and not (inside == k).any():
                raise InputError(where, "split", f"traces with {name} in the {split} set", "none",
                                 "Use more events, another split.seed, or events with negatives.")  # fmt: skip
    train, test = columns["split"] == 0, columns["split"] == 2
    for key, name in (("group", "event"), ("station", "station")):
        seen = np.isin(columns[key][test], columns[key][train])
        table[f"test traces of {name}s in train"] = int(seen.sum())
    return table | {"test traces": int(test.sum()), "unused traces": int((columns["split"] == -1).sum())}

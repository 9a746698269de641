"""Test one trained run: on its own test set and, for the cross-dataset matrix, on those of the other data sets."""

import csv
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from geoml import metrics, models, predictions, registry
from geoml.errors import InputError
from geoml.files import read_json, write_json
from geoml.logs import log
from geoml.predictions import Predictions
from geoml.store import Store

_TRAINING = ("val_score", "epochs", "stopped_by", "device", "wall_s", "cpu_s", "started_from", "has_probabilities")


def evaluate(model_path: Path, tests: list[Path], folder: Path, *, threads: int = 1) -> dict[str, Any]:
    """Score a model, keep its predictions, draw its figures. Runs on the CPU.

    Args:
        model_path: ``results/models/{run}/model.keras`` or ``.skops``, with training.json, and for a network
            history.csv, beside it.
        tests: Folders of prepared sets, its own among them.
        folder: ``results/evaluation/{run}``.
        threads: CPU threads.

    Returns:
        The content of ``metrics.json``.
    """
    if model_path.suffix == ".keras":
        from geoml.backend import use_device

        use_device("cpu", threads)
    model, training = models.load(model_path), read_json(model_path.parent / "training.json")
    task = model.meta["task"]
    part = registry.load_task(task)
    own = next(store for store in map(Store, tests) if store.meta["dataset"] == model.meta["run"]["dataset"])
    if own.meta["split_hash"] != model.meta["split_hash"]:
        raise InputError(own.folder, "split", "the split the model was trained with", "another one", "Train again.")
    tested: dict[tuple[str, str], Predictions] = {}
    for store in map(Store, tests):
        if not part.model_meta(store.meta).items() <= model.meta.items():
            log.info("not tested on %s: it is prepared otherwise", store.meta["dataset"])
            continue
        tested[store.meta["dataset"], "test"] = predict(model, part, store, "test")
        log.info("tested on %s", store.meta["dataset"])
    name = own.meta["dataset"]
    for split in (more_splits := getattr(part, "TESTED", ("val",))):
        tested[name, split] = predict(model, part, own, split)
    test = tested[name, "test"]
    inputs = samples(model, part, own, own.rows("test")[:1024])
    part.outputs(model, inputs[:1])
    start = time.perf_counter()
    part.outputs(model, inputs)
    seconds = time.perf_counter() - start
    details: dict[str, Any] = {}
    examples: dict[str, Any] = {}
    if registry.has_part(task, "evaluation"):
        more = registry.load_task(task, "evaluation")
        details, examples = more.evaluate(model, own, test, *(tested[name, split] for split in more_splits))
        examples["by_epoch"] = training.get("by_epoch", {})
    content = {
        "run": model.meta["run"],
        "variant": training["variant"],
        "fold": own.meta.get("fold"),
        "split": own.meta["split"],
        "data_source": model.meta["data_source"],
        "n_train": training["n_train"],
        "n_val": training["n_val"],
        "n_test": len(test),
        "classes": list(part.CLASSES),
        "scores": {name: _number(metrics.find(task, name, part.CLASSES)(test))
                   for name in metrics.names(task, part.CLASSES)},
        "model": {name: training.get(name) for name in ("parameters", "trainable_parameters")},
        "training": {name: training.get(name) for name in _TRAINING},
        "inference": {"per_s": round(len(inputs) / seconds, 1), "device": "cpu", "threads": threads},
        "details": details,
    }  # fmt: skip
    predictions.save(folder / "predictions.csv.gz", tested)
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    history = _history(model_path.with_name("history.csv")) if model_path.suffix == ".keras" else {}
    if registry.has_part(task, "figures"):
        registry.load_task(task, "figures").draw_run(figures, content, history, examples)
    write_json(folder / "metrics.json", content)
    return content


def predict(model: models.Model, part: Any, store: Store, split: str) -> Predictions:
    """Outputs of a model for one split of a prepared set."""
    blocks = store.blocks(store.rows(split), 8192)
    answers = np.concatenate([part.outputs(model, samples(model, part, store, rows)) for rows in blocks])
    return predictions_of(answers, part, store, split)


def predictions_of(answers: np.ndarray, part: Any, store: Store, split: str) -> Predictions:
    """Outputs (n, ...) for one split of a prepared set, with the truth and the groups of its samples."""
    rows = store.rows(split)
    group = np.unique(store.samples["group"][rows], return_inverse=True)[1]
    known = getattr(part, "STRATA", ())
    strata = {name: store.samples[name][rows] if name in store.samples else np.full(len(rows), "") for name in known}
    return Predictions(group, part.truth(store, rows), answers, tuple(part.CLASSES), store.samples["id"][rows], strata)


def samples(model: models.Model | models.Estimator, part: Any, store: Store, rows: np.ndarray) -> np.ndarray:
    """What a model is asked about: the prepared samples, or for an estimator their features."""
    return part.features(store, rows) if isinstance(model, models.Estimator) else store.inputs[rows]


def _history(path: Path) -> dict[str, list[float]]:
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)

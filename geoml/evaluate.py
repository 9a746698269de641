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


def evaluate(model_path: Path, tests: list[Path], folder: Path, *, threads: int = 1) -> dict[str, Any]:
    """Score a model, keep its predictions, draw its figures. Runs on the CPU.

    Args:
        model_path: ``results/models/{run}/model.keras``, with its training.json and history.csv beside it.
        tests: Folders of prepared sets, its own among them.
        folder: ``results/evaluation/{run}``.
        threads: CPU threads.

    Returns:
        The content of ``metrics.json``.
    """
    from geoml.backend import use_device

    use_device("cpu", threads)
    model, training = models.load(model_path), read_json(model_path.parent / "training.json")
    task = model.meta["task"]
    part = registry.load_task(task)
    own = next(store for store in map(Store, tests) if store.meta["dataset"] == model.meta["run"]["dataset"])
    if own.meta["split_hash"] != model.meta["split_hash"]:
        raise InputError(own.folder, "split", "the split the model was trained with", "another one", "Train again.")
    tested: dict[str, Predictions] = {}
    for store in map(Store, tests):
        if not part.model_meta(store.meta).items() <= model.meta.items():
            log.info("not tested on %s: it is prepared otherwise", store.meta["dataset"])
            continue
        tested[store.meta["dataset"]] = predict(model, part, store, "test")
        log.info("tested on %s", store.meta["dataset"])
    test = tested[own.meta["dataset"]]
    inputs = own.inputs[own.rows("test")[:1024]]
    part.outputs(model, inputs[:1])
    start = time.perf_counter()
    part.outputs(model, inputs)
    seconds = time.perf_counter() - start
    details: dict[str, Any] = {}
    examples: dict[str, np.ndarray] = {}
    if registry.has_part(task, "evaluation"):
        more = registry.load_task(task, "evaluation")
        details, examples = more.evaluate(model, own, test, predict(model, part, own, "val"))
    content = {
        "run": model.meta["run"],
        "data_source": model.meta["data_source"],
        "n_train": training["n_train"],
        "n_val": training["n_val"],
        "n_test": len(test),
        "classes": list(part.CLASSES),
        "scores": {name: _number(metrics.find(task, name, part.CLASSES)(test))
                   for name in metrics.names(task, part.CLASSES)},
        "model": {name: training[name] for name in ("parameters", "trainable_parameters")},
        "training": {name: training[name] for name in ("epochs", "stopped_by", "device", "wall_s", "cpu_s")},
        "inference": {"per_s": round(len(inputs) / seconds, 1), "device": "cpu", "threads": threads},
        "details": details,
    }  # fmt: skip
    predictions.save(folder / "predictions.csv.gz", tested)
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    with open(model_path.parent / "history.csv", newline="", encoding="utf-8") as file:
        history = {
            name: [float(row[name]) for row in rows] for rows in [list(csv.DictReader(file))] for name in rows[0]
        }
    if registry.has_part(task, "figures"):
        registry.load_task(task, "figures").draw_run(figures, content, history, examples)
    write_json(folder / "metrics.json", content)
    return content


def predict(model: models.Model, part: Any, store: Store, split: str) -> Predictions:
    """Outputs of a model for one split of a prepared set."""
    rows = store.rows(split)
    output = np.concatenate([part.outputs(model, store.inputs[piece]) for piece in store.blocks(rows, 8192)])
    group = np.unique(store.samples["group"][rows], return_inverse=True)[1]
    return Predictions(group, part.truth(store, rows), output, tuple(part.CLASSES), store.samples["id"][rows])


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)

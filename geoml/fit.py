"""Fit one estimator of scikit-learn or its kind: what :mod:`geoml.train` is for networks."""

from pathlib import Path
from typing import Any

import numpy as np

from geoml import models, registry
from geoml.files import write_json
from geoml.logs import log
from geoml.provenance import Clock, cpu_name, peak_memory_mb, record
from geoml.store import Store
from geoml.train import training_rows


def fit(
    run: dict[str, Any], variant: dict[str, Any], data: Path, model_path: Path, record_path: Path
) -> dict[str, Any]:
    """Fit a variant to the features of a prepared data set.

    Args:
        run: ``task``, ``dataset``, ``variant`` and ``seed``.
        variant: Resolved configuration: ``model``, ``args``, and of ``fit`` the ``train_share``.
        data: Folder of the prepared set.
        model_path: The estimator (``.skops``), with its metadata.
        record_path: JSON: configuration, versions, fingerprints, time and memory.

    Returns:
        The content of ``record_path``.
    """
    store, part = Store(data), registry.load_task(run["task"])
    estimator = registry.load(run["task"], "models", variant["model"]).estimator(run["seed"], **variant["args"])
    train, val = training_rows(store, variant["fit"]["train_share"], run["seed"]), store.rows("val")
    x, y = part.features(store, train), part.truth(store, train)
    clock = Clock()
    estimator.fit(x, y)
    meta = models.describe(run, variant, part, store.meta)
    if part.CLASSES:
        meta["has_probabilities"] = _has_probabilities(estimator, x)
    model = models.Estimator(estimator, meta)
    scores = part.monitor(part.validation(store, ["answer"])[1], model.infer(part.features(store, val)))
    spent = clock.read()
    models.save(model_path, estimator, meta | part.calibrate(model, store))
    words = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
    log.info("fitted to %d samples in %.2f s; on validation samples: %s", len(train), spent["wall_s"], words)
    content = record(
        run=run,
        variant=variant,
        device="cpu",
        device_name=cpu_name(),
        data_fingerprint=store.meta["fingerprint"],
        split_hash=store.meta["split_hash"],
        data_source=store.meta["data_source"],
        val_score=next(iter(scores.values())),
        has_probabilities=meta.get("has_probabilities"),
        n_train=len(train),
        n_val=len(val),
        peak_memory_mb=peak_memory_mb(),
        **spent,
    )
    write_json(record_path, content)
    return content


def _has_probabilities(estimator: Any, x: np.ndarray) -> bool:
    """Whether an estimator gives probabilities, and they say the same as its answers (nearest centroid's do not)."""
    if not hasattr(estimator, "predict_proba"):
        return False
    return bool((estimator.predict_proba(x).argmax(axis=1) == estimator.predict(x)).all())

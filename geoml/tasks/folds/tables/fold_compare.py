"""Shallow, deep and transfer learning on fold images: what was measured here beside both published tables."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml import registry
from geoml.predictions import Predictions
from geoml.tables import Run, compare

if TYPE_CHECKING:
    from pandas import DataFrame

PUBLISHED = Path(__file__).parent.parent / "published.csv"
_KEY = ["learning", "model", "training", "colour", "split"]
_FIGURES = ["accuracy", "balanced_accuracy", "f1", "time_cpu_s", "time_gpu_s"]
_OF_PROBABILITIES = ("roc_auc", "expected_calibration_error")


def table(runs: list[Run], columns: list[str], timing: Path | None = None) -> "DataFrame":
    """One row per data set, variant, split, with and without the images that are also in the training set, and domain.

    Published figures stand beside the rows of the same learning, model, training, colour and split that are over all
    images, duplicates kept, as published; the published figures that nothing was measured for are rows ``not run``.
    """
    from pandas import DataFrame, concat

    measured = compare(runs, columns, "folds", timing=timing, rate="infer_images_per_s", parts=parts)
    kinds = measured.groupby("dataset")["domain"].transform("nunique")
    measured = measured[(kinds > 2) | (measured["domain"] == "all")].rename(columns=_in_this_table)
    what = {(run.whole, run.variant): _what(run) for run in runs}
    of = list(zip(measured["dataset"], measured["variant"], strict=True))
    for name in ("learning", "model", "training", "colour", "note"):
        measured[name] = [what[key][name] for key in of]
    without = [not what[key]["has_probabilities"] for key in of]
    for name in measured:
        if name.startswith(_OF_PROBABILITIES):
            measured.loc[without, name] = None
    measured["status"] = "measured"
    figures = DataFrame(_published())
    as_published = (measured["duplicates"] == "kept") & (measured["domain"] == "all")
    beside = measured.loc[as_published, _KEY].reset_index().merge(figures, on=_KEY, how="left").set_index("index")
    shown = [name for name in figures if name not in _KEY]
    measured[shown] = beside[shown].reindex(measured.index)
    run = set(measured.loc[as_published, _KEY].itertuples(index=False, name=None))
    rest = figures[[key not in run for key in figures[_KEY].itertuples(index=False, name=None)]]
    rest = rest.assign(dataset="published", duplicates="kept", domain="all", status="not run")
    first = ["dataset", "learning", "model", "training", "colour", "split", "duplicates", "domain", "status"]
    # columns without a value in one of the two would change their type
    whole = concat([measured.astype(object), rest.astype(object)], ignore_index=True)
    return whole[[*first, *(name for name in whole if name not in first)]].astype(object).where(whole.notna(), None)


def parts(run: Run) -> Iterator[tuple[dict[str, Any], Predictions]]:
    """Validation and test images: all, without those that the training set holds too, and by domain."""
    for split in ("val", "test"):
        p = run.tested(split)[run.dataset]
        twin, domain = p.strata["in_train"].astype(str), p.strata["domain"].astype(str)
        if (twin != "").any():
            yield {"split": split, "duplicates": "kept", "domain": "all"}, p
        yield {"split": split, "duplicates": "removed", "domain": "all"}, p.take(twin != "1")
        for name in np.unique(domain):
            yield {"split": split, "duplicates": "removed", "domain": name}, p.take((twin != "1") & (domain == name))


def _in_this_table(name: str) -> str:
    """The contract's words: ``time_cpu_s`` for ``train_cpu_s``, ``f1`` for the one weighted by class."""
    return "variant" if name == "model" else re.sub("^train_(cpu|gpu)_", r"time_\1_", name).replace("f1_weighted", "f1")


def _what(run: Run) -> dict[str, Any]:
    """Learning, model, training and colour of a run, in the words of the published tables."""
    variant, start = run.get("variant"), run.get("training", "started_from")
    known = registry.constants("folds", "models", variant["model"])
    learning, args = known["LEARNING"], variant["args"]
    if learning == "shallow":
        model = args.get("classifier", "RandomForestClassifier")
        return {"learning": learning, "model": model, "training": "fit", "colour": "grey",
                "note": known["NOTES"].get(model),
                "has_probabilities": run.get("training", "has_probabilities")}  # fmt: skip
    training = "untrained"
    if start:
        synthetic = start.get("data_source") == "synthetic"
        training = "pretrained" if "weights" in start else "modelled" if synthetic else "finetuned"
    note = f"started from {start.get('weights') or '/'.join(map(str, start['run'].values()))}" if start else None
    return {"learning": learning, "model": known["NAME"], "training": training,
            "colour": args.get("colour", "coloured"), "note": note, "has_probabilities": True}  # fmt: skip


def _published() -> list[dict[str, Any]]:
    """Both published tables, figures as ``published_*``."""
    with open(PUBLISHED, newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return [
        {key: line[key] for key in _KEY}
        | {"published_as": line["published_as"]}
        | {f"published_{name}": float(line[name]) if line[name] else None for name in _FIGURES}
        | {"published_source": line["source"]}
        for line in lines
    ]

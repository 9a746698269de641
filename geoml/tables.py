"""Comparison tables: a row per thing compared, an empty cell where nothing was measured."""

import csv
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.bootstrap import interval, resample, same_samples
from geoml.devices import DEVICES, mean, training_time
from geoml.errors import InputError
from geoml.files import atomic, read_json
from geoml.metrics import find
from geoml.predictions import Predictions, concatenated, load

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Run:
    """One evaluated run.

    Attributes:
        dataset: What it was trained on.
        variant: Model and settings.
        seed: Of the training.
        evaluation: Folder with ``metrics.json`` and ``predictions.csv.gz``.
    """

    dataset: str
    variant: str
    seed: int
    evaluation: Path

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Content of ``metrics.json``."""
        return read_json(Path(self.evaluation) / "metrics.json")

    @property
    def whole(self) -> str:
        """The data set, or the one that it is a fold of."""
        return self.get("fold", "of") or self.dataset

    def tested(self, split: str = "test") -> dict[str, Predictions]:
        """Predictions of one split by the data set tested on, read anew at each call: they can be large."""
        found = load(Path(self.evaluation) / "predictions.csv.gz", tuple(self.metrics["classes"]))
        return {name: p for (name, of), p in found.items() if of == split}

    def get(self, *keys: str) -> Any:
        """A value deep in ``metrics.json``; None where a key is missing."""
        value: Any = self.metrics
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value


Parts = Callable[[Run], Iterator[tuple[dict[str, Any], Predictions]]]


def own_test(run: Run) -> Iterator[tuple[dict[str, Any], Predictions]]:
    """What a run is compared by where nothing else is said: all test samples of its own data set."""
    yield {}, _on(run.tested(), run.dataset, run)


def compare(
    runs: list[Run],
    columns: list[str],
    task: str,
    *,
    published: Path | None = None,
    timing: Path | None = None,
    rate: str = "infer_per_s",
    parts: Parts = own_test,
) -> "DataFrame":
    """How variants do on their own data set, with intervals, cost and published figures.

    Args:
        runs: All seeds of all variants on all data sets.
        columns: Names of scores; rows of a data set are compared by the first.
        task: Whose scores these are.
        published: CSV table with dataset, model, metric, value, source.
        timing: Folder with ``{task}/{dataset}/{variant}/{cpu,gpu}.json``; used where no run was trained on that device.
        rate: Name of the column of samples predicted in a second.
        parts: Gives of a run the predictions that make a row each, with the columns that tell these rows apart; the
            same parts for all runs of a data set.

    Returns:
        One row per data set, variant and part. The folds of a data set make one row: every sample is tested once.
    """
    from pandas import DataFrame

    rows = []
    figures = _published(published)
    for dataset, of_dataset in _grouped(runs, lambda run: run.whole).items():
        blocks: dict[str, list[tuple[dict[str, Any], np.ndarray]]] = {}
        first: dict[str, Predictions] = {}
        for variant, of_variant in _grouped(of_dataset, lambda run: run.variant).items():
            cost = _cost(of_variant, None if timing is None else Path(timing) / task, rate)
            figure = figures.get((dataset, variant), {})
            for labels, predictions in _parts(of_variant, parts):
                key = str(labels)
                _require_same(first.setdefault(key, predictions[0]), predictions, of_variant[0])
                scores, draws = _scores(predictions, columns, task)
                row = {"dataset": dataset, "model": variant} | labels | scores | _no_difference(columns[0]) | cost
                row |= _provenance(of_variant) | {"n_test": len(predictions[0])}
                row |= {name: figure.get(name) for name in figures.get(None, {})}
                blocks.setdefault(key, []).append((row, draws[columns[0]]))
        for block in blocks.values():
            _against_best([row for row, _ in block], [draws for _, draws in block], columns[0])
        rows += [row for block in blocks.values() for row, _ in block]
    return DataFrame(rows)


def _parts(runs: list[Run], parts: Parts) -> Iterator[tuple[dict[str, Any], list[Predictions]]]:
    """Labels and predictions of each part, one a seed; those of several folds together."""
    seeds = [[list(parts(run)) for run in folds] for folds in _grouped(runs, lambda run: run.seed).values()]
    for labels in {str(labels): labels for fold in seeds[0] for labels, _ in fold}.values():
        yield labels, [concatenated([p for fold in folds for has, p in fold if has == labels]) for folds in seeds]


def cross(runs: list[Run], columns: list[str], task: str) -> "DataFrame":
    """How variants trained on one data set do on the test samples of each other.

    Returns:
        One row per variant, data set trained on and data set tested on.
    """
    from pandas import DataFrame

    sources = {run.dataset: run.get("data_source") for run in runs}
    rows = []
    for (variant, dataset), seeds in _grouped(runs, lambda run: (run.variant, run.dataset)).items():
        tested = [run.tested() for run in seeds]
        for tested_on in tested[0]:
            predictions = [_on(table, tested_on, run) for table, run in zip(tested, seeds, strict=True)]
            _require_same(predictions[0], predictions, seeds[0])
            both = (sources[dataset], sources.get(tested_on))
            rows.append(
                {"model": variant, "trained_on": dataset, "tested_on": tested_on}
                | _scores(predictions, columns, task)[0]
                | {
                    "data_source": "synthetic" if "synthetic" in both else both[1],  # real only if nothing is synthetic
                    "trained_on_data_source": both[0],
                    "tested_on_data_source": both[1],
                    "n_train": seeds[0].get("n_train"),
                    "n_test": len(predictions[0]),
                    "n_seeds": len(seeds),
                }
            )
    return DataFrame(rows, columns=None if rows else ["model", "trained_on", "tested_on"])


def write(table: "DataFrame", path: str | Path) -> None:
    """Write a table as CSV, whole or not at all; floats with six significant digits, missing values empty."""
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(table.columns)
        rows.writerows([_cell(value) for value in row] for row in table.itertuples(index=False, name=None))


def _grouped(runs: list[Run], key: Callable[[Run], Any]) -> dict[Any, list[Run]]:
    """Runs by key, in the order in which they came."""
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return groups


def _cell(value: Any) -> Any:
    if not isinstance(value, (float, np.floating)):
        return "" if value is None else value
    if not math.isfinite(value):
        return ""
    return int(value) if float(value).is_integer() else f"{value:.6g}"


def _scores(
    seeds: list[Predictions], columns: list[str], task: str
) -> tuple[dict[str, float | None], dict[str, np.ndarray]]:
    """Each score as mean over seeds with ``_seed_std``, ``_ci_low`` and ``_ci_high``; and its resamples."""
    metrics = {name: find(task, name, seeds[0].classes) for name in columns}
    draws = resample(seeds, metrics)
    row: dict[str, float | None] = {}
    for name, score in metrics.items():
        values = np.array([score(p) for p in seeds])
        row[name] = values.mean()
        row[f"{name}_seed_std"] = values.std(ddof=1) if len(values) > 1 else None
        row[f"{name}_ci_low"], row[f"{name}_ci_high"] = interval(draws[name])
    return row, draws


def _on(tested: dict[str, Predictions], name: str, run: Run) -> Predictions:
    if name not in tested:
        file = run.evaluation / "predictions.csv.gz"
        raise InputError(file, "tested_on", name, ", ".join(tested), "Evaluate the run again.")
    return tested[name]


def _require_same(first: Predictions, others: list[Predictions], run: Run) -> None:
    """Rows and seeds are only comparable on the same samples."""
    if not all(same_samples(first, p) for p in others):
        expected = "the same samples as in the other runs of the data set"
        raise InputError(run.evaluation, "predictions", expected, "others", "Evaluate all of them again.")


def _against_best(rows: list[dict[str, Any]], resamples: list[np.ndarray], name: str) -> None:
    """Add the difference to the best row of the same data set; rows see the same draws, so it is paired."""
    best = max(range(len(rows)), key=lambda i: np.nan_to_num(rows[i][name], nan=-np.inf))
    for i, row in enumerate(rows):
        if i != best:
            difference = row[name] - rows[best][name], *interval(resamples[i] - resamples[best])
            row.update(zip(_no_difference(name), difference, strict=True))


def _no_difference(name: str) -> dict[str, None]:
    return dict.fromkeys((f"{name}_vs_best", f"{name}_vs_best_ci_low", f"{name}_vs_best_ci_high"))


def _cost(seeds: list[Run], timing: Path | None, rate: str) -> dict[str, Any]:
    """Size, training time by device and prediction rate; a mean over the runs that have it, None where none has."""
    stopped = sorted({run.get("training", "stopped_by") for run in seeds} - {None})
    row = {
        "val_score": mean(run.get("training", "val_score") for run in seeds),
        "parameters": seeds[0].get("model", "parameters"),
        "epochs": mean(run.get("training", "epochs") for run in seeds),
        "stopped_by": "+".join(stopped) or None,
    }
    folders = set() if timing is None else {timing / run.dataset / run.variant for run in seeds}
    files = [folder / f"{device}.json" for folder in sorted(folders) for device in DEVICES]
    records = [run.get("training") or {} for run in seeds] + [read_json(file) for file in files if file.exists()]
    for device in DEVICES:
        seconds, basis = training_time(records, device)
        row |= {f"train_{device}_s": seconds, f"train_{device}_basis": basis}
    devices = sorted({run.get("inference", "device") for run in seeds} - {None})
    return row | {
        rate: mean(run.get("inference", "per_s") for run in seeds),
        "infer_device": "+".join(devices) or None,
    }


def _provenance(runs: list[Run]) -> dict[str, Any]:
    return {
        "data_source": runs[0].get("data_source"),
        "n_train": mean(run.get("n_train") for run in runs),
        "n_test": runs[0].get("n_test"),
        "n_seeds": len({run.seed for run in runs}),
        "n_folds": len({run.dataset for run in runs}),
    }


def _published(path: Path | None) -> dict[Any, dict[str, Any]]:
    """Published figures by (dataset, model) as ready columns; under None all of these columns."""
    if path is None:
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    names = sorted({f"published_{line['metric']}" for line in lines})
    found: dict[Any, dict[str, Any]] = {None: dict.fromkeys([*names, "published_source"])}
    for line in lines:
        row = found.setdefault((line["dataset"], line["model"]), {})
        row[f"published_{line['metric']}"] = float(line["value"])
        earlier = f"{row['published_source']} | " if "published_source" in row else ""
        row["published_source"] = f"{earlier}{line['metric']}: {line['source']}"
    return found

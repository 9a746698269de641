"""Networks, baselines and the control under every split, with what each has only learnt by heart."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.tables import Run, compare
from geoml.tasks.tremor.evaluation import scores_of

if TYPE_CHECKING:
    from pandas import DataFrame


def table(runs: list[Run], columns: list[str], timing: Path | None = None) -> "DataFrame":
    """One row per data set and variant.

    ``events_in_train`` and ``stations_in_train`` are the shares of the test traces whose event or station the training
    set has too; ``train_accuracy`` minus ``accuracy`` is what was learnt by heart. ``*_at_threshold`` are the scores at
    the threshold of the validation set, of all folds together. Nothing was published in numbers, so there are no
    published columns.
    """
    measured = compare(runs, columns, "tremor", timing=timing, rate="infer_traces_per_s")
    of: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        of.setdefault((run.whole, run.variant), []).append(run)
    more: list[dict[str, Any]] = []
    for row in measured.itertuples(index=False):
        parts = of[row.dataset, row.model]
        whole = sum(run.get("details", "overlap", "test traces") for run in parts)
        shares = {
            f"{name}_in_train": sum(run.get("details", "overlap", f"test traces of {name} in train") for run in parts)
            / whole
            for name in ("events", "stations")
        }
        sets = {
            f"{name}_accuracy": _mean([run.get("details", "by_set", name, "accuracy") for run in parts])
            for name in ("train", "val")
        }
        threshold = _mean([run.get("details", "threshold") for run in parts])
        more.append(shares | sets | {"threshold": threshold} | _at_threshold(parts))
    return measured.assign(**{name: [row[name] for row in more] for name in more[0]})


def _at_threshold(parts: list[Run]) -> dict[str, float]:
    """Scores at the threshold, mean over the seeds; NaN where it is undefined for one."""
    counts: dict[int, Any] = {}
    for run in parts:
        counts[run.seed] = counts.get(run.seed, 0) + np.array(run.get("details", "at_threshold", "confusion"))
    seeds = [scores_of(confusion) for confusion in counts.values()]
    return {f"{name}_at_threshold": sum(scores[name] for scores in seeds) / len(seeds) for name in seeds[0]}


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None

"""Networks and baselines on train, validation and test maps under every split, beside the published figures."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoml.predictions import Predictions
from geoml.tables import Run, compare

if TYPE_CHECKING:
    from pandas import DataFrame

PUBLISHED = Path(__file__).parent.parent / "published.csv"
_NETWORK = "ssf_cnn"  # what was published, under the split that was published


def table(runs: list[Run], columns: list[str], timing: Path | None = None) -> "DataFrame":
    """One row per data set, variant and split.

    ``frames_in_train`` is the share of the data set's test maps whose frame the training set sees through another
    window, ``experiments_in_train`` the share whose experiment it sees: what the split leaks. Published figures stand
    only beside the published network under the published split.
    """
    measured = compare(runs, columns, "slip", timing=timing, rate="infer_maps_per_s", parts=parts)
    of: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        of.setdefault((run.whole, run.variant), []).append(run)
    figures = _published()
    names = sorted({name for figure in figures.values() for name in figure})
    shares: dict[str, list[Any]] = {"frames_in_train": [], "experiments_in_train": []}
    beside: dict[str, list[Any]] = {name: [] for name in names}
    for row in measured.itertuples(index=False):
        run, *_ = folds = of[row.dataset, row.model]
        whole, frames, experiments = (
            sum(part.get("details", "overlap", key) for part in folds)
            for key in ("test samples", "of a frame in train", "of an experiment in train")
        )
        shares["frames_in_train"].append(frames / whole)
        shares["experiments_in_train"].append(experiments / whole)
        as_published = run.get("variant", "model") == _NETWORK and run.get("split", "by") == "official"
        figure = figures.get(row.split, {}) if as_published else {}
        for name in names:
            beside[name].append(figure.get(name))
    measured = measured.assign(**shares, **beside)
    first = ["dataset", "model", "split", *shares]
    return measured[[*first, *(name for name in measured if name not in first)]]


def parts(run: Run) -> Iterator[tuple[dict[str, Any], Predictions]]:
    """Training, validation and test maps, not augmented; of folds only the test maps, each of which is there once."""
    for split in ("test",) if run.get("fold") else ("train", "val", "test"):
        yield {"split": split}, run.tested(split)[run.dataset]


def _published() -> dict[str, dict[str, Any]]:
    """Published figures by split, as ready columns."""
    found: dict[str, dict[str, Any]] = {}
    with open(PUBLISHED, newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            row = found.setdefault(line["split"], {})
            row |= {f"published_{line['metric']}": float(line["value"]), "published_source": line["source"]}
    return found

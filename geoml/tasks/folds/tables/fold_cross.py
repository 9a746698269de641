"""Every model on the test images of every data set: what modelled folds teach about outcrops, and the reverse."""

from pathlib import Path
from typing import TYPE_CHECKING

from geoml.tables import Run, cross

if TYPE_CHECKING:
    from pandas import DataFrame


def table(runs: list[Run], columns: list[str], timing: Path | None = None) -> "DataFrame":
    """One row per model, data set trained on and data set tested on; folds of a set are only tested on themselves."""
    return cross([run for run in runs if run.whole == run.dataset], ["accuracy", "f1_weighted"], "folds")

"""Every model on the test events of every data set."""

from pathlib import Path
from typing import TYPE_CHECKING

from geoml.tables import Run, cross

if TYPE_CHECKING:
    from pandas import DataFrame

SCORES = ["accuracy", "macro_f1", "strict_ud_accuracy"]  # of these only the last is fair: N is network policy


def table(runs: list[Run], columns: list[str], timing: Path | None = None) -> "DataFrame":
    """One row per model, data set trained on and data set tested on; the scores are always the same three."""
    return cross(runs, SCORES, "polarity")

"""Every model on its own test samples."""

from pathlib import Path
from typing import TYPE_CHECKING

from geoml.tables import Run, compare

if TYPE_CHECKING:
    from pandas import DataFrame


def table(runs: list[Run], columns: list[str], timing: Path | None = None) -> "DataFrame":
    """One row per data set and model."""
    return compare(runs, columns, "toy", timing=timing)

"""Every model on the test events of the data set that it was trained on."""

from pathlib import Path
from typing import TYPE_CHECKING

from geoml.tables import Run, compare

if TYPE_CHECKING:
    from pandas import DataFrame

PUBLISHED = Path(__file__).parent.parent / "published.csv"


def table(runs: list[Run], columns: list[str], timing: Path | None = None) -> "DataFrame":
    """One row per data set and model."""
    return compare(runs, columns, "polarity", published=PUBLISHED, timing=timing, rate="infer_windows_per_s")

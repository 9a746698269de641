"""How networks trained on one set of patches do on the others, such as those made with a wavelet."""

from pathlib import Path
from typing import TYPE_CHECKING

from geoml.tables import Run, cross

if TYPE_CHECKING:
    from pandas import DataFrame


def table(runs: list[Run], columns: list[str], timing: Path | None = None) -> "DataFrame":
    """One row per variant, data set trained on and data set tested on."""
    return cross(runs, columns, "patchnet")

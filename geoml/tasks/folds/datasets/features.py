"""Tables of the 48 features, ``features_{train,val,test}.csv``, as worked out from the published study's pictures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from geoml import reading
from geoml.errors import InputError
from geoml.registry import closest
from geoml.store import SPLITS, Block
from geoml.tasks.folds import CLASSES
from geoml.tasks.folds.features import FEATURES

CITATION = (
    "Abdallah, R., Bond, C. E. & Butler, R. W. H. (2021-2023): Fold-Classification-Tool, University of Aberdeen, "
    "https://github.com/RamySaleem/Fold-Classification-Tool, commit a64f6e0, folder Traditional-Learning. Apache-2.0."
)


def read(source: Path, settings: dict[str, Any]) -> Iterator[Block]:
    """Rows of the three tables (``.csv``, or packed as ``.csv.gz`` or ``.csv.bz2``), a block each.

    Args:
        source: Folder with the tables.
        settings: Not used: the features are what they are.

    Yields:
        inputs (n, 48) float64, undefined features 0 (card, section 5.2); in the columns they are NaN.

    Raises:
        InputError: a table or column is missing, or a cell holds what it must not.
    """
    for split in SPLITS:
        path = reading.find_one(source, *(f"features_{split}.csv{packed}" for packed in ("", ".gz", ".bz2")))
        table = next(reading.read_csv(path, ["label", *FEATURES]))
        names = table["label"].str.strip().str.lower().to_numpy(str)
        for row in np.flatnonzero(~np.isin(names, CLASSES))[:1]:
            raise InputError(path, f"label in row {row}", "a class", repr(names[row]), closest(names[row], CLASSES))
        values = np.column_stack([_numbers(table[name].tolist(), path, name) for name in FEATURES])
        n = len(table)
        ids = np.array([f"{split}/{row}" for row in range(n)])
        columns = {
            "id": ids,
            "group": ids,
            "label": np.array([CLASSES.index(name) for name in names], np.int8),
            "official_split": np.full(n, split),
            "domain": np.full(n, "unknown"),
            "style": np.full(n, ""),
            "true_label": np.full(n, -1, np.int8),
            "width_px": np.zeros(n, np.int32),
            "height_px": np.zeros(n, np.int32),
        }
        yield Block(np.nan_to_num(values), columns | dict(zip(FEATURES, values.T, strict=True)))


def _numbers(cells: list[str], path: Path, name: str) -> np.ndarray:
    """(n,) float64, to the last digit; NaN where a cell is empty."""
    values = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        try:
            values[row] = float(cell or "nan")
        except ValueError:
            values[row] = np.inf
        if np.isinf(values[row]):
            raise InputError(path, f"{name} in row {row}", "a finite number or an empty cell", repr(cell))
    return values

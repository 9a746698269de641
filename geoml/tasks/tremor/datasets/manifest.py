"""Folders of raw traces with a table, ``manifest.csv`` (card, section 1)."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml import reading
from geoml.errors import InputError
from geoml.store import Block
from geoml.tasks.tremor.datasets.tree import CITATION as CITATION
from geoml.tasks.tremor.datasets.tree import Source, blocks

if TYPE_CHECKING:
    import pandas as pd

TABLE = "manifest.csv"
_NEEDED = ("path", "label")
_TEXTS = ("event", "station", "component", "kind")
_NUMBERS = {"start_utc": "start", "origin_utc": "origin", "dist_km": "distance_km"}


def read(source: Path, settings: dict[str, Any]) -> Iterator[Block]:
    """Windows of the files that ``manifest.csv`` names.

    The table has the columns ``path`` (in the folder) and ``label`` (1 tremor, 0 none), and may have ``event``,
    ``station``, ``component``, ``kind``, ``start_utc`` (of the first sample), ``origin_utc`` (ISO 8601) and
    ``dist_km``; the headers of the files, SAC or miniSEED, tell what it does not. Of a file with several channels
    ``component`` (or its last letter) chooses one; else each is a sample.

    Args:
        source: The folder.
        settings: ``window_from``, ``band_hz``, ``norm``; see :mod:`geoml.tasks.tremor.traces`.

    Yields:
        Blocks of at most 256 windows, in the order of the table; what cannot be used is rejected with reason.

    Raises:
        InputError: no table, a column, file, label, time or number that is missing or wrong, or a row twice.
    """
    yield from blocks(_sources(Path(source)), settings)


def _sources(folder: Path) -> list[Source]:
    path = reading.find_one(folder, TABLE)
    there = reading.header(path)
    optional = [name for name in (*_TEXTS, *_NUMBERS) if name in there]
    table = next(reading.read_csv(path, [*_NEEDED, *optional]))
    if table.empty:
        raise InputError(path, "rows", "at least one", "none")
    told = {name: reading.text(table[name]) for name in (*_NEEDED, *optional)}
    told |= {name: _numbers(path, name, table[name].str.strip()) for name in _NUMBERS if name in told}
    times: Counter[str] = Counter(told["path"].tolist())
    seen: dict[tuple[str, str], int] = {}
    sources = []
    for i, (file, label) in enumerate(zip(told["path"].tolist(), told["label"].tolist(), strict=True)):
        line = i + 2
        if label not in ("0", "1"):
            raise InputError(path, f"line {line}, column label", "0 (no) or 1 (tremor)", repr(label))
        if not file or not (folder / file).is_file():
            raise InputError(path, f"line {line}, column path", "a file in the folder", repr(file))
        component = str(told["component"][i]) if "component" in told else ""
        if (before := seen.setdefault((file, component), line)) != line:
            raise InputError(path, f"line {line}, column path", "each file once", f"{file!r}, also in line {before}")
        texts: dict[str, Any] = {name: str(told[name][i]) for name in _TEXTS if name in told}
        numbers: dict[str, Any] = {name: float(told[column][i]) for column, name in _NUMBERS.items() if column in told}
        name = f"{file}:{component}" if times[file] > 1 else file
        sources.append(Source(folder / file, name, int(label), **texts, **numbers))
    return sources


def _numbers(path: Path, column: str, values: "pd.Series") -> np.ndarray:
    """(n,) float64, times as epoch seconds; NaN for empty cells."""
    numbers = (reading.seconds if column.endswith("_utc") else reading.numbers)(values)
    wrong = ~np.isfinite(numbers) & (values != "").to_numpy()
    if wrong.any():
        expected = "a time such as 2004-12-26T00:58:53" if column.endswith("_utc") else "a number"
        i = int(wrong.argmax())
        raise InputError(path, f"line {i + 2}, column {column}", expected, repr(values.iloc[i]))
    return numbers

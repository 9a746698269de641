"""Read users' tables and HDF5 files; whatever is wrong with one is said with file, field and what came."""

import bz2
import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from glob import escape
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from geoml import sac
from geoml.errors import InputError

if TYPE_CHECKING:
    import h5py
    import pandas as pd
    from obspy import Stream

_NOT_WAVEFORMS = {
    ".csv", ".txt", ".md", ".json", ".yaml", ".yml", ".xml", ".qml", ".quakeml", ".pdf", ".png", ".svg", ".html", ".py",
    ".npz",
}  # fmt: skip


def find(folder: str | Path, *patterns: str) -> list[Path]:
    """Files of the first pattern that has any, sorted, no hidden ones; :class:`InputError` if none has any."""
    folder = Path(folder)
    for pattern in patterns:
        found = sorted(
            path for path in folder.glob(pattern) if path.is_file() and not _hidden(path.relative_to(folder))
        )
        if found:
            return found
    got, hint = "no such folder", "Check the path of the data set."
    if folder.is_dir():
        there = sorted(path.name for path in folder.iterdir())
        got = "only " + ", ".join([*there[:12], *(["..."] if len(there) > 12 else [])]) if there else "an empty folder"
        if any(folder.glob("**/*.hdf5.bz2")):
            hint = "Unpack the .hdf5.bz2 file first: bunzip2."
    raise InputError(folder, "files", " or ".join(patterns), got, hint)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def find_one(folder: str | Path, *patterns: str) -> Path:
    """The file of the first pattern that has any; :class:`InputError` if it has several."""
    found = find(folder, *patterns)
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise InputError(folder, "files", "one file " + " or ".join(patterns), names, "Keep one of them in the folder.")
    return found[0]


def header(path: Path) -> list[str]:
    """Column names of a CSV file (``.csv``, ``.csv.bz2`` or ``.csv.gz``); a byte order mark is skipped."""
    try:
        with _opened(path) as file:
            line = file.readline().strip()
    except (UnicodeError, OSError, EOFError, zlib.error) as error:
        raise InputError(path, "content", "a CSV file in UTF-8", error, "Is the file complete?") from None
    if line.count(";") > line.count(","):
        raise InputError(
            path, "separator", "commas", "semicolons", "Save the table again as CSV with commas (and decimal points)."
        )
    return [name.strip().strip('"') for name in line.split(",")] if line else []


def _opened(path: Path) -> TextIO:
    opener: Any = {".bz2": bz2.open, ".gz": gzip.open}.get(path.suffix, open)
    return opener(path, "rt", encoding="utf-8-sig", newline="")


def _checked(path: Path, columns: Sequence[str]) -> list[str]:
    """The header, which has these columns."""
    there = header(path)
    for column in columns:
        if column not in there:
            raise InputError(
                path, "columns", repr(column), ", ".join(there) or "an empty file", "Check the header line."
            )
    return there


def read_csv(path: Path, columns: Iterable[str], rows: int | None = None) -> "Iterator[pd.DataFrame]":
    """Read columns of a CSV file as text (empty: ``""``), ``rows`` at a time, or all at once if None.

    Raises:
        InputError: a column is missing, or the file is no comma-separated UTF-8 table.
    """
    import pandas as pd

    columns = list(columns)
    _checked(path, columns)
    try:
        options = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig", "skipinitialspace": True}
        yield from pd.read_csv(path, usecols=columns, chunksize=rows or 10**9, **options)
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise InputError(path, "content", "a complete CSV table in UTF-8", error, "Is the file complete?") from None


def small_table(path: Path, columns: Iterable[str]) -> dict[str, list[str]]:
    """Columns of a CSV file of few rows as stripped text (empty: ``""``), without pandas.

    Raises:
        InputError: as of :func:`read_csv`.
    """
    columns = list(columns)
    there = _checked(path, columns)
    try:
        with _opened(path) as file:
            lines = [line for line in csv.reader(file, skipinitialspace=True, strict=True) if any(line)]
    except (UnicodeError, OSError, EOFError, zlib.error, csv.Error) as error:
        raise InputError(path, "content", "a complete CSV table in UTF-8", error, "Is the file complete?") from None
    rows = [dict.fromkeys(there, "") | dict(zip(there, map(str.strip, line), strict=False)) for line in lines[1:]]
    return {name: [row[name] for row in rows] for name in columns}


def numbers(values: Any) -> np.ndarray:
    """(n,) float64 of text; NaN where it is no number."""
    import pandas as pd

    return pd.to_numeric(values, errors="coerce").to_numpy(np.float64)


def seconds(values: Any) -> np.ndarray:
    """(n,) float64, epoch seconds of ISO 8601 times; NaN where there is none."""
    import pandas as pd

    times = pd.to_datetime(pd.Series(values), format="ISO8601", utc=True, errors="coerce")
    return (times - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy(np.float64)


def text(values: Any) -> np.ndarray:
    """(n,) ``U`` array of text or of the bytes that HDF5 files hold, stripped."""
    values = np.asarray(values)
    if values.dtype.kind == "O":
        values = np.array([v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values], "U")
    elif values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    return np.char.strip(values.astype("U"))


def waveform_files(inputs: Sequence[str | Path]) -> list[Path]:
    """Files to read in the order of their names, each once; of folders no hidden files, tables and figures.

    Raises:
        InputError: an input that does not exist, or no file at all.
    """
    found: dict[Path, Path] = {}
    for path in map(Path, inputs):
        if path.is_file():
            found.setdefault(path.resolve(), path)
        elif path.is_dir():
            for file in path.rglob("*"):
                if file.is_file() and file.suffix.lower() not in _NOT_WAVEFORMS and not _hidden(file.relative_to(path)):
                    found.setdefault(file.resolve(), file)
        else:
            raise InputError(path, "input", "a waveform file or a folder", "no such file or folder")
    if not found:
        raise InputError(", ".join(map(str, inputs)), "inputs", "at least one waveform file", "none")
    return sorted(found.values())


def has_obspy() -> bool:
    """Whether obspy is installed: without it only binary SAC can be read, and no QuakeML."""
    return find_spec("obspy") is not None


def waveforms(path: Path, **options: Any) -> "Stream | list[sac.Trace]":
    """Seismograms of a file of any format that obspy recognises, but of no pickle or archive, which could run code.

    Args:
        path: Of the file.
        options: For ``obspy.read``, such as ``headonly``, the only one that counts where obspy is not installed.

    Raises:
        Exception: of many kinds, for a file that cannot be read; every reader of obspy has its own ways to fail.
    """
    if not has_obspy():
        return sac.read(path, options.get("headonly", False))
    from obspy import read

    with open(path, "rb") as file:
        if b"obspy.core.stream" in file.read(100):  # what obspy loads as a pickle, and only then looks at
            raise ValueError("a pickle, which is not safe to open")
    return read(escape(str(path)), check_compression=False, **options)


def records(data: bytes, **options: Any) -> "Stream":
    """Seismograms of miniSEED records; needs obspy."""
    from obspy import read

    return read(BytesIO(data), format="MSEED", **options)


@contextmanager
def open_hdf5(path: Path) -> "Iterator[h5py.File]":
    """Open an HDF5 file for reading; :class:`InputError` if it is missing, cut short or damaged."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except OSError as error:
        got = "no such file" if not path.exists() else f"{path.stat().st_size} bytes that cannot be read ({error})"
        raise InputError(path, "content", "a complete HDF5 file", got, "Download it again.") from None


def dataset(file: "h5py.File", key: str, rank: int, kinds: str = "fiu") -> "h5py.Dataset":
    """An HDF5 dataset of a rank and of a kind of number; :class:`InputError` if missing or otherwise."""
    import h5py

    path, found = Path(file.filename), file.get(key)
    if not isinstance(found, h5py.Dataset):
        present = file.get(key.rpartition("/")[0] or "/", {})
        raise InputError(path, f"key {key!r}", "an HDF5 dataset", f"only {', '.join(list(present)[:12]) or 'nothing'}")
    if found.ndim != rank:
        raise InputError(path, f"shape of {key!r}", f"{rank} dimensions", found.shape)
    if found.dtype.kind not in kinds:
        names = {"f": "floats", "i": "integers", "u": "integers", "S": "strings", "O": "strings"}
        expected = " or ".join(dict.fromkeys(names[kind] for kind in kinds))
        raise InputError(path, f"type of {key!r}", expected, found.dtype)
    return found

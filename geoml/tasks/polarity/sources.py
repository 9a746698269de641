"""What the readers share: opening files with clear errors, translating labels, and turning traces into blocks."""

import bz2
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.errors import InputError
from geoml.store import Block
from geoml.tasks.polarity import reversals, windows

if TYPE_CHECKING:
    import h5py
    import pandas as pd

LABELS = ("U", "D", "N")  # code 0, 1, 2
BLOCK = 4096  # samples in a block, at most


@dataclass
class Piece:
    """Traces as a reader found them, cut around P.

    Attributes:
        waveforms: (n, L) float32, vertical component at the common rate.
        p_index: Index of P in all rows.
        columns: (n,) arrays: ``id``, ``group``, ``network``, ``station``, ``location``, ``channel`` (strings),
            ``label`` (int), ``time`` (epoch seconds of P), ``magnitude``, ``distance_km``, ``onset``,
            ``official_split``.
        first, last: (n,) int, range of real samples in each row; None: all.
        reasons: (n,) object: why a row cannot be used, or ``""``; None: all can, so far.
        rejected: ``(id, reason)`` of source rows that are not in ``waveforms``.
    """

    waveforms: np.ndarray
    p_index: int
    columns: dict[str, np.ndarray]
    first: np.ndarray | None = None
    last: np.ndarray | None = None
    reasons: np.ndarray | None = None
    rejected: list[tuple[str, str]] = field(default_factory=list)

    def drop_unusable(self) -> list[tuple[str, str]]:
        """Take the rows with a reason out; their ids and reasons."""
        if self.reasons is None or not (bad := self.reasons != "").any():
            return []
        out = list(zip(self.columns["id"][bad].tolist(), self.reasons[bad].tolist(), strict=True))
        self.waveforms, self.columns = self.waveforms[~bad], {key: v[~bad] for key, v in self.columns.items()}
        self.first = None if self.first is None else self.first[~bad]
        self.last = None if self.last is None else self.last[~bad]
        return out


def blocks(pieces: Iterable[Piece], settings: dict[str, Any]) -> Iterator[Block]:
    """Undo known station reversals, condition the traces, and set aside those that cannot be used."""
    if settings["rate_hz"] != windows.RATE_HZ:
        raise InputError("settings", "rate_hz", f"{windows.RATE_HZ:g}, the common rate", settings["rate_hz"])
    table = reversals.load(settings["reversals"]) if settings["reversals"] else None
    for piece in pieces:
        rejected = piece.rejected + piece.drop_unusable()
        waveforms, columns = piece.waveforms, dict(piece.columns)
        network, location = columns.pop("network"), columns.pop("location")
        if table is not None:
            where = network, columns["station"], columns["channel"], columns["time"], location
            waveforms = waveforms * reversals.signs(table, *where)[:, None]
        inputs, measured, reasons = windows.prepare(waveforms, piece.p_index, settings, piece.first, piece.last)
        columns["station"] = np.where(network == "", columns["station"], join(network, columns["station"]))
        columns["label"] = columns["label"].astype(np.int8)
        for name in ("magnitude", "distance_km"):
            columns[name] = columns[name].astype(np.float32)
        columns |= measured
        if (bad := reasons != "").any():
            rejected += zip(columns["id"][bad].tolist(), reasons[bad].tolist(), strict=True)
            inputs, columns = inputs[~bad], {name: values[~bad] for name, values in columns.items()}
        yield Block(inputs, columns, rejected)


def join(left: np.ndarray, right: np.ndarray, by: str = ".") -> np.ndarray:
    """(n,) strings ``left.right``."""
    return np.char.add(np.char.add(left, by), right)


def labels(values: np.ndarray, code: dict[str, str], settings: dict[str, Any], path: Path, column: str) -> np.ndarray:
    """Translate source labels.

    Args:
        values: (n,) source codes, numbers or text.
        code: Source code, as lower-case text, to U, D or N; ``settings["labels"]`` goes before it.
        settings: Settings of the data set.
        path: File the values come from.
        column: Its column or key.

    Returns:
        (n,) int8: 0 U, 1 D, 2 N, and -1 where the source has no label.

    Raises:
        InputError: a label that is not in the code.
    """
    code = code | {str(key).strip().lower(): letter for key, letter in (settings["labels"] or {}).items()}
    found, inverse = np.unique(np.asarray(values), return_inverse=True)
    codes = np.empty(len(found), np.int8)
    for i, value in enumerate(map(str, found.tolist())):
        letter = code.get(value.strip().lower(), "" if value.strip().lower() in ("", "nan") else None)
        if letter != "" and letter not in LABELS:
            raise InputError(
                path,
                column,
                "one of " + ", ".join(f"{key!r} ({letter})" for key, letter in code.items()),
                repr(value),
                f'Say what it means in the data set\'s settings, such as labels: {{"{value}": N}}.',
            )
        codes[i] = LABELS.index(letter) if letter else -1
    return codes[inverse]


def find(folder: str | Path, *patterns: str) -> list[Path]:
    """Files of the first pattern that has any, sorted; :class:`InputError` with what is there if none has."""
    folder = Path(folder)
    for pattern in patterns:
        if found := sorted(path for path in folder.glob(pattern) if path.is_file()):
            return found
    got, hint = "no such folder", "Check the path of the data set."
    if folder.is_dir():
        there = sorted(path.name for path in folder.iterdir())
        got = "only " + ", ".join([*there[:12], *(["..."] if len(there) > 12 else [])]) if there else "an empty folder"
        if any(folder.glob("**/*.hdf5.bz2")):
            hint = "Unpack the .hdf5.bz2 file first: bunzip2."
    raise InputError(folder, "files", " or ".join(patterns), got, hint)


def find_one(folder: str | Path, *patterns: str) -> Path:
    """The file of the first pattern that has any; :class:`InputError` if it has several."""
    found = find(folder, *patterns)
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise InputError(folder, "files", "one file " + " or ".join(patterns), names, "Keep one of them in the folder.")
    return found[0]


def header(path: Path) -> list[str]:
    """Column names of a CSV file (``.csv`` or ``.csv.bz2``); a byte order mark is skipped."""
    opener: Any = bz2.open if path.suffix == ".bz2" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig") as file:
            line = file.readline().strip()
    except (UnicodeError, OSError, EOFError) as error:
        raise InputError(path, "content", "a CSV file in UTF-8", error, "Is the file complete?") from None
    if line.count(";") > line.count(","):
        raise InputError(
            path, "separator", "commas", "semicolons", "Save the table again as CSV with commas (and decimal points)."
        )
    return [name.strip().strip('"') for name in line.split(",")] if line else []


def read_csv(path: Path, columns: Iterable[str], rows: int | None = None) -> "Iterator[pd.DataFrame]":
    """Read columns of a CSV file as text (empty: ``""``), ``rows`` at a time, or all at once if None.

    Raises:
        InputError: a column is missing, or the file is no comma-separated UTF-8 table.
    """
    import pandas as pd

    columns, there = list(columns), header(path)
    for column in columns:
        if column not in there:
            raise InputError(
                path, "columns", repr(column), ", ".join(there) or "an empty file", "Check the header line."
            )
    try:
        options = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig", "skipinitialspace": True}
        yield from pd.read_csv(path, usecols=columns, chunksize=rows or 10**9, **options)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(path, "content", "a complete CSV table in UTF-8", error, "Is the file complete?") from None


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


def vertical(channel: np.ndarray) -> np.ndarray:
    """(n,) channel names with the component: ``HH`` becomes ``HHZ``."""
    return np.where(np.char.str_len(channel) == 2, np.char.add(channel, "Z"), channel)


def epicentral_km(latitude: Any, longitude: Any, station_latitude: Any, station_longitude: Any) -> np.ndarray:
    """Great-circle distance on a sphere of 6371 km, from degrees (haversine formula)."""
    a, b, c, d = (np.radians(np.asarray(v, float)) for v in (latitude, longitude, station_latitude, station_longitude))
    half = np.sin((c - a) / 2) ** 2 + np.cos(a) * np.cos(c) * np.sin((d - b) / 2) ** 2
    return 2 * 6371 * np.arcsin(np.sqrt(half))


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


def refuse_other_rate(path: Path, field_name: str, rate_hz: np.ndarray | float, settings: dict[str, Any]) -> None:
    """:class:`InputError` for the first rate that is not the common one, if the settings refuse such traces."""
    rates = np.atleast_1d(rate_hz)
    wrong = rates[np.isfinite(rates) & ~windows.same_rate(rates)]
    if settings["wrong_rate"] == "refuse" and len(wrong):
        raise InputError(
            path, field_name, f"{windows.RATE_HZ:g} Hz", f"{wrong[0]:g} Hz", "Set wrong_rate: resample to accept it."
        )

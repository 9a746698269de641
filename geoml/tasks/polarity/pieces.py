"""What the readers share: translating labels, and turning traces into blocks of samples."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.errors import InputError
from geoml.store import Block
from geoml.tasks.polarity import reversals, windows

if TYPE_CHECKING:
    pass

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


def vertical(channel: np.ndarray) -> np.ndarray:
    """(n,) channel names with the component: ``HH`` becomes ``HHZ``."""
    return np.where(np.char.str_len(channel) == 2, np.char.add(channel, "Z"), channel)


def epicentral_km(latitude: Any, longitude: Any, station_latitude: Any, station_longitude: Any) -> np.ndarray:
    """Great-circle distance on a sphere of 6371 km, from degrees (haversine formula)."""
    a, b, c, d = (np.radians(np.asarray(v, float)) for v in (latitude, longitude, station_latitude, station_longitude))
    half = np.sin((c - a) / 2) ** 2 + np.cos(a) * np.cos(c) * np.sin((d - b) / 2) ** 2
    return 2 * 6371 * np.arcsin(np.sqrt(half))


def refuse_other_rate(path: Path, field_name: str, rate_hz: np.ndarray | float, settings: dict[str, Any]) -> None:
    """:class:`InputError` for the first rate that is not the common one, if the settings refuse such traces."""
    rates = np.atleast_1d(rate_hz)
    wrong = rates[np.isfinite(rates) & ~windows.same_rate(rates)]
    if settings["wrong_rate"] == "refuse" and len(wrong):
        raise InputError(
            path, field_name, f"{windows.RATE_HZ:g} Hz", f"{wrong[0]:g} Hz", "Set wrong_rate: resample to accept it."
        )

"""Binary SAC files without obspy: headers and samples just as obspy gives them.

Only what prediction looks at is here; alphanumeric SAC and all other formats need obspy.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

HEADER = 632  # bytes before the samples
_UNDEFINED = -12345
_FLOATS = {"delta": 0, "b": 5, "a": 8}
_INTEGERS = {
    "nzyear": 0, "nzjday": 1, "nzhour": 2, "nzmin": 3, "nzsec": 4, "nzmsec": 5, "nvhdr": 6, "npts": 9, "iftype": 15,
    "leven": 35,
}  # fmt: skip
_TEXTS = {"kstnm": 0, "kevnm": 1, "kevnm2": 2, "khole": 3, "kcmpnm": 20, "knetwk": 21}
_LOGICALS = slice(35, 39)
_FOOTER = 176  # bytes after the samples of version 7: some of the header again, in double precision
_MINISEED = re.compile(rb"\d{6}[DRQM][ \0]")  # how a record begins


@dataclass(frozen=True)
class Time:
    """A time in nanoseconds since 1970."""

    ns: int

    @property
    def timestamp(self) -> float:
        """Seconds since 1970."""
        return self.ns / 1e9


class Stats(SimpleNamespace):
    """``network``, ``station``, ``location``, ``channel``, ``sampling_rate``, ``npts``, ``starttime`` and ``sac``."""

    def get(self, name: str, default: Any = None) -> Any:
        """A value by its name."""
        return getattr(self, name, default)


@dataclass(eq=False)
class Trace:
    """A seismogram: ``stats``, and ``data`` (npts,) float32, empty where only the header was read."""

    stats: Stats
    data: np.ndarray

    @property
    def id(self) -> str:
        """Network, station, location and channel."""
        return ".".join((self.stats.network, self.stats.station, self.stats.location, self.stats.channel))


def read(path: str | Path, headonly: bool = False) -> list[Trace]:
    """The one seismogram of a binary SAC file.

    Raises:
        ValueError: the file is another one, or not whole; the text says what came.
        OSError: it cannot be read.
    """
    path = Path(path)
    with open(path, "rb") as file:
        raw = file.read(HEADER)
        floats, integers, order = _arrays(raw)
        header = _header(raw, floats, integers)
        count, size = int(header["npts"]), path.stat().st_size
        if size - HEADER - 4 * count not in (0, _FOOTER if header["nvhdr"] == 7 else 0):
            raise ValueError(f"a SAC file of {size} bytes, whose header wants {HEADER + 4 * count}")
        data = np.frombuffer(b"" if headonly else file.read(4 * count), f"{order}f4")
    codes = {"network": "knetwk", "station": "kstnm", "location": "khole", "channel": "kcmpnm"}
    stats = Stats(**{name: header.get(key, "") for name, key in codes.items()})
    stats.npts, stats.sac = count, header
    stats.sampling_rate = 1 / round(float(header["delta"]), 6)  # float32 keeps no more digits
    stats.starttime = Time(_reference(header) + round(float(header.get("b", 0.0)) * 1e9))
    return [Trace(stats, data)]


def _arrays(raw: bytes) -> tuple[np.ndarray, np.ndarray, str]:
    """Numbers of the header and their byte order; both are tried."""
    if _MINISEED.match(raw):
        raise ValueError("a miniSEED file needs obspy; install it, or convert the file to SAC")
    for order in "<>" if len(raw) == HEADER else "":
        floats, integers = np.frombuffer(raw, f"{order}f4", 70), np.frombuffer(raw, f"{order}i4", 40, offset=280)
        logicals = np.isin(integers[_LOGICALS], (0, 1, _UNDEFINED)).all()
        if 0 < integers[_INTEGERS["nvhdr"]] < 20 and floats[0] > 0 and logicals:
            return floats, integers, order
    raise ValueError("not a binary SAC file; formats other than SAC need obspy")


def _header(raw: bytes, floats: np.ndarray, integers: np.ndarray) -> dict[str, Any]:
    """Values by name, without those that are undefined."""
    header: dict[str, Any] = {name: floats[place] for name, place in _FLOATS.items() if floats[place] != _UNDEFINED}
    header |= {name: integers[place] for name, place in _INTEGERS.items() if integers[place] != _UNDEFINED}
    for name, place in _TEXTS.items():
        text = raw[440 + 8 * place :][:8].split(b"\0")[0]
        if not text.startswith(b"-12345"):
            header[name] = text.decode("ascii", "replace").replace("\ufffd", "?").strip()
    if "kevnm2" in header:  # the second half of a name of 16 letters
        header["kevnm"] = header.get("kevnm", "") + header.pop("kevnm2")
    if header.get("npts", -1) < 0:
        raise ValueError(f"a SAC file of {integers[_INTEGERS['npts']]} samples")
    return header


def _reference(header: dict[str, Any]) -> int:
    """Reference time in nanoseconds since 1970; 1970 where it is not whole."""
    try:
        year, day, hour, minute, second, millisecond = (int(header[name]) for name in list(_INTEGERS)[:6])
    except KeyError:
        return 0
    year += 1900 if 0 <= year <= 99 else 0
    try:
        time = datetime(year, 1, 1, hour, minute, second, millisecond * 1000, UTC) + timedelta(days=day - 1)
    except (ValueError, OverflowError):
        return 0
    if year < 1000 or time.year != year:
        return 0
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000

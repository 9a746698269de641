"""P picks to be read for polarity: a table (CSV), a QuakeML catalogue, or the headers of SAC files.

Three tables are understood, by their header line:

- own: ``event,station,time`` and, optionally, ``network,location,channel,file,polarity``. ``time`` is ISO 8601, UTC
  unless it carries an offset. ``file`` names the waveform file; its last parts are enough (``ev1/ABC.sac``).
  ``polarity`` is an analyst's reading, empty where there is none.
- Hi-net phases: ``event_id,data_id,sta,ptime[,stime][,pol]``; the waveforms lie in a folder called ``data_id``. Times
  are taken as they stand, since table and waveforms share one clock (JST, although written with a ``Z``).
- QuakeML (``.xml``, ``.qml``, ``.quakeml``): P picks only, known by their phase hint or by an arrival that uses them.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np

from geoml import reading
from geoml.errors import InputError

LABELS = {"U": 0, "D": 1, "N": 2}
NO_LABEL = -1
_CODES = {
    **dict.fromkeys(("u", "up", "positive", "+", "c"), 0),
    **dict.fromkeys(("d", "down", "negative", "-"), 1),
    **dict.fromkeys(("n", "undecidable", "unknown", "k", "x"), 2),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OWN = ("event", "station", "time")
_HINET = ("event_id", "data_id", "sta", "ptime")
_P_PHASE = re.compile(r"p(g|n|b|\*|diff|kp\w*)?", re.IGNORECASE)


@dataclass
class Picks:
    """P picks, one (n,) array a column.

    Attributes:
        event, network, station, location, channel: str; empty where unknown. ``station`` is never empty.
        time: float64, P pick in seconds since 1970-01-01T00:00:00.
        label: int8, the table's own reading: U/D/N = 0/1/2, or -1 where it has none.
        file: str, path pattern (``PurePath.match``) of the waveform file; empty: any file.
        notes: what was left out while reading, for the user.
        catalog: obspy ``Catalog`` that the picks came from, else None.
        quakeml: the obspy ``Pick`` of every row, in ``catalog``; empty without one.
    """

    event: np.ndarray
    network: np.ndarray
    station: np.ndarray
    location: np.ndarray
    channel: np.ndarray
    time: np.ndarray
    label: np.ndarray
    file: np.ndarray
    notes: list[str] = field(default_factory=list)
    catalog: Any = None
    quakeml: list[Any] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.time)


def read(path: str | Path) -> Picks:
    """P picks of a CSV or QuakeML file, in the order of the file.

    Raises:
        InputError: the file, column, row and value that cannot be used.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(path, "picks file", "a CSV or QuakeML file", "no such file")
    return _read_quakeml(path) if path.suffix.lower() in (".xml", ".qml", ".quakeml") else _read_csv(path)


def isoformat(time: float) -> str:
    """ISO 8601 of epoch seconds, to the microsecond where there is a fraction."""
    return (_EPOCH + timedelta(microseconds=round(time * 1e6))).replace(tzinfo=None).isoformat() + "Z"


def _table(rows: list[tuple], **more: Any) -> Picks:
    """Picks from rows of (event, network, station, location, channel, time, label, file)."""
    event, network, station, location, channel, time, label, file = zip(*rows, strict=True)
    return Picks(
        event=np.array(event, dtype=str),
        network=np.array(network, dtype=str),
        station=np.array(station, dtype=str),
        location=np.array(location, dtype=str),
        channel=np.array(channel, dtype=str),
        time=np.array(time, np.float64),
        label=np.array(label, np.int8),
        file=np.array(file, dtype=str),
        **more,
    )


def _read_csv(path: Path) -> Picks:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            header = [name.strip().lower() for name in next(lines, [])]
            if len(header) == 1 and ";" in header[0]:
                raise InputError(path, "header", "columns separated by commas", "semicolons", "Save it with commas.")
            parse = _own_row if set(_OWN) <= set(header) else _hinet_row if set(_HINET) <= set(header) else None
            if parse is None:
                wanted = f"columns {', '.join(_OWN)} (or Hi-net's {', '.join(_HINET)})"
                raise InputError(path, "header", wanted, ", ".join(header) or "an empty file")
            rows, left_out = [], 0
            for line in lines:
                if any(value.strip() for value in line):
                    cells = dict.fromkeys(header, "") | dict(zip(header, map(str.strip, line), strict=False))
                    row = parse(cells, path, lines.line_num)
                    rows += [row] if row else []
                    left_out += row is None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, "content", "a CSV table in UTF-8", error) from None
    if not rows:
        raise InputError(path, "rows", "at least one P pick", "none")
    return _table(rows, notes=[f"{path}: {left_out} rows without a P time were left out"] if left_out else [])


def _own_row(cells: dict[str, str], path: Path, line: int) -> tuple:
    parts = [escape(part) for part in Path(cells.get("file", "").replace("\\", "/")).parts if part != ".."]
    return (
        _required(cells["event"], path, "event", line),
        cells.get("network", ""),
        _required(cells["station"], path, "station", line),
        cells.get("location", "").replace("--", ""),
        cells.get("channel", ""),
        _time(cells["time"], path, "time", line),
        _label(cells.get("polarity", ""), path, "polarity", line),
        "/".join(parts).replace("//", "/"),
    )


def _hinet_row(cells: dict[str, str], path: Path, line: int) -> tuple | None:
    if not cells["ptime"] and cells.get("stime"):
        return None
    event, folder, station = (_required(cells[name], path, name, line) for name in ("event_id", "data_id", "sta"))
    time = _time(cells["ptime"], path, "ptime", line)
    label = _label(cells.get("pol", ""), path, "pol", line)
    return event, "", station, "", "", time, label, f"{escape(folder)}/*"


def _required(value: str, path: Path, column: str, line: int) -> str:
    if not value:
        raise InputError(path, f"column {column}, line {line}", "a value", "an empty cell")
    return value


def _time(value: str, path: Path, column: str, line: int) -> float:
    try:
        time = datetime.fromisoformat(value)
        if len(value) <= len("2016-04-15"):
            raise ValueError  # a date alone would silently become a pick at midnight
    except ValueError:
        expected = "an ISO 8601 time such as 2016-04-15T07:46:54.740Z"
        raise InputError(path, f"column {column}, line {line}", expected, repr(value)) from None
    return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH) / timedelta(seconds=1)


def _label(value: str, path: Path, column: str, line: int) -> int:
    if not value:
        return NO_LABEL
    if value.lower() not in _CODES:
        raise InputError(path, f"column {column}, line {line}", "U, D, N or an empty cell", repr(value))
    return _CODES[value.lower()]


def _read_quakeml(path: Path) -> Picks:
    if not reading.has_obspy():
        hint = "Install it, or convert the picks to CSV: event,network,station,time."
        raise InputError(path, "--picks", "the package obspy for QuakeML", "it is not installed", hint)
    from obspy import read_events

    try:
        catalog = read_events(escape(str(path)))
    except Exception as error:  # obspy's readers raise whatever their XML library does
        raise InputError(path, "content", "a QuakeML catalogue", f"{type(error).__name__}: {error}") from None
    ids = [event.resource_id.id for event in catalog]
    short = [re.split(r"[/=]", name)[-1] for name in ids]
    rows, chosen, left_out = [], [], 0
    for event, name in zip(catalog, short if len(set(short)) == len(short) else ids, strict=True):
        arrivals = {a.pick_id.id: a.phase for o in event.origins for a in o.arrivals if a.pick_id and a.phase}
        for pick in event.picks:
            stream, phase = pick.waveform_id, pick.phase_hint or arrivals.get(pick.resource_id.id, "")
            if not _P_PHASE.fullmatch(phase.strip()) or not stream or not stream.station_code or pick.time is None:
                left_out += 1
                continue
            network, location, channel = (
                c or "" for c in (stream.network_code, stream.location_code, stream.channel_code)
            )
            label = _CODES.get(pick.polarity or "", NO_LABEL)
            rows.append((name, network, stream.station_code, location, channel, pick.time.timestamp, label, ""))
            chosen.append(pick)
    if not rows:
        raise InputError(path, "picks", "P picks with a station and a time", "none", "Set the phase hint of the picks.")
    notes = [f"{path}: {left_out} picks that are not P, or name no station, were left out"] if left_out else []
    return _table(rows, notes=notes, catalog=catalog, quakeml=chosen)


def from_headers(files: Sequence[Path]) -> Picks:
    """P picks of SAC headers: field ``a`` of every vertical trace (or one whose component is not named).

    The event is ``kevnm``, or the name of the file's folder where that is not set.
    """
    rows, without = [], 0
    for file in files:
        try:
            trace = reading.waveforms(file, format="SAC", headonly=True)[0]
        except Exception:  # not SAC, or broken: reported when its samples are read
            without += 1
            continue
        stats, header = trace.stats, trace.stats.sac
        if "a" not in header or (stats.channel and not is_vertical(stats.channel)):
            without += 1
            continue
        event = str(header.get("kevnm", "")).strip() or file.parent.name
        time = stats.starttime.timestamp + float(header["a"]) - float(header["b"])
        codes = (stats.network, stats.station or "?", stats.location, stats.channel)
        rows.append((event, *codes, time, NO_LABEL, escape(str(file))))
    if not rows:
        raise InputError(
            "waveform files",
            "SAC header field a",
            "a P pick in at least one vertical trace",
            f"none in {len(files)} files",
            "Give the picks with --picks FILE.",
        )
    notes = [f"picks: field a of the SAC header, {len(rows)} files; {without} files without one were left out"]
    return _table(rows, notes=notes)


def is_vertical(channel: str) -> bool:
    """Whether a channel code names a vertical component (last letter Z or U, any case)."""
    return channel[-1:].upper() in ("Z", "U")

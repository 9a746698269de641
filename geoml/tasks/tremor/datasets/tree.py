"""Folders of raw traces, ``positive/<event>/positive/*.sac`` and ``negative/*`` (card, section 1)."""

import math
import warnings
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from geoml import reading
from geoml.errors import InputError
from geoml.store import Block
from geoml.tasks.tremor import SAMPLES, traces
from geoml.tasks.tremor.features import NAMES, features_of

if TYPE_CHECKING:
    from obspy import Trace

CITATION = (
    "Layout, windows and classes: Rothrock, B. et al., Northwestern University: seismic machine learning, repository "
    "blainerothrock/seisml (the traces are the user's)."
)
LABELS = {"positive": 1, "negative": 0}
# Suffixes of traces, and the format if it is certain; files of others are read if obspy knows what they are.
FORMATS: dict[str, str | None] = {
    ".sac": "SAC",
    **dict.fromkeys((".mseed", ".miniseed", ".msd"), "MSEED"),
    **dict.fromkeys((".seed", ".ms", ".gse", ".gse2", ".sgy", ".segy", ".ah", ".cnt", ".win")),
}
_BLOCK = 256  # traces
_SLACK = 0.5  # samples, by which a piece may be off where the one before it ends


class Source(NamedTuple):
    """A file of traces, and what is known besides its header; what is empty or NaN is taken from there.

    Attributes:
        path: Of the file.
        id: Name of its sample.
        label: 1 for tremor, 0 for none.
        event, station, component, kind: As in the table.
        start, origin: Times of the first sample and of the event, epoch seconds.
        distance_km: Between event and station.
    """

    path: Path
    id: str
    label: int
    event: str = ""
    station: str = ""
    component: str = ""
    kind: str = ""
    start: float = math.nan
    origin: float = math.nan
    distance_km: float = math.nan


def read(source: Path, settings: dict[str, Any]) -> Iterator[Block]:
    """Windows of every file below a folder ``positive`` or ``negative``; the nearest of them is the label.

    So both ``positive/<event>/positive/*`` with ``negative/*`` and ``<event>/positive/*`` with ``<event>/negative/*``
    are read. The event is the nearest other folder, else ``kevnm`` of SAC, else the UTC date of the origin or of the
    first sample. Of a file with several channels each is a sample.

    Args:
        source: The folder.
        settings: ``window_from``, ``band_hz``, ``norm``; see :mod:`geoml.tasks.tremor.traces`.

    Yields:
        Blocks of at most 256 windows, by path: inputs (n, 20000) float32; what cannot be used is rejected with reason.

    Raises:
        InputError: no such folder, or no file of one of the two classes.
    """
    source = Path(source)
    found, outside = _files(source)
    for name, label in LABELS.items():
        if not any(file.label == label for file in found):
            got = f"none among {len(found) + len(outside)} files" if source.is_dir() else "no such folder"
            expected = f"traces in a folder {name!r}, as in positive/<event>/positive/*.sac and negative/*.sac"
            raise InputError(source, "files", expected, got)
    first = True
    for block in blocks(found, settings):
        block.rejected += outside if first else []
        first = False
        yield block


def blocks(sources: Iterable[Source], settings: dict[str, Any]) -> Iterator[Block]:
    """Windows of files as blocks of at most 256, in their order."""
    inputs: list[np.ndarray] = []
    rows: list[dict[str, Any]] = []
    rejected: list[tuple[str, str]] = []
    for source in sources:
        for name, row, window in _windows(source, settings):
            if isinstance(window, str):
                rejected.append((name, window))
            else:
                rows.append(row)
                inputs.append(window)
        if len(rows) >= _BLOCK:
            yield block(inputs, rows, rejected)
            inputs, rows, rejected = [], [], []
    if rows or rejected:
        yield block(inputs, rows, rejected)


def block(windows: list[np.ndarray], rows: list[dict[str, Any]], rejected: list[tuple[str, str]]) -> Block:
    """A block with the columns of samples, the same for all readers: what is known of them, and their features."""
    inputs = np.array(windows, np.float32).reshape(len(windows), SAMPLES)
    kinds: dict[str, type] = {
        **dict.fromkeys(("id", "group", "station", "component"), np.str_),
        "label": np.int8,
        "kind": np.str_,
        "distance_km": np.float32,
        "start": np.float64,
        **dict.fromkeys(("rate_hz", "flat_s", "clipped_s", "after_origin_s"), np.float32),
    }
    columns: dict[str, np.ndarray] = {name: np.array([row[name] for row in rows], kind) for name, kind in kinds.items()}
    return Block(inputs, columns | dict(zip(NAMES, features_of(inputs).T, strict=True)), rejected)


def _files(source: Path) -> tuple[list[Source], list[tuple[str, str]]]:
    """Files in label folders, by path, and those outside that look like traces."""
    found, outside = [], []
    for path in sorted(source.rglob("*"), key=Path.as_posix):
        inside = path.relative_to(source)
        if any(part.startswith(".") for part in inside.parts) or not path.is_file():
            continue
        folders = inside.parts[:-1]
        labels = [LABELS[folder.lower()] for folder in folders if folder.lower() in LABELS]
        events = [folder for folder in folders if folder.lower() not in LABELS]
        if labels:
            found.append(Source(path, inside.as_posix(), labels[-1], events[-1] if events else ""))
        elif path.suffix.lower() in FORMATS:
            outside.append((inside.as_posix(), "in no folder positive or negative"))
    return found, outside


def _windows(source: Source, settings: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], np.ndarray | str]]:
    """Name, row and window of each channel of a file; the window is a reason if there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of obspy, on headers that are not as they should be
            stream = reading.waveforms(source.path, format=FORMATS.get(source.path.suffix.lower()))
    except Exception as error:  # obspy raises many kinds, bare Exception among them
        yield source.id, {}, _unreadable(source.path, error)
        return
    channels: dict[str, list[Trace]] = {}
    for trace in stream:
        channels.setdefault(trace.id, []).append(trace)
    wanted = source.component.upper()
    if wanted and len(channels) > 1:
        there = ", ".join(pieces[0].stats.channel for pieces in channels.values())
        channels = {name: pieces for name, pieces in channels.items() if pieces[0].stats.channel.endswith(wanted)}
        if len(channels) != 1:
            yield source.id, {}, f"no single channel {source.component}: the file holds {there}"
            return
    for channel, pieces in channels.items():
        name = source.id if len(channels) == 1 else f"{source.id}:{channel}"
        try:
            row, window = _window(source, name, pieces, settings)
        except InputError:
            raise
        except Exception as error:  # as above, of pieces that do not fit
            row, window = {}, _unreadable(source.path, error)
        yield name, row, window


def _unreadable(path: Path, error: Exception) -> str:
    """What obspy says, on one line; by itself it often does not tell what it took the file for."""
    if not path.stat().st_size:
        return "unreadable: empty file (0 bytes)"
    known = FORMATS.get(path.suffix.lower())
    return f"unreadable{f' as {known}' if known else ''}: {' '.join(str(error).split()) or type(error).__name__}"


def _window(
    source: Source, name: str, pieces: "list[Trace]", settings: dict[str, Any]
) -> tuple[dict[str, Any], np.ndarray | str]:
    """Row and window of one channel."""
    rates = {piece.stats.sampling_rate for piece in pieces}
    if len(rates) > 1:
        return {}, f"several rates: {', '.join(f'{rate:g}' for rate in sorted(rates))} Hz"
    rate = rates.pop()
    pieces = _joined(pieces)
    stats = pieces[0].stats
    header = stats.get("sac", {})
    begin = stats.starttime.timestamp
    timed = "sac" not in stats or "nzyear" in header
    start = source.start if math.isfinite(source.start) else begin if timed else math.nan
    since = source.origin - start  # of the origin after the first sample
    if not math.isfinite(source.origin) and "o" in header:
        since = float(header["o"]) - float(header.get("b", 0))
    distance = source.distance_km if math.isfinite(source.distance_km) else float(header.get("dist", math.nan))
    event = source.event or str(header.get("kevnm", "")).strip() or _date(start + since) or _date(start)
    if not event:
        return {}, "no event: no folder, kevnm or time"
    count = round((pieces[-1].stats.endtime.timestamp - begin) * rate) + 1
    place = traces.cut(source.label, count, rate, 0, since, distance, settings["window_from"])
    if isinstance(place, str):
        return {}, place
    data = _data(pieces, rate, place.first)
    if isinstance(data, str):
        return {}, data
    row = {
        "id": name,
        "group": event,
        "station": source.station or ".".join(filter(None, (stats.network.strip(), stats.station.strip()))),
        "component": source.component or stats.channel.strip(),
        "label": source.label,
        "kind": source.kind or str(header.get("kuser0", "")).strip().lower() or ("tremor" if source.label else ""),
        "distance_km": distance,
        "start": start + place.first / rate,
        "rate_hz": rate,
        "flat_s": traces.flat(data, rate),
        "clipped_s": traces.clipped(data, rate),
        "after_origin_s": place.after_origin_s,
    }
    return row, traces.samples(data, rate, settings)


def _joined(pieces: "list[Trace]") -> "list[Trace]":
    """Pieces by time, those in one that follow each other or are the same where they overlap."""
    if len(pieces) == 1:
        return pieces
    from obspy import Stream

    return sorted(Stream(pieces).merge(method=-1), key=lambda piece: piece.stats.starttime)


def _data(pieces: "list[Trace]", rate_hz: float, first: int) -> np.ndarray | str:
    """Samples of a window that starts at an index of the whole; or why they are not all there, once."""
    last = first + traces.length(rate_hz)
    begin = pieces[0].stats.starttime.timestamp
    offsets = [(piece.stats.starttime.timestamp - begin) * rate_hz for piece in pieces]
    inside = [k for k, at in enumerate(offsets) if at < last - _SLACK and at + len(pieces[k]) > first + _SLACK]
    if len(inside) == 1:
        at = round(offsets[inside[0]])
        if at <= first and last <= at + len(pieces[inside[0]]):
            return pieces[inside[0]].data[first - at : last - at]
    for k, after in pairwise(inside):
        if offsets[after] < offsets[k] + len(pieces[k]) - _SLACK:
            return f"overlap: inside the window, {(offsets[after] - first) / rate_hz:.1f} s after its start"
    lengths = [max(min(offsets[k] + len(pieces[k]), last) - max(offsets[k], first), 0) for k in inside]
    return f"gap: {(last - first - sum(lengths)) / rate_hz:.2f} s of the window are missing"


def _date(time: float) -> str:
    return str(np.datetime64(round(time * 1000), "ms"))[:10] if math.isfinite(time) else ""

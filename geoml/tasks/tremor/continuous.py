"""Continuous seismograms of any length: what the files hold, and every window of 1000 s, read part by part."""

import re
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from geoml import reading, sac
from geoml.tasks.tremor import LENGTH_S, traces

Codes = tuple[str, str, str, str]  # network, station, location, channel
Read = Callable[["Piece"], np.ndarray]

_PART_BYTES = 1 << 18  # of miniSEED at once: half a million samples at most; what is lost with a damaged record
_PART_SAMPLES = 1 << 19  # of SAC at once
_RECORD = re.compile(rb"\d{6}[DRQM][ \0]")  # how a miniSEED record begins
_SHORTEST_RECORD = 128  # bytes; records begin at multiples of it
_SPECTRA = (2, 3)  # file types of SAC
_SAME_RATE = 1e-4  # relative; what libmseed takes for one rate


class Unreadable(Exception):
    """A part of a file gives no samples; the text says why."""


@dataclass(frozen=True)
class Piece:
    """Samples without a gap in one part of a file.

    Attributes:
        start: Time of the first sample, nanoseconds since 1970.
        rate_hz: Sampling rate.
        count: Number of samples.
        file: Where they are.
        codes: Channel.
        offset, size: Bytes to read; size 0 is the whole file.
        place: Which of the channel's runs in these bytes it is.
        number_format: Of plain numbers (SAC); else obspy decodes them.
    """

    start: int
    rate_hz: float
    count: int
    file: Path
    codes: Codes
    offset: int = 0
    size: int = 0
    place: int = 0
    number_format: str = ""

    def time(self, index: int) -> int:
        """Time of a sample, or of the end one past the last, nanoseconds since 1970."""
        return self.start + round(index * 1e9 / self.rate_hz)

    @property
    def end(self) -> int:
        """Time one sample after the last."""
        return self.time(self.count)

    @property
    def order(self) -> tuple:
        """By time, then by file and the place in it."""
        return self.start, str(self.file), self.offset, self.place


@dataclass
class Stretch:
    """Pieces of one rate that follow each other without a gap, with the first index of each and its unused samples."""

    rate_hz: float
    count: int = 0
    pieces: list[tuple[int, Piece, int]] = field(default_factory=list)

    def add(self, piece: Piece, skip: int) -> None:
        """Go on with a piece, without its first samples."""
        self.pieces.append((self.count, piece, skip))
        self.count += piece.count - skip

    def time(self, index: int) -> int:
        """Time of a sample by the piece that it is in, so that a clock that drifts does not add up."""
        first, piece, skip = self.pieces[bisect_right(self.pieces, index, key=lambda entry: entry[0]) - 1]
        return piece.time(index - first + skip)

    @property
    def end(self) -> int:
        """Time one sample after the last."""
        return self.pieces[-1][1].end


@dataclass
class Channel:
    """What there is of one channel.

    Attributes:
        codes: Network, station, location, channel.
        stretches: In the order of time.
        bad: Spans that must not be scored: from, to (nanoseconds) and the reason.
        repeated_s: Seconds that were given twice, with the same samples.
    """

    codes: Codes
    stretches: list[Stretch] = field(default_factory=list)
    bad: list[tuple[int, int, str]] = field(default_factory=list)
    repeated_s: float = 0.0


@dataclass
class Window:
    """A span of a channel: a window that is scored, or a span that is not, with the reason.

    Attributes:
        codes: Network, station, location, channel.
        start, end: Nanoseconds since 1970; the end is one sample after the last. 0 where the span is unknown.
        rate_hz: Sampling rate; 0 where there are no samples.
        reason: Why there is no score; ``""`` where there is one.
        score: Probability of tremor.
        damaged_s: Seconds that are flat or clipped; NaN where nobody has looked.
    """

    codes: Codes
    start: int
    end: int
    rate_hz: float = 0.0
    reason: str = ""
    score: float = float("nan")
    damaged_s: float = float("nan")


def scan(files: Iterable[Path]) -> tuple[dict[Codes, list[Piece]], dict[Path, str]]:
    """Read all headers and no samples.

    Args:
        files: Waveform files: SAC and miniSEED, later read part by part; others that obspy knows, later read whole.

    Returns:
        Pieces by channel, channels sorted; and what is wrong with files, which may be readable elsewhere.
    """
    channels: dict[Codes, list[Piece]] = {}
    faults: dict[Path, str] = {}
    for file in files:
        try:
            parts = list(_parts(file))
        except OSError as error:
            faults[file] = _first_line(error)
            continue
        for offset, size in parts:
            try:
                found, fault = _headers(file, offset, size)
            except Exception as error:  # every reader of obspy has its own ways to fail on a broken file
                found, fault = [], _first_line(error)
            if fault:
                faults.setdefault(file, fault + (f" (bytes {offset} to {offset + size})" if size else ""))
            for piece in found:
                channels.setdefault(piece.codes, []).append(piece)
    return dict(sorted(channels.items())), faults


def reader() -> Read:
    """A function that reads the samples (count,) of a piece; it keeps the last two parts of files that it decoded.

    It raises :class:`Unreadable` where the samples are damaged, missing or no numbers.
    """
    decoded = lru_cache(maxsize=2)(_decoded)

    def read(piece: Piece) -> np.ndarray:
        try:
            if piece.number_format:
                data = np.fromfile(piece.file, piece.number_format, piece.count, offset=piece.offset)
            else:
                data = decoded(piece.file, piece.offset, piece.size, piece.codes)[piece.place]
        except Exception as error:  # as above
            raise Unreadable(f"unreadable: {piece.file}: {_first_line(error)}") from None
        if len(data) != piece.count or data.dtype.kind not in "iuf":
            got = f"{len(data)} of {piece.count} samples" if len(data) != piece.count else "text, not samples"
            raise Unreadable(f"unreadable: {piece.file}: {got}")
        return data

    return read


def plan(codes: Codes, pieces: Iterable[Piece], read: Read) -> Channel:
    """Sort the pieces of a channel into stretches without gaps.

    Samples given twice are used once if they are the same; where they are not (or come at two rates), the span is
    bad: nobody knows which are right. Only pieces that overlap are read.
    """
    channel = Channel(codes)
    used: list[tuple[int, Piece]] = []  # with the times that they are used from
    end = 0
    for piece in sorted(pieces, key=lambda piece: piece.order):
        skip = 0
        if used and (doubled := round((end - piece.start) * piece.rate_hz / 1e9)) > 0:
            if difference := _difference(piece, used, read):
                channel.bad.append((piece.start, min(end, piece.end), difference))
            else:
                channel.repeated_s += min(doubled, piece.count) / piece.rate_hz
            if doubled >= piece.count:
                continue
            skip = doubled
        first, last = piece.time(skip), channel.stretches[-1] if channel.stretches else None
        if not last or not _same_rate(piece, last) or abs(first - end) * piece.rate_hz / 1e9 > 0.5:
            channel.stretches.append(last := Stretch(piece.rate_hz))
        last.add(piece, skip)
        used.append((first, piece))
        end = piece.end
    return channel


def windows(channel: Channel, overlap: float, read: Read) -> Iterator[tuple[Window, np.ndarray | None]]:
    """All windows of a channel with their samples (n,), and the gaps and whatever else cannot be scored, without.

    Windows are aligned to the first sample of each stretch; one more ends with its last, if there is a second or more
    after the others. A window holds no gap and one rate.

    Args:
        channel: What there is.
        overlap: Of neighbouring windows, share of their length.
        read: What :func:`reader` gives.
    """
    before: Stretch | None = None
    for stretch in channel.stretches:
        if before and (stretch.time(0) - before.end) * stretch.rate_hz / 1e9 > 0.5:
            seconds = (stretch.time(0) - before.end) / 1e9
            gap = Window(channel.codes, before.end, stretch.time(0), reason=f"gap: no data for {seconds:.2f} s")
            yield gap, None
        before = stretch
        if stretch.count < traces.length(stretch.rate_hz):
            reason = f"shorter than {LENGTH_S:g} s: {stretch.count / stretch.rate_hz:.2f} s"
            yield Window(channel.codes, stretch.time(0), stretch.end, stretch.rate_hz, reason), None
        else:
            yield from _windows_of(stretch, channel, overlap, read)


def _windows_of(
    stretch: Stretch, channel: Channel, overlap: float, read: Read
) -> Iterator[tuple[Window, np.ndarray | None]]:
    length = traces.length(stretch.rate_hz)
    held, first = np.empty(0, np.int8), 0  # samples from this index on; no more than a window and a piece
    coming = iter(stretch.pieces)
    for start in _starts(stretch.count, length, overlap, stretch.rate_hz):
        arrays = [held[start - first :]]
        while sum(map(len, arrays)) < length:
            _, piece, skip = next(coming)
            try:
                arrays.append(read(piece)[skip:])
            except Unreadable as error:
                channel.bad.append((piece.time(skip), piece.end, str(error)))
                arrays.append(np.zeros(piece.count - skip, np.int8))
        if len(arrays) > 1:
            held, first = np.concatenate(arrays), start
        end = stretch.time(start + length - 1) + round(1e9 / stretch.rate_hz)
        window = Window(channel.codes, stretch.time(start), end, stretch.rate_hz)
        window.reason = next((why for a, b, why in channel.bad if a < window.end and window.start < b), "")
        yield window, None if window.reason else held[start - first :][:length]


def _starts(count: int, length: int, overlap: float, rate_hz: float) -> list[int]:
    """First samples of the windows of a stretch."""
    starts = list(range(0, count - length + 1, max(round((1 - overlap) * length), 1)))
    if count - length - starts[-1] >= rate_hz:
        starts.append(count - length)
    return starts


def _parts(file: Path) -> Iterator[tuple[int, int]]:
    """Offset and size of parts of a miniSEED file that begin and end with a record; (0, 0) for any other file."""
    total, offset = file.stat().st_size, 0
    with open(file, "rb") as stream:
        if not _RECORD.match(stream.read(8)) or not reading.has_obspy():
            yield 0, 0
            return
        while offset < total:
            end = offset + _PART_BYTES
            while end < total and not _RECORD.match(_at(stream, end)):
                end += _SHORTEST_RECORD
            yield offset, min(end, total) - offset
            offset = end


def _at(stream: Any, offset: int) -> bytes:
    stream.seek(offset)
    return stream.read(8)


def _headers(file: Path, offset: int, size: int) -> tuple[list[Piece], str]:
    """Pieces of a part of a file, and what is wrong with it."""
    stream, warned = _read(file, offset, size, headonly=True)
    pieces: list[Piece] = []
    faults = warned[:1] if size else []  # of miniSEED, records that are lost; of SAC, that a header was rounded
    runs: dict[Codes, int] = {}
    for trace in stream:
        codes = _codes(trace)
        place = runs[codes] = runs.get(codes, -1) + 1
        rate_hz, count = float(trace.stats.sampling_rate), int(trace.stats.npts)
        header = trace.stats.get("sac", {})
        if not rate_hz > 0:
            faults.append(f"{trace.id}: rate {rate_hz:g} Hz")
        elif not header.get("leven", 1) or header.get("iftype") in _SPECTRA:
            faults.append(f"{trace.id}: a spectrum, or unevenly sampled")
        elif count:
            pieces.append(Piece(trace.stats.starttime.ns, rate_hz, count, file, codes, offset, size, place))
    if len(pieces) == 1 and (number_format := _sac_format(file, pieces[0])):
        pieces = _divided(pieces[0], number_format)
    return pieces, faults[0] if faults else ""


def _sac_format(file: Path, piece: Piece) -> str:
    """How the numbers of a binary SAC file are written; empty for other files."""
    with open(file, "rb") as stream:
        header = stream.read(sac.HEADER)
    for order in "<>" if len(header) == sac.HEADER else "":
        version, count = np.frombuffer(header, f"{order}i4")[[76, 79]].tolist()
        if version in (6, 7) and count == piece.count:
            return f"{order}f4"
    return ""


def _divided(piece: Piece, number_format: str) -> list[Piece]:
    """The piece of a SAC file in parts of bounded size."""
    return [
        Piece(
            piece.time(first), piece.rate_hz, min(_PART_SAMPLES, piece.count - first), piece.file, piece.codes,
            offset=sac.HEADER + 4 * first, number_format=number_format,
        )
        for first in range(0, piece.count, _PART_SAMPLES)
    ]  # fmt: skip


def _decoded(file: Path, offset: int, size: int, codes: Codes) -> list[np.ndarray]:
    """The runs of a channel in a part of a file."""
    options = {"sourcename": ".".join(codes)} if size else {}
    stream, warned = _read(file, offset, size, **options)
    if damaged := [text for text in warned if "integrity" in text]:
        raise Unreadable(damaged[0])
    return [trace.data for trace in stream if _codes(trace) == codes]


def _read(file: Path, offset: int, size: int, **options: Any) -> tuple[Any, list[str]]:
    """Stream of a part of a miniSEED file, or of a whole file, and the warnings that came with it."""
    with open(file, "rb") as opened:
        opened.seek(offset)
        data = opened.read(size or 1)
    if not data:
        raise Unreadable("empty file (0 bytes)")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stream = reading.records(data, **options) if size else reading.waveforms(file, **options)
    return stream, [_first_line(warning.message) for warning in caught if issubclass(warning.category, UserWarning)]


def _codes(trace: Any) -> Codes:
    stats = trace.stats
    return stats.network.strip(), stats.station.strip(), stats.location.strip(), stats.channel.strip()


def _first_line(error: object) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _same_rate(one: Piece, other: Piece | Stretch) -> bool:
    return abs(one.rate_hz - other.rate_hz) <= _SAME_RATE * other.rate_hz


def _difference(piece: Piece, used: list[tuple[int, Piece]], read: Read) -> str:
    """Why a piece does not fit the used ones where they overlap; empty if the samples are the same."""
    for begin, other in reversed(used):
        if other.end <= piece.start:
            break
        if not _same_rate(piece, other):
            return f"overlap: {other.rate_hz:g} Hz and {piece.rate_hz:g} Hz"
        shift = round((other.start - piece.start) * piece.rate_hz / 1e9)  # of the other's first sample in the piece
        first = max(shift + round((begin - other.start) * other.rate_hz / 1e9), 0)
        last = min(shift + other.count, piece.count)
        try:
            one, two = read(piece)[first:last], read(other)[first - shift : last - shift]
        except Unreadable as error:
            return str(error)
        if not np.array_equal(one, two, equal_nan=True):
            return "overlap: samples that differ"
    return ""

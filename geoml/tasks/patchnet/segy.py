"""Seismic lines from SEG-Y or NumPy files, and maps back into SEG-Y under the headers of the line they belong to.

SEG-Y revisions 0 to 2: a text header of 3200 bytes, a binary header of 400, further text headers, then traces of one
length, each behind a header of 240 bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from geoml.errors import InputError
from geoml.files import atomic

SUFFIXES = frozenset({".sgy", ".segy"})
IBM, IEEE = 1, 5
# Types of a sample, by format code: of these the samples can be read
_FORMATS = {IBM: "u4", 2: "i4", 3: "i2", IEEE: "f4", 6: "f8", 8: "i1", 10: "u4", 11: "u2", 16: "u1"}
_HEADERS, _TRACE_HEADER = 3600, 240
_INTERVAL, _SAMPLES, _FORMAT, _MORE_TEXTS = 3216, 3220, 3224, 3504  # places of two-byte numbers in the file
_BLOCK = 512  # traces read or written together


@dataclass(eq=False)
class Section:
    """A seismic line.

    Attributes:
        amplitudes: (samples, traces) float32, as in the file; samples downwards.
        interval_ms: Between samples: ms, or of a line in depth the unit that its maker chose; None where not set.
        first_ms: Time (depth) of the first sample, in the same unit.
        trace: (traces,) int numbers that the file gives its traces: CDP, else those within the line, else from 1.
        x, y: (traces,) coordinates in the file's units, NaN where not set.
    """

    amplitudes: np.ndarray
    interval_ms: float | None
    first_ms: float
    trace: np.ndarray
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class _Layout:
    """Where the traces of a SEG-Y file are."""

    order: Literal[">", "<"]
    code: int
    samples: int
    interval: int
    start: int
    traces: int

    def dtype(self) -> np.dtype:
        samples = self.order + _FORMATS[self.code]
        return np.dtype([("header", np.uint8, (_TRACE_HEADER,)), ("samples", samples, (self.samples,))])


def read(path: Path) -> Section:
    """A line from a SEG-Y file, or from a ``.npy`` array (samples, traces).

    Args:
        path: ``.sgy``, ``.segy`` (format codes 1, 2, 3, 5, 6, 8, 10, 11, 16; either byte order) or ``.npy``.

    Raises:
        InputError: the file is not what its suffix says, is truncated, or has no traces.
    """
    if not path.is_file():
        raise InputError(path, "file", "a seismic line", "no such file")
    return _read_array(path) if path.suffix.lower() == ".npy" else _read_segy(path)


def _read_array(path: Path) -> Section:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise InputError(path, "content", "a .npy file of numbers", error) from None
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        got = f"{values.dtype} {values.shape}"
        raise InputError(path, "array", "real numbers (samples, traces)", got)
    if not values.size:
        raise InputError(path, "array", "at least one sample and one trace", values.shape)
    traces = values.shape[1]
    unset = np.full(traces, np.nan)
    return Section(np.ascontiguousarray(_numbers(values, IEEE)), None, 0.0, np.arange(1, traces + 1), unset, unset)


def _read_segy(path: Path) -> Section:
    layout = _layout(path)
    amplitudes = np.empty((layout.samples, layout.traces), np.float32)
    headers = np.empty((layout.traces, _TRACE_HEADER), np.uint8)
    for part, block in _blocks(path, layout):
        headers[part] = block["header"]
        amplitudes[:, part] = _numbers(block["samples"], layout.code).T

    def header(byte: int, kind: str) -> np.ndarray:
        """Of all traces, the number at a byte counted from 1, as the standard does."""
        number = np.dtype(layout.order + kind)
        return headers[:, byte - 1 : byte - 1 + number.itemsize].copy().view(number)[:, 0].astype(np.int64)

    lengths = header(115, "u2")
    odd = np.flatnonzero((lengths != 0) & (lengths != layout.samples))
    if len(odd):
        got = f"{lengths[odd[0]]} in trace {odd[0] + 1}"
        raise InputError(path, "trace length", f"{layout.samples} samples, as in the binary header", got)
    interval = layout.interval or int(header(117, "u2")[0])
    scalar = header(71, "i2").astype(float)
    factor = np.where(scalar < 0, 1 / np.maximum(-scalar, 1), np.maximum(scalar, 1))
    # Of the middle between source and receiver (CDP), else of the source.
    pairs = [(header(x, "i4").astype(float), header(y, "i4").astype(float)) for x, y in ((181, 185), (73, 77))]
    x, y = next(((x, y) for x, y in pairs if x.any() or y.any()), pairs[0])
    set_there = (x != 0) | (y != 0)
    numbers = [header(byte, "i4") for byte in (21, 1)]  # of the CDP, else within the line
    counted = np.arange(1, layout.traces + 1)
    return Section(
        amplitudes,
        interval / 1000 or None,
        float(header(109, "i2")[0]),
        next((given for given in numbers if len(np.unique(given)) == layout.traces), counted),
        np.where(set_there, x * factor, np.nan),
        np.where(set_there, y * factor, np.nan),
    )


def _blocks(path: Path, layout: _Layout) -> Iterator[tuple[slice, np.ndarray]]:
    """Some traces at a time, and which they are; a mapped file would count as memory."""
    with open(path, "rb") as file:
        file.seek(layout.start)
        for start in range(0, layout.traces, _BLOCK):
            part = slice(start, min(start + _BLOCK, layout.traces))
            yield part, np.fromfile(file, layout.dtype(), part.stop - part.start)


def _numbers(samples: np.ndarray, code: int) -> np.ndarray:
    """Samples of any format as float32; what is too large for it becomes infinite, which makes a dead trace."""
    if code == IBM:  # sign, exponent of 16 with an excess of 64, 24 bits behind the point
        exponent = (samples >> 24 & 0x7F).astype(np.int32) * 4 - (256 + 24)
        samples = np.where(samples >> 31, -1.0, 1.0) * np.ldexp((samples & 0xFFFFFF).astype(np.float64), exponent)
    with np.errstate(over="ignore"):
        return samples.astype(np.float32)


def _layout(path: Path) -> _Layout:
    size = path.stat().st_size
    if size < _HEADERS:
        raise InputError(path, "size", f"SEG-Y, which has {_HEADERS} bytes of headers", f"{size} bytes")
    with open(path, "rb") as file:
        head = file.read(_HEADERS)

    def number(at: int, order: str, kind: str = "u2") -> int:
        return int(np.frombuffer(head, order + kind, 1, at)[0])

    order: Literal[">", "<"] = ">"
    if number(_FORMAT, ">") not in _FORMATS and number(_FORMAT, "<") in _FORMATS:
        order = "<"
    code, samples = number(_FORMAT, order), number(_SAMPLES, order)
    if code not in _FORMATS:
        known = ", ".join(map(str, _FORMATS))
        raise InputError(path, "format code", f"one of {known}", code, "Is the file SEG-Y, with a binary header?")
    if not samples:
        raise InputError(path, "samples per trace", "a number above 0 in the binary header", 0)
    texts = number(_MORE_TEXTS, order, "i2")
    start = _HEADERS + 3200 * texts
    if not _HEADERS <= start <= size:
        raise InputError(path, "extended text headers", "a number that the file has room for", texts)
    length = _TRACE_HEADER + samples * np.dtype(_FORMATS[code]).itemsize
    traces, rest = divmod(size - start, length)
    if rest:
        got = f"{traces} traces and {rest} bytes: {length - rest} bytes are missing"
        raise InputError(path, "size", f"whole traces of {length} bytes", got, "The file is truncated.")
    if not traces:
        raise InputError(path, "traces", "at least one", 0)
    return _Layout(order, code, samples, number(_INTERVAL, order), start, traces)


def write_like(path: Path, source: Path, values: np.ndarray) -> None:
    """Write values as a SEG-Y file with all headers of another, as 4-byte IEEE floats, whole or not at all.

    Args:
        path: To write.
        source: SEG-Y file that the headers are copied from, byte for byte but the format code.
        values: (samples, traces) as the source has them; NaN, which many programs cannot read, is written as 0.
    """
    layout = _layout(source)
    if values.shape != (layout.samples, layout.traces):
        raise InputError(source, "shape", f"{values.shape} samples and traces", (layout.samples, layout.traces))
    target = replace(layout, code=IEEE).dtype()
    with atomic(path) as temporary, open(source, "rb") as original, open(temporary, "wb") as file:
        head = bytearray(original.read(layout.start))
        head[_FORMAT : _FORMAT + 2] = np.array(IEEE, f"{layout.order}u2").tobytes()
        file.write(head)
        for part, given in _blocks(source, layout):
            block = np.empty(len(given), target)
            block["header"] = given["header"]
            block["samples"] = np.nan_to_num(values[:, part].T)
            file.write(block.tobytes())


def write(path: Path, values: np.ndarray, interval_ms: float, code: int = IEEE) -> None:
    """Write a line as a plain SEG-Y file, whole or not at all; traces are numbered from 1, coordinates not set.

    Args:
        path: To write.
        values: (samples, traces).
        interval_ms: Between samples.
        code: Format of the samples, as of the standard: 1 (IBM floats), 5 (IEEE floats), or of whole numbers.
    """
    import segyio

    spec: Any = segyio.spec()
    spec.format = code
    spec.samples = np.arange(len(values)) * interval_ms
    spec.tracecount = values.shape[1]
    field = segyio.TraceField
    with atomic(path) as temporary, segyio.create(temporary, spec) as file:
        file.text[0] = segyio.tools.create_text_header({1: "SYNTHETIC LINE MADE BY GEOML"})
        file.bin.update({segyio.BinField.Interval: round(interval_ms * 1000), segyio.BinField.Format: code})
        for number in range(values.shape[1]):
            file.header[number] = {
                field.TRACE_SEQUENCE_LINE: number + 1,
                field.CDP: number + 1,
                field.TRACE_SAMPLE_COUNT: len(values),
                field.TRACE_SAMPLE_INTERVAL: round(interval_ms * 1000),
            }
        file.trace.raw[:] = np.ascontiguousarray(values.T.astype(file.dtype))

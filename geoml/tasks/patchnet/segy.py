"""Seismic lines from SEG-Y or NumPy files, and maps back into SEG-Y under the headers of the line they belong to.

SEG-Y revisions 0 to 2: a text header of 3200 bytes, a binary header of 400, further text headers, then traces of one
length, each behind a header of 240 bytes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from geoml.errors import InputError
from geoml.files import atomic

SUFFIXES = frozenset({".sgy", ".segy"})
IBM, IEEE = 1, 5
# Bytes of a sample, by format code: of these the samples can be read
_FORMATS = {IBM: 4, 2: 4, 3: 2, IEEE: 4, 6: 8, 8: 1, 10: 4, 11: 2, 16: 1}
_HEADERS, _TRACE_HEADER = 3600, 240
_INTERVAL, _SAMPLES, _FORMAT, _MORE_TEXTS = 3216, 3220, 3224, 3504  # places of two-byte numbers in the file
_BLOCK = 1024  # traces written together


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

    endian: Literal["big", "little"]
    code: int
    samples: int
    start: int
    traces: int

    def dtype(self) -> np.dtype:
        return np.dtype([("header", f"V{_TRACE_HEADER}"), ("samples", f"V{self.samples * _FORMATS[self.code]}")])


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
    return Section(_single(values), None, 0.0, np.arange(1, traces + 1), unset, unset)


def _read_segy(path: Path) -> Section:
    import segyio

    layout = _layout(path)
    with segyio.open(path, ignore_geometry=True, endian=layout.endian) as file:

        def header(field: int) -> np.ndarray:
            return np.asarray(file.attributes(field)[:])

        lengths = header(segyio.TraceField.TRACE_SAMPLE_COUNT) & 0xFFFF
        odd = np.flatnonzero((lengths != 0) & (lengths != layout.samples))
        if len(odd):
            got = f"{lengths[odd[0]]} in trace {odd[0] + 1}"
            raise InputError(path, "trace length", f"{layout.samples} samples, as in the binary header", got)
        amplitudes = _single(file.trace.raw[:].T)
        interval = file.bin[segyio.BinField.Interval] or int(header(segyio.TraceField.TRACE_SAMPLE_INTERVAL)[0])
        first = float(header(segyio.TraceField.DelayRecordingTime)[0])
        names = ((segyio.TraceField.CDP_X, segyio.TraceField.CDP_Y),
                 (segyio.TraceField.SourceX, segyio.TraceField.SourceY))  # fmt: skip
        scalar = header(segyio.TraceField.SourceGroupScalar).astype(float)
        pairs = [(header(x).astype(float), header(y).astype(float)) for x, y in names]
        numbers = [header(name) for name in (segyio.TraceField.CDP, segyio.TraceField.TRACE_SEQUENCE_LINE)]
    factor = np.where(scalar < 0, 1 / np.maximum(-scalar, 1), np.maximum(scalar, 1))
    x, y = next(((x, y) for x, y in pairs if x.any() or y.any()), pairs[0])
    set_there = (x != 0) | (y != 0)
    counted = np.arange(1, layout.traces + 1)
    trace = next((given for given in numbers if len(np.unique(given)) == layout.traces), counted)
    return Section(
        amplitudes,
        (interval & 0xFFFF) / 1000 or None,
        first,
        trace,
        np.where(set_there, x * factor, np.nan),
        np.where(set_there, y * factor, np.nan),
    )


def _single(values: np.ndarray) -> np.ndarray:
    """A float32 copy; what is too large for it becomes infinite, which makes a dead trace."""
    with np.errstate(over="ignore"):
        return np.array(values, np.float32, order="C")


def _layout(path: Path) -> _Layout:
    size = path.stat().st_size
    if size < _HEADERS:
        raise InputError(path, "size", f"SEG-Y, which has {_HEADERS} bytes of headers", f"{size} bytes")
    with open(path, "rb") as file:
        head = file.read(_HEADERS)

    def number(at: int, endian: str, kind: str = "u2") -> int:
        return int(np.frombuffer(head, ("<" if endian == "little" else ">") + kind, 1, at)[0])

    endian: Literal["big", "little"] = "big"
    if number(_FORMAT, "big") not in _FORMATS and number(_FORMAT, "little") in _FORMATS:
        endian = "little"
    code, samples = number(_FORMAT, endian), number(_SAMPLES, endian)
    if code not in _FORMATS:
        known = ", ".join(map(str, _FORMATS))
        raise InputError(path, "format code", f"one of {known}", code, "Is the file SEG-Y, with a binary header?")
    if not samples:
        raise InputError(path, "samples per trace", "a number above 0 in the binary header", 0)
    texts = number(_MORE_TEXTS, endian, "i2")
    start = _HEADERS + 3200 * texts
    if not _HEADERS <= start <= size:
        raise InputError(path, "extended text headers", "a number that the file has room for", texts)
    length = _TRACE_HEADER + samples * _FORMATS[code]
    traces, rest = divmod(size - start, length)
    if rest:
        got = f"{traces} traces and {rest} bytes: {length - rest} bytes are missing"
        raise InputError(path, "size", f"whole traces of {length} bytes", got, "The file is truncated.")
    if not traces:
        raise InputError(path, "traces", "at least one", 0)
    return _Layout(endian, code, samples, start, traces)


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
    order = "<" if layout.endian == "little" else ">"
    target = np.dtype([("header", f"V{_TRACE_HEADER}"), ("samples", f"{order}f4", (layout.samples,))])
    traces = np.memmap(source, layout.dtype(), "r", layout.start, (layout.traces,))
    with atomic(path) as temporary, open(source, "rb") as original, open(temporary, "wb") as file:
        head = bytearray(original.read(layout.start))
        head[_FORMAT : _FORMAT + 2] = np.array(IEEE, f"{order}u2").tobytes()
        file.write(head)
        for start in range(0, layout.traces, _BLOCK):
            part = slice(start, start + _BLOCK)
            block = np.empty(len(traces[part]), target)
            block["header"] = traces[part]["header"]
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

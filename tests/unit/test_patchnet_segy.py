"""Seismic lines in files: what is read, what is refused, and maps under the headers of their line."""

from pathlib import Path

import numpy as np
import pytest
import segyio

from geoml.errors import InputError
from geoml.tasks.patchnet import segy

VALUES = np.random.default_rng(0).normal(0, 1000, (60, 20)).astype(np.float32)
LENGTH = 240 + 4 * len(VALUES)


def made(path: Path, code: int = segy.IEEE) -> Path:
    segy.write(path, VALUES.clip(-100, 100) if code == 8 else VALUES, 4, code)
    return path


def patched(path: Path, at: int, number: int, order: str = ">") -> Path:
    """The same file with another two-byte number."""
    content = bytearray(made(path).read_bytes())
    content[at : at + 2] = np.array(number, f"{order}i2").tobytes()
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("code", "most"), [(1, 1e-2), (5, 0), (2, 1), (3, 1)])
def test_floats_and_whole_numbers_come_back(tmp_path: Path, code: int, most: float) -> None:
    line = segy.read(made(tmp_path / "a.sgy", code))
    assert line.amplitudes.dtype == np.float32 and line.amplitudes.shape == (60, 20)
    assert np.abs(line.amplitudes - VALUES).max() <= most
    assert line.interval_ms == 4 and line.first_ms == 0


def test_bytes_come_back(tmp_path: Path) -> None:
    line = segy.read(made(tmp_path / "a.SEGY", 8))
    np.testing.assert_array_equal(line.amplitudes, np.trunc(VALUES.clip(-100, 100)))


def test_either_byte_order_is_read(tmp_path: Path) -> None:
    spec = segyio.spec()
    spec.format, spec.samples, spec.tracecount, spec.endian = 5, np.arange(60) * 2.0, 20, "little"
    with segyio.create(tmp_path / "a.sgy", spec) as file:
        file.bin.update({segyio.BinField.Interval: 2000, segyio.BinField.Format: 5})
        for number in range(20):
            file.header[number] = {segyio.TraceField.CDP: number + 100}
        file.trace.raw[:] = np.ascontiguousarray(VALUES.T)
    line = segy.read(tmp_path / "a.sgy")
    np.testing.assert_array_equal(line.amplitudes, VALUES)
    assert line.interval_ms == 2 and list(line.trace[:2]) == [100, 101]
    segy.write_like(tmp_path / "b.sgy", tmp_path / "a.sgy", VALUES / 2)
    np.testing.assert_array_equal(segy.read(tmp_path / "b.sgy").amplitudes, VALUES / 2)


def test_coordinates_are_scaled_and_may_be_missing(tmp_path: Path) -> None:
    path = made(tmp_path / "a.sgy")
    assert np.isnan(segy.read(path).x).all()
    field = segyio.TraceField
    with segyio.open(path, "r+", ignore_geometry=True) as file:
        for number in range(1, 20):
            file.header[number].update({field.SourceGroupScalar: -100, field.CDP_X: 1250 + number, field.CDP_Y: 7})
        file.header[0].update({field.DelayRecordingTime: 3480})
    line = segy.read(path)
    assert np.isnan(line.x[0]) and np.isnan(line.y[0])
    np.testing.assert_allclose(line.x[1:], 12.5 + np.arange(1, 20) / 100)
    np.testing.assert_allclose(line.y[1:], 0.07)
    assert line.first_ms == 3480


def test_traces_without_numbers_are_counted(tmp_path: Path) -> None:
    path = made(tmp_path / "a.sgy")
    with segyio.open(path, "r+", ignore_geometry=True) as file:
        for number in range(20):
            file.header[number].update({segyio.TraceField.CDP: 5, segyio.TraceField.TRACE_SEQUENCE_LINE: 0})
    assert list(segy.read(path).trace) == list(range(1, 21))


@pytest.mark.parametrize("code", [1, 3, 5])
def test_a_map_has_all_headers_of_its_line(tmp_path: Path, code: int) -> None:
    source, path = made(tmp_path / "a.sgy", code), tmp_path / "map.sgy"
    content = bytearray(source.read_bytes())
    content[3600 + 230] = 77  # not assigned by the standard
    source.write_bytes(content)
    values = np.linspace(0, 1, VALUES.size, dtype=np.float32).reshape(VALUES.shape)
    values[:, 3] = np.nan
    segy.write_like(path, source, values)
    before, after = source.read_bytes(), path.read_bytes()
    assert len(after) == 3600 + 20 * LENGTH
    assert after[:3224] == before[:3224] and after[3226:3600] == before[3226:3600]
    assert after[3225] == segy.IEEE
    length = (len(before) - 3600) // 20
    for number in range(20):
        here, there = 3600 + number * LENGTH, 3600 + number * length
        assert after[here : here + 240] == before[there : there + 240]
    np.testing.assert_array_equal(segy.read(path).amplitudes, np.nan_to_num(values))
    with pytest.raises(InputError, match="shape"):
        segy.write_like(path, source, values[:, 1:])
    assert path.read_bytes() == after and len(list(tmp_path.iterdir())) == 2


def test_further_text_headers_are_kept(tmp_path: Path) -> None:
    path = made(tmp_path / "a.sgy")
    content = bytearray(path.read_bytes())
    content[3504:3506] = (1).to_bytes(2, "big")
    path.write_bytes(content[:3600] + b"x" * 3200 + content[3600:])
    np.testing.assert_array_equal(segy.read(path).amplitudes, VALUES)
    segy.write_like(tmp_path / "b.sgy", path, -VALUES)
    assert (tmp_path / "b.sgy").read_bytes()[3600:6800] == b"x" * 3200
    np.testing.assert_array_equal(segy.read(tmp_path / "b.sgy").amplitudes, -VALUES)


def test_a_truncated_file_says_how_much_is_missing(tmp_path: Path) -> None:
    path = made(tmp_path / "a.sgy")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=rf"19 traces and {LENGTH - 100} bytes: 100 bytes are missing.*truncated"):
        segy.read(path)


def test_a_file_without_traces_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "a.sgy")
    path.write_bytes(path.read_bytes()[:3600])
    with pytest.raises(InputError, match="traces: expected at least one, got 0"):
        segy.read(path)


@pytest.mark.parametrize(
    ("at", "number", "message"),
    [
        (3224, 4, "format code: expected one of 1, 2, .* got 4"),
        (3220, 0, "samples per trace"),
        (3504, -1, "extended text headers: .* got -1"),
        (3504, 9000, "extended text headers: .* got 9000"),
        (3600 + 5 * LENGTH + 114, 59, "trace length: expected 60 samples, .* got 59 in trace 6"),
    ],
)
def test_headers_that_cannot_be_right_are_refused(tmp_path: Path, at: int, number: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        segy.read(patched(tmp_path / "a.sgy", at, number))


@pytest.mark.parametrize(("text", "message"), [(b"hello", "3600 bytes of headers"), (b"hello " * 900, "format code")])
def test_other_files_are_refused(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "a.sgy").write_bytes(text)
    with pytest.raises(InputError, match=message):
        segy.read(tmp_path / "a.sgy")


def test_arrays_are_lines_too(tmp_path: Path) -> None:
    values = VALUES.astype(np.float64)
    values[0, 0] = 1e300
    np.save(tmp_path / "a.npy", values)
    line = segy.read(tmp_path / "a.npy")
    np.testing.assert_array_equal(line.amplitudes[1:], VALUES[1:])
    assert line.amplitudes[0, 0] == np.inf
    assert line.interval_ms is None and list(line.trace) == list(range(1, 21))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[{}]], object), r"a \.npy file of numbers"),
        (np.zeros(5), r"real numbers \(samples, traces\), got float64 \(5,\)"),
        (np.zeros((5, 5), complex), "complex128"),
        (np.zeros((5, 0)), "at least one sample and one trace"),
    ],
)
def test_arrays_of_other_things_are_refused(tmp_path: Path, values: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(InputError, match=message):
        segy.read(tmp_path / "a.npy")


def test_a_broken_array_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"nothing")
    with pytest.raises(InputError, match="numbers"):
        segy.read(tmp_path / "a.npy")
    with pytest.raises(InputError, match="no such file"):
        segy.read(tmp_path / "b.sgy")

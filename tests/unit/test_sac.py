"""Binary SAC without obspy: what obspy reads, to the sample and the nanosecond, and the files that nobody can."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from obspy import Trace, UTCDateTime, read
from obspy.io.sac import SACTrace

from geoml import sac

NAMES = ("network", "station", "location", "channel", "sampling_rate", "npts")


def written(path: Path, byteorder: str = "little", rate_hz: float = 100.0, **header: Any) -> Path:
    """A file of 500 samples; None takes a value of the header away."""
    data = np.random.default_rng(0).normal(0, 100, 500).astype(np.float32)
    codes = {"network": "XX", "station": "ABC", "location": "10", "channel": "HHZ"}
    start = UTCDateTime("2020-12-31T23:59:59.123456")
    trace = SACTrace.from_obspy_trace(Trace(data, {**codes, "starttime": start, "sampling_rate": rate_hz}))
    for name, value in header.items():
        setattr(trace, name, value)
    trace.write(str(path), byteorder=byteorder)
    return path


def patched(path: Path, offset: int, value: Any) -> Path:
    raw = bytearray(path.read_bytes())
    raw[offset : offset + len(value)] = value
    path.write_bytes(raw)
    return path


def same(path: Path) -> None:
    """The file as obspy has it."""
    for headonly in (False, True):
        (one,), (two,) = read(str(path), headonly=headonly), sac.read(path, headonly)
        assert [getattr(two.stats, name) for name in NAMES] == [getattr(one.stats, name) for name in NAMES]
        assert two.stats.starttime.ns == one.stats.starttime.ns
        assert two.stats.starttime.timestamp == one.stats.starttime.timestamp
        assert two.id == one.id and np.array_equal(two.data, one.data, equal_nan=True)
        there = one.stats.sac
        for name in ("delta", "b", "a", "leven", "iftype", "kstnm", "kevnm", "knetwk", "nzyear"):
            assert (name in two.stats.sac) == (name in there), name
            assert two.stats.sac.get(name) == there.get(name), name
    assert two.stats.get("nothing", 3) == 3


@pytest.mark.filterwarnings("ignore:Sample spacing read")
@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize(
    ("rate_hz", "header"),
    [
        (100.0, {}),
        (40.0, {"a": 12.345, "kevnm": "an event of 2020"}),
        (20.0, {"kevnm": "short", "khole": None, "knetwk": None, "kcmpnm": None}),
        (1 / 0.0499999, {"b": None}),
        (125.0, {"nzyear": None}),
        (62.5, {"nzhour": 25}),
        (62.5, {"nzsec": 60}),
        (62.5, {"nzmsec": -1}),
        (200.0, {"nzjday": 367}),
        (200.0, {"nzjday": 0}),
        (200.0, {"nzyear": 9999, "nzjday": 366}),
        (99.998, {"b": -1234.56789}),
    ],
)
def test_a_file_is_read_as_by_obspy(tmp_path: Path, byteorder: str, rate_hz: float, header: dict[str, Any]) -> None:
    same(written(tmp_path / "x.sac", byteorder, rate_hz, **header))


def test_texts_that_are_undefined_or_damaged_are_read_as_by_obspy(tmp_path: Path) -> None:
    path = written(tmp_path / "x.sac")
    for text in (b"-12345  ", b"-12345X ", b"AB\0CDEFG", b" A\xe9B    ", b"        ", b"\0\0\0\0\0\0\0\0"):
        same(patched(path, 440, text))


@pytest.mark.filterwarnings("ignore:SAC file with 2-digit year")
@pytest.mark.parametrize("year", [69, 0, 850, -3, 12000])
def test_years_are_read_as_by_obspy(tmp_path: Path, year: int) -> None:
    same(patched(written(tmp_path / "x.sac"), 280, np.int32(year).tobytes()))


def test_version_7_is_read_with_and_without_its_footer(tmp_path: Path) -> None:
    path = patched(written(tmp_path / "x.sac"), 280 + 24, np.int32(7).tobytes())
    same(path)
    bare = sac.read(path)[0]
    path.write_bytes(path.read_bytes() + np.zeros(22).tobytes())
    assert np.array_equal(sac.read(path)[0].data, bare.data) and sac.read(path, headonly=True)[0].stats.npts == 500


def test_files_that_are_not_whole_or_no_sac_say_what_they_are(tmp_path: Path) -> None:
    whole = written(tmp_path / "x.sac").read_bytes()
    for content, reason in (
        (whole[:-4], "2628 bytes, whose header wants 2632"),
        (whole + whole[:8], "2640 bytes, whose header wants 2632"),
        (whole[:100], "not a binary SAC file; formats other than SAC need obspy"),
        (b"not a seismogram" * 60, "not a binary SAC file"),
        (b"000001D ABC" + bytes(700), "miniSEED file needs obspy"),
        (whole[:316] + np.int32(-5).tobytes() + whole[320:], "a SAC file of -5 samples"),
        (np.float32(0).tobytes() + whole[4:], "not a binary SAC file"),
    ):
        path = tmp_path / "y.sac"
        path.write_bytes(content)
        for headonly in (False, True):
            with pytest.raises(ValueError, match=reason):
                sac.read(path, headonly)


def test_spectra_and_uneven_samples_are_told_by_the_header(tmp_path: Path) -> None:
    path = patched(written(tmp_path / "x.sac"), 280 + 4 * 35, np.int32(0).tobytes())
    assert sac.read(path)[0].stats.sac["leven"] == 0
    path = patched(path, 280 + 4 * 15, np.int32(2).tobytes())
    assert sac.read(path)[0].stats.sac["iftype"] == 2

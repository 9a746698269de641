"""Prediction on a user's own continuous seismograms: windows, detections, and what is not scored."""

import csv
import os
import pickle
import re
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime
from PIL import Image

from geoml import models
from geoml.errors import InputError
from geoml.plotting import figure
from geoml.tasks.tremor import continuous, predict, traces

START = UTCDateTime("2020-01-02T03:04:05.006")
SETTINGS: dict[str, Any] = {"window_from": "origin", "band_hz": [2, 5], "norm": "none"}
SHARED = Path(os.environ.get("GEOML_SHARED", Path(__file__).parents[2] / ".." / "shared")).resolve()
SAC = SHARED / "data" / "sac_sample" / "sample.SAC"
draw = predict._draw


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take most of the time; their own tests put them back."""
    monkeypatch.setattr(predict, "_draw", lambda *_: None)


def noise(seconds: float, rate_hz: float = 20.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 100, round(seconds * rate_hz)).round().astype(np.int32)


def with_tremor(data: np.ndarray, start_s: float, end_s: float, rate_hz: float = 20.0) -> np.ndarray:
    t = np.arange(len(data)) / rate_hz
    burst = (t >= start_s) & (t < end_s)
    return (data + burst * 1000 * np.sin(2 * np.pi * 3 * t)).astype(np.int32)


def trace(
    data: np.ndarray, after_s: float = 0, rate_hz: float = 20.0, channel: str = "BHZ", station: str = "ABC"
) -> Trace:
    codes = {"network": "XX", "station": station, "channel": channel}
    return Trace(data, {**codes, "starttime": START + after_s, "sampling_rate": rate_hz})


def written(path: Path, *several: Trace, reclen: int = 512) -> Path:
    """A file of the traces in the format of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".sac":
        (one,) = several
        one.copy().write(str(path), format="SAC")
    else:
        Stream(list(several)).write(str(path), format="MSEED", reclen=reclen)
    return path


def loudness(samples: np.ndarray) -> np.ndarray:
    """Stand-in model: the share of a window's 10 s that are loud."""
    assert samples.dtype == np.float32 and samples.shape[1:] == (20000,)
    p = (np.abs(samples).reshape(len(samples), 100, 200).max(axis=2) > 500).mean(axis=1)
    return np.column_stack([1 - p, p])


def run(inputs: Any, out: Path, **more: Any) -> predict.Summary:
    inputs = inputs if isinstance(inputs, list) else [inputs]
    options = {"probabilities": loudness, "settings": SETTINGS, "threshold": 0.3} | more
    return predict.predict(inputs, out, **options)


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def seconds(time: str) -> float:
    """After the start of the traces."""
    return round(UTCDateTime(time) - START, 3)


def spans(rows: list[dict[str, str]]) -> list[tuple[float, float]]:
    return [(seconds(row["start_utc"]), seconds(row["end_utc"])) for row in rows]


def windows(out: Path) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Rows of windows.csv with a score, and those with a reason."""
    rows = rows_of(out / "windows.csv")
    assert all((row["score"] == "") != (row["reason"] == "") for row in rows)
    return [row for row in rows if row["score"]], [row for row in rows if row["reason"]]


def test_tremor_is_found_where_it_was_planted_and_nowhere_else(tmp_path: Path) -> None:
    loud = with_tremor(with_tremor(noise(9000), 3100, 4100), 7000, 7600)
    written(tmp_path / "in/day.mseed", trace(loud), trace(noise(9000, seed=1), channel="BHE"))
    summary = run(tmp_path / "in", tmp_path / "out")
    found = rows_of(tmp_path / "out/detections.csv")
    assert list(found[0]) == [
        "network", "station", "location", "channel", "start_utc", "end_utc", "score", "mean_score", "windows"
    ]  # fmt: skip
    assert {(row["network"], row["station"], row["location"], row["channel"]) for row in found} == {
        ("XX", "ABC", "", "BHZ")
    }
    assert spans(found) == [(2500, 4500), (6500, 8000)]
    assert found[0]["start_utc"] == "2020-01-02T03:45:45.006Z"
    assert [row["windows"] for row in found] == ["3", "2"]
    assert [float(row["score"]) for row in found] == pytest.approx([0.9, 0.6], abs=0.021)
    assert [float(row["mean_score"]) for row in found] == pytest.approx([(0.4 + 0.9 + 0.6) / 3, 0.55], abs=0.021)
    assert summary.written == [
        tmp_path / "out" / name for name in ("detections.csv", "windows.csv", "overview.png", "overview.svg")
    ]
    assert "2 detections at 0.30 or above, 1.0 h: XX.ABC..BHZ 2" in str(summary)
    assert str(summary).startswith(
        "34 windows of 1000 s scored, 2 channels, 2020-01-02T03:04:05.006Z to 2020-01-02T05:34:05.006Z\n"
    )


def test_windows_overlap_by_half_begin_with_the_first_sample_and_end_with_the_last(tmp_path: Path) -> None:
    file = written(tmp_path / "a.mseed", trace(noise(2750)))
    run(file, tmp_path / "half")
    good, bad = windows(tmp_path / "half")
    assert spans(good) == [(0, 1000), (500, 1500), (1000, 2000), (1500, 2500), (1750, 2750)] and not bad
    run(file, tmp_path / "none", overlap=0)
    assert spans(windows(tmp_path / "none")[0]) == [(0, 1000), (1000, 2000), (1750, 2750)]
    run(file, tmp_path / "most", overlap=0.75)
    assert spans(windows(tmp_path / "most")[0]) == [(250 * k, 250 * k + 1000) for k in range(8)]


@pytest.mark.parametrize("overlap", [-0.1, 1.0, float("nan")])
def test_an_overlap_that_goes_nowhere_is_refused(tmp_path: Path, overlap: float) -> None:
    file = written(tmp_path / "a.mseed", trace(noise(1000)))
    with pytest.raises(InputError, match="--overlap"):
        run(file, tmp_path / "out", overlap=overlap)


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("name", ["a.sac", "a.mseed"])
def test_a_window_that_is_already_cut_is_one_window(tmp_path: Path, name: str, extra: int) -> None:
    data = noise(1001)[: 20_000 + extra]
    run(written(tmp_path / name, trace(data.astype(np.float32))), tmp_path / "out")
    good, bad = windows(tmp_path / "out")
    assert spans(good) == [(0, 1000)] and not bad


def test_the_model_sees_exactly_what_training_saw(tmp_path: Path) -> None:
    data, seen = noise(1600, 100.0), []
    settings = SETTINGS | {"norm": "per_trace"}
    run(
        written(tmp_path / "a.mseed", trace(data, rate_hz=100.0)), tmp_path / "out", settings=settings,
        probabilities=lambda x: (seen.append(x), loudness(x))[1],
    )  # fmt: skip
    expected = [traces.samples(data[100 * s : 100 * (s + 1000)], 100.0, settings) for s in (0, 500, 600)]
    assert np.array_equal(np.concatenate(seen), expected)


@pytest.mark.parametrize("suffix", ["sac", "mseed"])
def test_files_that_follow_each_other_are_scored_as_one(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(continuous, "_PART_BYTES", 4096)
    monkeypatch.setattr(continuous, "_PART_SAMPLES", 7001)
    data = with_tremor(noise(4000), 1300, 2200).astype(np.float32)
    run(written(tmp_path / f"one.{suffix}", trace(data)), tmp_path / "one")
    cuts = [0, 20_011, 27_777, 27_999, 50_000, 80_000]
    for number, (a, b) in enumerate(pairwise(cuts)):
        # Names do not sort as times do.
        written(tmp_path / f"many/{9 - number}.{suffix}", trace(data[a:b], after_s=a / 20))
    summary = run(tmp_path / "many", tmp_path / "out")
    assert len(windows(tmp_path / "out")[0]) == 7
    for name in ("windows.csv", "detections.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    assert "not scored" not in str(summary)


def test_channels_that_take_turns_in_a_file_are_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(continuous, "_PART_BYTES", 3000)
    channels = [trace(noise(1500, seed=k), channel=f"BH{c}") for k, c in enumerate("ENZ")]
    apart = [written(tmp_path / f"apart/{each.id}.mseed", each).read_bytes() for each in channels]
    records = [bytes[at : at + 512] for at in range(0, max(map(len, apart)), 512) for bytes in apart]
    (tmp_path / "all.mseed").write_bytes(b"".join(records))
    run(tmp_path / "all.mseed", tmp_path / "a")
    run(tmp_path / "apart", tmp_path / "b")
    assert [row["channel"] for row in windows(tmp_path / "a")[0]] == ["BHE"] * 2 + ["BHN"] * 2 + ["BHZ"] * 2
    assert (tmp_path / "a/windows.csv").read_bytes() == (tmp_path / "b/windows.csv").read_bytes()


def test_records_of_two_lengths_in_one_file_are_all_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(continuous, "_PART_BYTES", 4096)
    data = noise(2000)
    short = written(tmp_path / "short.mseed", trace(data[:15_000]), reclen=512).read_bytes()
    assert len(short) % 4096
    long = written(tmp_path / "long.mseed", trace(data[15_000:], after_s=750), reclen=4096).read_bytes()
    (tmp_path / "both.mseed").write_bytes(short + long)
    run(tmp_path / "both.mseed", tmp_path / "out")
    good, bad = windows(tmp_path / "out")
    assert spans(good) == [(0, 1000), (500, 1500), (1000, 2000)] and not bad


def test_memory_holds_a_batch_of_windows_and_a_few_parts_whatever_the_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict, "_BATCH", 5)
    monkeypatch.setattr(continuous, "_PART_BYTES", 8192)
    held: dict[str, list[weakref.ref]] = {"windows": [], "parts": []}
    most = {"windows": 0, "parts": 0, "asked": 0, "samples": 0}

    def counted(kind: str, array: np.ndarray) -> np.ndarray:
        held[kind] = [ref for ref in held[kind] if ref() is not None] + [weakref.ref(array)]
        most[kind] = max(most[kind], len(held[kind]))
        return array

    def decoded(*args: Any) -> list[np.ndarray]:
        return [counted("parts", data.copy()) for data in real(*args)]

    def prepared(data: np.ndarray, *_: Any) -> np.ndarray:
        most["samples"] = max(most["samples"], data.base.size)
        return counted("windows", np.zeros(20_000, np.float32))

    def asked(samples: np.ndarray) -> np.ndarray:
        most["asked"] = max(most["asked"], len(samples))
        return loudness(samples)

    real = continuous._decoded
    monkeypatch.setattr(continuous, "_decoded", decoded)
    monkeypatch.setattr(predict.traces, "samples", prepared)
    file = written(tmp_path / "long.mseed", trace(noise(40_000)), trace(noise(40_000, seed=1), channel="BHE"))
    assert file.stat().st_size > 100 * 8192
    run(file, tmp_path / "out", probabilities=asked)
    assert len(windows(tmp_path / "out")[0]) == 158
    assert most["asked"] == 5 and most["windows"] == 5
    assert 20_000 <= most["samples"] < 40_000
    assert most["parts"] <= 8, "a window of 20000 samples in parts of about 5000, and two kept"


def test_a_gap_ends_a_stretch_and_no_window_holds_it(tmp_path: Path) -> None:
    before, after = trace(noise(1700)), trace(noise(1100), after_s=1700.5)
    short = trace(noise(400), after_s=3000)
    summary = run(written(tmp_path / "a.mseed", before, after, short), tmp_path / "out")
    good, bad = windows(tmp_path / "out")
    assert spans(good) == [(0, 1000), (500, 1500), (700, 1700), (1700.5, 2700.5), (1800.5, 2800.5)]
    assert spans(bad) == [(1700, 1700.5), (2800.5, 3000), (3000, 3400)]
    assert [row["reason"] for row in bad] == [
        "gap: no data for 0.50 s", "gap: no data for 199.50 s", "shorter than 1000 s: 400.00 s"
    ]  # fmt: skip
    times = [seconds(row["start_utc"]) for row in rows_of(tmp_path / "out/windows.csv")]
    assert times == sorted(times)
    assert "2 x gap, such as XX.ABC..BHZ 2020-01-02T03:32:25.006Z (gap: no data for 0.50 s)" in str(summary)
    assert "1 x shorter than 1000 s" in str(summary)


def test_times_are_rounded_to_milliseconds(tmp_path: Path) -> None:
    run(written(tmp_path / "a.mseed", trace(noise(1000), after_s=0.0007)), tmp_path / "out")
    assert windows(tmp_path / "out")[0][0]["start_utc"] == "2020-01-02T03:04:05.007Z"


def test_a_jump_of_less_than_half_a_sample_is_no_gap(tmp_path: Path) -> None:
    data = noise(1500)
    first, second = trace(data[:10_000]), trace(data[10_000:], after_s=500.02)
    run([written(tmp_path / "1.mseed", first), written(tmp_path / "2.mseed", second)], tmp_path / "out")
    good, bad = windows(tmp_path / "out")
    assert spans(good) == [(0, 1000.02), (500.02, 1500.02)] and not bad


def test_damaged_windows_are_not_scored_and_slightly_damaged_ones_are_counted(tmp_path: Path) -> None:
    data = noise(4000).astype(np.float32)
    data[20 * 1000 : 20 * 1150] = 7.0  # dead in the windows from 500 and 1000 s
    data[20 * 2600 : 20 * 2620] = 1e6  # clipped in those from 2000 and 2500 s
    data[20 * 3400] = np.nan
    summary = run(written(tmp_path / "a.sac", trace(data)), tmp_path / "out")
    good, bad = windows(tmp_path / "out")
    assert spans(good) == [(0, 1000), (1500, 2500), (2000, 3000)]
    assert [row["flat_or_clipped_s"] for row in good[:2]] == ["0.0", "0.0"] and float(good[2]["flat_or_clipped_s"]) > 0
    assert [row["reason"] for row in bad] == [
        *["flat or clipped: 150.0 s of 1000 s"] * 2, *["not finite: 1 samples"] * 2
    ]  # fmt: skip
    assert re.search(r"scored, but flat or clipped in parts: 1 window, \d+ s at most", str(summary))
    assert "2 x flat or clipped" in str(summary)


def test_samples_given_twice_are_used_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(continuous, "_PART_BYTES", 8192)
    data = noise(2500)
    run(written(tmp_path / "one.mseed", trace(data)), tmp_path / "one")
    written(tmp_path / "in/a.mseed", trace(data[:30_000]))
    written(tmp_path / "in/b.mseed", trace(data[17_000:], after_s=850))
    written(tmp_path / "in/c.mseed", trace(data[:20_000]))
    summary = run(tmp_path / "in", tmp_path / "out")
    assert (tmp_path / "out/windows.csv").read_bytes() == (tmp_path / "one/windows.csv").read_bytes()
    assert "XX.ABC..BHZ: 1650 s given twice, with the same samples: used once" in str(summary)


def test_windows_where_two_files_contradict_each_other_are_not_scored(tmp_path: Path) -> None:
    data = noise(4000)
    other = data[28_000:].copy()
    other[500] += 1  # 25 s into an overlap of 100 s
    written(tmp_path / "in/a.mseed", trace(data[:30_000]))
    written(tmp_path / "in/b.mseed", trace(other, after_s=1400))
    written(tmp_path / "in/c.mseed", trace(data[28_200:36_000], after_s=1410))  # as what is used of a and b
    run(tmp_path / "in", tmp_path / "out")
    good, bad = windows(tmp_path / "out")
    assert spans(good) == [(0, 1000), (1500, 2500), (2000, 3000), (2500, 3500), (3000, 4000)]
    assert spans(bad) == [(500, 1500), (1000, 2000)]
    assert {row["reason"] for row in bad} == {"overlap: samples that differ"}


def test_rates_that_change_make_windows_of_each(tmp_path: Path) -> None:
    slow, fast = trace(noise(1500)), trace(noise(1200, 50.0), after_s=1500, rate_hz=50.0)
    summary = run(written(tmp_path / "a.mseed", slow, fast), tmp_path / "out")
    good, bad = windows(tmp_path / "out")
    assert spans(good) == [(0, 1000), (500, 1500), (1500, 2500), (1700, 2700)] and not bad
    assert "XX.ABC..BHZ: 20 Hz, 50 Hz: windows of each rate on their own" in str(summary)


def test_two_rates_at_once_contradict_each_other(tmp_path: Path) -> None:
    slow, fast = trace(noise(1500)), trace(noise(1500, 50.0), after_s=1400, rate_hz=50.0)
    run(written(tmp_path / "a.mseed", slow, fast), tmp_path / "out")
    good, bad = windows(tmp_path / "out")
    assert spans(good) == [(0, 1000), (1500, 2500), (1900, 2900)]
    assert [row["reason"] for row in bad] == ["overlap: 20 Hz and 50 Hz"] and spans(bad) == [(500, 1500)]


def test_a_rate_that_cannot_hold_the_band_is_said(tmp_path: Path) -> None:
    written(tmp_path / "in/slow.mseed", trace(noise(1500, 1.0), rate_hz=1.0, channel="LHZ"))
    written(tmp_path / "in/good.mseed", trace(noise(1000)))
    run(tmp_path / "in", tmp_path / "out")
    good, bad = windows(tmp_path / "out")
    assert len(good) == 1 and [row["channel"] for row in bad] == ["LHZ"] * 2
    assert all("too low for 2-5 Hz" in row["reason"] for row in bad)


def test_bad_files_among_good_ones_are_rows_with_a_reason(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    written(folder / "good.mseed", trace(noise(1000)))
    (folder / "empty.sac").write_bytes(b"")
    (folder / "text.mseed").write_text("not a seismogram")
    (folder / "random.bin").write_bytes(np.random.default_rng(0).bytes(100_000))
    (folder / "README.md").write_text("passed over")
    (folder / ".hidden.mseed").write_text("passed over")
    short = written(folder / "short.sac", trace(noise(1000).astype(np.float32), channel="BHE"))
    short.write_bytes(short.read_bytes()[:-4])
    uneven = bytearray(written(folder / "uneven.sac", trace(noise(1000).astype(np.float32))).read_bytes())
    uneven[420:424] = bytes(4)
    (folder / "uneven.sac").write_bytes(uneven)
    text = trace(np.frombuffer(b"started " * 200, "S1"), rate_hz=1.0, channel="LOG")
    text.write(str(folder / "log.mseed"), format="MSEED", encoding="ASCII")
    summary = run(folder, tmp_path / "out", settings=SETTINGS | {"band_hz": None})
    good, bad = windows(tmp_path / "out")
    assert len(good) == 1
    reasons = {re.sub(r"^.*/", "", row["reason"]) for row in bad}
    assert {
        "empty.sac: empty file (0 bytes)",
        "short.sac: Actual and theoretical file size are inconsistent.",
    } <= reasons
    assert {"uneven.sac: XX.ABC..BHZ: a spectrum, or unevenly sampled", "log.mseed: text, not samples"} <= reasons
    assert {reason.split(":")[0] for reason in reasons} == {
        "empty.sac", "text.mseed", "random.bin", "short.sac", "uneven.sac", "log.mseed"
    }  # fmt: skip
    unread = [row for row in bad if not row["channel"]]
    assert len(unread) == 5 and {row["start_utc"] for row in unread} == {""}
    assert "8 x unreadable, such as XX.ABC..LOG" in str(summary)


def test_a_damaged_record_costs_only_the_windows_around_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(continuous, "_PART_BYTES", 2048)
    file = written(tmp_path / "a.mseed", trace(np.cumsum(noise(5000)).astype(np.int32)))
    raw = bytearray(file.read_bytes())
    middle = len(raw) // 1024 * 512
    raw[middle + 200] ^= 1  # one bit of a difference between samples: found by the sum at the record's end
    file.write_bytes(raw)
    run(file, tmp_path / "out")
    good, bad = windows(tmp_path / "out")
    assert len(good) + len(bad) == 9 and len(bad) == 2
    assert spans(bad) == [(2000, 3000), (2500, 3500)], "the middle, about 2540 s"
    assert all("integrity" in row["reason"] for row in bad)


class Evil:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("ran"),)


def test_a_pickle_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "in/good.mseed", trace(noise(1000)))
    (tmp_path / "in/bad.pickle").write_bytes(pickle.dumps(("obspy.core.stream", Evil())))
    run(tmp_path / "in", tmp_path / "out")
    assert not Path("ran").exists()
    assert windows(tmp_path / "out")[1][0]["reason"].endswith("bad.pickle: a pickle, which is not safe to open")


def test_nothing_to_score_is_an_error_that_says_why(tmp_path: Path) -> None:
    file = written(tmp_path / "a.mseed", trace(noise(999)))
    with pytest.raises(InputError, match=r"1 x shorter than 1000 s.*999\.00 s") as error:
        run(file, tmp_path / "out")
    assert str(file) in str(error.value) and not (tmp_path / "out").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="at least one waveform file, got none"):
        run(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(InputError, match="no such file or folder"):
        run(tmp_path / "missing.sac", tmp_path / "out")


def test_a_model_that_gives_no_number_gives_a_reason(tmp_path: Path) -> None:
    def broken(samples: np.ndarray) -> np.ndarray:
        answers = loudness(samples)
        answers[1] = np.nan
        return answers

    run(written(tmp_path / "a.mseed", trace(noise(2000))), tmp_path / "out", probabilities=broken)
    good, bad = windows(tmp_path / "out")
    assert len(good) == 2 and spans(bad) == [(500, 1500)] and bad[0]["reason"] == "the model gave no number"


@pytest.mark.parametrize("order", ["<", ">"])
def test_sac_of_either_byte_order_is_read_part_by_part(
    tmp_path: Path, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(continuous, "_PART_SAMPLES", 9000)
    data, seen = noise(1000).astype(np.float32), []
    trace(data).write(str(tmp_path / "a.sac"), format="SAC", byteorder=order)
    settings = SETTINGS | {"band_hz": None}
    (pieces,) = continuous.scan([tmp_path / "a.sac"])[0].values()
    assert [piece.count for piece in pieces] == [9000, 9000, 2000]
    run(
        tmp_path / "a.sac", tmp_path / "out", settings=settings,
        probabilities=lambda x: (seen.append(x), loudness(x))[1],
    )  # fmt: skip
    assert np.array_equal(seen[0][0], traces.samples(data, 20.0, settings))


def test_a_table_alone_is_written_where_a_csv_is_asked_for(tmp_path: Path) -> None:
    file = written(tmp_path / "a.mseed", trace(with_tremor(noise(2000), 200, 1200)))
    summary = run(file, tmp_path / "one.csv")
    assert summary.written == [tmp_path / "one.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mseed", "one.csv"]
    run(file, tmp_path / "out")
    assert (tmp_path / "out/detections.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()


def test_without_detections_the_table_has_its_header(tmp_path: Path) -> None:
    summary = run(written(tmp_path / "a.mseed", trace(noise(1000))), tmp_path / "one.csv")
    assert (tmp_path / "one.csv").read_text().startswith("network,") and not rows_of(tmp_path / "one.csv")
    assert "0 detections at 0.30 or above\n" in str(summary)


def test_the_same_files_give_the_same_bytes_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "_draw", draw)
    a = written(tmp_path / "in/a.mseed", trace(with_tremor(noise(1700), 200, 900), station="B"))
    b = written(tmp_path / "in/b.sac", trace(noise(1200).astype(np.float32), station="A"))
    c, d = tmp_path / "in/c.bin", tmp_path / "in/d.bin"
    c.write_text("no")
    d.write_text("waveforms")
    run([a, b, c, d], tmp_path / "1")
    run([b, d, tmp_path / "in", c, a], tmp_path / "2")
    names = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert names == ["detections.csv", "overview.png", "overview.svg", "windows.csv"]
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    assert [row["station"] for row in windows(tmp_path / "1")[0]] == ["A"] * 2 + ["B"] * 3
    with Image.open(tmp_path / "1/overview.png") as image:
        assert image.format == "PNG" and image.width > 1000


def test_the_figure_draws_the_first_thirty_channels_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawings: list[Any] = []

    @contextmanager
    def kept(_: Any, width: float, height: float) -> Iterator[Any]:
        with figure([], width, height) as drawing:
            yield drawing
        drawings.append(drawing)

    monkeypatch.setattr(predict, "_draw", draw)
    monkeypatch.setattr(predict, "figure", kept)
    several = [trace(noise(1500, 1.0, seed=k), rate_hz=1.0, station=f"S{k:02d}") for k in range(31)]
    several.append(trace(noise(1000, 1.0), after_s=2000, rate_hz=1.0, station="S00"))
    run(
        written(tmp_path / "a.mseed", *several), tmp_path / "out", settings=SETTINGS | {"band_hz": None},
        model_name="tremor/made/net/0", source="synthetic", overlap=0,
    )  # fmt: skip
    (drawing,) = drawings
    heading = drawing.get_suptitle()
    assert (
        heading == "tremor: tremor/made/net/0\nn = 63 windows, trained on synthetic data; the first 30 of 31 channels"
    )
    (axes,) = drawing.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"XX.S{k:02d}..BHZ" for k in range(30)]
    assert axes.get_xlim() == pytest.approx([START.timestamp / 86400, (START.timestamp + 3000) / 86400])
    hatched = [bars for bars in axes.collections if getattr(bars, "get_hatch", lambda: None)()]
    assert [len(bars.get_paths()) for bars in hatched] == [1] * 30, "a gap in the first row, what is missing in others"


class Fake(models.Model):
    """Answers with the loudness of what it is asked."""

    def infer(self, x: np.ndarray, batch_size: int = 128) -> dict[str, np.ndarray]:
        return {"tremor": loudness(x[..., 0])}


def test_a_model_brings_its_settings_and_its_threshold(tmp_path: Path) -> None:
    file = written(tmp_path / "a.mseed", trace(with_tremor(noise(2000), 200, 650)))
    meta = {
        "prepare": SETTINGS, "run": {"task": "tremor", "dataset": "made", "variant": "fake", "seed": 3},
        "data_source": "synthetic", "temperature": 1.0,
    }  # fmt: skip
    for threshold, count in ((0.4, 1), (0.5, 0)):
        summary = predict.from_model(
            Fake(None, meta | {"detection_threshold": threshold}), [file], tmp_path / "one.csv"
        )  # type: ignore[arg-type]
        assert len(summary.detections) == count
    assert len(summary.windows) == 3
    assert "trained on synthetic data: its answers are a trial" in str(summary)
    wide = predict.from_model(
        Fake(None, meta | {"detection_threshold": 0.4}), [file], tmp_path / "one.csv", overlap=0.0
    )  # type: ignore[arg-type]
    assert len(wide.windows) == 2


@pytest.mark.skipif(not SAC.is_file(), reason=f"the sample seismogram is not there: {SAC}")
def test_a_real_seismogram_of_50_hz_gives_fourteen_windows(tmp_path: Path) -> None:
    seen: list[np.ndarray] = []
    settings = SETTINGS | {"norm": "per_trace"}
    run(SAC, tmp_path / "out", settings=settings, probabilities=lambda x: (seen.append(x), loudness(x))[1])
    good, bad = windows(tmp_path / "out")
    assert len(good) == 14 and not bad, "7500 s: every 500 s from 0 to 6500 s"
    assert (good[0]["network"], good[0]["station"], good[0]["location"], good[0]["channel"]) == (
        "XF", "H0780", "01", ""
    )  # fmt: skip
    assert good[0]["start_utc"] == "2004-12-26T00:59:39.006Z" and good[-1]["end_utc"] == "2004-12-26T03:04:39.006Z"
    raw = np.fromfile(SAC, "<f4", offset=632)
    assert np.array_equal(seen[0][13], traces.samples(raw[325_000:], 50.0, settings))


def test_a_sac_header_whose_spacing_was_rounded_is_no_fault(tmp_path: Path):
    path = written(tmp_path / "a.sac", trace(noise(1100, 31.25).astype(np.float32), rate_hz=31.25))
    pieces, faults = continuous.scan([path])
    assert not faults
    assert [piece.rate_hz for (several,) in [pieces.values()] for piece in several] == [31.25]
    assert "unreadable" not in str(run(path, tmp_path / "out.csv"))

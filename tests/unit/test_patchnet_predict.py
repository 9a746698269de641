"""Prediction on a user's own lines: the maps, the picks, the figures, and what is refused."""

import csv
from pathlib import Path

import numpy as np
import pytest
import segyio
from PIL import Image

from geoml.errors import InputError
from geoml.models import Model
from geoml.tasks.patchnet import line, predict, segy

ABOUT = {
    "task": "patchnet",
    "run": {"task": "patchnet", "dataset": "made", "variant": "fake", "seed": 3},
    "data_source": "synthetic",
    "scale": [0.0, 0.5],
}
HEADER = ["file", "event", "trace", "number", "x", "y", "sample", "time_or_depth", "probability", "model"]


class Fake:
    """A network that looks for a negative band above a positive one in the middle of the patch."""

    name, layers = "fake", ()

    def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
        bands = x[:, :, 40:72, 0].mean(axis=2)
        step = bands[:, 57:66].mean(axis=1) - bands[:, 46:55].mean(axis=1)
        p = np.clip(step, 0, 1)
        return np.stack([1 - p, p], axis=1)


MODEL = Model(Fake(), ABOUT)


@pytest.fixture(scope="module")
def made() -> line.Line:
    """A line without noise of layers, so that what is found can be known: a level BSR under traces 30 to 80."""
    drawn = line.line(110, 240)
    rows = np.arange(240)[:, None]
    bsr = np.where((np.arange(110) >= 30) & (np.arange(110) < 80), 150.0, np.nan)
    values = np.where((rows >= 146) & (rows < 150), -1.0, 0) + np.where((rows >= 150) & (rows < 154), 1.0, 0)
    values = np.where(np.isfinite(bsr), values, 0) + 0.01 * drawn.amplitudes
    return line.Line(values.astype(np.float32), bsr, drawn.sea_floor)


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == HEADER
        return list(reader)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_segy_line_gives_maps_picks_and_a_figure(tmp_path: Path, made: line.Line) -> None:
    source, out = tmp_path / "line_88.sgy", tmp_path / "out"
    segy.write(source, made.amplitudes, 4.0, segy.IBM)
    with segyio.open(source, "r+", ignore_geometry=True) as file:
        for number in range(110):
            field = segyio.TraceField
            file.header[number].update({field.CDP: 500 + number, field.CDP_X: 10 * number, field.CDP_Y: 5})
            file.header[number].update({field.DelayRecordingTime: 3480})
    summary = predict.from_model(MODEL, [source], out, stride=4, threshold=0.4)
    assert names(out) == ["line_88_bsr.npy", "line_88_bsr.png", "line_88_bsr.sgy", "picks.csv"]
    values = np.load(out / "line_88_bsr.npy")
    assert values.shape == (240, 110) and values.dtype == np.float32
    np.testing.assert_array_equal(segy.read(out / "line_88_bsr.sgy").amplitudes, values)
    assert segy.read(out / "line_88_bsr.sgy").trace[0] == 500
    picks = rows_of(out / "picks.csv")
    traces = np.array([int(pick["trace"]) for pick in picks])
    samples = np.array([int(pick["sample"]) for pick in picks])
    assert {pick["event"] for pick in picks} == {"1"} and len(set(traces)) == len(traces)
    assert set(range(36, 76)) <= set(traces) <= set(range(24, 88))
    assert np.abs(samples - 149.5).max() <= 2
    for pick in picks:
        assert int(pick["number"]) == 499 + int(pick["trace"]) and pick["y"] == "5.00"
        assert float(pick["x"]) == 10 * (int(pick["trace"]) - 1)
        assert float(pick["time_or_depth"]) == 3480 + 4 * int(pick["sample"])
        assert float(pick["probability"]) == pytest.approx(
            values[int(pick["sample"]), int(pick["trace"]) - 1], abs=1e-4
        )
        assert float(pick["probability"]) >= 0.4 and pick["model"] == "patchnet/made/fake/3"
        assert pick["file"] == str(source)
    with Image.open(out / "line_88_bsr.png") as image:
        assert image.format == "PNG" and image.width > 1000
    text = str(summary)
    assert "110 traces of 240 samples; 9,165 windows, sliding engine" in text and "windows/s" in text
    assert f"1 event and {len(picks)} picks at 0.4 or above" in text and "percentiles" in text
    assert "trained on synthetic data: its answers are a trial" in text
    assert str(out / "picks.csv") in text and str(out / "line_88_bsr.sgy") in text


def test_an_array_gives_the_same_map_without_headers(tmp_path: Path, made: line.Line) -> None:
    np.save(tmp_path / "a.npy", made.amplitudes)
    segy.write(tmp_path / "b.sgy", made.amplitudes, 4.0)
    predict.from_model(MODEL, [tmp_path], tmp_path / "out", scale="model")
    assert names(tmp_path / "out") == ["a_bsr.npy", "a_bsr.png", "b_bsr.npy", "b_bsr.png", "b_bsr.sgy", "picks.csv"]
    np.testing.assert_array_equal(np.load(tmp_path / "out/a_bsr.npy"), np.load(tmp_path / "out/b_bsr.npy"))
    picks = rows_of(tmp_path / "out/picks.csv")
    assert {Path(pick["file"]).name for pick in picks} == {"a.npy", "b.sgy"}
    for pick in picks:
        assert (pick["time_or_depth"] == "") == pick["file"].endswith("npy")
        assert pick["x"] == pick["y"] == "" and pick["number"] == pick["trace"]


def test_a_second_run_leaves_out_what_the_first_wrote(tmp_path: Path, made: line.Line) -> None:
    np.save(tmp_path / "a.npy", made.amplitudes)
    predict.from_model(MODEL, [tmp_path], tmp_path)
    first = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    predict.from_model(MODEL, [tmp_path], tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == first


def test_dead_traces_are_told_and_have_no_answer(tmp_path: Path, made: line.Line) -> None:
    values = made.amplitudes.copy()
    values[:, 50], values[:, 51] = 0, np.nan
    segy.write(tmp_path / "a.sgy", values, 4.0)
    summary = predict.from_model(MODEL, [tmp_path / "a.sgy"], tmp_path / "out", threshold=0.4)
    assert "2 dead traces without an answer" in str(summary)
    found = np.load(tmp_path / "out/a_bsr.npy")
    assert list(np.flatnonzero(np.isnan(found).all(axis=0))) == [50, 51]
    assert not segy.read(tmp_path / "out/a_bsr.sgy").amplitudes[:, 50:52].any()
    picked = {int(pick["trace"]) for pick in rows_of(tmp_path / "out/picks.csv")}
    assert not picked & {51, 52} and {50, 53} <= picked
    assert {pick["event"] for pick in rows_of(tmp_path / "out/picks.csv")} == {"1", "2"}


def test_a_line_without_a_bsr_gives_an_empty_table(tmp_path: Path, made: line.Line) -> None:
    np.save(tmp_path / "a.npy", -made.amplitudes)
    summary = predict.from_model(MODEL, [tmp_path / "a.npy"], tmp_path / "out", threshold=0.9)
    assert rows_of(tmp_path / "out/picks.csv") == [] and "0 events and 0 picks" in str(summary)


def test_a_bad_line_among_others_is_told(tmp_path: Path, made: line.Line) -> None:
    np.save(tmp_path / "a.npy", made.amplitudes)
    np.save(tmp_path / "small.npy", made.amplitudes[:40])
    (tmp_path / "bad.sgy").write_bytes(b"nothing")
    summary = predict.from_model(MODEL, [tmp_path], tmp_path / "out")
    assert "a_bsr.npy" in names(tmp_path / "out") and len(names(tmp_path / "out")) == 3
    assert set(summary.answered) == {str(tmp_path / "a.npy")}
    text = str(summary)
    assert "small.npy: shape: expected at least 48 samples and 48 traces, got (40, 110)" in text
    assert "bad.sgy: size" in text
    with pytest.raises(InputError, match=r"small\.npy: shape"):
        predict.from_model(MODEL, [tmp_path / "small.npy"], tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_an_event_is_picked_once_in_a_trace() -> None:
    values = np.zeros((20, 6), np.float32)
    values[3:6, 1] = [0.6, 0.9, 0.7]
    values[5:8, 2] = [0.6, 0.8, 0.5]
    values[8, 1] = 0.7  # touches the event from below
    values[15, 5], values[2, 5] = 0.5, np.nan
    found = predict.picks_of(values, 0.5)
    assert found[:, :3].tolist() == [[1, 1, 4], [1, 2, 6], [2, 5, 15]]
    assert found[:, 3] == pytest.approx([0.9, 0.8, 0.5])


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1, float("nan")])
def test_a_threshold_outside_0_to_1_is_refused(tmp_path: Path, threshold: float) -> None:
    with pytest.raises(InputError, match="--threshold"):
        predict.from_model(MODEL, [tmp_path], tmp_path / "out", threshold=threshold)


def test_inputs_and_outputs_that_cannot_be_are_refused(tmp_path: Path, made: line.Line) -> None:
    (tmp_path / "a").mkdir()
    for folder in (tmp_path, tmp_path / "a"):
        np.save(folder / "x.npy", made.amplitudes)
    with pytest.raises(InputError, match=r"x\.npy: name: expected one of its own"):
        predict.from_model(MODEL, [tmp_path], tmp_path / "out")
    with pytest.raises(InputError, match="no such file or folder"):
        predict.from_model(MODEL, [tmp_path / "y.sgy"], tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="at least one of"):
        predict.from_model(MODEL, [tmp_path / "empty"], tmp_path / "out")
    (tmp_path / "x.txt").touch()
    with pytest.raises(InputError, match="suffix"):
        predict.from_model(MODEL, [tmp_path / "x.txt"], tmp_path / "out")
    for out in ("out.csv", "out.sgy", "x.txt"):
        with pytest.raises(InputError, match="--out: expected a folder"):
            predict.from_model(MODEL, [tmp_path / "x.npy"], tmp_path / out)
    with pytest.raises(InputError, match="engine"):
        predict.from_model(MODEL, [tmp_path / "x.npy"], tmp_path / "out", engine="fast")
    assert not (tmp_path / "out").exists()


def test_the_colours_step_at_one_half() -> None:
    colours = predict.colours()
    below, above = colours(0.499), colours(0.501)
    assert min(below[:3]) > 0.9 and above[0] > 0.9 and above[2] < 0.1
    assert colours(0.0)[:3] == (0, 0, 0) and colours(1.0)[0] < 0.6 and colours(1.0)[1] < 0.1

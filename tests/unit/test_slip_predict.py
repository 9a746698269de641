"""Prediction on a user's own faults: the tables, the figures, and what is refused."""

import csv
import re
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from shapely.geometry import LineString, MultiLineString, Point

from geoml import models
from geoml.errors import InputError
from geoml.predict import predict
from geoml.tasks.slip import predict as slip_predict
from geoml.tasks.slip import task
from geoml.tasks.slip.features import NAMES

ABOUT = {
    "task": "slip",
    "run": {"task": "slip", "dataset": "made", "variant": "fake", "seed": 3},
    "data_source": "synthetic",
    "classes": [],
}
HEADER = [
    "file", "window", "frame", "pixel_m", "line_px", "distance_km", "column", "row", "x", "y", "strike_deg",
    "faults_px", "efficiency", "sigma", "reason", "sense", "model",
]  # fmt: skip


class Fake(models.Model):
    """Answers with the share of columns that have a fault, and counts what it is asked."""

    def __init__(self, **meta: Any) -> None:
        super().__init__(None, ABOUT | meta)
        self.asked: list[np.ndarray] = []

    def infer(self, x: np.ndarray, batch_size: int = 128) -> dict[str, np.ndarray]:
        self.asked.append(x[..., 0])
        return {"efficiency": x[..., 0].any(axis=1).mean(axis=1)[:, None]}


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def is_picture(path: Path) -> bool:
    with Image.open(path) as image:
        return image.format == "PNG" and image.width > 800


def fault(path: Path, crs: int = 32611) -> Path:
    """Two traces with a gap of 70 km: 60 km and 40 km long, striking N 120 E."""
    angle = np.radians(-30)
    along = np.array([np.cos(angle), np.sin(angle)])
    lines = [np.array([5e5, 3.9e6]) + np.linspace(a, b, 40)[:, None] * along for a, b in ((0, 60e3), (130e3, 170e3))]
    shapes = geopandas.GeoSeries([MultiLineString([LineString(line) for line in lines])], crs=32611).to_crs(crs)
    path.parent.mkdir(exist_ok=True)
    shapes.to_file(path)
    return path


def drawing(height: int = 135, width: int = 313, row: int = 60) -> np.ndarray:
    made = np.zeros((height, width), np.uint8)
    made[row : row + 4, : width // 2] = 1
    return made


def picture(path: Path, made: np.ndarray) -> Path:
    Image.fromarray(255 * (1 - made)).save(path)
    return path


def test_a_vector_file_gives_a_row_for_every_place_size_and_thickness(tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = slip_predict.from_model(Fake(sigma_scale=0.05), [fault(tmp_path / "calico.gpkg")], out)
    rows = rows_of(out / "efficiency.csv")
    assert list(rows[0]) == HEADER
    assert {(row["pixel_m"], row["line_px"]) for row in rows} == {
        (size, thick) for size in ("456", "684", "912") for thick in "234"
    }
    places = {row["window"] for row in rows}
    assert len(rows) == 9 * len(places) and len(places) > 8
    good = [row for row in rows if not row["reason"]]
    assert 0 < len(good) < len(rows)
    assert {row["reason"] for row in rows} == {"", "no fault in this window"}
    for row in good:
        assert row["strike_deg"] == "120.0" and row["sigma"] == "0.0500" and row["frame"] == row["column"] == ""
        assert row["model"] == "slip/made/fake/3" and row["sense"] == "dextral" and int(row["faults_px"]) > 0
        east, north = float(row["x"]) - 5e5, float(row["y"]) - 3.9e6
        assert np.degrees(np.arctan2(east, north)) == pytest.approx(120, abs=0.5)
    assert is_picture(out / "map_calico.png")
    text = str(summary)
    assert "trained on synthetic data: its answers are a trial" in text
    assert re.search(r"calico\.gpkg: \d+ windows, efficiency 0\.\d\d \(.* to 1\.00\), spread over", text)
    assert str(out / "windows.csv") in text


def test_windows_along_strike_have_the_mean_and_the_spread_of_their_rows(tmp_path: Path) -> None:
    slip_predict.from_model(Fake(), [fault(tmp_path / "a.geojson", 32611)], tmp_path / "out")
    rows = [row for row in rows_of(tmp_path / "out/efficiency.csv") if not row["reason"]]
    along = rows_of(tmp_path / "out/windows.csv")
    assert {row["window"] for row in along} == {row["window"] for row in rows}
    assert any(float(each["spread"]) > 0.02 for each in along)
    for each in along:
        values = [float(row["efficiency"]) for row in rows if row["window"] == each["window"]]
        assert int(each["n"]) == len(values)
        expected = np.mean(values), np.std(values), min(values), max(values)
        assert [float(each[name]) for name in ("mean", "spread", "min", "max")] == pytest.approx(expected, abs=1e-4)


def test_sizes_thicknesses_and_the_sense_are_as_asked(tmp_path: Path) -> None:
    path = fault(tmp_path / "a.gpkg")
    fake = Fake()
    settings: dict[str, Any] = {"pixel_m": [500.0], "line_px": [1, 5]}
    slip_predict.from_model(fake, [path], tmp_path / "a.csv", **settings)
    assert {(row["pixel_m"], row["line_px"]) for row in rows_of(tmp_path / "a.csv")} == {("500", "1"), ("500", "5")}
    mirrored = Fake()
    slip_predict.from_model(mirrored, [path], tmp_path / "b.csv", **settings, sense="sinistral")
    assert {row["sense"] for row in rows_of(tmp_path / "b.csv")} == {"sinistral"}
    made = drawing()
    made[:50, 150:] = np.eye(50, 163, dtype=np.uint8)
    plain, flipped = Fake(), Fake()
    for model, sense in ((plain, "dextral"), (flipped, "sinistral")):
        slip_predict.from_model(model, [picture(tmp_path / "a.png", made)], tmp_path / "c.csv", sense=sense)
    assert np.array_equal(np.concatenate(plain.asked)[:, ::-1], np.concatenate(flipped.asked))


def test_a_table_alone_is_written_where_a_csv_is_asked_for(tmp_path: Path) -> None:
    summary = slip_predict.from_model(Fake(), [fault(tmp_path / "in/a.gpkg")], tmp_path / "out" / "all.csv")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["all.csv"]
    assert summary.written == [tmp_path / "out/all.csv"]


def test_a_picture_of_the_published_size_is_cut_as_in_training(tmp_path: Path) -> None:
    fake, made = Fake(), drawing()
    slip_predict.from_model(fake, [picture(tmp_path / "a.png", made)], tmp_path / "out")
    rows = rows_of(tmp_path / "out/efficiency.csv")
    assert [(row["column"], row["row"], row["frame"]) for row in rows] == [
        (str(column), "0", "0") for column in (0, 50, 100, 150, 200)
    ]
    expected = [made[:128, column : column + 64] for column in (0, 50, 100, 150)]
    assert np.array_equal(np.concatenate(fake.asked), expected)
    assert rows[4]["reason"] == "no fault in this window" and rows[4]["efficiency"] == "" == rows[0]["sigma"]
    assert rows[0]["efficiency"] == "1.0000" and rows[3]["efficiency"] == f"{6 / 64:.4f}"
    assert is_picture(tmp_path / "out/map_a.png")
    assert not (tmp_path / "out/windows.csv").exists()


@pytest.mark.parametrize(("height", "row"), [(40, 3), (300, 20), (300, 150), (300, 296)])
def test_lower_and_higher_maps_have_their_faults_in_the_middle(tmp_path: Path, height: int, row: int) -> None:
    fake = Fake()
    slip_predict.from_model(fake, [picture(tmp_path / "a.png", drawing(height, 130, row))], tmp_path / "out.csv")
    (asked,) = fake.asked
    assert asked.shape == (2, 128, 64)
    assert set(np.nonzero(asked)[1]) <= set(range(61, 67)) and asked[0].sum() == 4 * 64


def test_frames_of_an_experiment_are_followed_and_drawn(tmp_path: Path) -> None:
    frames = np.stack([drawing() * (t > 0) for t in range(3)], axis=-1)
    savemat(tmp_path / "EB_050_1.mat", {"altBW_filt": frames})
    fake = Fake()
    slip_predict.from_model(fake, [tmp_path / "EB_050_1.mat"], tmp_path / "out")
    rows = rows_of(tmp_path / "out/efficiency.csv")
    assert [(row["frame"], row["window"]) for row in rows] == [(str(t), str(w)) for t in range(3) for w in range(5)]
    assert [row["reason"] == "" for row in rows] == 5 * [False] + 2 * [True, True, True, True, False]
    assert is_picture(tmp_path / "out/map_EB_050_1.png")


def test_many_windows_are_asked_about_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slip_predict, "_BATCH", 4)
    np.save(tmp_path / "a.npy", np.ones((128, 64, 10), np.uint8))
    fake = Fake()
    slip_predict.from_model(fake, [tmp_path / "a.npy"], tmp_path / "out.csv")
    assert [len(each) for each in fake.asked] == [4, 4, 2]


def test_folders_are_searched_to_the_bottom_and_own_figures_left_alone(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    picture(tmp_path / "a.png", drawing())
    picture(tmp_path / "deep" / "a.PNG", drawing())
    fault(tmp_path / "deep" / "b.shp")
    (tmp_path / "notes.txt").write_text("")
    picture(tmp_path / ".hidden.png", drawing())
    for _ in range(2):
        summary = slip_predict.from_model(Fake(), [tmp_path], tmp_path)
        assert [Path(name).name for name in summary.answered] == ["a.png", "a.PNG", "b.shp"]
    assert {path.name for path in tmp_path.glob("map_*")} == {"map_a.png", "map_a_2.png", "map_b.png"}
    inside = slip_predict.from_model(Fake(), [tmp_path / "deep"], tmp_path / "deep" / "out")
    assert slip_predict.from_model(Fake(), [tmp_path / "deep"], tmp_path / "deep" / "out").answered == inside.answered


def test_a_file_that_cannot_be_used_is_a_row_with_the_reason_and_alone_an_error(tmp_path: Path) -> None:
    bad = fault(tmp_path / "degrees.geojson", 4326)
    summary = slip_predict.from_model(Fake(), [bad, picture(tmp_path / "a.png", drawing())], tmp_path / "out.csv")
    first = rows_of(tmp_path / "out.csv")[0]
    assert first["file"].endswith("degrees.geojson") and "EPSG:32611" in first["reason"] and not first["efficiency"]
    assert "not read: " in str(summary) and "got degrees" in str(summary)
    with pytest.raises(InputError, match="got degrees"):
        slip_predict.from_model(Fake(), [bad], tmp_path / "alone.csv")
    assert not (tmp_path / "alone.csv").exists()


def test_a_file_without_any_fault_says_so(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((128, 64), np.uint8))
    summary = slip_predict.from_model(Fake(), [tmp_path / "a.npy"], tmp_path / "out")
    assert "no fault in any of 1 windows" in str(summary)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["efficiency.csv"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pixel_m": [0.0]}, r"--pixel_m: sizes: expected metres above 0, got \[0.0\]"),
        ({"pixel_m": [float("nan")]}, "--pixel_m"),
        ({"line_px": [0]}, "--line_px: thicknesses: expected 1 to 16 pixels"),
        ({"sense": "left"}, "--sense: value: expected dextral or sinistral, got 'left'"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        slip_predict.from_model(Fake(), [fault(tmp_path / "a.gpkg")], tmp_path / "out.csv", **settings)


def test_inputs_that_cannot_be_asked_about_are_refused(tmp_path: Path) -> None:
    made = picture(tmp_path / "a.png", drawing())
    (tmp_path / "a.txt").write_text("")
    (tmp_path / "empty").mkdir()
    narrow = picture(tmp_path / "narrow.png", drawing(width=63))
    points = tmp_path / "points.gpkg"
    geopandas.GeoSeries([Point(5e5, 3.9e6)], crs=32611).to_file(points)
    for given, settings, message in (
        (made, {"pixel_m": [456.0]}, "--pixel_m, --line_px: inputs: expected a vector file"),
        (tmp_path / "no.png", {}, "no such file or folder"),
        (tmp_path / "a.txt", {}, r"suffix: expected .*\.geojson.*, got \.txt"),
        (tmp_path / "empty", {}, "at least one of"),
        (narrow, {}, "columns: expected at least 64, along strike, got 63"),
        (points, {}, "expected lines, got 1 point"),
    ):
        with pytest.raises(InputError, match=message):
            slip_predict.from_model(Fake(), [given], tmp_path / "out.csv", **settings)


def test_names_with_signs_of_formulas_are_drawn(tmp_path: Path) -> None:
    slip_predict.from_model(Fake(), [picture(tmp_path / "a$_x^$.png", drawing())], tmp_path / "out")
    assert is_picture(tmp_path / "out/map_a$_x^$.png")


def test_a_network_in_a_file_answers_as_the_task_does(keras_on_cpu: Any, tmp_path: Path) -> None:
    from geoml.tasks.slip.models.ssf_cnn import build

    keras_on_cpu.utils.set_random_seed(1)
    network = build((128, 64, 1), 0)
    network.layers[-1].bias.assign([0.5])
    path = tmp_path / "model.keras"
    models.save(path, network, ABOUT | {"model": "ssf_cnn", "sigma_scale": 0.1})
    predict("slip", [picture(tmp_path / "a.png", drawing())], tmp_path / "out.csv", path)
    rows = [row for row in rows_of(tmp_path / "out.csv") if not row["reason"]]
    cuts = np.stack([drawing()[:128, column : column + 64] for column in (0, 50, 100, 150)])
    expected = task.ask(models.load(path), cuts)
    assert [float(row["efficiency"]) for row in rows] == pytest.approx(expected[:, 0], abs=1e-4)
    assert len({row["efficiency"] for row in rows}) > 1
    assert {row["sigma"] for row in rows} == {"0.1000"}


def test_an_estimator_answers_from_the_features_of_the_maps(tmp_path: Path) -> None:
    class Covered:
        def predict(self, x: np.ndarray) -> np.ndarray:
            return x[:, NAMES.index("covered_columns")]

    model = models.Estimator(Covered(), ABOUT)
    slip_predict.from_model(model, [picture(tmp_path / "a.png", drawing())], tmp_path / "out.csv")
    rows = rows_of(tmp_path / "out.csv")
    assert [row["efficiency"] for row in rows] == ["64.0000", "64.0000", "56.0000", "6.0000", ""]

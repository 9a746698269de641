"""Folds, slip and patchnet with exported networks where nothing but NumPy, onnxruntime and, of folds, Pillow is."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import exported
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import find_objects, label

from geoml import plotting
from geoml.models import Model
from geoml.tasks.folds import CLASSES
from geoml.tasks.patchnet import predict as patchnet_predict
from geoml.tasks.patchnet import segy

RNG = np.random.default_rng(0)
CHILD = """
import json, sys
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

task, model, allowed, jobs = json.loads(sys.argv[1])
for name in packages_distributions().keys() - sys.stdlib_module_names:
    if name not in sys.modules and name not in ("geoml", "numpy", "onnxruntime", *allowed):
        sys.modules[name] = None

from geoml import runtimes
from geoml.errors import InputError

loaded = runtimes.load(model)
answer = import_module(f"geoml.tasks.{task}.predict").from_model
said = []
for inputs, out, options in jobs:
    try:
        said.append(str(answer(loaded, list(map(Path, inputs)), Path(out), **options)))
    except InputError as error:
        said.append(f"refused: {error}")
print(json.dumps(said))
"""
Job = tuple[list[Path], Path, dict[str, Any]]


def alone(task: str, model: Path, jobs: list[Job], *allowed: str) -> list[str]:
    """What predictions say in a process that has only NumPy, onnxruntime and the packages allowed."""
    given = [task, str(model), allowed, [([str(path) for path in paths], str(out), more) for paths, out, more in jobs]]
    done = subprocess.run([sys.executable, "-c", CHILD, json.dumps(given)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def about(task: str, name: str) -> dict[str, Any]:
    run = {"task": task, "dataset": "made", "variant": name, "seed": 1}
    return {"task": task, "model": name, "run": run, "data_source": "synthetic", "classes": []}


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def assert_same(one: list[dict[str, str]], other: list[dict[str, str]]) -> None:
    """Rows with the same words, and numbers within 1e-4 and what is lost by writing four digits."""
    assert len(one) == len(other) > 0
    for a, b in zip(one, other, strict=True):
        for name in a.keys() | b.keys():
            try:
                assert float(a[name]) == pytest.approx(float(b[name]), abs=2.1e-4), name
            except ValueError:
                assert a[name] == b[name], name


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def folds(keras_on_cpu: Any) -> Model:
    from geoml.tasks.folds.models.resnet9 import build

    keras_on_cpu.utils.set_random_seed(1)
    network = build((16, 16, 3), 3, width=4)
    p = np.asarray(network(RNG.uniform(0, 255, (5, 16, 16, 3)).astype(np.float32), training=False))
    network.get_layer("logits").bias.assign(-np.log(p).mean(axis=0))  # so that not all answers are of one class
    more = {"classes": list(CLASSES), "prepare": {"size": 16}, "temperature": 1.7}
    return Model(network, about("folds", "resnet9") | more)


@pytest.fixture(scope="module")
def slip(keras_on_cpu: Any) -> Model:
    from geoml.tasks.slip.models.gaussian import build

    keras_on_cpu.utils.set_random_seed(2)
    return Model(build((128, 64, 1), 0), about("slip", "gaussian") | {"sigma_scale": 0.7})


@pytest.fixture(scope="module")
def patchnet(keras_on_cpu: Any) -> Model:
    """Not of the family, so that the sliding engine runs it: smooth answers on both sides of one half."""
    keras_on_cpu.utils.set_random_seed(3)
    layers = keras_on_cpu.layers
    pixels = layers.Input((112, 112, 1))
    x = layers.Conv2D(4, 3, activation="relu")(layers.AveragePooling2D(14)(pixels))
    answer = layers.Dense(2, activation="softmax", name="answer")(layers.Flatten()(10 * x))
    return Model(keras_on_cpu.Model(pixels, answer), about("patchnet", "v1_search") | {"scale": [0.0, 1.0]})


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, suffix in enumerate((".png", ".jpg", ".png", ".bmp", ".png")):
        y, x = np.mgrid[:40, : 30 + number]
        grey = 127 + 100 * np.sin(y / (2 + number) + x / (3 + number))
        colours = np.stack([grey, np.roll(grey, number, 1), np.full_like(grey, 50 * number)], -1)
        Image.fromarray(colours.astype(np.uint8)).save(folder / f"{number}{suffix}")
    (folder / "damaged.png").write_bytes((folder / "0.png").read_bytes()[:99])
    return folder


def test_folds_of_pictures_are_the_same_with_pillow_alone(tmp_path: Path, folds: Model, pictures: Path) -> None:
    model = exported.to_onnx(folds, tmp_path / "model.onnx")
    predict = import_module("geoml.tasks.folds.predict").from_model
    trained = predict(folds, [pictures], tmp_path / "all")
    (tmp_path / "empty").mkdir()
    small = tmp_path / "small.png"
    Image.fromarray(np.zeros((7, 30), np.uint8)).save(small)
    said, table, empty, tiny = alone(
        "folds", model,
        [([pictures], tmp_path / "few", {}), ([pictures], tmp_path / "only.csv", {}),
         ([tmp_path / "empty"], tmp_path / "no", {}), ([small], tmp_path / "tiny.csv", {})],
        "PIL",
    )  # fmt: skip
    few = rows_of(tmp_path / "few/folds.csv")
    assert_same(few, rows_of(tmp_path / "all/folds.csv"))
    assert (tmp_path / "only.csv").read_bytes() == (tmp_path / "few/folds.csv").read_bytes()
    assert len({row["p_box"] for row in few}) == 6 and "damaged" in few[-1]["reason"]
    assert len(names(tmp_path / "all")) == 6 and trained.overlays == 5 and "no Grad-CAM" not in str(trained)
    assert names(tmp_path / "few") == ["folds.csv"]
    assert "no Grad-CAM overlays: they need the trained network" in said and "no Grad-CAM" not in table
    assert "refused" in empty and "expected at least one picture, got none" in empty
    assert "smaller than 8 x 8 pixels" in tiny


def test_folds_without_pillow_say_what_is_missing(tmp_path: Path, folds: Model, pictures: Path) -> None:
    (said,) = alone("folds", exported.to_onnx(folds, tmp_path / "model.onnx"), [([pictures], tmp_path / "out", {})])
    assert "expected Pillow, which reads pictures, got it is not installed" in said
    assert not (tmp_path / "out").exists()


def maps_in(folder: Path) -> Path:
    """A map of the published grid, and frames of another height, one of them empty."""
    folder.mkdir()
    grid = np.zeros((135, 313), np.uint8)
    grid[60:64, :150] = grid[75:78, 120:260] = 1
    np.save(folder / "grid.npy", grid)
    frames = np.zeros((100, 90, 3))
    frames[40:43, :, 0] = frames[50:54, 20:, 1] = 1
    np.save(folder / "frames.npy", frames)
    return folder


def test_efficiency_of_arrays_is_the_same_with_numpy_alone(tmp_path: Path, slip: Model) -> None:
    maps, model = maps_in(tmp_path / "maps"), exported.to_onnx(slip, tmp_path / "model.onnx")
    predict = import_module("geoml.tasks.slip.predict").from_model
    trained = predict(slip, [maps], tmp_path / "all", sense="sinistral")
    said, table = alone(
        "slip", model,
        [([maps], tmp_path / "few", {"sense": "sinistral"}), ([maps], tmp_path / "only.csv", {"sense": "sinistral"})],
    )  # fmt: skip
    few = rows_of(tmp_path / "few/efficiency.csv")
    assert_same(few, rows_of(tmp_path / "all/efficiency.csv"))
    assert (tmp_path / "only.csv").read_bytes() == (tmp_path / "few/efficiency.csv").read_bytes()
    assert len({row["efficiency"] for row in few}) > 4 and "no fault in this window" in {row["reason"] for row in few}
    assert all(float(row["sigma"]) > 0 for row in few if not row["reason"])
    assert len(names(tmp_path / "all")) == 3 and names(tmp_path / "few") == ["efficiency.csv"]
    assert plotting.NO_FIGURES in said and plotting.NO_FIGURES not in table and plotting.NO_FIGURES not in str(trained)


def test_maps_that_cannot_be_read_at_the_edge_say_why(tmp_path: Path, slip: Model) -> None:
    maps, model = maps_in(tmp_path / "maps"), exported.to_onnx(slip, tmp_path / "model.onnx")
    for name in ("a.mat", "a.png", "a.geojson", "damaged.npy"):
        (tmp_path / name).write_bytes(b"nothing")
    np.save(tmp_path / "narrow.npy", np.ones((128, 40)))
    np.save(tmp_path / "five.npy", np.zeros((2, 3, 4, 5, 6)))
    np.save(tmp_path / "grey.npy", np.full((128, 64), 0.3))
    (tmp_path / "empty").mkdir()
    wrong = ["a.mat", "a.png", "a.geojson", "damaged.npy", "narrow.npy", "five.npy", "grey.npy", "empty"]
    said = alone("slip", model, [([tmp_path / name], tmp_path / "out", {}) for name in wrong])
    for text, expected in zip(
        said,
        (
            "SciPy and h5py are not installed",
            "Pillow is not installed. Install what is missing, or save the map as a NumPy array",
            "GeoPandas and pyogrio and Shapely and SciPy and scikit-image are not installed",
            "expected a NumPy array",
            "expected at least 64, along strike, got 40",
            "got (2, 3, 4, 5, 6)",
            "expected 0 and 1 (fault) only, got values from 0.3 to 0.3",
            "expected at least one of",
        ),
        strict=True,
    ):
        assert text.startswith("refused") and expected in text
    (beside,) = alone("slip", model, [([maps / "grid.npy", tmp_path / "a.png"], tmp_path / "out", {})])
    assert "Pillow is not installed" in beside and not beside.startswith("refused")
    assert [row["file"] for row in rows_of(tmp_path / "out/efficiency.csv") if "Pillow" in row["reason"]] == [
        str(tmp_path / "a.png")
    ]


def test_pictures_of_faults_need_pillow_and_two_colours(tmp_path: Path, slip: Model) -> None:
    grid = np.load(maps_in(tmp_path / "maps") / "grid.npy")
    Image.fromarray(255 * grid).save(tmp_path / "two.png")
    Image.fromarray(grid * np.arange(313, dtype=np.uint8)).save(tmp_path / "many.png")
    jobs: list[Job] = [
        ([tmp_path / "two.png"], tmp_path / "two.csv", {}),
        ([tmp_path / "maps/grid.npy"], tmp_path / "array.csv", {}),
        ([tmp_path / "many.png"], tmp_path / "many.csv", {}),
    ]
    *_, many = alone("slip", exported.to_onnx(slip, tmp_path / "model.onnx"), jobs, "PIL")
    picture, array = rows_of(tmp_path / "two.csv"), rows_of(tmp_path / "array.csv")
    assert [row["efficiency"] for row in picture] == [row["efficiency"] for row in array]
    assert "expected two colours, fault and ground, got" in many and "Threshold it" in many


def lines_in(folder: Path) -> Path:
    """A line with a band of other amplitudes, as an array and, with a dead trace, as SEG-Y of IBM floats."""
    folder.mkdir()
    y, x = np.mgrid[:130, :160]
    line = np.sin(y / 5 + x / 90) * (1 + 3 * np.exp(-(((y - 70 - x / 8) / 9) ** 2))) + RNG.normal(0, 0.05, y.shape)
    np.save(folder / "array.npy", line)
    line[:, 7] = 0
    segy.write(folder / "line.sgy", line.astype(np.float32), 4.0, segy.IBM)
    return folder


def test_lines_have_the_same_maps_and_picks_with_numpy_alone(tmp_path: Path, patchnet: Model) -> None:
    lines, model = lines_in(tmp_path / "lines"), exported.to_onnx(patchnet, tmp_path / "model.onnx")
    trained = patchnet_predict.from_model(patchnet, [lines], tmp_path / "all", threshold=0.55)
    (said,) = alone("patchnet", model, [([lines], tmp_path / "few", {"threshold": 0.55})])
    assert_same(rows_of(tmp_path / "few/picks.csv"), rows_of(tmp_path / "all/picks.csv"))
    for name in ("array_bsr.npy", "line_bsr.npy"):
        found = np.load(tmp_path / "few" / name)
        np.testing.assert_allclose(found, np.load(tmp_path / "all" / name), atol=1e-4)
        assert np.nanmin(found) < 0.5 < 0.55 < np.nanmax(found)
    headed = segy.read(tmp_path / "few/line_bsr.sgy")
    np.testing.assert_array_equal(headed.amplitudes, np.nan_to_num(np.load(tmp_path / "few/line_bsr.npy")))
    assert names(tmp_path / "few") == ["array_bsr.npy", "line_bsr.npy", "line_bsr.sgy", "picks.csv"]
    assert len(names(tmp_path / "all")) == 6
    assert "1 dead trace" in said and "sliding engine" in said
    assert plotting.NO_FIGURES in said and plotting.NO_FIGURES not in str(trained)


def test_lines_that_cannot_be_read_at_the_edge_say_why(tmp_path: Path, patchnet: Model) -> None:
    lines, model = lines_in(tmp_path / "lines"), exported.to_onnx(patchnet, tmp_path / "model.onnx")
    (tmp_path / "short.sgy").write_bytes((lines / "line.sgy").read_bytes()[:-100])
    np.save(tmp_path / "small.npy", np.ones((40, 300)))
    np.save(tmp_path / "cube.npy", np.ones((50, 50, 50)))
    (tmp_path / "damaged.npy").write_bytes(b"nothing")
    (tmp_path / "empty").mkdir()
    wrong = ["short.sgy", "small.npy", "cube.npy", "damaged.npy", "empty"]
    said = alone("patchnet", model, [([tmp_path / name], tmp_path / "out", {}) for name in wrong])
    for text, expected in zip(
        said,
        ("The file is truncated", "expected at least 48 samples and 48 traces, got (40, 300)",
         "real numbers (samples, traces), got float64 (50, 50, 50)", "a .npy file of numbers", "at least one of"),
        strict=True,
    ):  # fmt: skip
        assert text.startswith("refused") and expected in text
    assert not (tmp_path / "out").exists()


def by_scipy(values: np.ndarray, threshold: float) -> np.ndarray:
    """Picks as SciPy's labelling numbers the events."""
    events, _ = label(np.nan_to_num(values) >= threshold, structure=np.ones((3, 3)))
    found = []
    for number, (rows, columns) in enumerate(find_objects(events), start=1):
        inside = events[rows, columns] == number
        highest = np.where(inside, values[rows, columns], -1).argmax(axis=0)
        for i in np.flatnonzero(inside.any(axis=0)):
            found.append((number, columns.start + i, rows.start + highest[i], values[rows, columns][highest[i], i]))
    return np.array(found, float).reshape(-1, 4)


@pytest.mark.parametrize(
    "made",
    [
        lambda: RNG.random((60, 80)).astype(np.float32),
        lambda: RNG.random((60, 80)).round(1).astype(np.float32),  # equal probabilities: the first is picked
        lambda: np.where(RNG.random((60, 80)) < 0.2, np.nan, RNG.random((60, 80))),
        lambda: RNG.random((1, 90)),
        lambda: RNG.random((90, 1)),
        lambda: np.where(np.add.outer(np.arange(60), np.arange(60)) % 2, 1.0, 0.0),  # joined at corners only
        lambda: np.kron(np.eye(30)[:, ::-1], [[1.0, 0.2]]),
        lambda: np.zeros((30, 30)),
        lambda: np.ones((30, 30)),
    ],
)
def test_events_are_joined_and_numbered_as_scipy_does(made: Callable[[], np.ndarray]) -> None:
    for threshold in (0.1, 0.5, 0.65, 0.9):
        values = made()
        np.testing.assert_array_equal(patchnet_predict.picks_of(values, threshold), by_scipy(values, threshold))


def test_ibm_floats_are_read_to_the_last_bit(tmp_path: Path) -> None:
    """Words of the standard's own form and extremes; what float32 cannot hold is infinite."""
    words = {0x42640000: 100.0, 0xC276A000: -118.625, 0x00000000: 0.0, 0x46000001: 1.0, 0x7FFFFFFF: np.inf}
    path = tmp_path / "a.sgy"
    segy.write(path, np.zeros((len(words), 1), np.float32), 4.0, segy.IBM)
    path.write_bytes(path.read_bytes()[:3840] + np.array([*words], ">u4").tobytes())
    assert segy.read(path).amplitudes[:, 0].tolist() == list(words.values())

"""Prediction on a user's own pictures: one row a picture, an overlay of each, and which model is taken."""

import csv
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from geoml import models
from geoml.calibration import scaled
from geoml.errors import InputError
from geoml.files import write_json
from geoml.predict import best_model, predict
from geoml.tasks.folds import CLASSES, pictures
from geoml.tasks.folds import predict as folds_predict
from geoml.tasks.folds.features import extract

SIDE, TEMPERATURE = 16, 1.7
HEADER = ["file", "fold", "p_box", "p_chevron", "p_rounded", "confidence", "reason", "model"]
META = {
    "task": "folds",
    "classes": list(CLASSES),
    "prepare": {"size": SIDE, "features": True},
    "temperature": TEMPERATURE,
}


def bands(seed: int, size: tuple[int, int]) -> np.ndarray:
    """A small picture (height, width, 3), a different one for every seed."""
    y, x = np.mgrid[: size[1], : size[0]]
    grey = 127 + 100 * np.sin(y / (2 + seed % 5) + x / (3 + seed))
    return np.stack([grey, np.roll(grey, seed, 1), np.full_like(grey, 20 * seed % 256)], -1).astype(np.uint8)


def draw(path: Path, seed: int = 0, size: tuple[int, int] = (40, 28)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(bands(seed, size)).save(path)
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def run(model: Path, out: Path, *inputs: Path) -> Any:
    return predict("folds", list(inputs), out, model)


@pytest.fixture(scope="module")
def network(keras_on_cpu: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from geoml.tasks.folds.models.resnet9 import build

    keras_on_cpu.utils.set_random_seed(1)
    path = tmp_path_factory.mktemp("network") / "model.keras"
    about = {"model": "resnet9", "run": {"task": "folds", "dataset": "images", "variant": "resnet9", "seed": 42}}
    made = build((SIDE, SIDE, 3), 3, width=4)
    some = np.stack([bands(seed, (SIDE, SIDE)) for seed in range(5)]).astype(np.float32)
    p = np.asarray(made(some, training=False))
    made.get_layer("logits").bias.assign(-np.log(p).mean(axis=0))  # so that not all answers are of one class
    models.save(path, made, META | about)
    return path


def save_estimator(path: Path, classifier: str, sure: bool) -> Path:
    from geoml.tasks.folds.models.shallow import estimator

    rng = np.random.default_rng(0)
    fitted = estimator(0, classifier=classifier).fit(rng.normal(size=(60, 48)) * 100, np.arange(60) % 3)
    about = {"model": "shallow", "run": {"task": "folds", "dataset": "images", "variant": "trees", "seed": 0}}
    models.save(path, fitted, META | about | {"has_probabilities": sure})
    return path


@pytest.fixture(scope="module")
def estimator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_estimator(tmp_path_factory.mktemp("estimator") / "model.skops", "GaussianNB", True)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures, two of one name, in folders in folders, with one damaged and one other file among them."""
    folder = tmp_path_factory.mktemp("photos")
    draw(folder / "b/deep/fold.png", 1)
    draw(folder / "b/fold.png", 2, (90, 30))
    draw(folder / "складка 褶皱.JPG", 3)
    draw(folder / "a.tif", 4)
    (folder / "b/broken.png").write_bytes((folder / "b/fold.png").read_bytes()[:150])
    (folder / "notes.txt").write_text("fold.png is a box")
    (folder / ".hidden.png").write_bytes(b"")
    return folder


FOUND = ["a.tif", "b/broken.png", "b/deep/fold.png", "b/fold.png", "складка 褶皱.JPG"]


@pytest.fixture(scope="module")
def answered(network: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """Summary and folder of a prediction with the network."""
    out = tmp_path_factory.mktemp("out") / "answers"
    return run(network, out, photos), out


def test_a_folder_is_searched_to_the_bottom_for_pictures(answered: tuple[Any, Path], photos: Path):
    rows = rows_of(answered[1] / "folds.csv")
    assert [row["file"] for row in rows] == [str(photos / name) for name in FOUND]
    assert list(rows[0]) == HEADER and {row["model"] for row in rows} == {"folds/images/resnet9/42"}


def test_a_damaged_picture_is_a_row_with_a_reason_and_stops_nothing(answered: tuple[Any, Path], photos: Path):
    summary, out = answered
    bad = next(row for row in rows_of(out / "folds.csv") if row["file"].endswith("broken.png"))
    assert bad["reason"].startswith("damaged") and not any(bad[name] for name in HEADER[1:6])
    good = [row for row in rows_of(out / "folds.csv") if row is not bad and row["fold"]]
    assert len(good) == 4 and not any(row["reason"] for row in good)
    assert summary.unusable == {str(photos / "b/broken.png"): bad["reason"]}


def test_answers_are_those_of_the_network_at_its_temperature(answered: tuple[Any, Path], network: Path):
    model = models.load(network)
    for row in rows_of(answered[1] / "folds.csv"):
        if row["reason"]:
            continue
        x = pictures.resized(pictures.read(row["file"]), SIDE)[None].astype(np.float32)
        p = scaled(model.infer(x)["fold"], TEMPERATURE)[0]
        assert [float(row[f"p_{name}"]) for name in CLASSES] == pytest.approx(p, abs=6e-5)
        assert row["fold"] == CLASSES[p.argmax()] and float(row["confidence"]) == pytest.approx(p.max(), abs=6e-5)
        assert all(len(row[name]) == 6 for name in HEADER[2:6]), "four decimals"


def test_a_network_gives_an_overlay_of_every_picture_it_read(answered: tuple[Any, Path], photos: Path):
    summary, out = answered
    overlays = sorted(out.glob("*.png"))
    good = [row for row in rows_of(out / "folds.csv") if row["fold"]]
    assert len(list(out.iterdir())) == 1 + len(overlays) and summary.overlays == 4
    assert [path.name for path in overlays] == [
        f"{number:04d}_{Path(row['file']).stem}_{row['fold']}.png" for number, row in enumerate(good, 1)
    ]
    for path, row in zip(overlays, good, strict=True):
        with Image.open(path) as overlay, Image.open(row["file"]) as picture:
            assert overlay.size == picture.size and np.ptp(np.asarray(overlay)) > 50


def test_an_overlay_of_a_large_picture_is_smaller(network: Path, tmp_path: Path):
    run(network, tmp_path / "out", draw(tmp_path / "large.png", size=(1024, 300)))
    with Image.open(next((tmp_path / "out").glob("*.png"))) as overlay:
        assert overlay.size == (512, 150)


def test_the_summary_counts_answers_and_names_what_was_not_read(answered: tuple[Any, Path], photos: Path):
    summary, out = answered
    said = [row["fold"] for row in rows_of(out / "folds.csv") if row["fold"]]
    assert summary.answered == {name: said.count(name) for name in set(said)}
    assert str(summary).startswith("4 pictures: ") and f"wrote {out / 'folds.csv'}" in str(summary)
    assert len(set(said)) > 1 and "wrote 4 Grad-CAM overlays" in str(summary)
    assert f"not read: {photos / 'b/broken.png'}: damaged" in str(summary)


def test_two_runs_give_the_same_files(answered: tuple[Any, Path], network: Path, photos: Path, tmp_path: Path):
    run(network, tmp_path / "again", photos)
    assert {p.name for p in answered[1].iterdir()} == {p.name for p in (tmp_path / "again").iterdir()}
    assert (answered[1] / "folds.csv").read_bytes() == (tmp_path / "again/folds.csv").read_bytes()


def test_a_csv_file_alone_is_written_where_that_is_asked(
    answered: tuple[Any, Path], network: Path, photos: Path, tmp_path: Path
):
    summary = run(network, tmp_path / "deep/answers.csv", photos)
    assert [summary.table] == [tmp_path / "deep/answers.csv"] == list((tmp_path / "deep").iterdir())
    assert summary.overlays == 0 and "overlays" not in str(summary)
    assert summary.table.read_bytes() == (answered[1] / "folds.csv").read_bytes()


def test_many_pictures_are_answered_in_pieces_as_they_are_at_once(
    answered: tuple[Any, Path], network: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(folds_predict, "_BATCH", 2)
    run(network, tmp_path / "out", photos)
    assert (tmp_path / "out/folds.csv").read_bytes() == (answered[1] / "folds.csv").read_bytes()
    assert {p.name for p in (tmp_path / "out").iterdir()} == {p.name for p in answered[1].iterdir()}


def test_a_second_run_into_the_same_folder_leaves_one_overlay_a_picture(network: Path, tmp_path: Path):
    picture = draw(tmp_path / "fold.png")
    for _ in range(2):
        run(network, tmp_path / "out", picture)
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_answers_inside_the_folder_of_pictures_are_not_taken_for_pictures(network: Path, tmp_path: Path):
    picture = draw(tmp_path / "photos/fold.png")
    for _ in range(2):
        run(network, tmp_path / "photos/answers", tmp_path / "photos")
    assert [row["file"] for row in rows_of(tmp_path / "photos/answers/folds.csv")] == [str(picture)]


def test_pictures_of_one_name_and_answer_do_not_overwrite_each_other(network: Path, tmp_path: Path):
    inputs = [draw(tmp_path / name / "fold.png", 7) for name in "abc"]
    run(network, tmp_path / "out", *inputs)
    assert len(list((tmp_path / "out").glob("*.png"))) == 3
    assert [row["file"] for row in rows_of(tmp_path / "out/folds.csv")] == [str(path) for path in inputs]


def test_inputs_keep_their_order_and_are_read_once(network: Path, photos: Path, tmp_path: Path):
    one = photos / "b/fold.png"
    run(network, tmp_path / "t.csv", one, photos / "b", photos / "a.tif", one)
    found = [str(Path(row["file"]).relative_to(photos)) for row in rows_of(tmp_path / "t.csv")]
    assert found == ["b/fold.png", "b/broken.png", "b/deep/fold.png", "a.tif"]


def test_a_file_that_is_no_picture_is_a_row_with_a_reason(estimator: Path, photos: Path, tmp_path: Path):
    summary = run(estimator, tmp_path / "t.csv", photos / "notes.txt")
    (row,) = rows_of(tmp_path / "t.csv")
    assert row["reason"].startswith("damaged") and not row["fold"] and str(summary).startswith("0 pictures: none")


def test_answers_of_an_estimator_are_those_of_its_features(estimator: Path, photos: Path, tmp_path: Path):
    summary = run(estimator, tmp_path / "out", photos)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["folds.csv"], "no overlays"
    assert (summary.table, summary.overlays) == (tmp_path / "out/folds.csv", 0)
    model, rows = models.load(estimator), [row for row in rows_of(summary.table) if row["fold"]]
    assert len(rows) == 4
    for row in rows:
        x = np.nan_to_num(extract(pictures.grey(pictures.read(row["file"]))))[None]
        p = scaled(model.estimator.predict_proba(x), TEMPERATURE)[0]
        assert [float(row[f"p_{name}"]) for name in CLASSES] == pytest.approx(p, abs=6e-5)
        assert row["fold"] == CLASSES[p.argmax()] and row["model"] == "folds/images/trees/0"


def test_an_estimator_without_probabilities_answers_too(photos: Path, tmp_path: Path):
    path = save_estimator(tmp_path / "model.skops", "RidgeClassifier", False)
    run(path, tmp_path / "t.csv", photos)
    model = models.load(path)
    for row in [row for row in rows_of(tmp_path / "t.csv") if row["fold"]]:
        x = np.nan_to_num(extract(pictures.grey(pictures.read(row["file"]))))[None]
        assert row["fold"] == CLASSES[model.estimator.predict(x)[0]] and float(row["confidence"]) > 0.5


def test_nothing_to_read_is_an_error(estimator: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.txt").touch()
    for inputs in ([tmp_path / "empty"], []):
        with pytest.raises(InputError, match="at least one picture, got none"):
            run(estimator, tmp_path / "out", *inputs)
    with pytest.raises(InputError, match=r"gone\.png: input: expected a picture or a folder, got no such file"):
        run(estimator, tmp_path / "out", tmp_path / "gone.png")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["picks", "reversals"])
def test_options_of_other_tasks_are_refused(option: str, estimator: Path, photos: Path, tmp_path: Path):
    with pytest.raises(InputError, match=rf"--{option}: .*the task folds does not use it"):
        predict("folds", [photos], tmp_path / "out", estimator, **{option: tmp_path / "table.csv"})


def test_a_model_of_another_task_is_refused(photos: Path, tmp_path: Path):
    models.save(tmp_path / "model.skops", {}, META | {"task": "polarity"})
    with pytest.raises(InputError, match="task: expected folds, got polarity"):
        run(tmp_path / "model.skops", tmp_path / "out", photos)


def test_a_picture_with_a_very_long_name_stops_nothing(network: Path, tmp_path: Path):
    inputs = [draw(tmp_path / "photos" / f"{'褶' * 80}.png", 1), draw(tmp_path / "photos" / "short.png", 2)]
    run(network, tmp_path / "out", tmp_path / "photos")
    assert sorted(row["file"] for row in rows_of(tmp_path / "out/folds.csv")) == sorted(map(str, inputs))
    assert len(list((tmp_path / "out").glob("*.png"))) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="file names must be Unicode there")
def test_a_picture_with_a_name_that_is_not_unicode_stops_nothing(estimator: Path, tmp_path: Path):
    draw(tmp_path / "photos/good.png", 1)
    os.rename(draw(tmp_path / "photos/other.png", 2), os.fsencode(tmp_path / "photos") + b"/pli\xe9.png")
    run(estimator, tmp_path / "t.csv", tmp_path / "photos")
    assert [row["fold"] != "" for row in rows_of(tmp_path / "t.csv")] == [True, True]


# Which model is taken


def trained(root: Path, variant: str, suffix: str, score: float, task: str = "folds") -> Path:
    folder = root / "models" / task / "images" / variant / "seed42"
    write_json(folder / "training.json", {"best_score": -1, "val_score": score})
    (folder / f"model{suffix}").touch()
    return folder / f"model{suffix}"


@pytest.mark.parametrize(("scores", "best"), [((0.4, 0.6, 0.5), 1), ((0.7, 0.6, 0.5), 0), ((0.4, 0.5, 0.9), 2)])
def test_the_model_with_the_best_validation_score_is_taken(tmp_path: Path, scores: tuple[float, ...], best: int):
    kinds = (("resnet9", ".keras"), ("trees", ".skops"), ("svc", ".skops"))
    found = [trained(tmp_path, *kind, score) for kind, score in zip(kinds, scores, strict=True)]
    trained(tmp_path, "cnn", ".keras", 1.0, task="polarity")
    (found[0].parent / "history.csv").touch()
    assert best_model("folds", tmp_path) == found[best]


def test_the_exported_best_network_goes_before_all(tmp_path: Path):
    trained(tmp_path, "resnet9", ".keras", 1.0)
    exported = tmp_path / "export/folds/model.onnx"
    exported.parent.mkdir(parents=True)
    exported.touch()
    assert best_model("folds", tmp_path) == exported


def test_a_file_that_is_no_model_is_refused(tmp_path: Path):
    for name in ("plain.keras", "plain.onnx", "plain.tflite"):
        (tmp_path / name).write_text("not a model")
        with pytest.raises(InputError, match=f"{name}: content: expected"):
            predict("folds", [tmp_path], tmp_path / "out", tmp_path / name)


def test_no_trained_model_is_an_error(tmp_path: Path):
    with pytest.raises(InputError, match="expected a trained model, got none"):
        best_model("folds", tmp_path)

"""What is reported of one fold run: details, examples, Grad-CAM, and the figures of a run and of the task."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import fit_settings

from geoml import models, predictions
from geoml.bootstrap import wilson
from geoml.calibration import temperature
from geoml.evaluate import evaluate as evaluate_run
from geoml.evaluate import predict
from geoml.files import write_json
from geoml.fit import fit
from geoml.models import Estimator, Model
from geoml.predictions import Predictions, load
from geoml.store import Block, Store, StoreWriter
from geoml.tables import Run, write
from geoml.tasks.folds import CLASSES, task
from geoml.tasks.folds.evaluation import SHOWN, evaluate
from geoml.tasks.folds.features import FEATURES
from geoml.tasks.folds.figures import draw_run, draw_task
from geoml.tasks.folds.gradcam import maps
from geoml.tasks.folds.tables import fold_compare

SIDE = 16
N = 240  # half of them for training, a quarter each for validation and test
RUN = {"task": "folds", "dataset": "images", "variant": "resnet9", "seed": 42}


def images_of(label: np.ndarray, seed: int = 0) -> np.ndarray:
    """(n, 16, 16, 3) uint8: noise, with a bright band whose place tells the class."""
    found = np.random.default_rng(seed).integers(0, 60, (len(label), SIDE, SIDE, 3))
    for k in range(3):
        found[label == k, :, 5 * k : 5 * k + 5] += 150
    return found.astype(np.uint8)


def prepare(folder: Path, inputs: np.ndarray, label: np.ndarray, **more: np.ndarray) -> Path:
    """A prepared set with the columns of the readers; every tenth label is known to be wrong."""
    n = len(label)
    names = np.char.add("image", np.arange(n).astype("U"))
    rng = np.random.default_rng(1)
    values = rng.normal(size=(n, 48)) + 2 * label[:, None]
    columns = dict(zip(FEATURES, values.T, strict=True)) | {
        "id": names,
        "group": names,
        "label": label.astype(np.int8),
        "domain": np.where(np.arange(n) % 3 == 0, "modelled", "outcrop"),
        "style": rng.choice(["massive", "banded"], n),
        "true_label": np.where(np.arange(n) % 10 == 0, (label + 1) % 3, label).astype(np.int8),
    }
    with StoreWriter(folder, keep_duplicates=True) as writer:
        writer.append(Block(inputs, columns | more))
        table = writer.columns()
        table["split"] = np.array([0, 1, 0, 2], np.int8)[np.arange(n) // 3 % 4]
        table["in_train"] = (np.arange(n) % 8 == 7).astype(np.int8) * (table["split"] > 0)
        content = {"task": "folds", "dataset": "images", "data_source": "synthetic", "citation": "", "split": {}}
        writer.finish(table, content | {"prepare": {"size": SIDE, "features": True}})
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    label = np.arange(N) % 3
    return prepare(tmp_path_factory.mktemp("data") / "images", images_of(label), label)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set without images: the features themselves are the inputs."""
    label = np.arange(N) % 3
    folder = tmp_path_factory.mktemp("data") / "table"
    nothing = {"domain": np.full(N, "unknown"), "style": np.full(N, ""), "true_label": np.full(N, -1, np.int8)}
    return prepare(folder, np.random.default_rng(2).normal(size=(N, 48)), label, **nothing)


@pytest.fixture(scope="module")
def network(keras_on_cpu: Any) -> Any:
    from geoml.tasks.folds.models.resnet9 import build

    keras_on_cpu.utils.set_random_seed(0)
    return build((SIDE, SIDE, 3), 3, width=4)


class Fixed(Estimator):
    """An estimator that is only asked what it is."""

    def __init__(self) -> None:
        super().__init__(None, {})


def answers(store: Store, split: str, skill: float = 2.0, sharpness: float = 1.0, seed: int = 0) -> Predictions:
    rows = store.rows(split)
    truth = task.truth(store, rows)
    powers = np.exp(sharpness * (np.random.default_rng(seed).normal(size=(len(rows), 3)) + skill * np.eye(3)[truth]))
    output = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return Predictions(np.arange(len(rows)), truth, output, CLASSES)


@pytest.fixture(scope="module")
def both(images: Path) -> tuple[Store, Predictions, Predictions]:
    """The store with answers for its test and validation images."""
    store = Store(images)
    return store, answers(store, "test"), answers(store, "val", seed=1)


@pytest.fixture(scope="module")
def result(both: tuple[Store, Predictions, Predictions], network: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    return evaluate(Model(network, {}), *both)


def test_details_are_json_and_count_every_image_once(both: tuple[Store, Predictions, Predictions], result: Any):
    details, _ = result
    assert json.loads(json.dumps(details, allow_nan=False)) == details
    for name in ("by_domain", "by_style", "by_label"):
        assert sum(found["n"] for found in details[name].values()) == 60, name
    assert {name: int(np.sum(counts)) for name, counts in details["confusion"].items()} == {"val": 60, "test": 60}
    assert details["confusion"]["test"] == both[1].confusion.astype(int).tolist()


def test_accuracy_by_domain_style_and_rightness_of_the_label(both: tuple[Store, Predictions, Predictions], result: Any):
    store, test, _ = both
    rows, right = store.rows("test"), test.decided == test.truth
    samples = {name: store.samples[name][rows] for name in ("domain", "style", "true_label", "label")}
    wrong = samples["true_label"] != samples["label"]
    kinds = {
        "by_domain": {name: samples["domain"] == name for name in ("modelled", "outcrop")},
        "by_style": {name: samples["style"] == name for name in ("banded", "massive")},
        "by_label": {"right label": ~wrong, "wrong label": wrong},
    }
    for name, parts in kinds.items():
        assert set(result[0][name]) == set(parts)
        for kind, part in parts.items():
            found = result[0][name][kind]
            assert (found["n"], found["accuracy"]) == (part.sum(), pytest.approx(right[part].mean())), kind
            low, high = wilson(found["accuracy"], found["n"])
            assert (found["accuracy_ci_low"], found["accuracy_ci_high"]) == (low, high)
    assert wrong.sum() > 3


def test_the_temperature_is_that_of_the_validation_images(both: tuple[Store, Predictions, Predictions], network: Any):
    store, test, val = both
    boastful = answers(store, "val", sharpness=3.0, seed=1)
    found = evaluate(Model(network, {}), store, test, boastful)[0]["calibration"]
    assert found["temperature"] == pytest.approx(3 * temperature(val), rel=0.02) and found["fitted_on"] == 60
    again = evaluate(Model(network, {}), store, boastful, boastful)[0]["calibration"]
    assert again["ece_after"] < again["ece_before"]
    assert sum(b["n"] for b in again["bins_before"]) == sum(b["n"] for b in again["bins_after"]) == 60


def test_examples_are_spread_over_the_labels(both: tuple[Store, Predictions, Predictions], result: Any):
    store, test, _ = both
    examples = result[1]
    assert np.bincount(examples["truth"]).tolist() == [SHOWN // 3] * 3
    assert examples["images"].shape == (SHOWN, SIDE, SIDE, 3) and examples["images"].dtype == np.uint8
    rows = store.rows("test")
    for image, label, p in zip(*(examples[name] for name in ("images", "truth", "probabilities")), strict=True):
        (found,) = np.flatnonzero((store.inputs[rows] == image).all(axis=(1, 2, 3)))
        assert test.truth[found] == label and np.array_equal(test.output[found], p), "image, label and answer belong"


def test_examples_are_no_more_than_there_are(both: tuple[Store, Predictions, Predictions], images: Path, network: Any):
    store = Store(images)
    rows = store.rows("test")
    store.samples["split"][rows[7:]] = 1
    few = evaluate(Model(network, {}), store, both[1].take(np.arange(7)), both[2])[1]
    assert len(few["images"]) == len(few["heat"]) == 7
    assert len(np.unique(few["images"].reshape(7, -1), axis=0)) == 7


def test_only_networks_have_heat(both: tuple[Store, Predictions, Predictions], result: Any):
    assert result[1]["heat"].shape == (SHOWN, SIDE, SIDE)
    found = evaluate(Fixed(), *both)[1]
    assert set(found) == {"images", "truth", "probabilities"} and len(found["images"]) == SHOWN


def test_a_table_of_features_has_details_but_no_images(table: Path):
    store = Store(table)
    details, examples = evaluate(Fixed(), store, answers(store, "test"), answers(store, "val"))
    assert (len(examples["images"]), len(examples["truth"]), len(examples["probabilities"])) == (0, 0, 0)
    assert (set(details["by_domain"]), set(details["by_style"])) == ({"unknown"}, {"not given"})
    assert list(details["by_label"]) == ["not given"] and details["by_label"]["not given"]["n"] == 60


def test_the_calibration_of_a_network_and_of_an_estimator(images: Path, network: Any):
    store = Store(images)
    model = Model(network, {})
    expected = temperature(predict(model, task, store, "val"))
    assert task.calibrate(model, store)["temperature"] == pytest.approx(expected)

    class Sure:
        predict_proba = staticmethod(lambda x: np.repeat([[0.98, 0.01, 0.01]], len(x), 0))

    estimator = Estimator(Sure(), {"classes": CLASSES, "has_probabilities": True})
    assert task.calibrate(estimator, store)["temperature"] > 5, "right once in three, and sure"


# Grad-CAM


def halves(keras: Any, seen: str = "left") -> Any:
    """A network whose last map has channels for the left and the right half; only one half counts for class 0."""
    half = SIDE // 2
    pixels = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(3, 1, use_bias=False, name="copy")(pixels)
    parts = [
        keras.layers.ZeroPadding2D(((0, 0), padding))(keras.layers.Cropping2D(((0, 0), padding))(x))
        for padding in ((0, half), (half, 0))
    ]
    x = keras.layers.Concatenate(name="last_conv")(parts)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(3, name="logits", use_bias=False)(x)
    made = keras.Model(pixels, keras.layers.Activation("softmax", name="fold")(x))
    kernel = np.zeros((6, 3), np.float32)
    kernel[:3, 0], kernel[3:, 1] = (1, 1) if seen == "left" else (-1, 1)
    made.get_layer("copy").set_weights([np.eye(3, dtype=np.float32)[None, None]])
    made.get_layer("logits").set_weights([kernel])
    return made


def test_grad_cam_has_the_size_of_the_images_and_values_of_0_to_1(network: Any):
    shown = images_of(np.arange(5) % 3)
    heat = maps(network, shown)
    assert heat.shape == (5, SIDE, SIDE) and heat.dtype == np.float32
    assert np.isfinite(heat).all() and heat.min() >= 0
    most = heat.max(axis=(1, 2))
    assert ((most == 0) | (np.abs(most - 1) < 1e-6)).all() and (most > 0.5).any()


def test_grad_cam_is_bright_where_the_class_comes_from(keras_on_cpu: Any):
    grey = np.full((2, SIDE, SIDE, 3), 100, np.uint8)
    grey[1, 2:6, 2:6] = 250
    left, right = maps(halves(keras_on_cpu), grey, np.array([0, 0])), maps(halves(keras_on_cpu), grey, np.array([1, 1]))
    half = SIDE // 2
    assert left[0, :, :half].min() > 0.99 and left[0, :, half:].max() < 0.01
    assert right[0, :, half:].min() > 0.99 and right[0, :, :half].max() < 0.01
    assert left[1, 2:6, 2:6].min() > 0.99 and left[1, 8:, :half].max() < 0.5, "the bright patch most of all"


def test_grad_cam_is_of_the_answer_where_no_class_is_given(keras_on_cpu: Any):
    shown = np.full((2, SIDE, SIDE, 3), 50, np.uint8)
    shown[0, :, :8], shown[1, :, 8:] = 200, 200
    network = halves(keras_on_cpu)
    heat = maps(network, shown)
    assert np.array_equal(heat, maps(network, shown, np.array([0, 1])))
    assert heat[0, :, :8].min() > 0.99 > 0.01 > heat[0, :, 8:].max() and heat[1, :, 8:].min() > 0.99


def test_grad_cam_of_a_class_that_nothing_speaks_for_is_dark(keras_on_cpu: Any):
    heat = maps(halves(keras_on_cpu, "right"), np.full((1, SIDE, SIDE, 3), 100, np.uint8), np.array([0]))
    assert (heat == 0).all()


def test_grad_cam_changes_nothing_in_the_network(network: Any):
    before = network.get_weights()
    maps(network, images_of(np.arange(3)))
    assert all(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))


def test_grad_cam_works_on_a_frozen_network(keras_on_cpu: Any):
    network, shown = halves(keras_on_cpu), np.full((1, SIDE, SIDE, 3), 100, np.uint8)
    expected = maps(network, shown)
    network.trainable = False
    assert np.array_equal(maps(network, shown), expected)


# Figures


def run_of(details: dict[str, Any], variant: str = "resnet9") -> dict[str, Any]:
    run = RUN | {"variant": variant}
    training = {"started_from": None}
    return {"run": run, "data_source": "synthetic", "n_train": 120, "n_test": 60, "details": details,
            "training": training}  # fmt: skip


HISTORY = {"loss": [1.0, 0.5], "val_loss": [1.1, 0.7], "accuracy": [0.5, 0.7], "val_accuracy": [0.4, 0.6],
           "learning_rate": [0.001, 0.0]}  # fmt: skip


def drawn(folder: Path) -> set[str]:
    """Names of the files in a folder, every one a picture of a sensible size and more than a blank page."""
    from matplotlib.image import imread

    for path in folder.glob("*.png"):
        pixels = imread(path)
        assert min(pixels.shape[:2]) > 200 and len(np.unique(pixels.reshape(-1, pixels.shape[2])[::7], axis=0)) > 20, (
            path
        )
    for path in folder.glob("*.svg"):
        svg = path.read_bytes()
        assert svg.startswith(b"<?xml") and len(svg) > 10_000, path
    return {path.name for path in folder.iterdir()}


def files(*names: str) -> set[str]:
    return {f"{name}.{kind}" for name in names for kind in ("png", "svg")}


def test_the_figures_of_a_network(result: Any, tmp_path: Path):
    draw_run(tmp_path, run_of(result[0]), HISTORY, result[1])
    assert drawn(tmp_path) == files("confusion", "reliability", "training", "gallery", "gradcam")


def test_the_figures_of_an_estimator(both: tuple[Store, Predictions, Predictions], tmp_path: Path):
    details, examples = evaluate(Fixed(), *both)
    draw_run(tmp_path, run_of(details, "random_forest"), {}, examples)
    assert drawn(tmp_path) == files("confusion", "reliability", "gallery", "features")


def test_the_figures_of_an_estimator_without_images(table: Path, tmp_path: Path):
    store = Store(table)
    details, examples = evaluate(Fixed(), store, answers(store, "test"), answers(store, "val"))
    draw_run(tmp_path, run_of(details, "random_forest"), {}, examples)
    assert drawn(tmp_path) == files("confusion", "reliability")


@pytest.mark.parametrize("heat", [True, False])
def test_the_figures_of_a_test_set_with_few_images_of_a_class(result: Any, tmp_path: Path, heat: bool):
    """None of the first class, one of the last."""
    kept = np.concatenate([np.flatnonzero(result[1]["truth"] == k)[:n] for k, n in enumerate((0, 3, 1))])
    examples = {name: values[kept] for name, values in result[1].items() if heat or name != "heat"}
    draw_run(tmp_path, run_of(result[0]), {}, examples)
    assert {"gallery.png", "gradcam.png" if heat else "features.png"} <= drawn(tmp_path)


def test_wrong_answers_and_no_others_have_a_red_frame(result: Any, tmp_path: Path):
    from matplotlib.image import imread
    from scipy.ndimage import label

    said = (result[1]["truth"] + (np.arange(SHOWN) % 4 == 1)) % 3
    examples = result[1] | {"probabilities": np.eye(3, dtype=np.float32)[said]}
    draw_run(tmp_path, run_of(result[0]), {}, examples)
    red = np.abs(imread(tmp_path / "gallery.png")[..., :3] - [0xC0 / 255, 0, 0]).max(axis=2) < 0.02
    assert label(red)[1] == SHOWN // 4


def compared(tmp_path: Path, share: bool = False) -> dict[str, Any]:
    """The table of three runs, as the figures read it from its file."""
    variants = [("forest", {"model": "shallow", "args": {}}), ("resnet9", {"model": "resnet9", "args": {}})]
    variants += [("grey9", {"model": "plain9", "args": {"colour": "grey"}})]
    variants += [("forest_quarter", {"model": "shallow", "args": {}})] * share
    rng, runs = np.random.default_rng(0), []
    for number, (name, variant) in enumerate(variants):
        truth = np.arange(40) % 3
        output = np.eye(3, dtype=np.float32)[np.where(rng.random(40) < 0.2 + 0.2 * number, truth, (truth + 1) % 3)]
        strata = {"domain": np.full(40, "unknown"), "in_train": (np.arange(40) % 9 == 0).astype(np.int8)}
        p = Predictions(np.arange(40), truth, output, CLASSES, None, strata)
        predictions.save(tmp_path / name / "predictions.csv.gz", {("images", split): p for split in ("val", "test")})
        training = {"has_probabilities": True, "device": "cpu", "wall_s": 1.0, "started_from": None}
        content = {"variant": variant, "classes": CLASSES, "training": training, "data_source": "synthetic"}
        write_json(tmp_path / name / "metrics.json", content | {"n_train": 30 if "quarter" in name else 120})
        runs.append(Run("images", name, 42, tmp_path / name))
    write(fold_compare.table(runs, ["accuracy", "f1_weighted"]), tmp_path / "t.csv")
    return {"fold_compare": pd.read_csv(tmp_path / "t.csv")}


def test_the_figures_of_the_task(tmp_path: Path):
    draw_task(tmp_path / "figures", compared(tmp_path))
    assert drawn(tmp_path / "figures") == {"compare_images.png", "compare_images.svg"}


def test_a_learning_curve_is_drawn_where_shares_of_the_training_set_were_used(tmp_path: Path):
    draw_task(tmp_path / "figures", compared(tmp_path, share=True))
    names = {f"{name}_images.{kind}" for name in ("compare", "learning_curve") for kind in ("png", "svg")}
    assert drawn(tmp_path / "figures") == names


def test_the_same_table_gives_the_same_figures(tmp_path: Path):
    tables = compared(tmp_path)
    for name in "ab":
        draw_task(tmp_path / name, tables)
    for name in ("compare_images.png", "compare_images.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


# The whole evaluation


def test_a_fitted_classifier_is_evaluated_into_its_folder(images: Path, tmp_path: Path):
    run = RUN | {"variant": "tree"}
    variant = {"model": "shallow", "args": {"classifier": "DecisionTreeClassifier"}, "fit": fit_settings()}
    fit(run, variant, images, tmp_path / "model.skops", tmp_path / "training.json")
    found = evaluate_run(tmp_path / "model.skops", [images], tmp_path / "out")
    assert found == json.loads((tmp_path / "out/metrics.json").read_text())
    assert (found["n_train"], found["n_val"], found["n_test"], found["classes"]) == (120, 60, 60, list(CLASSES))
    assert (found["training"]["has_probabilities"], found["training"]["device"]) == (True, "cpu")
    tested = load(tmp_path / "out/predictions.csv.gz", CLASSES)
    assert set(tested) == {("images", "test"), ("images", "val")}
    strata = tested["images", "test"].strata
    store = Store(images)
    for name in ("domain", "in_train"):
        assert np.array_equal(strata[name], store.samples[name][store.rows("test")])
    assert drawn(tmp_path / "out/figures") == files("confusion", "reliability", "gallery", "features")


def test_a_network_is_evaluated_with_the_history_beside_it(images: Path, network: Any, tmp_path: Path):
    store = Store(images)
    meta = task.model_meta(store.meta) | {
        "run": RUN, "task": "folds", "model": "resnet9", "args": {"width": 4}, "data_source": "synthetic",
        "split_hash": store.meta["split_hash"], "temperature": 1.0,
    }  # fmt: skip
    models.save(tmp_path / "model.keras", network, meta)
    record = {"variant": {"model": "resnet9", "args": {"width": 4}}, "n_train": 120, "n_val": 60, "parameters": 100}
    write_json(tmp_path / "training.json", record)
    lines = [",".join(HISTORY), *(",".join(map(str, row)) for row in zip(*HISTORY.values(), strict=True))]
    (tmp_path / "history.csv").write_text("\n".join(lines) + "\n")
    found = evaluate_run(tmp_path / "model.keras", [images], tmp_path / "out", threads=1)
    assert found["model"]["parameters"] == 100 and found["inference"]["per_s"] > 0
    p = predict(Model(network, {}), task, store, "test")
    assert found["scores"]["accuracy"] == pytest.approx((p.decided == p.truth).mean(), abs=1e-6)
    assert {"training.png", "gradcam.png"} <= drawn(tmp_path / "out/figures")

"""What is reported of one polarity run, and its figures."""

import json

import numpy as np
import pytest

from geoml.bootstrap import wilson
from geoml.calibration import scale, temperature
from geoml.predictions import Predictions
from geoml.tasks.polarity import evaluation
from geoml.tasks.polarity.evaluation import details
from geoml.tasks.polarity.figures import draw_run, draw_task

CLASSES = ("U", "D", "N")


def make(n: int, seed: int, sharpness: float = 1.0) -> Predictions:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n).astype(np.int8)
    powers = np.exp(sharpness * (rng.normal(size=(n, 3)) + 2 * np.eye(3)[truth]))
    output = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return Predictions(rng.integers(0, 40, n), truth, output, CLASSES)


def columns(n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(9)
    return {
        "snr_db": np.where(rng.random(n) < 0.1, np.nan, rng.normal(25, 10, n)).astype(np.float32),
        "magnitude": rng.exponential(1, n).astype(np.float32),
        "distance_km": rng.uniform(0, 1500, n).astype(np.float32),
        "onset": rng.choice(["", "impulsive", "emergent"], n),
        "first_break": rng.integers(-1, 2, n).astype(np.int8),
    }


def reader_of(p: Predictions):
    """A model that gets worse the farther the pick is moved and the noisier the window is."""

    def probabilities(rows: np.ndarray, shift: int, noise_db: float | None) -> np.ndarray:
        wrong = (np.arange(len(rows)) % 51 < abs(shift)) | (noise_db is not None and noise_db < 0)
        return np.where(wrong[:, None], p.output[rows][:, [1, 0, 2]], p.output[rows])

    return probabilities


@pytest.fixture(scope="module")
def result() -> dict:
    test = make(300, 0)
    return details(columns(300), reader_of(test), test, make(300, 1))


def test_result_is_json_and_counts_add_up(result) -> None:
    json.dumps(result, allow_nan=False)
    assert np.sum(result["confusion"]) == 300
    for name in ("by_snr_db", "by_magnitude", "by_distance_km"):
        bins = result[name]["bins"]
        assert sum(b["n"] for b in bins) + result[name]["unknown"] == 300, name
        assert all(b["low"] < b["high"] for b in bins)
    assert {b["high"] - b["low"] for b in result["by_snr_db"]["bins"]} == {5.0}
    assert set(result["by_onset"]) == {"not given", "impulsive", "emergent"}
    assert result["precision"]["app"]["u"] >= result["precision"]["standard"]["u"]


def test_values_fall_into_the_right_bin() -> None:
    test = make(300, 0)
    table = columns(300) | {"snr_db": np.full(300, 10.0, np.float32)}
    assert details(table, reader_of(test), test, test)["by_snr_db"]["bins"][0]["low"] == 10


def test_pick_error_and_noise_curves(result) -> None:
    curve = {row["shift_samples"]: row for row in result["pick_error"]["shifts"]}
    assert set(range(-5, 6)) <= set(curve) and {-50, 50} <= set(curve)
    assert curve[0]["strict_ud_accuracy"] == result["strict_ud"]["accuracy"]
    assert curve[0]["strict_ud_accuracy"] > curve[5]["strict_ud_accuracy"] > curve[50]["strict_ud_accuracy"]
    levels = {row["snr_db"]: row["strict_ud_accuracy"] for row in result["added_noise"]["levels"]}
    assert levels[20.0] == levels[None]
    assert levels[-5.0] == pytest.approx(1 - levels[None])
    assert 0 < result["added_noise"]["n"] < result["pick_error"]["n"] == result["strict_ud"]["n"]


def test_long_curves_are_capped_and_say_so(monkeypatch) -> None:
    monkeypatch.setattr(evaluation, "MOST_ROWS", 50)
    test = make(300, 0)
    error = details(columns(300), reader_of(test), test, test)["pick_error"]
    assert error["n"] == 50 < error["of"]


def test_selective_threshold_comes_from_validation(result) -> None:
    selective = result["selective"]
    assert 0 < selective["threshold_for_99"] < 1
    assert selective["accuracy_at_99"] > 0.9
    assert np.all(np.diff(selective["coverage"]) >= 0)
    test, hopeless = make(300, 0), make(300, 1)
    hopeless.truth[:] = 2
    assert details(columns(300), reader_of(test), test, hopeless)["selective"]["threshold_for_99"] is None


def test_temperature_undoes_overconfidence() -> None:
    fair, boastful = make(4000, 3), make(4000, 3, sharpness=3.0)
    assert temperature(boastful) == pytest.approx(3 * temperature(fair), rel=0.02)
    scaled = scale(boastful, 3.0)
    assert np.allclose(scaled.output, fair.output, atol=1e-4)
    calibration = details(columns(4000), reader_of(boastful), boastful, make(4000, 4, sharpness=3.0))["calibration"]
    assert calibration["ece_after"] < calibration["ece_before"]


def test_certain_and_wrong_stays_finite() -> None:
    p = Predictions(np.arange(2), np.array([0, 1], np.int8), np.array([[0, 1, 0], [0, 1, 0]], np.float32), CLASSES)
    assert np.isfinite(scale(p, temperature(p)).output).all()


def test_test_set_without_up_or_down(tmp_path) -> None:
    test = make(30, 0)
    test.truth[:] = 2
    table = columns(30) | {"snr_db": np.full(30, np.nan, np.float32)}
    result = details(table, reader_of(test), test, test)
    assert result["strict_ud"]["accuracy"] is None
    assert result["by_snr_db"]["bins"] == []
    json.dumps(result, allow_nan=False)
    no_examples = {"windows": np.empty((0, 400)), "truth": np.empty(0, int), "probabilities": np.empty((0, 3))}
    draw_run(tmp_path, run_of(result), {}, no_examples)
    assert (tmp_path / "gallery.png").exists()


def test_wilson() -> None:
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(1.0, 3)[1] == 1
    assert np.isnan(wilson(np.nan, 0)).all()


def run_of(result: dict) -> dict:
    run = {"task": "polarity", "dataset": "ins", "variant": "cnn_ross", "seed": 0}
    return {"run": run, "data_source": "synthetic", "n_train": 900, "n_test": 300, "details": result}


@pytest.mark.parametrize("with_attention", [True, False])
def test_run_figures(result, tmp_path, with_attention) -> None:
    rng = np.random.default_rng(0)
    examples = {
        "windows": rng.normal(size=(5, 400)).astype(np.float32),
        "truth": np.array([0, 1, 2, 0, 1]),
        "probabilities": np.eye(3)[[0, 1, 1, 0, 2]],
    }
    if with_attention:
        examples["attention"] = rng.random((5, 50, 50))
    history = {"loss": [1.0, 0.5], "val_loss": [1.1, 0.7], "accuracy": [0.5, 0.7], "val_accuracy": [0.4, 0.6]}
    draw_run(tmp_path, run_of(result), history, examples)
    for name in ("confusion", "training", "snr", "pick_error", "reliability", "gallery"):
        assert is_drawn(tmp_path / f"{name}.png"), name


def test_task_figures(tmp_path) -> None:
    from pandas import DataFrame

    scores = {"accuracy": 0.8, "accuracy_ci_low": 0.7, "accuracy_ci_high": 0.9}
    scores |= {f"strict_ud_{name}": value for name, value in scores.items()}
    common = scores | {"data_source": "synthetic", "n_test": 300}
    grid = [(m, d) for m in ("cnn_ross", "my_own") for d in ("ins", "pnw")]
    compare = DataFrame([{"model": m, "dataset": d} | common for m, d in grid])
    cross = DataFrame([{"model": m, "trained_on": d, "tested_on": t} | common for m, d in grid for t in ("ins", "pnw")])
    draw_task(tmp_path, {"polarity_compare": compare, "polarity_cross": cross})
    for name in ("compare", "cross_dataset"):
        assert is_drawn(tmp_path / f"{name}.png")
        svg = (tmp_path / f"{name}.svg").read_bytes()
        assert svg.startswith(b"<?xml") and len(svg) > 10_000


def is_drawn(path) -> bool:
    """Whether a PNG has a sensible size and more than a blank page."""
    from matplotlib.image import imread

    pixels = imread(path)
    return min(pixels.shape[:2]) > 300 and len(np.unique(pixels.reshape(-1, pixels.shape[2])[::7], axis=0)) > 20

"""The tables of patch networks: trained and only counted ones side by side, and sets tested against each other."""

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoml import bootstrap, tables
from geoml.files import plain, write_json
from geoml.predictions import Predictions
from geoml.predictions import save as save_predictions
from geoml.tables import Run, write
from geoml.tasks.patchnet import CLASSES
from geoml.tasks.patchnet.tables import patchnet_compare, patchnet_cross

COLUMNS = ["accuracy", "f1_bsr"]
CONTRACT = {
    "model", "accuracy", "parameters", "macs", "size_mb", "patches_per_s", "patches_per_s_batch1",
    "speed_up_vs_resnet50", "published_parameters", "published_size_mb", "published_speed_up_vs_resnet50",
    "published_size_share_of_vgg16", "published_source",
}  # fmt: skip
# by variant: model, parameters, macs, and patches a second in three rounds at batch 64 and at batch 1
COUNTED = {
    "v1": ("v1_search", 725_697, 200, [10, 30, 80], [5, 5, 5]),
    "small": ("searched", 1000, 20, [100, 100, 100], [50, 60, 40]),
    "resnet": ("resnet50", 2_000_000, 1000, [5, 10, 20], [1, 2, 4]),
    "vgg": ("vgg16", 145_139_400, 4000, [1, 1, 1], [1, 1, 1]),
}
LINE = {
    "default": "convolutional",
    "sliding": {"precision": 0.1, "recall": 0.2, "f1": 0.3, "windows_per_s": 100.0},
    "convolutional": {"precision": 0.5, "recall": 0.6, "f1": 0.54, "picks_precision": 0.7, "picks_recall": None,
                      "windows_per_s": 3000.0},
    "agreement": {"decisions": 0.99, "correlation": 0.98},
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def few_draws() -> Iterator[None]:
    """Intervals of 50 resamples: their width is not what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "resample", partial(bootstrap.resample, draws=50))
        yield


def told(dataset: str, seed: int) -> Predictions:
    """Thirty patches, each its own group; each seed answers otherwise."""
    same, own = np.random.default_rng([*dataset.encode()]), np.random.default_rng([seed, *dataset.encode()])
    truth = same.integers(0, 2, 30).astype(np.int8)
    p = np.clip(0.3 + 0.4 * truth + own.normal(0, 0.25, 30), 0, 1)
    return Predictions(
        np.arange(30), truth, np.column_stack([1 - p, p]), CLASSES, np.array([f"{dataset}:{i}" for i in range(30)])
    )


def make_run(
    root: Path, variant: str, dataset: str = "patches", seed: int = 0, line: Any = None, others: tuple[str, ...] = ()
) -> Run:
    folder = root / dataset / variant / f"seed{seed}"
    save_predictions(folder / "predictions.csv.gz", {(name, "test"): told(name, seed) for name in (dataset, *others)})
    content = {
        "run": {"task": "patchnet", "dataset": dataset, "variant": variant, "seed": seed},
        "fold": None,
        "data_source": "synthetic",
        "n_train": 60,
        "n_test": 30,
        "classes": list(CLASSES),
        "model": {"parameters": 17},
        "training": {"epochs": 3, "stopped_by": "epochs", "device": "cpu", "wall_s": 2.5},
        "inference": {"per_s": 100.0, "device": "cpu"},
        "details": {"line": line} if line else {},
    }
    write_json(folder / "metrics.json", plain(content))
    return Run(dataset, variant, seed, folder)


def timing(folder: Path, *variants: str) -> Path:
    networks = {}
    for variant in variants:
        model, parameters, macs, batch, single = COUNTED[variant]
        networks[variant] = {"model": model, "parameters": parameters, "macs": macs, "size_mb": 4 * parameters / 2**20}
        networks[variant]["per_s"] = {"64": batch, "1": single}
    write_json(folder / "patchnet" / "networks.json", {"networks": networks})
    return folder


def rows_of(runs: list[Run], path: Path, timed: Path | None) -> dict[tuple[str, str], dict[str, str]]:
    write(patchnet_compare.table(runs, COLUMNS, timed), path / "table.csv")
    with open(path / "table.csv", newline="", encoding="utf-8") as file:
        return {(row["dataset"], row["model"]): row for row in csv.DictReader(file)}


def test_trained_networks_have_scores_and_the_others_are_counted_only(tmp_path: Path):
    runs = [make_run(tmp_path, name) for name in ("v1", "small")]
    rows = rows_of(runs, tmp_path, timing(tmp_path / "timing", *COUNTED))
    assert list(rows) == [("patches", "v1"), ("patches", "small"), ("", "resnet"), ("", "vgg")]
    p = told("patches", 0)
    for key, row in rows.items():
        assert set(row) >= CONTRACT and float(row["macs"]) == COUNTED[key[1]][2]
        if key[0]:
            assert float(row["accuracy"]) == pytest.approx((p.decided == p.truth).mean(), rel=1e-4)
            assert float(row["accuracy_ci_low"]) <= float(row["accuracy"]) <= float(row["accuracy_ci_high"])
            assert row["data_source"] == "synthetic"
        else:
            assert row["accuracy"] == row["accuracy_ci_low"] == row["f1_bsr"] == row["epochs"] == row["n_test"] == ""
    assert list(next(iter(rows.values())))[:4] == ["dataset", "model", "architecture", "accuracy"]
    assert rows["patches", "v1"]["parameters"] == "725697"  # as counted, not as a run says


def test_speeds_are_medians_and_ratios_are_taken_turn_by_turn(tmp_path: Path):
    """v1 against ResNet: 2, 3 and 4 in the three rounds; the ratio of medians would be 3 too, of single ones not."""
    rows = rows_of([make_run(tmp_path, "v1")], tmp_path, timing(tmp_path / "timing", *COUNTED))
    v1, small, resnet, vgg = (rows["patches" if name == "v1" else "", name] for name in COUNTED)
    assert (v1["patches_per_s"], v1["patches_per_s_batch1"]) == ("30", "5")
    assert (v1["speed_up_vs_resnet50"], v1["speed_up_vs_resnet50_batch1"]) == ("3", "2.5")
    assert small["speed_up_vs_resnet50_batch1"] == "30"  # of 50, 30 and 10
    assert (v1["macs_ratio_vs_resnet50"], vgg["macs_ratio_vs_resnet50"]) == ("5", "0.25")
    assert (resnet["speed_up_vs_resnet50"], resnet["macs_ratio_vs_resnet50"]) == ("1", "1")
    assert (v1["size_share_of_vgg16"], vgg["size_share_of_vgg16"]) == ("0.005", "1")
    assert float(v1["size_mb"]) == pytest.approx(2.768, abs=1e-3)


def test_only_the_published_network_has_published_figures(tmp_path: Path):
    rows = rows_of([make_run(tmp_path, "small")], tmp_path, timing(tmp_path / "timing", *COUNTED))
    v1 = rows["", "v1"]
    found = {name: v1[name] for name in CONTRACT if name.startswith("published") and name != "published_source"}
    assert found == {
        "published_parameters": "730000",
        "published_size_mb": "2.7",
        "published_speed_up_vs_resnet50": "18",
        "published_size_share_of_vgg16": "0.005",
    }
    assert "Geng & Wang 2020" in v1["published_source"] and "nearly 18 times" in v1["published_source"]
    for (_, model), row in rows.items():
        assert model == "v1" or not any(row[name] for name in row if name.startswith("published"))


def test_without_the_networks_of_comparison_ratios_are_empty(tmp_path: Path):
    rows = rows_of([make_run(tmp_path, "v1")], tmp_path, timing(tmp_path / "timing", "v1", "small"))
    for row in rows.values():
        assert row["patches_per_s"] and row["macs"]
        for name in ("speed_up_vs_resnet50", "speed_up_vs_resnet50_batch1", "macs_ratio_vs_resnet50",
                     "size_share_of_vgg16"):  # fmt: skip
            assert row[name] == ""


def test_networks_that_nothing_was_trained_with_make_a_table_too(tmp_path: Path):
    rows = rows_of([], tmp_path, timing(tmp_path / "timing", "v1", "resnet"))
    assert [model for _, model in rows] == ["v1", "resnet"]
    assert rows["", "v1"]["speed_up_vs_resnet50"] == "3" and rows["", "v1"]["accuracy"] == ""
    assert all(set(row) >= CONTRACT for row in rows.values())


def test_the_line_is_that_of_the_engine_that_prediction_takes_a_mean_over_seeds(tmp_path: Path):
    other = LINE | {"convolutional": LINE["convolutional"] | {"precision": 0.7, "windows_per_s": 5000.0}}
    runs = [make_run(tmp_path, "v1", seed=seed, line=line) for seed, line in enumerate((LINE, other))]
    slides = {"default": "sliding", "sliding": LINE["sliding"]}
    runs += [make_run(tmp_path, "small", line=slides), make_run(tmp_path, "vgg", "mine")]
    rows = rows_of(runs, tmp_path, timing(tmp_path / "timing", *COUNTED))
    v1, small, vgg = rows["patches", "v1"], rows["patches", "small"], rows["mine", "vgg"]
    assert (v1["line_engine"], v1["line_precision"], v1["line_recall"]) == ("convolutional", "0.6", "0.6")
    assert (v1["line_picks_precision"], v1["line_picks_recall"]) == ("0.7", "")
    assert (v1["engines_speed_up"], v1["engines_decisions"], v1["engines_correlation"]) == ("40", "0.99", "0.98")
    assert (small["line_engine"], small["line_f1"]) == ("sliding", "0.3")
    assert small["engines_speed_up"] == small["engines_decisions"] == ""
    assert vgg["line_engine"] == vgg["line_precision"] == "" and vgg["accuracy"] != ""


def test_every_set_is_crossed_with_every_other(tmp_path: Path):
    runs = [make_run(tmp_path, "v1", "patches", others=("physics",)), make_run(tmp_path, "v1", "physics")]
    found = patchnet_cross.table(runs, COLUMNS)
    assert list(zip(found["trained_on"], found["tested_on"], strict=True)) == [
        ("patches", "patches"), ("patches", "physics"), ("physics", "physics"),
    ]  # fmt: skip
    p = told("physics", 0)
    assert found["accuracy"][1] == pytest.approx((p.decided == p.truth).mean())

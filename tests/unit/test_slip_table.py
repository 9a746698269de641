"""The table of the slip task, made from small run folders: which rows there are, and what stands beside what."""

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from geoml import bootstrap, config, tables
from geoml.files import write_json
from geoml.predictions import Predictions, save
from geoml.tables import Run, write
from geoml.tasks.slip.figures import draw_task
from geoml.tasks.slip.tables import slip_compare
from geoml.tasks.slip.tables.slip_compare import PUBLISHED

COLUMNS = config.task_schema("slip")["usual"]["columns"]
CONTRACT = {  # the table's columns that others may rely on
    *("dataset", "model", "split", "frames_in_train", "experiments_in_train", "data_source"),
    *(f"{name}{end}" for name in COLUMNS for end in ("", "_ci_low", "_ci_high")),
    *("parameters", "epochs", "train_cpu_s", "train_gpu_s", "infer_maps_per_s", "infer_device"),
    *("n_train", "n_test", "n_seeds", "n_folds", "published_accuracy_2sd", "published_source"),
}
SIZES = {"test": 30, "val": 40, "train": 60}
OVERLAP = {"official": (30, 24, 12), "group": (0, 0, 0)}  # experiments, frames, columns


@pytest.fixture(scope="module", autouse=True)
def few_draws() -> Iterator[None]:
    """Intervals of 50 resamples: their width is not what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "resample", partial(bootstrap.resample, draws=50))
        yield


def predictions(split: str, noise: float, seed: int, part: str = "") -> Predictions:
    """Three experiments; the deviation is right."""
    n, same = SIZES[split], np.random.default_rng([len(split), *part.encode()])
    truth, number = same.uniform(0, 1, n), np.arange(n)
    said = truth + np.random.default_rng(seed).normal(0, noise, n)
    strata = {"sd": np.full(n, 0.05), "condition": np.full(n, "EB_050"), "window": number % 5, "frame": number // 5}
    output = np.column_stack([said, np.full(n, noise)]).astype(np.float32)
    return Predictions(number % 3, truth, output, (), np.array([f"{part}{i}" for i in number]), strata)


def make_run(
    root: Path, variant: str, dataset: str = "published", *, model: str = "ssf_cnn", seed: int = 0,
    noise: float = 0.05, by: str = "official", fold: tuple[int, int] | None = None, **more: Any,
) -> Run:  # fmt: skip
    name = dataset if fold is None else f"{dataset}_k{fold[0]}"
    folder = root / name / variant / f"seed{seed}"
    part = "" if fold is None else f"{fold[0]}:"
    save(folder / "predictions.csv.gz", {(name, split): predictions(split, noise, seed, part) for split in SIZES})
    shared = dict(zip(("experiment", "frame", "columns"), OVERLAP[by], strict=True))
    overlap = {
        "test samples": 30,
        "of an experiment in train": shared["experiment"],
        "of a frame in train": shared["frame"],
        "sharing columns with train": shared["columns"],
    }
    content = {
        "run": {"task": "slip", "dataset": name, "variant": variant, "seed": seed},
        "variant": {"model": model, "args": {}},
        "fold": fold and {"of": dataset, "fold": fold[0], "folds": fold[1]},
        "split": {"by": by},
        "data_source": "synthetic",
        "n_train": SIZES["train"],
        "n_val": SIZES["val"],
        "n_test": SIZES["test"],
        "classes": [],
        "scores": {},
        "model": {"parameters": None if model == "baseline" else 33933},
        "training": {"epochs": 3, "stopped_by": "epochs", "device": "cpu", "wall_s": 2.5, "started_from": None},
        "inference": {"per_s": 100.0 + seed, "device": "cpu"},
        "details": {"overlap": overlap},
    }
    write_json(folder / "metrics.json", content | more)
    return Run(name, variant, seed, folder)


def rows_of(runs: list[Run], path: Path, columns: list[str] = COLUMNS) -> list[dict[str, str]]:
    write(slip_compare.table(runs, columns), path / "slip_compare.csv")
    with open(path / "slip_compare.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Two networks and a baseline under the published split and by experiment, the baseline worst."""
    root = tmp_path_factory.mktemp("runs")
    return [
        make_run(root, variant, dataset, model=model, noise=noise, by=by)
        for dataset, by in (("published", "official"), ("grouped", "group"))
        for variant, model, noise in (("ssf_cnn", "ssf_cnn", 0.03), ("pooled", "global_pooling", 0.05),
                                      ("ridge", "baseline", 0.2))
    ]  # fmt: skip


@pytest.fixture(scope="module")
def rows(runs: list[Run], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    return rows_of(runs, tmp_path_factory.mktemp("table"))


def one(rows: list[dict[str, str]], dataset: str, model: str, split: str = "test") -> dict[str, str]:
    (row,) = [row for row in rows if (row["dataset"], row["model"], row["split"]) == (dataset, model, split)]
    return row


def test_every_run_has_a_row_for_each_set(rows: list[dict[str, str]]):
    assert len(rows) == 2 * 3 * 3
    assert [row["split"] for row in rows if row["model"] == "ridge"] == ["train", "val", "test"] * 2
    for row in rows:
        assert int(float(row["n_test"])) == SIZES[row["split"]]  # of the row's own set


def test_the_columns_of_the_contract_are_there_and_begin_with_what_the_row_is(rows: list[dict[str, str]]):
    assert set(rows[0]) >= CONTRACT
    assert list(rows[0])[:5] == ["dataset", "model", "split", "frames_in_train", "experiments_in_train"]


def test_scores_are_those_of_the_set_that_the_row_names(rows: list[dict[str, str]]):
    for split in SIZES:
        p = predictions(split, 0.03, 0)
        error = p.output[:, 0].astype(float) - p.truth
        row = one(rows, "grouped", "ssf_cnn", split)
        assert float(row["mae"]) == pytest.approx(np.abs(error).mean(), rel=1e-4)
        assert float(row["rmse"]) == pytest.approx(np.sqrt((error**2).mean()), rel=1e-4)
        assert float(row["bias"]) == pytest.approx(error.mean(), abs=1e-5)
        assert float(row["accuracy_2sd"]) == pytest.approx((np.abs(error) <= 0.1).mean(), rel=1e-4)
        assert float(row["coverage_2sigma"]) == pytest.approx((np.abs(error) <= 0.06).mean(), rel=1e-4)
        assert float(row["mae_ci_low"]) <= float(row["mae"]) <= float(row["mae_ci_high"])


def test_published_figures_stand_only_beside_the_published_network_and_split(rows: list[dict[str, str]]):
    with open(PUBLISHED, newline="", encoding="utf-8") as file:
        figures = {line["split"]: line for line in csv.DictReader(file)}
    assert {name: line["value"] for name, line in figures.items()} == {
        "train": "0.967",
        "val": "0.961",
        "test": "0.909",
    }
    for row in rows:
        if (row["dataset"], row["model"]) == ("published", "ssf_cnn"):
            assert float(row["published_accuracy_2sd"]) == float(figures[row["split"]]["value"])
            assert row["published_source"] == figures[row["split"]]["source"]
        else:
            assert row["published_accuracy_2sd"] == row["published_source"] == ""


def test_a_variant_of_the_published_network_by_another_name_has_them_too(tmp_path: Path):
    rows = rows_of([make_run(tmp_path, "coded", model="ssf_cnn")], tmp_path)
    assert [row["published_accuracy_2sd"] for row in rows] == ["0.967", "0.961", "0.909"]


def test_shares_of_the_test_set_that_training_sees(rows: list[dict[str, str]]):
    for row in rows:
        leaked = row["dataset"] == "published"
        assert float(row["frames_in_train"]) == (24 / 30 if leaked else 0)
        assert float(row["experiments_in_train"]) == (1 if leaked else 0)


def test_folds_make_one_row_of_all_test_maps(tmp_path: Path):
    folds = [make_run(tmp_path, "ridge", "crossed", model="baseline", by="group", fold=(k, 3)) for k in range(3)]
    (row,) = rows_of(folds, tmp_path)
    assert (row["dataset"], row["split"], row["n_folds"], row["n_test"]) == ("crossed", "test", "3", "90")
    parts = [predictions("test", 0.05, 0, f"{k}:") for k in range(3)]
    error = np.concatenate([p.output[:, 0] - p.truth for p in parts])
    assert float(row["mae"]) == pytest.approx(np.abs(error).mean(), rel=1e-4)
    assert float(row["frames_in_train"]) == 0 and row["published_accuracy_2sd"] == ""


def test_seeds_make_one_row_with_the_mean_of_their_scores(tmp_path: Path):
    seeds = [make_run(tmp_path, "ssf_cnn", seed=seed) for seed in (0, 1)]
    row = one(rows_of(seeds, tmp_path), "published", "ssf_cnn")
    maes = [np.abs(p.output[:, 0] - p.truth).mean() for p in (predictions("test", 0.05, seed) for seed in (0, 1))]
    assert float(row["mae"]) == pytest.approx(np.mean(maes), rel=1e-4) and maes[0] != pytest.approx(maes[1], rel=1e-3)
    assert row["n_seeds"] == "2" and float(row["infer_maps_per_s"]) == pytest.approx(100.5)


def drawn(table: pd.DataFrame, folder: Path) -> set[str]:
    folder.mkdir()
    draw_task(folder, {"slip_compare": table})
    return {path.name for path in folder.iterdir() if path.stat().st_size > 1000}


def test_figures_of_every_data_set_and_of_what_the_split_hides(runs: list[Run], tmp_path: Path):
    pairs = {f"{name}.{end}" for name in ("compare_published", "compare_grouped") for end in ("png", "svg")}
    assert drawn(slip_compare.table(runs, COLUMNS), tmp_path / "both") == pairs | {"leakage.png", "leakage.svg"}
    one_set = slip_compare.table([run for run in runs if run.dataset == "grouped"], COLUMNS)
    assert drawn(one_set, tmp_path / "one") == {"compare_grouped.png", "compare_grouped.svg"}


def test_figures_of_folds_beside_a_fixed_split(runs: list[Run], tmp_path: Path):
    folds = [make_run(tmp_path, "ridge", "crossed", model="baseline", by="group", fold=(k, 2)) for k in range(2)]
    table = slip_compare.table([*runs, *folds], COLUMNS)
    assert {"compare_crossed.png", "leakage.png"} <= drawn(table, tmp_path / "figures")


def test_the_figure_puts_every_score_on_the_line_of_its_model(
    runs: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from matplotlib.axes import Axes

    drawn: dict[Axes, dict[tuple[str, int], float]] = {}
    errorbar = Axes.errorbar

    def watched(self: Any, x: Any, y: Any, *args: Any, **kwargs: Any) -> Any:
        line = round(-y)  # of the model; the splits are beside each other on it
        drawn.setdefault(self, {})[("test", "val", "train")[1 + round((y + line) / 0.22)], line] = x
        return errorbar(self, x, y, *args, **kwargs)

    monkeypatch.setattr(Axes, "errorbar", watched)
    table = slip_compare.table([run for run in runs if run.dataset == "grouped"], COLUMNS)
    draw_task(tmp_path, {"slip_compare": table})
    models = list(dict.fromkeys(table["model"]))
    for score, points in zip(("accuracy_2sd", "mae"), drawn.values(), strict=True):
        measured = table.set_index(["split", "model"])[score].to_dict()
        assert {(split, models[line]): x for (split, line), x in points.items()} == pytest.approx(measured)

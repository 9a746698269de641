"""The tables of tremor runs, and the figure that is drawn of them."""

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from geoml import bootstrap, tables
from geoml.files import plain, write_json
from geoml.predictions import Predictions
from geoml.predictions import save as save_predictions
from geoml.tables import Run, write
from geoml.tasks.tremor.evaluation import scores_of
from geoml.tasks.tremor.figures import draw_task
from geoml.tasks.tremor.tables import tremor_clusters, tremor_compare
from geoml.tasks.tremor.task import CLASSES

COLUMNS = ["accuracy", "f1", "pr_auc"]
SIZES = {"test": 30, "val": 40, "train": 60}


@pytest.fixture(scope="module", autouse=True)
def few_draws() -> Iterator[None]:
    """Intervals of 50 resamples: their width is not what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "resample", partial(bootstrap.resample, draws=50))
        yield


def told(part: str, seed: int) -> Predictions:
    """Thirty test traces of six events; each seed answers otherwise."""
    same, own = np.random.default_rng([7, *part.encode()]), np.random.default_rng([seed, *part.encode()])
    truth = same.integers(0, 2, SIZES["test"])
    p = np.clip(0.3 + 0.4 * truth + own.normal(0, 0.2 + 0.2 * seed, len(truth)), 0, 1)
    return Predictions(
        np.arange(30) // 5,
        truth.astype(np.int8),
        np.column_stack([1 - p, p]),
        CLASSES,
        np.array([f"{part}{i}" for i in range(30)]),
    )


def make_run(
    root: Path, variant: str, dataset: str = "grouped", *, seed: int = 0, fold: tuple[int, int] | None = None,
    threshold: float = 0.4, events: int = 0, trained: float = 0.9, **details: Any,
) -> Run:  # fmt: skip
    name = dataset if fold is None else f"{dataset}_k{fold[0]}"
    p = told(name if fold else "", seed)
    folder = root / name / variant / f"seed{seed}"
    save_predictions(folder / "predictions.csv.gz", {(name, "test"): p})
    called = (p.output[:, 1] >= threshold).astype(int)
    counts = np.bincount(2 * p.truth + called, minlength=4).reshape(2, 2)
    details |= {
        "overlap": {
            "test traces": 30,
            "test traces of events in train": events,
            "test traces of stations in train": 30,
        },
        "by_set": {"train": {"accuracy": trained}, "val": {"accuracy": 0.8}},
        "threshold": threshold,
        "at_threshold": {"confusion": counts} | scores_of(counts),
    }  # fmt: skip
    baseline = variant != "convnet"
    content = {
        "run": {"task": "tremor", "dataset": name, "variant": variant, "seed": seed},
        "variant": {"model": "baseline" if baseline else "convnet", "args": {}},
        "fold": fold and {"of": dataset, "fold": fold[0], "folds": fold[1]},
        "split": {"by": ["group", "station"]},
        "data_source": "synthetic",
        "n_train": SIZES["train"],
        "n_test": SIZES["test"],
        "classes": list(CLASSES),
        "scores": {},
        "model": {"parameters": None if baseline else 178234},
        "training": {} if baseline else {"epochs": 3, "stopped_by": "epochs", "device": "cpu", "wall_s": 2.5},
        "inference": {"per_s": 100.0, "device": "cpu"},
        "details": details,
    }
    write_json(folder / "metrics.json", plain(content))
    return Run(name, variant, seed, folder)


def rows_of(runs: list[Run], path: Path, columns: list[str] = COLUMNS) -> list[dict[str, str]]:
    write(tremor_compare.table(runs, columns), path / "tremor_compare.csv")
    with open(path / "tremor_compare.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_one_row_a_data_set_and_variant_with_scores_costs_and_what_training_has_seen(tmp_path: Path):
    runs = [make_run(tmp_path, variant, name, events=shared, trained=1)
            for name, shared in (("grouped", 0), ("random", 15)) for variant in ("convnet", "forest")]  # fmt: skip
    rows = rows_of(runs, tmp_path)
    assert [(row["dataset"], row["model"]) for row in rows] == [
        (name, variant) for name in ("grouped", "random") for variant in ("convnet", "forest")
    ]
    p = told("", 0)
    for row in rows:
        assert float(row["accuracy"]) == pytest.approx((p.decided == p.truth).mean(), rel=1e-4)
        assert float(row["accuracy_ci_low"]) <= float(row["accuracy"]) <= float(row["accuracy_ci_high"])
        assert float(row["events_in_train"]) == (0.5 if row["dataset"] == "random" else 0)
        assert (row["stations_in_train"], row["train_accuracy"], row["val_accuracy"]) == ("1", "1", "0.8")
        assert not [name for name in row if name.startswith("published")]
    network, forest = rows[:2]
    assert (network["parameters"], network["train_cpu_s"]) == ("178234", "2.5")
    assert forest["parameters"] == forest["train_cpu_s"] == forest["epochs"] == ""


def test_folds_are_pooled_for_all_scores_also_at_their_own_thresholds(tmp_path: Path):
    thresholds = (0.3, 0.6, 1.5)  # nothing is called in the last
    folds = [make_run(tmp_path, "forest", "crossed", fold=(k, 3), threshold=t) for k, t in enumerate(thresholds)]
    (row,) = rows_of(folds, tmp_path)
    assert (row["dataset"], row["n_folds"], row["n_test"]) == ("crossed", "3", "90")
    parts = [told(f"crossed_k{k}", 0) for k in range(3)]
    truth = np.concatenate([p.truth for p in parts]) == 1
    called = np.concatenate([p.output[:, 1] >= t for p, t in zip(parts, thresholds, strict=True)])
    right = (truth & called).sum()
    assert float(row["accuracy_at_threshold"]) == pytest.approx((truth == called).mean(), rel=1e-4)
    assert float(row["precision_at_threshold"]) == pytest.approx(right / called.sum(), rel=1e-4)
    assert float(row["recall_at_threshold"]) == pytest.approx(right / truth.sum(), rel=1e-4)
    assert float(row["f1_at_threshold"]) == pytest.approx(2 * right / (called.sum() + truth.sum()), rel=1e-4)
    assert float(row["threshold"]) == pytest.approx(0.8)


def test_seeds_make_one_row_with_the_mean_of_their_scores(tmp_path: Path):
    runs = [make_run(tmp_path, "convnet", seed=seed, trained=0.8 + 0.1 * seed) for seed in (0, 1)]
    (row,) = rows_of(runs, tmp_path)
    at = [np.mean((p.output[:, 1] >= 0.4) == (p.truth == 1)) for p in (told("", seed) for seed in (0, 1))]
    assert at[0] != at[1] and float(row["accuracy_at_threshold"]) == pytest.approx(np.mean(at), rel=1e-4)
    assert (row["n_seeds"], float(row["train_accuracy"])) == ("2", pytest.approx(0.85))


def test_a_score_that_is_undefined_is_an_empty_cell(tmp_path: Path):
    (row,) = rows_of([make_run(tmp_path, "forest", threshold=1.5)], tmp_path)
    assert row["precision_at_threshold"] == "" and row["recall_at_threshold"] == "0"


def test_clusters_have_a_row_for_every_run_and_method(tmp_path: Path):
    clusters = [{"method": name, "clusters": 2, "ari_label": 0.5, "ari_event": None} for name in ("kmeans", "hdbscan")]
    runs = [make_run(tmp_path, "convnet", seed=seed, clusters=clusters) for seed in (0, 1)]
    runs.append(make_run(tmp_path, "forest"))
    write(tremor_clusters.table(runs, COLUMNS), tmp_path / "clusters.csv")
    found = pd.read_csv(tmp_path / "clusters.csv")
    assert list(found.columns[:4]) == ["dataset", "model", "seed", "method"]
    assert found["seed"].tolist() == [0, 0, 1, 1] and set(found["model"]) == {"convnet"}
    assert found["method"].tolist() == ["kmeans", "hdbscan"] * 2 and found["ari_event"].isna().all()
    assert set(found["data_source"]) == {"synthetic"} and set(found["n_test"]) == {30}


def test_without_embeddings_the_table_of_clusters_has_only_its_header(tmp_path: Path):
    write(tremor_clusters.table([make_run(tmp_path, "forest")], COLUMNS), tmp_path / "clusters.csv")
    assert (tmp_path / "clusters.csv").read_text() == "dataset,model,seed,method\n"


def test_the_figure_has_every_model_on_its_own_line_with_both_accuracies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from matplotlib.axes import Axes

    runs = [make_run(tmp_path, variant, name, trained=0.95)
            for name in ("grouped", "random") for variant in ("convnet", "forest")]  # fmt: skip
    runs.append(make_run(tmp_path, "floor", "random", trained=0.7))
    drawn: list[tuple[float, int]] = []
    errorbar = Axes.errorbar

    def watched(self: Any, x: float, y: int, **kwargs: Any) -> Any:
        drawn.append((x, y))
        return errorbar(self, x, y, **kwargs)

    monkeypatch.setattr(Axes, "errorbar", watched)
    table = tremor_compare.table(runs, COLUMNS)
    draw_task(tmp_path, {"tremor_compare": table, "tremor_clusters": tremor_clusters.table(runs, COLUMNS)})
    assert drawn == list(zip(table["accuracy"], [0, 1, 0, 1, 2], strict=True))
    assert all((tmp_path / f"compare.{kind}").stat().st_size > 5000 for kind in ("png", "svg"))


def test_the_figure_takes_one_run_without_an_interval(tmp_path: Path):
    table = tremor_compare.table([make_run(tmp_path, "forest")], COLUMNS)
    table[["accuracy_ci_low", "accuracy_ci_high"]] = np.nan
    draw_task(tmp_path, {"tremor_compare": table})
    assert (tmp_path / "compare.png").stat().st_size > 5000

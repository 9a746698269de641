"""Tables of the fold task, made from small run folders: which rows there are, and what stands beside what."""

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from geoml import bootstrap, tables
from geoml.files import write_json
from geoml.predictions import Predictions, save
from geoml.tables import Run, write
from geoml.tasks.folds import CLASSES
from geoml.tasks.folds.tables import fold_compare, fold_cross
from geoml.tasks.folds.tables.fold_compare import PUBLISHED

COLUMNS = ["accuracy", "balanced_accuracy", "f1_weighted", "macro_f1", "roc_auc", "expected_calibration_error"]
CONTRACT = {  # the table's columns that others may rely on
    *("dataset", "learning", "model", "training", "colour", "split", "duplicates", "domain", "data_source"),
    *("accuracy", "accuracy_ci_low", "accuracy_ci_high", "balanced_accuracy", "f1", "time_cpu_s", "time_gpu_s"),
    *("published_accuracy", "published_time_cpu_s", "published_time_gpu_s", "n_train", "n_test", "n_seeds"),
}
SIZES = {"val": 40, "test": 60}
ESTIMATED = {"stopped_by": None, "epochs": None, "started_from": None}
TUNED = {"run": {"task": "folds", "dataset": "modelled", "variant": "resnet9", "seed": 42}, "data_source": "real"}
IMAGENET = {"weights": "resnet50_notop.h5", "sha256": "0" * 64}


@pytest.fixture(scope="module", autouse=True)
def few_draws() -> Iterator[None]:
    """Intervals of 50 resamples: their width is not what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "resample", partial(bootstrap.resample, draws=50))
        yield


def predictions(split: str, skill: float, seed: int, marked: bool = True, of: str = "") -> Predictions:
    """Every third sample is modelled, every fifth is also in the training set (unless that is not known)."""
    n, same = SIZES[split], np.random.default_rng([len(split), *of.encode()])
    truth, number = same.integers(0, 3, n).astype(np.int8), np.arange(n)
    powers = np.exp(np.random.default_rng(seed).normal(size=(n, 3)) + skill * np.eye(3)[truth])
    output = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    strata = {
        "domain": np.where(number % 3 == 0, "modelled", "outcrop"),
        "in_train": (number % 5 == 0).astype(np.int8) if marked else np.full(n, ""),
    }
    return Predictions(number, truth, output, CLASSES, number.astype(str), strata)


def answers(run: Run, split: str) -> Predictions:
    return run.tested(split)[run.dataset]


def make_run(
    root: Path, variant: str, model: str = "shallow", dataset: str = "images", seed: int = 42, skill: float = 1.0,
    args: dict[str, Any] | None = None, marked: bool = True, training: dict[str, Any] | None = None,
    others: tuple[str, ...] = (), **more: Any,
) -> Run:  # fmt: skip
    folder = root / dataset / variant / f"seed{seed}"
    found = {(dataset, "test"): predictions("test", skill, seed, marked, more.get("fold", {}).get("here", ""))}
    found |= {(name, "test"): predictions("test", skill / 2, seed, marked) for name in others}
    found |= {(dataset, "val"): predictions("val", skill, seed, marked, more.get("fold", {}).get("here", ""))}
    save(folder / "predictions.csv.gz", found)
    how = {"epochs": 3, "stopped_by": "epochs", "device": "cpu", "wall_s": 2.5, "started_from": None}
    content = {
        "run": {"task": "folds", "dataset": dataset, "variant": variant, "seed": seed},
        "variant": {"model": model, "args": args or {}},
        "fold": None,
        "data_source": "synthetic",
        "n_train": 300,
        "n_val": SIZES["val"],
        "n_test": SIZES["test"],
        "classes": list(CLASSES),
        "scores": {},
        "model": {"parameters": None if model == "shallow" else 6571779},
        "training": how | (training or {}),
        "inference": {"per_s": 100.0, "device": "cpu"},
    }
    write_json(folder / "metrics.json", content | more)
    return Run(dataset, variant, seed, folder)


def shallow(root: Path, classifier: str, sure: bool = True, **more: Any) -> Run:
    training = ESTIMATED | {"has_probabilities": sure}
    return make_run(root, classifier.lower(), args={"classifier": classifier}, training=training, **more)


def rows_of(table: pd.DataFrame, path: Path) -> list[dict[str, str]]:
    write(table, path)
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def published() -> dict[tuple[str, ...], dict[str, str]]:
    with open(PUBLISHED, newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return {tuple(line[name] for name in ("learning", "model", "training", "colour", "split")): line for line in lines}


def key(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(row[name] for name in ("learning", "model", "training", "colour", "split"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """A run of every kind, on one data set of which it is known what the training set holds too."""
    root = tmp_path_factory.mktemp("runs")
    gpu = {"device": "gpu", "wall_s": 7.0}
    found = [
        shallow(root, "RandomForestClassifier", skill=2.0),
        shallow(root, "RidgeClassifier", sure=False),
        shallow(root, "AdaBoostClassifier"),
        make_run(root, "plain9", "plain9", args={"colour": "grey"}),
        make_run(root, "resnet9", "resnet9"),
        make_run(root, "resnet9_tuned", "resnet9", training={"started_from": TUNED | {"data_source": "synthetic"}}),
        make_run(root, "resnet34_tuned", "resnet34", training={"started_from": TUNED}),
        make_run(root, "resnet50_imagenet", "resnet50", training={"started_from": IMAGENET} | gpu),
    ]
    return {run.variant: run for run in found}


@pytest.fixture(scope="module")
def rows(runs: dict[str, Run], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    table = fold_compare.table(list(runs.values()), COLUMNS)
    return rows_of(table, tmp_path_factory.mktemp("table") / "fold_compare.csv")


def of(rows: list[dict[str, str]], variant: str, **labels: str) -> list[dict[str, str]]:
    found = [row for row in rows if row["variant"] == variant]
    return [row for row in found if all(row[name] == value for name, value in labels.items())]


def one(rows: list[dict[str, str]], variant: str, split: str = "test", **labels: str) -> dict[str, str]:
    (row,) = of(rows, variant, split=split, **({"duplicates": "kept", "domain": "all"} | labels))
    return row


def test_the_columns_of_the_contract_are_all_there(rows: list[dict[str, str]]):
    assert set(rows[0]) >= CONTRACT
    assert not {"f1_weighted", "train_cpu_s", "train_gpu_s"} & set(rows[0]), "they have the contract's names"


def test_every_run_has_a_row_for_each_split_with_and_without_duplicates_and_each_domain(rows: list[dict[str, str]]):
    expected = {("kept", "all"), ("removed", "all"), ("removed", "modelled"), ("removed", "outcrop")}
    for variant in {row["variant"] for row in rows if row["status"] == "measured"}:
        for split in SIZES:
            found = [(row["duplicates"], row["domain"]) for row in of(rows, variant, split=split)]
            assert set(found) == expected and len(found) == 4, (variant, split)


@pytest.mark.parametrize("split", SIZES)
def test_removed_leaves_out_what_the_training_set_holds_too(
    runs: dict[str, Run], rows: list[dict[str, str]], split: str
):
    p = answers(runs["resnet9"], split)
    right, twin = p.decided == p.truth, np.arange(len(p)) % 5 == 0
    modelled = np.arange(len(p)) % 3 == 0
    for labels, kept in (
        ({}, np.ones(len(p), bool)),
        ({"duplicates": "removed"}, ~twin),
        ({"duplicates": "removed", "domain": "modelled"}, ~twin & modelled),
        ({"duplicates": "removed", "domain": "outcrop"}, ~twin & ~modelled),
    ):
        row = one(rows, "resnet9", split, **labels)
        assert row["n_test"] == str(kept.sum())
        assert float(row["accuracy"]) == pytest.approx(right[kept].mean(), abs=1e-5)
        assert float(row["accuracy_ci_low"]) <= float(row["accuracy"]) <= float(row["accuracy_ci_high"])


def test_f1_is_the_one_weighted_by_class(runs: dict[str, Run], rows: list[dict[str, str]]):
    from sklearn.metrics import f1_score

    p = answers(runs["resnet9"], "test")
    expected = f1_score(p.truth, p.decided, average="weighted")
    assert float(one(rows, "resnet9")["f1"]) == pytest.approx(expected, abs=1e-5)


def test_published_figures_stand_only_beside_all_images_with_duplicates_kept(rows: list[dict[str, str]]):
    figures = published()
    for row in rows:
        beside = row["status"] == "measured" and (row["duplicates"], row["domain"]) == ("kept", "all")
        line = figures.get(key(row)) if beside or row["status"] == "not run" else None
        for name in ("accuracy", "balanced_accuracy", "f1", "time_cpu_s", "time_gpu_s"):
            shown, expected = row[f"published_{name}"], line[name] if line else ""
            assert shown == "" if expected == "" else float(shown) == float(expected), (key(row), name)
        assert row["published_as"] == (line["published_as"] if line else "")
        assert row["published_source"] == (line["source"] if line else "")


def test_measured_figures_are_not_the_published_ones(runs: dict[str, Run], rows: list[dict[str, str]]):
    p = answers(runs["randomforestclassifier"], "test")
    row = one(rows, "randomforestclassifier")
    assert (row["published_accuracy"], row["published_time_cpu_s"]) == ("0.57", "3.31")
    assert (
        float(row["accuracy"]) == pytest.approx((p.decided == p.truth).mean(), abs=1e-5) and row["time_cpu_s"] == "2.5"
    )


def test_the_published_resnet9_stands_beside_plain9(rows: list[dict[str, str]]):
    row = one(rows, "plain9")
    assert (row["model"], row["published_as"], row["colour"]) == ("plain9", "ResNet9", "grey")
    assert (row["published_accuracy"], row["published_time_gpu_s"]) == ("0.617", "1235")
    assert one(rows, "resnet9")["published_accuracy"] == one(rows, "resnet9")["published_as"] == ""


def test_published_rows_of_what_was_not_run_have_no_measured_cells(rows: list[dict[str, str]]):
    rest = [row for row in rows if row["status"] == "not run"]
    measured = {key(row) for row in rows if row["status"] == "measured"}
    assert {key(row) for row in rest} == set(published()) - measured and len(rest) == len({key(row) for row in rest})
    labels = {"dataset", "learning", "model", "training", "colour", "split", "duplicates", "domain", "status"}
    for row in rest:
        assert {name for name, cell in row.items() if cell and not name.startswith("published_")} == labels
        assert (row["dataset"], row["duplicates"], row["domain"]) == ("published", "kept", "all")
        assert float(row["published_accuracy"]) > 0


def test_no_published_figure_is_lost_or_shown_twice(rows: list[dict[str, str]]):
    shown = [key(row) for row in rows if row["published_accuracy"]]
    assert sorted(shown) == sorted(published())


def test_scores_of_probabilities_are_empty_where_there_are_none(rows: list[dict[str, str]]):
    of_probabilities = [name for name in rows[0] if name.startswith(("roc_auc", "expected_calibration_error"))]
    assert len(of_probabilities) == 8
    for row in of(rows, "ridgeclassifier"):
        assert not any(row[name] for name in of_probabilities) and row["accuracy"] and row["macro_f1"]
    for variant in ("randomforestclassifier", "resnet9"):
        assert all(row["roc_auc"] and row["expected_calibration_error"] for row in of(rows, variant))


def test_probabilities_of_a_classifier_are_judged_for_each_data_set(tmp_path: Path):
    """Where neighbours tie, answers and probabilities can differ on one set of images and not on another."""
    both = [shallow(tmp_path, "KNeighborsClassifier", sure, dataset=name) for name, sure in (("a", True), ("b", False))]
    found = rows_of(fold_compare.table(both, COLUMNS), tmp_path / "t.csv")
    shown = {name: one([r for r in found if r["dataset"] == name], "kneighborsclassifier")["roc_auc"] for name in "ab"}
    assert shown["a"] and not shown["b"]


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("randomforestclassifier", ("shallow", "RandomForestClassifier", "fit", "grey")),
        ("plain9", ("deep", "plain9", "untrained", "grey")),
        ("resnet9", ("deep", "ResNet9", "untrained", "coloured")),
        ("resnet9_tuned", ("deep", "ResNet9", "modelled", "coloured")),
        ("resnet34_tuned", ("transfer", "ResNet34", "finetuned", "coloured")),
        ("resnet50_imagenet", ("transfer", "ResNet50", "pretrained", "coloured")),
    ],
)
def test_learning_model_training_and_colour(rows: list[dict[str, str]], variant: str, expected: tuple[str, ...]):
    for row in of(rows, variant):
        assert (row["learning"], row["model"], row["training"], row["colour"]) == expected


def test_a_row_says_what_it_started_from_and_what_differs_from_the_published(rows: list[dict[str, str]]):
    assert one(rows, "resnet9_tuned")["note"] == "started from folds/modelled/resnet9/42"
    assert one(rows, "resnet50_imagenet")["note"] == "started from resnet50_notop.h5"
    assert "SAMME.R" in one(rows, "adaboostclassifier")["note"]
    assert one(rows, "resnet9")["note"] == one(rows, "randomforestclassifier")["note"] == ""


def test_pretrained_figures_stand_beside_the_pretrained_network(rows: list[dict[str, str]]):
    row = one(rows, "resnet50_imagenet")
    assert (row["published_accuracy"], row["published_as"]) == ("0.75", "ResNet50")
    assert not one(rows, "resnet34_tuned")["published_accuracy"], "the published one started from ImageNet or nothing"
    rest = {key(row)[1:3] for row in rows if row["status"] == "not run" and row["learning"] == "transfer"}
    assert ("ResNet50", "untrained") in rest and ("ResNet50", "pretrained") not in rest


def test_time_is_that_of_the_device_it_was_trained_on(rows: list[dict[str, str]]):
    cpu, gpu = one(rows, "resnet9"), one(rows, "resnet50_imagenet")
    assert (cpu["time_cpu_s"], cpu["time_cpu_basis"], cpu["time_gpu_s"]) == ("2.5", "measured", "")
    assert (gpu["time_cpu_s"], gpu["time_gpu_s"], gpu["time_gpu_basis"]) == ("", "7", "measured")


def test_timing_of_the_other_device_is_taken_over(runs: dict[str, Run], tmp_path: Path):
    timed = {"device": "gpu", "total_s": 3.5, "basis": "extrapolated"}
    write_json(tmp_path / "timing/folds/images/resnet9/gpu.json", timed)
    found = rows_of(fold_compare.table([runs["resnet9"]], COLUMNS, tmp_path / "timing"), tmp_path / "t.csv")
    row = one(found, "resnet9")
    assert (row["time_gpu_s"], row["time_gpu_basis"]) == ("3.5", "extrapolated")


def test_integers_stay_integers_and_what_was_not_measured_is_empty(rows: list[dict[str, str]]):
    row = one(rows, "resnet9")
    assert (row["n_train"], row["n_test"], row["n_seeds"], row["n_folds"]) == ("300", "60", "1", "1")
    assert (row["parameters"], row["epochs"], row["infer_images_per_s"]) == ("6571779", "3", "100")
    forest = one(rows, "randomforestclassifier")
    assert forest["parameters"] == forest["stopped_by"] == forest["epochs"] == row["accuracy_seed_std"] == ""
    assert not [cell for row in rows for cell in row.values() if cell in ("nan", "None", "NaN", "<NA>")]


def test_differences_are_to_the_best_of_the_same_rows(rows: list[dict[str, str]]):
    best = one(rows, "randomforestclassifier", duplicates="removed", domain="outcrop")
    other = one(rows, "resnet9", duplicates="removed", domain="outcrop")
    assert best["accuracy_vs_best"] == ""
    difference = float(other["accuracy"]) - float(best["accuracy"])
    assert float(other["accuracy_vs_best"]) == pytest.approx(difference, abs=1e-5) and difference < 0


def test_seeds_make_one_row(tmp_path: Path):
    seeds = [make_run(tmp_path, "resnet9", "resnet9", seed=seed) for seed in (0, 1, 2)]
    row = one(rows_of(fold_compare.table(seeds, COLUMNS), tmp_path / "t.csv"), "resnet9")
    shares = [(p.decided == p.truth).mean() for p in (answers(run, "test") for run in seeds)]
    assert row["n_seeds"] == "3" and float(row["accuracy"]) == pytest.approx(np.mean(shares), abs=1e-5)
    assert float(row["accuracy_seed_std"]) == pytest.approx(np.std(shares, ddof=1), rel=1e-4)


def make_folds(root: Path, variant: str = "resnet9", **more: Any) -> list[Run]:
    """The two folds of the data set ``images``, each with test samples of its own."""
    found = []
    for k in range(2):
        fold = {"of": "images", "fold": k, "folds": 2, "here": f"fold{k}"}
        found.append(make_run(root, variant, "resnet9", f"images_fold{k}", marked=False, fold=fold, **more))
    return found


def test_the_folds_of_a_data_set_make_one_row_of_all_samples(tmp_path: Path):
    folds = make_folds(tmp_path)
    found = rows_of(fold_compare.table(folds, COLUMNS), tmp_path / "t.csv")
    row = one(found, "resnet9", duplicates="removed")
    assert (row["dataset"], row["n_folds"], row["n_seeds"], row["n_test"]) == ("images", "2", "1", "120")
    right = np.concatenate([p.decided == p.truth for p in (answers(run, "test") for run in folds)])
    assert float(row["accuracy"]) == pytest.approx(right.mean(), abs=1e-5)
    assert len(of(found, "resnet9")) == 6, "all and two domains, validation and test"


def test_a_domain_that_one_fold_has_no_test_images_of(tmp_path: Path):
    folds = make_folds(tmp_path)
    p = {split: answers(folds[1], split) for split in SIZES}
    p["test"] = p["test"].take(p["test"].strata["domain"] == "outcrop")
    p["val"] = p["val"].take(p["val"].strata["domain"] == "outcrop")
    save(folds[1].evaluation / "predictions.csv.gz", {(folds[1].dataset, split): p[split] for split in ("test", "val")})
    found = rows_of(fold_compare.table(folds, COLUMNS), tmp_path / "t.csv")
    sizes = {domain: one(found, "resnet9", duplicates="removed", domain=domain)["n_test"] for domain in
             ("all", "modelled", "outcrop")}  # fmt: skip
    assert sizes == {"all": "100", "modelled": "20", "outcrop": "80"}


@pytest.fixture(scope="module")
def dropped(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """A data set whose duplicates were left out when it was prepared."""
    root = tmp_path_factory.mktemp("dropped")
    found = [shallow(root, "RandomForestClassifier", marked=False), make_run(root, "resnet9", "resnet9", marked=False)]
    return rows_of(fold_compare.table(found, COLUMNS), root / "t.csv")


def test_where_duplicates_were_dropped_there_are_only_rows_without_them(dropped: list[dict[str, str]]):
    found = [row for row in dropped if row["status"] == "measured"]
    assert {row["duplicates"] for row in found} == {"removed"} and len(found) == 12
    assert one(dropped, "resnet9", duplicates="removed")["n_test"] == "60"
    assert not any(row["published_accuracy"] for row in found)


def test_where_duplicates_were_dropped_no_published_figure_is_lost(dropped: list[dict[str, str]]):
    assert sorted(key(row) for row in dropped if row["published_accuracy"]) == sorted(published())


def test_a_domain_of_which_all_images_are_in_the_training_set_too(tmp_path: Path):
    run = make_run(tmp_path, "resnet9", "resnet9")
    p = {split: answers(run, split) for split in SIZES}
    for part in p.values():
        part.strata["in_train"][part.strata["domain"] == "modelled"] = 1
    save(run.evaluation / "predictions.csv.gz", {("images", split): part for split, part in p.items()})
    found = rows_of(fold_compare.table([run], COLUMNS), tmp_path / "t.csv")
    assert one(found, "resnet9", duplicates="removed", domain="outcrop")["n_test"] == "32"
    empty = of(found, "resnet9", split="test", domain="modelled")
    assert all(row["accuracy"] == "" and row["n_test"] == "0" for row in empty)


def test_a_data_set_of_one_kind_of_image_has_no_rows_by_domain(tmp_path: Path):
    run = make_run(tmp_path, "resnet9", "resnet9")
    p = {split: answers(run, split) for split in SIZES}
    for part in p.values():
        part.strata["domain"][:] = "unknown"
    save(run.evaluation / "predictions.csv.gz", {("images", split): part for split, part in p.items()})
    found = of(rows_of(fold_compare.table([run], COLUMNS), tmp_path / "t.csv"), "resnet9")
    assert [(row["split"], row["duplicates"], row["domain"]) for row in found] == [
        ("val", "kept", "all"), ("val", "removed", "all"), ("test", "kept", "all"), ("test", "removed", "all")
    ]  # fmt: skip


def test_fold_cross_tests_every_model_on_every_data_set(tmp_path: Path):
    found = [
        make_run(tmp_path, "resnet9", "resnet9", "modelled", others=("outcrops",)),
        make_run(tmp_path, "resnet9", "resnet9", "outcrops", others=("modelled",), data_source="real", skill=2.0),
    ]
    rows = rows_of(fold_cross.table(found, COLUMNS), tmp_path / "t.csv")
    cells = {(row["model"], row["trained_on"], row["tested_on"]): row for row in rows}
    assert set(cells) == {("resnet9", a, b) for a in ("modelled", "outcrops") for b in ("modelled", "outcrops")}
    away, p = cells["resnet9", "modelled", "outcrops"], found[0].tested()["outcrops"]
    assert float(away["accuracy"]) == pytest.approx((p.decided == p.truth).mean(), abs=1e-5)
    assert (away["n_test"], away["n_seeds"], away["data_source"]) == ("60", "1", "synthetic")
    assert cells["resnet9", "outcrops", "outcrops"]["data_source"] == "real" and away["f1_weighted"]


def test_fold_cross_leaves_folds_out(tmp_path: Path):
    whole = make_run(tmp_path, "resnet9", "resnet9")
    rows = rows_of(fold_cross.table([whole, *make_folds(tmp_path)], COLUMNS), tmp_path / "t.csv")
    assert [(row["trained_on"], row["tested_on"]) for row in rows] == [("images", "images")]


def test_fold_cross_of_folds_alone_is_a_table_that_can_be_read(tmp_path: Path):
    write(fold_cross.table(make_folds(tmp_path), COLUMNS), tmp_path / "t.csv")
    assert not len(pd.read_csv(tmp_path / "t.csv"))

"""Comparison tables made from small run folders."""

import csv

import numpy as np
import pytest

from geoml.errors import InputError
from geoml.files import write_json
from geoml.predictions import Predictions, save
from geoml.tables import Run, compare, cross, write
from geoml.tasks.polarity.tables import polarity_compare, polarity_cross

CLASSES = ("U", "D", "N")


def predictions(dataset: str, skill: float, seed: int) -> Predictions:
    n, same = 120, np.random.default_rng(len(dataset))
    truth, group = same.integers(0, 3, n).astype(np.int8), same.integers(0, 30, n)
    powers = np.exp(np.random.default_rng(seed).normal(size=(n, 3)) + skill * np.eye(3)[truth])
    output = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return Predictions(group, truth, output, CLASSES, np.arange(n).astype(str))


def make_run(root, dataset, variant, seed, skill, **more) -> Run:
    folder = root / dataset / variant / f"seed{seed}"
    save(folder / "predictions.csv.gz", {(name, "test"): predictions(name, skill, seed) for name in ("scsn", "ins")})
    content = {
        "run": {"task": "polarity", "dataset": dataset, "variant": variant, "seed": seed},
        "data_source": "synthetic",
        "n_train": 400,
        "n_val": 50,
        "n_test": 120,
        "classes": list(CLASSES),
        "scores": {},
        "model": {"parameters": 3668227, "trainable_parameters": 3665731},
        "training": {"epochs": 10 + seed, "stopped_by": "patience", "device": "cpu", "wall_s": 20.0, "cpu_s": 35.0},
        "inference": {"per_s": 1234.5678, "device": "cpu"},
    }
    write_json(folder / "metrics.json", content | more)
    return Run(dataset, variant, seed, folder)


@pytest.fixture
def runs(tmp_path) -> list[Run]:
    return [
        make_run(tmp_path, "scsn", "cnn_ross", 0, 2.5),
        make_run(tmp_path, "scsn", "cnn_ross", 1, 2.5),
        make_run(tmp_path, "scsn", "pd_model", 0, 0.2),
        make_run(tmp_path, "ins", "cnn_ross", 0, 1.0, training={}, inference={}, model={}, data_source="real"),
    ]


COLUMNS = ["accuracy", "f1_u", "strict_ud_accuracy"]


def rows_of(table, tmp_path) -> list[dict[str, str]]:
    write(table, tmp_path / "table.csv")
    with open(tmp_path / "table.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_compare(runs, tmp_path) -> None:
    best, worse, other = rows_of(polarity_compare.table(runs, COLUMNS), tmp_path)
    assert [(row["dataset"], row["model"]) for row in (best, worse, other)] == [
        ("scsn", "cnn_ross"),
        ("scsn", "pd_model"),
        ("ins", "cnn_ross"),
    ]
    tested = [predictions("scsn", 2.5, seed) for seed in (0, 1)]
    shares = [(p.decided == p.truth).mean() for p in tested]
    assert float(best["accuracy"]) == pytest.approx(np.mean(shares), abs=1e-5)
    assert float(best["accuracy_seed_std"]) == pytest.approx(np.std(shares, ddof=1), rel=1e-4)
    assert float(best["accuracy_ci_low"]) < float(best["accuracy"]) < float(best["accuracy_ci_high"])
    assert worse["accuracy_seed_std"] == ""
    assert (best["n_seeds"], worse["n_seeds"], best["n_train"], best["n_test"]) == ("2", "1", "400", "120")
    assert (best["parameters"], best["epochs"], best["stopped_by"]) == ("3668227", "10.5", "patience")
    assert (best["train_cpu_s"], best["train_cpu_basis"], best["train_gpu_s"]) == ("20", "measured", "")
    assert best["infer_windows_per_s"] == "1234.57"
    assert (best["data_source"], other["data_source"]) == ("synthetic", "real")


def test_compare_against_the_best_of_the_data_set(runs, tmp_path) -> None:
    best, worse, other = rows_of(polarity_compare.table(runs, COLUMNS), tmp_path)
    assert best["accuracy_vs_best"] == best["accuracy_vs_best_ci_low"] == other["accuracy_vs_best"] == ""
    difference = float(worse["accuracy_vs_best"])
    assert difference == pytest.approx(float(worse["accuracy"]) - float(best["accuracy"]), abs=1e-5)
    assert float(worse["accuracy_vs_best_ci_low"]) < difference < float(worse["accuracy_vs_best_ci_high"]) < 0


def test_what_was_not_measured_is_empty(runs, tmp_path) -> None:
    other = rows_of(polarity_compare.table(runs, COLUMNS), tmp_path)[2]
    for name in ("parameters", "epochs", "stopped_by", "train_cpu_s", "train_cpu_basis", "infer_windows_per_s"):
        assert other[name] == "", name


def test_published_figures_stand_beside_the_measured(runs, tmp_path) -> None:
    ross, plain, ins = rows_of(polarity_compare.table(runs, COLUMNS), tmp_path)
    assert ross["published_strict_ud_accuracy"] == "0.97"
    assert ross["published_precision"] == "0.95"
    assert "not a citation of record" in ross["published_source"]
    assert "abstract" in ross["published_source"]
    assert plain["published_strict_ud_accuracy"] == plain["published_source"] == ""
    assert ins["published_strict_ud_accuracy"] == "0.885"


def test_timings_of_folds_are_found_under_their_names(tmp_path) -> None:
    fold = {"training": {"device": "cpu", "wall_s": 8.0}}
    runs = [
        make_run(tmp_path, name, "cnn_ross", 0, 1.0, fold={"of": "scsn", "fold": k, "folds": 2}, **fold)
        for k, name in enumerate(("scsn", "ins"))
    ]
    for seconds, name in ((60, "scsn"), (80, "ins")):
        folder = tmp_path / "timing" / "polarity" / name / "cnn_ross"
        write_json(folder / "gpu.json", {"device": "gpu", "total_s": seconds, "basis": "extrapolated"})
    row = rows_of(polarity_compare.table(runs, COLUMNS, tmp_path / "timing"), tmp_path)[0]
    assert (row["dataset"], row["n_folds"], row["train_cpu_s"]) == ("scsn", "2", "8")
    assert (row["train_gpu_s"], row["train_gpu_basis"]) == ("70", "extrapolated")


def test_timing_fills_in_what_no_run_measured(runs, tmp_path) -> None:
    folder = tmp_path / "timing" / "polarity" / "scsn" / "cnn_ross"
    write_json(folder / "gpu.json", {"device": "gpu", "total_s": 3.5, "basis": "extrapolated"})
    write_json(folder / "cpu.json", {"device": "cpu", "total_s": 99.0, "basis": "extrapolated"})
    row = rows_of(polarity_compare.table(runs, COLUMNS, tmp_path / "timing"), tmp_path)[0]
    assert (row["train_gpu_s"], row["train_gpu_basis"]) == ("3.5", "extrapolated")
    assert (row["train_cpu_s"], row["train_cpu_basis"]) == ("20", "measured")


def test_cross(runs, tmp_path) -> None:
    rows = rows_of(polarity_cross.table(runs, COLUMNS), tmp_path)
    cells = {(row["model"], row["trained_on"], row["tested_on"]): row for row in rows}
    assert len(cells) == len(rows) == 6
    away = cells["cnn_ross", "scsn", "ins"]
    tested = [predictions("ins", 2.5, seed) for seed in (0, 1)]
    assert float(away["accuracy"]) == pytest.approx(np.mean([(p.decided == p.truth).mean() for p in tested]), abs=1e-5)
    assert float(away["macro_f1_ci_low"]) < float(away["macro_f1"]) < float(away["macro_f1_ci_high"])
    assert (away["trained_on_data_source"], away["tested_on_data_source"]) == ("synthetic", "real")
    assert (away["data_source"], cells["cnn_ross", "ins", "ins"]["data_source"]) == ("synthetic", "real")
    assert (away["n_test"], away["n_seeds"]) == ("120", "2")


def test_rows_on_other_samples_are_refused(runs, tmp_path) -> None:
    p = predictions("scsn", 1.0, 0)
    save(runs[2].evaluation / "predictions.csv.gz", {("scsn", "test"): p.take(np.arange(100))})
    with pytest.raises(InputError, match="pd_model"):
        compare(runs, COLUMNS, "polarity")
    save(runs[3].evaluation / "predictions.csv.gz", {("scsn", "test"): p})
    with pytest.raises(InputError, match="tested_on"):
        compare(runs[3:], COLUMNS, "polarity")


def test_unknown_column_is_refused(runs) -> None:
    with pytest.raises(InputError, match="accuracy"):
        cross(runs, ["acuracy"], "polarity")


def test_cells(tmp_path) -> None:
    from pandas import DataFrame

    table = DataFrame({"a": [1.0, float("nan")], "b": [1 / 3, 1234567.5], "c": ["x", None], "d": [True, False]})
    write(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "a,b,c,d\n1,0.333333,x,True\n,1.23457e+06,,False\n"

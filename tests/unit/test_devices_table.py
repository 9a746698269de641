"""Training times by device, from trainings and timings."""

import csv
from pathlib import Path
from typing import Any

import pytest

from geoml.devices import table, training_time
from geoml.tables import write


def training(model: str, seconds: float, *, dataset: str = "dots", seed: int = 0, **more: Any) -> dict[str, Any]:
    run = {"task": "toy", "dataset": dataset, "variant": model, "seed": seed}
    made = {"device": "cpu", "device_name": "Slow CPU", "wall_s": seconds, "data_source": "synthetic", "n_train": 90}
    return {"run": run} | made | more


def timed(model: str, device: str, seconds: float, *, dataset: str = "dots", **more: Any) -> dict[str, Any]:
    run = {"task": "toy", "dataset": dataset, "variant": model, "device": device}
    name = {"cpu": "Slow CPU", "gpu": "Fast GPU"}[device]
    made = {"device": device, "device_name": name, "threads": 4, "data_source": "real", "n_train": 80, "epochs": 50}
    return {"run": run} | made | {"total_s": seconds, "basis": "extrapolated"} | more


def rows_of(records: list[dict[str, Any]], folder: Path, bases: dict[str, dict[str, str]] | None = None) -> list[Any]:
    write(table(records, bases or {}), folder / "devices.csv")
    with open(folder / "devices.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_both_devices_stand_in_a_row_with_what_the_gpu_gains(tmp_path: Path):
    (row,) = rows_of([timed("curved", "gpu", 20), timed("curved", "cpu", 500)], tmp_path)
    assert row == {
        "task": "toy",
        "dataset": "dots",
        "model": "curved",
        "epochs": "50",
        "train_cpu_s": "500",
        "train_cpu_basis": "extrapolated",
        "train_cpu_epoch_s": "10",
        "train_gpu_s": "20",
        "train_gpu_basis": "extrapolated",
        "train_gpu_epoch_s": "0.4",
        "gpu_speed_up": "25",
        "cpu_name": "Slow CPU",
        "cpu_threads": "4",
        "gpu_name": "Fast GPU",
        "data_source": "real",
        "n_train": "80",
        "n_seeds": "1",
    }


def test_one_device_shows_its_trainings_as_measured_and_leaves_the_other_empty(tmp_path: Path):
    records = [training("curved", seconds, seed=seed, epochs=10 + seed) for seed, seconds in enumerate((20, 22))]
    (row,) = rows_of(records, tmp_path)
    assert (row["train_cpu_s"], row["train_cpu_basis"], row["train_cpu_epoch_s"]) == ("21", "measured", "2")
    assert (row["epochs"], row["n_seeds"], row["n_train"], row["data_source"]) == ("10.5", "2", "90", "synthetic")
    empty = ("train_gpu_s", "train_gpu_basis", "train_gpu_epoch_s", "gpu_speed_up", "gpu_name", "cpu_threads")
    assert {row[name] for name in empty} == {""}


def test_estimators_have_cpu_seconds_only_and_no_epochs(tmp_path: Path):
    network, forest = rows_of([timed("curved", d, 8) for d in ("cpu", "gpu")] + [training("forest", 3)], tmp_path)
    assert (network["model"], network["gpu_speed_up"]) == ("curved", "1")
    assert (forest["model"], forest["train_cpu_s"], forest["train_cpu_basis"]) == ("forest", "3", "measured")
    assert forest["epochs"] == forest["train_cpu_epoch_s"] == forest["gpu_speed_up"] == forest["train_gpu_s"] == ""


def test_folds_make_one_row_of_their_data_set_and_other_data_sets_their_own(tmp_path: Path):
    records = [
        training("curved", 4, dataset="dots_k0"),
        training("curved", 6, dataset="dots_k1", device_name="Old CPU"),
    ]
    bases = {"toy": {"dots_k0": "dots", "dots_k1": "dots"}}
    folds, other = rows_of([*records, training("curved", 9, dataset="other")], tmp_path, bases)
    assert (folds["dataset"], folds["train_cpu_s"], folds["cpu_name"]) == ("dots", "5", "Old CPU + Slow CPU")
    assert (other["dataset"], other["train_cpu_s"], other["n_seeds"]) == ("other", "9", "1")


def test_a_table_of_nothing_has_its_columns(tmp_path: Path):
    assert rows_of([], tmp_path) == []
    assert (tmp_path / "devices.csv").read_text().startswith("task,dataset,model,epochs,train_cpu_s,")


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], (None, None)),
        ([{}], (None, None)),
        ([training("a", 3, device="gpu")], (None, None)),
        ([timed("a", "cpu", 9), training("a", 3), training("a", 5)], (4, "measured")),
        ([timed("a", "cpu", 9), timed("a", "cpu", 11), timed("a", "gpu", 1)], (10, "extrapolated")),
    ],
)
def test_whole_trainings_count_before_timings(records: list[dict[str, Any]], expected: tuple[float | None, str | None]):
    assert training_time(records, "cpu") == expected

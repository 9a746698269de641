"""What it takes to add a task, a data set, a model and a metric: files in one folder and configuration entries."""

import csv
from pathlib import Path

from conftest import ROOT, TOY, Project, toy_files

ENTRY = {"source": "synthetic", "rows": 60}


def test_a_task_is_one_folder_and_nothing_else_changes(toy_project: Project):
    files = [str(path.relative_to(TOY / "geoml/tasks/toy")) for path in toy_files()]
    assert files == [
        "datasets/dots.py",
        "metrics/surprise.py",
        "models/bent.py",
        "models/line.py",
        "schema.json",
        "synthetic.py",
        "tables/toy_compare.py",
        "task.py",
    ]
    in_the_way = [path for path in toy_files() if (ROOT / path.relative_to(TOY)).exists()]
    assert not in_the_way, "nothing of the package is replaced"


def test_the_new_task_runs_to_its_table(toy_project: Project):
    with open(toy_project.folder / "results/tables/toy_compare.csv", newline="") as file:
        rows = {row["model"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"straight", "curved"}
    assert (rows["straight"]["parameters"], rows["curved"]["parameters"]) == ("18", "35")
    for row in rows.values():
        accuracy, surprise = float(row["accuracy"]), float(row["surprise"])
        assert accuracy > 0.75 and abs(accuracy + surprise - 1) < 1e-5
        assert row["data_source"] == "synthetic" and row["train_gpu_s"] == ""


def test_the_best_network_of_a_new_task_is_exported_but_not_bundled_without_a_prediction(toy_project: Project):
    with open(toy_project.folder / "results/tables/export.csv", newline="") as file:
        rows = {row["format"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["keras", "onnx", "onnx_int8", "tflite", "tflite_fp16", "tflite_int8"]
    assert {row["status"] for row in rows.values()} == {"checked"}
    assert {float(row["agreement"]) for row in rows.values()} == {1}
    assert not (toy_project.folder / "results/export/pi").exists()


def test_a_task_without_figures_can_be_reported(toy_project: Project):
    toy_project.snakemake("--report", "report.html")
    assert "toy_compare.csv" in (toy_project.folder / "report.html").read_text()


def test_a_new_reader_is_one_file_and_one_entry(toy_project: Project, tmp_path: Path):
    project = toy_project.copy(tmp_path / "project")
    task = project.folder / "geoml/tasks/toy"
    (task / "datasets/more_dots.py").write_bytes((task / "datasets/dots.py").read_bytes())
    project.config["tasks"]["toy"]["datasets"]["more"] = ENTRY | {"reader": "more_dots"}
    assert project.planned() == [
        "Compare the exported files of toy with the network",
        "Evaluate curved trained on dots (seed 0)",  # every run is tested on every data set
        "Evaluate curved trained on more (seed 0)",
        "Evaluate straight trained on dots (seed 0)",
        "Evaluate straight trained on more (seed 0)",
        "Export toy to ONNX",
        "Export toy to TFLite",
        "Make synthetic more data for toy",
        "Prepare more for toy",
        "Quantise toy to int8",
        "Table devices",
        "Table export",
        "Table toy_compare",
        "Train curved on more (seed 0)",
        "Train straight on more (seed 0)",
    ]


def test_a_new_model_and_metric_are_one_file_and_one_entry_each(toy_project: Project, tmp_path: Path):
    project = toy_project.copy(tmp_path / "project")
    task = project.folder / "geoml/tasks/toy"
    (task / "models/third.py").write_bytes((task / "models/line.py").read_bytes())
    (task / "metrics/relief.py").write_bytes((task / "metrics/surprise.py").read_bytes())
    project.config["tasks"]["toy"]["variants"]["third"] = {"model": "third"}
    project.config["tasks"]["toy"]["columns"].append("relief")
    assert project.planned() == [
        "Compare the exported files of toy with the network",
        "Evaluate third trained on dots (seed 0)",
        "Export toy to ONNX",
        "Export toy to TFLite",
        "Quantise toy to int8",
        "Table devices",
        "Table export",
        "Table toy_compare",
        "Train third on dots (seed 0)",
    ]

"""What an edit makes Snakemake do again, and what not: dry-runs on a finished project, moved elsewhere before."""

import os
from pathlib import Path

import pytest
from conftest import Project

TABLE, DEVICES = "Table toy_compare", "Table devices"
CHECK = ["Compare the exported files of toy with the network", "Table export"]
QUANTISE = sorted(["Export toy to TFLite", "Quantise toy to int8", *CHECK])
EXPORT = sorted(["Export toy to ONNX", *QUANTISE])
TABLES = sorted([TABLE, *EXPORT])  # the best is chosen from it
STRAIGHT = sorted(
    [f"{job} on dots (seed 0)" for job in ("Evaluate straight trained", "Train straight")] + [DEVICES, *TABLES]
)
CURVED = sorted(job.replace("straight", "curved") for job in STRAIGHT)
BOTH = sorted({*STRAIGHT, *CURVED})


@pytest.fixture
def project(toy_project: Project, tmp_path: Path) -> Project:
    return toy_project.copy(tmp_path / "elsewhere")


def edit(path: Path) -> None:
    assert path.is_file()
    with open(path, "a") as file:
        file.write("\n# edited\n" if path.suffix == ".py" else "\n")


def test_moving_the_project_and_touching_every_file_redo_nothing(project: Project):
    files = [path for path in project.folder.rglob("*") if path.is_file() and ".snakemake" not in path.parts]
    assert {"inputs.npy", "dots.npy", "train.py", "model.keras", "toy_compare.csv"} <= {path.name for path in files}
    for path in files:
        os.utime(path)
    assert project.planned() == []


def test_a_changed_learning_rate_retrains_that_variant_only(project: Project):
    project.config["tasks"]["toy"]["variants"]["curved"]["fit"] = {"learning_rate": 0.02}
    assert project.planned() == CURVED


def test_a_new_seed_adds_runs_only(project: Project):
    project.config["tasks"]["toy"]["seeds"] = [0, 1]
    assert project.planned() == [job.replace("seed 0", "seed 1") for job in BOTH]


def test_a_new_column_redoes_the_table_and_what_is_chosen_from_it(project: Project):
    project.config["tasks"]["toy"]["columns"].append("mcc")
    assert project.planned() == TABLES


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("max_loss", 0.5, CHECK),
        ("bundle", ["onnx"], CHECK),
        ("calibration", 20, QUANTISE),
        ("by", "accuracy", EXPORT),
        ("smallest", True, EXPORT),
        ("where", {"dataset": ["dots"]}, EXPORT),
    ],
)
def test_a_setting_of_the_export_redoes_what_depends_on_it(
    project: Project, setting: str, value: object, expected: list[str]
):
    project.config["tasks"]["toy"]["export"] = {setting: value}
    assert project.planned() == expected


def test_an_export_on_request_needs_nothing_of_the_others(project: Project):
    wanted = sorted(job.replace("toy", "toy/dots/curved/seed0") for job in EXPORT if job != "Table export")
    assert project.planned("results/export/toy/dots/curved/seed0/card.json") == wanted
    project.config["tasks"]["toy"]["export"] = {"runs": ["dots/curved/seed0"]}
    assert project.planned() == sorted([*wanted, "Table export"])


def test_what_changes_no_result_redoes_nothing(project: Project):
    project.config["title"] = "another"
    for name in (
        "geoml/logs.py",
        "workflow_scripts/train.py",
        "geoml/tasks/polarity/models/cnn_ross.py",
        "rules/train.smk",
    ):
        edit(project.folder / name)
    assert project.planned() == []


def test_another_preparation_does_not_make_the_source_again(project: Project):
    project.config["tasks"]["toy"]["prepare"] = {"scale": 2.0}
    assert project.planned() == sorted(["Prepare dots for toy", *BOTH])


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("geoml/tasks/toy/models/bent.py", CURVED),
        ("geoml/train.py", BOTH),
        ("geoml/tasks/toy/synthetic.py", sorted(["Make synthetic dots data for toy", "Prepare dots for toy", *BOTH])),
        ("geoml/tasks/toy/tables/toy_compare.py", TABLES),
        ("geoml/tasks/toy/metrics/surprise.py", TABLES),
        ("geoml/export/choose.py", EXPORT),
        ("geoml/export/tflite.py", sorted(["Export toy to TFLite", *CHECK])),
        ("geoml/export/card.py", CHECK),
        ("geoml/page_parts.html", []),
    ],
)
def test_an_edit_redoes_what_depends_on_the_file(project: Project, file: str, expected: list[str]):
    edit(project.folder / file)
    assert project.planned() == expected


def test_the_results_page_follows_its_title_its_template_and_the_tables(project: Project):
    def remade() -> bool:
        return ": Results page\n" in project.snakemake("-n").stdout

    assert not remade()
    project.config["title"] = "another"
    assert remade()
    project.snakemake("--quiet", "--", "results/index.html")
    assert not remade() and "<h1>another</h1>" in (project.folder / "results/index.html").read_text()
    edit(project.folder / "geoml/page.html")
    assert remade()
    project.snakemake("--quiet", "--", "results/index.html")
    project.config["tasks"]["toy"]["columns"].append("mcc")
    assert remade()


def test_published_figures_redo_the_table(project: Project):
    (project.folder / "geoml/tasks/toy/published.csv").write_text("dataset,model,metric,value,source\n")
    assert project.planned() == TABLES


def test_data_prepared_again_to_the_same_samples_retrain_nothing(project: Project):
    edit(project.folder / "geoml/tasks/toy/datasets/dots.py")
    assert "Prepare dots for toy" in project.planned()
    project.snakemake("--quiet", "--", "results/data/toy/dots/dataset.json")
    assert project.planned() == []

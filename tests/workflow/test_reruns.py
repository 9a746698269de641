"""What an edit makes Snakemake do again, and what not: dry-runs on a finished project, moved elsewhere before."""

import os
from pathlib import Path

import pytest
from conftest import Project

TABLE, DEVICES = "Table toy_compare", "Table devices"
STRAIGHT = ["Evaluate straight trained on dots (seed 0)", DEVICES, TABLE, "Train straight on dots (seed 0)"]
CURVED = ["Evaluate curved trained on dots (seed 0)", DEVICES, TABLE, "Train curved on dots (seed 0)"]
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


def test_a_new_column_redoes_the_table_only(project: Project):
    project.config["tasks"]["toy"]["columns"].append("mcc")
    assert project.planned() == [TABLE]


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
        ("geoml/tasks/toy/tables/toy_compare.py", [TABLE]),
        ("geoml/tasks/toy/metrics/surprise.py", [TABLE]),
    ],
)
def test_an_edit_redoes_what_depends_on_the_file(project: Project, file: str, expected: list[str]):
    edit(project.folder / file)
    assert project.planned() == expected


def test_published_figures_redo_the_table(project: Project):
    (project.folder / "geoml/tasks/toy/published.csv").write_text("dataset,model,metric,value,source\n")
    assert project.planned() == [TABLE]


def test_data_prepared_again_to_the_same_samples_retrain_nothing(project: Project):
    edit(project.folder / "geoml/tasks/toy/datasets/dots.py")
    assert "Prepare dots for toy" in project.planned()
    project.snakemake("--quiet", "--", "results/data/toy/dots/dataset.json")
    assert project.planned() == []

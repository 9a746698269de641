"""What the report says of a configuration and of results, whatever of these there is."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import TOY
from docutils.core import publish_parts

from geoml.config import resolve
from geoml.report import Report

RUN = "toy/dots/curved/seed0"
TRAINING = {
    "device": "cpu",
    "device_name": "A processor",
    "threads": 2,
    "cpu": "A processor",
    "platform": "A system",
    "versions": {"geoml": "0.1.0"},
    "parameters": 1234,
    "wall_s": 90,
    "stopped_by": "epochs",
}


@pytest.fixture
def make(toy: str, tmp_path: Path):
    def make(**changes: Any) -> Report:
        settings = yaml.safe_load((TOY / "config.yaml").read_text())
        settings["tasks"]["toy"] |= changes
        config = resolve(settings, "config.yaml")
        runs = [(d, name, 0) for name, v in config["tasks"]["toy"]["variants"].items() for d in v["datasets"]]
        return Report(config, lambda task: runs, str(tmp_path))

    return make


def put(folder: Path, path: str, content: Any) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(content if isinstance(content, str) else json.dumps(content))


def as_text(restructured: str) -> str:
    """What a reader sees; a mistake in the markup is an error."""
    parts = publish_parts(restructured, writer_name="html", settings_overrides={"halt_level": 2})
    return parts["html_body"]


def test_before_anything_is_run_the_methods_say_what_is_missing(make):
    text = as_text(make().methods())
    assert "0 of 2 trainings" in text and "Left out, not run: all of toy." in text
    assert "the tables toy_compare, devices" in text and "Nothing has been trained yet." in text


def test_the_methods_say_data_split_models_settings_seeds_versions_and_machine(make, tmp_path):
    put(tmp_path, "models/toy/dots/curved/seed0/training.json", TRAINING)
    dataset = {"split_samples": {"train": 160, "test": 40}, "split_groups": {"train": 80, "test": 40}}
    put(tmp_path, "data/toy/dots/dataset.json", dataset | {"rejected": {"flat": 3}, "fingerprint": "0123456789abcdef"})
    text = as_text(make(seeds=[0, 7]).methods())
    for said in (
        "1 of 2 trainings",
        "Left out, trained but not tested: toy/dots/curved/seed0.",
        "Left out of toy, not run: 1 of 2 trainings (dots/straight/seed0).",
        "synthetic, 200 samples made by geoml",
        "160 train (80 groups), 40 test.",
        "Left out: 3 flat.",
        "10% for validation and 10% for testing",
        "1,234 parameters",
        "1 of 1 trainings ended with the last configured epoch",
        "Seeds: 0, 7.",
        "1 trainings took 1.5 minutes in sum, on A processor, cpu; threads a training: 2.",
        "geoml 0.1.0",
    ):
        assert said in text, said
    for name, value in {"learning_rate": "0.05", "units": "3"}.items():
        assert f"{name}</tt> {value}" in text


def test_a_setting_that_one_model_has_is_said_of_that_model(make):
    variants = {"straight": {"model": "line"}, "quick": {"model": "line", "fit": {"epochs": 1}}}
    lines = make(variants=variants).methods().splitlines()
    (quick,) = (line for line in lines if line.startswith("- ``quick``"))
    (straight,) = (line for line in lines if line.startswith("- ``straight``"))
    assert "``epochs`` 1" in quick and "``epochs`` 3" in straight and "batch_size" not in quick


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"device": "cpu"}'])
def test_a_broken_or_foreign_record_breaks_nothing(make, tmp_path, content):
    put(tmp_path, "models/toy/dots/curved/seed0/training.json", content)
    put(tmp_path, "data/toy/dots/dataset.json", content)
    assert "of 2 trainings" in as_text(make().methods())


def test_signs_of_markup_in_names_and_titles_are_text(make):
    config = {"title": "*a|b_ `c", "tasks": {}}
    assert "*a|b_ `c" in as_text(Report(config, lambda task: []).methods())


def test_results_are_sorted_by_task_kind_and_labels(make):
    report = make()
    figure = {"run": RUN, "figure": "pick_error"}
    assert [report.category(figure), report.subcategory(figure)] == ["toy", "Runs on dots"]
    assert report.labels(figure) == {"figure": "pick error", "model": "curved", "seed": "0"}
    table = {"page": "toy_compare"}
    assert [report.category(table), report.subcategory(table)] == ["toy", "Tables"]
    assert report.labels(table) == {"table": "toy_compare"}
    assert report.category({"page": "devices"}) == "All tasks"
    assert report.subcategory({"task": "toy", "figure": "compare"}) == "Comparisons"
    predicted = {"task": "toy", "prediction": "mine", "figure": "map"}
    assert [report.subcategory(predicted), report.labels(predicted)["prediction"]] == ["Predictions", "mine"]


def test_synthetic_data_are_said_in_every_caption_that_they_are_behind(make, tmp_path):
    report = make(
        datasets={"dots": {"source": "synthetic", "rows": 9}, "mine": {"source": "path", "path": "x", "reader": "dots"}}
    )
    assert "curved, trained on dots, seed 0. Synthetic data." in report.caption({"run": RUN, "figure": "confusion"})
    assert "ynthetic" not in report.caption({"run": RUN.replace("dots", "mine"), "figure": "confusion"})
    assert "Some of the data are synthetic." in report.caption({"task": "toy", "figure": "compare"})
    put(tmp_path, "tables/toy_compare.csv", "model,data_source\na,synthetic\nb,\n")
    assert "Synthetic data." in report.caption({"page": "toy_compare"})
    put(tmp_path, "tables/toy_compare.csv", "model,data_source\na,synthetic\nb,real\n")
    assert "Some rows are of synthetic data." in report.caption({"page": "toy_compare"})
    put(tmp_path, "tables/toy_compare.csv", "model,data_source\nb,real\n")
    assert "ynthetic" not in report.caption({"page": "toy_compare"})


def test_jobs_get_nothing_of_it(make):
    assert pickle.loads(pickle.dumps(make())) == {}

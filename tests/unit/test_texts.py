"""The words of the tasks: every figure and every table has its caption, and no caption is of anything else."""

import ast
import re
from pathlib import Path

import pytest

from geoml import registry, texts

TASKS = registry.tasks()


def stems(task: str) -> set[str]:
    """Stems of the figures that a task can draw, without what a data set or a search adds to them."""
    tree = ast.parse((Path(registry.__file__).parent / f"tasks/{task}/figures.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    named = [call.args[1] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "png_and_svg"]
    first = [name.values[0] if isinstance(name, ast.JoinedStr) else name for name in named]
    return {str(part.value).removesuffix("_") for part in first if isinstance(part, ast.Constant)}


def tables(task: str) -> set[str]:
    """Names of the tables that a task can have."""
    searched = {f"{task}_search", f"{task}_search_pairs"} if registry.has_part(task, "space") else set()
    return {*registry.names(task, "tables"), *searched}


def captions(task: str) -> dict[str, str]:
    said = texts.of(task)
    return said["FIGURES"] | said["TABLES"] | texts.FIGURES | texts.TABLES


@pytest.mark.parametrize("task", TASKS)
def test_every_figure_has_a_caption(task: str):
    assert len(stems(task)) > 3
    assert not {stem for stem in stems(task) if not texts.figure(stem, task)}


@pytest.mark.parametrize("task", TASKS)
def test_no_caption_is_of_a_figure_that_a_task_does_not_draw(task: str):
    assert set(texts.of(task)["FIGURES"]) <= stems(task)


def test_no_common_caption_is_of_a_figure_that_no_task_draws():
    assert set(texts.FIGURES) <= set().union(*map(stems, TASKS))


@pytest.mark.parametrize("task", TASKS)
def test_every_table_has_a_caption(task: str):
    said = texts.of(task)["TABLES"]
    assert not {
        name for name in tables(task) if not said.get(name) and name.removeprefix(f"{task}_") not in texts.TABLES
    }
    assert set(said) <= tables(task)


def test_a_figure_of_a_data_set_has_the_caption_of_its_kind():
    captions = texts.of("folds")["FIGURES"]
    assert texts.figure("compare_photos_2", "folds") == captions["compare"]
    assert texts.figure("learning_curve_photos", "folds") == captions["learning_curve"]
    assert texts.figure("comparison", "folds") == ""


@pytest.mark.parametrize("task", TASKS)
def test_every_task_says_what_it_is_and_what_it_is_not_for(task: str):
    said = texts.of(task)
    assert said["TITLE"][0].isupper() and said["TITLE"] != task
    assert 2 <= len(re.findall(r"[.?](?: |$)", said["ABOUT"])) <= 5
    assert len(said["LIMITS"]) > 2 and all(limit.endswith(".") for limit in said["LIMITS"])


@pytest.mark.parametrize("task", TASKS)
def test_captions_are_plain_sentences(task: str):
    for name, caption in captions(task).items():
        assert caption[0].isupper() and caption.endswith("."), name
        assert not re.search(r"[*`<>|]|  |::", caption), name

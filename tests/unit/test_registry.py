"""Names are files: what is found, what an unknown name says, and which files a result depends on."""

import ast
from pathlib import Path

import pytest

from geoml import registry


def short(paths: list[str]) -> set[str]:
    return {str(Path(path).relative_to(Path(registry.__file__).parent)) for path in paths}


def test_names_are_files_without_underscore():
    assert registry.tasks() == ["folds", "patchnet", "polarity", "slip", "tremor"]
    assert registry.names("polarity", "models") == ["bulid_pd_model", "bulid_pp_model", "cnn_ross", "pd_model"]
    assert {"scsn", "ins", "pnw", "hinet", "seisbench"} <= set(registry.names("polarity", "datasets"))
    assert registry.scores("polarity")["accuracy"] == "geoml.metrics.accuracy"
    assert registry.scores("slip")["mae"] == "geoml.metrics.regression.mae"
    assert registry.names("polarity", "nothing") == []


def test_unknown_names_give_the_closest():
    with pytest.raises(KeyError, match="Did you mean 'cnn_ross'"):
        registry.load("polarity", "models", "cnn_rose")
    with pytest.raises(KeyError, match="Did you mean 'polarity'"):
        registry.load_task("polarty")
    assert registry.closest("zzz", ["ins"]) == "Known: ins."
    assert registry.closest("ins", []) == "Known: none."


def test_arguments_are_read_without_importing(monkeypatch: pytest.MonkeyPatch):
    assert registry.parameters("polarity", "models", "cnn_ross", "build") == ()
    monkeypatch.setattr(registry, "_TASKS", Path(__file__).parents[1] / "toy/geoml/tasks")
    assert registry.parameters("toy", "models", "bent", "build") == ("units",)
    monkeypatch.undo()
    with pytest.raises(KeyError, match="no function"):
        registry.parameters("polarity", "models", "cnn_ross", "made")


def test_a_result_depends_on_what_its_code_imports_and_on_nothing_else():
    files = short(registry.sources("geoml.train", "geoml.tasks.polarity.task", "geoml.tasks.polarity.models.cnn_ross"))
    assert {
        "train.py",
        "models.py",
        "store.py",
        "tasks/polarity/augment.py",
        "tasks/polarity/models/_blocks.py",
    } <= files
    for other in ("tasks/polarity/models/pd_model.py", "tasks/polarity/figures.py", "tasks/polarity/evaluation.py"):
        assert other not in files
    assert not {"logs.py", "files.py", "errors.py", "registry.py", "provenance.py", "tables.py", "evaluate.py"} & files


def test_what_is_imported_inside_functions_counts_and_what_does_not_exist_is_left_out():
    assert "tasks/polarity/synthetic_files.py" in short(registry.sources("geoml.tasks.polarity.synthetic"))
    assert registry.sources("geoml.tasks.polarity.nothing") == []


def test_imports_are_those_of_the_syntax_tree():
    package = Path(registry.__file__).parent
    for path in package.rglob("*.py"):
        expected = set()
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                expected |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                expected |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
        found = registry._imports(path)
        existing = {name for name in expected if name.split(".")[0] == "geoml" and registry._file(name)}
        assert {name for name in found if registry._file(name)} == existing, path


def test_parts():
    assert registry.has_part("polarity", "synthetic") and not registry.has_part("polarity", "nothing")

"""Which run of a comparison table is exported."""

from pathlib import Path
from typing import Any

import pytest

from geoml.errors import InputError
from geoml.export.choose import choose, data_of
from geoml.files import write_json

RULE: dict[str, Any] = {"by": "val_score", "smallest": False, "where": {}}
TABLE = """\
dataset,model,split,val_score,mae,parameters
ins,small,test,0.8,0.3,10
ins,large,test,0.8,0.2,90
ins,forest,test,0.99,0.1,
all,large,test,0.9,0.5,90
all,large,train,0.7,0.05,90
all,published,,,0.01,
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "with space/polarity_compare.csv"
    path.parent.mkdir()
    path.write_text(TABLE)
    return path


def runs(folder: Path, *names: str, scores: dict[str, float] | None = None) -> list[Path]:
    """Model files of runs, ``ins/small/seed0`` say, with what their trainings scored."""
    found = []
    for name in names:
        model = folder / "results/models/polarity" / name / "model.keras"
        write_json(model.with_name("training.json"), {"val_score": (scores or {}).get(name, 0.5)})
        found.append(model)
    return found


@pytest.fixture
def models(tmp_path: Path) -> list[Path]:
    return runs(tmp_path, "ins/small/seed0", "ins/large/seed0", "all/large/seed0")


@pytest.mark.parametrize(
    ("changes", "best"),
    [
        ({}, "all/large"),
        ({"where": {"dataset": ["ins"]}}, "ins/small"),  # of equal ones that with fewer parameters
        ({"by": "mae"}, "all/large"),
        ({"by": "mae", "smallest": True, "where": {"split": ["test"]}}, "ins/large"),
        ({"by": "mae", "smallest": True}, "all/large"),
        ({"where": {"dataset": ["ins", "all"], "parameters": [10]}}, "ins/small"),
    ],
)
def test_the_rule_decides_among_networks(table: Path, models: list[Path], changes: dict[str, Any], best: str):
    choice = choose(table, models, RULE | changes, {})
    assert choice["model"].endswith(f"polarity/{best}/seed0/model.keras")


def test_the_choice_says_by_what_it_was_made(table: Path, models: list[Path]):
    where = {"dataset": ["ins"]}
    assert choose(table, models, RULE | {"where": where}, {})["chosen"] == {
        "table": "polarity_compare.csv", "by": "val_score", "value": 0.8, "where": where, "among": 2, "seeds": 1,
    }  # fmt: skip


def test_of_the_seeds_the_one_with_the_best_validation_score_is_taken(table: Path, tmp_path: Path):
    names = [f"all/large/seed{n}" for n in range(3)]
    models = runs(tmp_path, *names, scores={"all/large/seed1": 0.6})
    choice = choose(table, models, RULE, {})
    assert choice["model"] == str(models[1]) and choice["chosen"]["seeds"] == 3
    models = runs(tmp_path, *names, scores={"all/large/seed2": 0.9, "all/large/seed1": 0.6})
    assert choose(table, models, RULE, {})["model"] == str(models[2])


def test_folds_are_found_by_the_data_set_that_they_are_of(table: Path, tmp_path: Path):
    models = runs(tmp_path, "all_k0/large/seed0", "all_k1/large/seed0", scores={"all_k1/large/seed0": 0.7})
    choice = choose(table, models, RULE, {"all_k0": "all", "all_k1": "all"})
    assert choice["model"] == str(models[1]) and choice["chosen"]["among"] == 1
    files = ["results/data/polarity/all_k0/dataset.json", "results/data/polarity/all_k1/dataset.json"]
    assert data_of(choice | {"run": {"dataset": "all_k1"}}, files) == Path("results/data/polarity/all_k1")


def test_tables_that_call_a_variant_otherwise_have_a_column_for_it(tmp_path: Path):
    table = tmp_path / "fold_compare.csv"
    table.write_text("dataset,model,variant,val_score\nphotos,ResNet9,small,0.5\nphotos,ResNet9,,0.9\n")
    (model,) = runs(tmp_path, "photos/small/seed0")
    assert choose(table, [model], RULE, {})["model"] == str(model)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"by": "val_scor"}, "expected 'val_scor', which `export` names, got .*Did you mean 'val_score'"),
        ({"where": {"datasett": ["all"]}}, "expected 'datasett', which .*Did you mean 'dataset'"),
        ({"where": {"dataset": ["none"]}}, r"a network with a val_score \(dataset: \['none'\]\), got none"),
        ({"by": "split"}, "split: expected numbers to compare by, got 'test'"),
    ],
)
def test_a_rule_that_does_not_fit_the_table_is_refused(
    table: Path, models: list[Path], changes: dict[str, Any], words: str
):
    with pytest.raises(InputError, match=words):
        choose(table, models, RULE | changes, {})


def test_a_table_of_estimators_and_published_figures_has_nothing_to_export(tmp_path: Path):
    table = tmp_path / "polarity_compare.csv"
    table.write_text("dataset,model,val_score\nins,forest,0.9\nins,large,\n")
    with pytest.raises(InputError, match=r"rows: expected a network with a val_score \(any row\), got none"):
        choose(table, runs(tmp_path, "ins/large/seed0"), RULE, {})


def test_an_empty_table_is_refused(tmp_path: Path):
    table = tmp_path / "polarity_compare.csv"
    table.write_text("")
    with pytest.raises(InputError, match="columns: expected 'val_score'"):
        choose(table, runs(tmp_path, "ins/large/seed0"), RULE, {})

"""What the configuration accepts, completes and refuses."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, fit_settings

from geoml import config
from geoml.errors import InputError

SMALL: dict[str, Any] = {
    "tasks": {
        "polarity": {
            "seeds": [0, 1],
            "fit": {"epochs": 5},
            "augment": {"shift": 7},
            "datasets": {
                "ins": {"source": "synthetic", "rows": 100},
                "mine": {"source": "path", "path": "somewhere", "reader": "seisbench", "prepare": {"norm": "onset"}},
                "both": {"source": "pool", "members": ["ins", "mine"]},
            },
            "variants": {
                "ross": {"model": "cnn_ross", "fit": {"learning_rate": 0.01}},
                "tuned": {"model": "cnn_ross", "datasets": ["mine"], "init_from": "ins/ross/seed1"},
            },
            "columns": ["accuracy", "precision_u"],
        }
    }
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The small configuration with one value set, or removed where it is None."""
    content = deepcopy(SMALL)
    place, keys = content["tasks"]["polarity"], path.split(".")
    for key in keys[:-1]:
        place = place.setdefault(key, {})
    if value is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    return content


def test_defaults_are_filled_in_from_general_to_particular():
    resolved = config.resolve(SMALL)["tasks"]["polarity"]
    ross, tuned = resolved["variants"]["ross"], resolved["variants"]["tuned"]
    assert ross["fit"] == fit_settings(epochs=5, learning_rate=0.01)
    assert tuned["fit"]["learning_rate"] == 0.001
    assert ross["datasets"] == ["ins", "mine", "both"] and tuned["datasets"] == ["mine"]
    assert ross["args"] == {} and (ross["augment"]["shift"], ross["augment"]["flip"]) == (7, 0.5)
    ins, mine = resolved["datasets"]["ins"], resolved["datasets"]["mine"]
    assert ins["reader"] == "ins" and ins["split"] == {
        "by": "group",
        "val": 0.1,
        "test": 0.1,
        "duplicates": "drop",
        "seed": 0,
    }
    assert (ins["prepare"]["norm"], mine["prepare"]["norm"]) == ("peak", "onset")
    assert resolved["predictions"] == {}
    assert config.resolve(SMALL)["devices"] == ["cpu"]


def test_what_is_resolved_stays_the_same_when_resolved_again_and_the_input_is_untouched():
    before = deepcopy(SMALL)
    resolved = config.resolve(SMALL)
    assert before == SMALL
    again = deepcopy(resolved)
    for entry in again["tasks"]["polarity"]["datasets"].values():
        entry.pop("reader", None) if entry["source"] == "pool" else None
    assert config.resolve(again) == resolved


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sedes", [0], "tasks.polarity.sedes: expected a known key, got 'sedes'. Did you mean 'seeds'?"),
        ("fit.learning_rat", 1, "Did you mean 'learning_rate'?"),
        ("variants.ross.fit", {"epoch": 3}, "variants.ross.fit.epoch: expected a known key, got 'epoch'. Did you mean"),
        ("augment.shfit", 3, "augment.shfit: expected a known key, got 'shfit'. Did you mean 'shift'?"),
        ("prepare.norm", "peek", "prepare.norm: expected one of ['peak', 'onset'], got 'peek'"),
        ("datasets.mine.prepare", {"highpas_hz": 1}, "Did you mean 'highpass_hz'?"),
        ("variants.ross.model", "cnn_rose", "got 'cnn_rose'. Did you mean 'cnn_ross'?"),
        ("variants.ross.args", {"unrol": True}, "args.unrol: expected an argument of cnn_ross.build(), got 'unrol'"),
        (
            "variants.ross.datasets",
            ["inz"],
            "datasets: expected data sets of this task, got 'inz'. Did you mean 'ins'?",
        ),
        ("variants.tuned.init_from", "in/ross/seed1", "a run of a known data set, got 'in'. Did you mean 'ins'?"),
        ("variants.tuned.init_from", "ins/ros/seed1", "a run of a known variant, got 'ros'. Did you mean 'ross'?"),
        ("variants.tuned.init_from", "ins/ross/seed2", "one of the seeds [0, 1], got 'seed2'"),
        ("variants.tuned.init_from", "ins/tuned/seed0", "a run of another variant"),
        ("variants.tuned.init_from", "model.txt", "a model file (.keras) or a run"),
        ("datasets.mine.reader", "seisbensh", "got 'seisbensh'. Did you mean 'seisbench'?"),
        ("datasets.both.members", ["ins", "inz"], "members: expected data sets of this task, got 'inz'"),
        ("datasets.both.members", ["ins", "both"], "members: expected data sets of this task, got 'both'"),
        ("datasets.both.members", ["ins"], "too short"),
        ("datasets.ins.rows", None, "datasets.ins: rows: expected this key, with source: synthetic, got none"),
        ("datasets.ins.path", "x", "path: expected only what source: synthetic uses, got 'path'"),
        ("datasets.ins.source", "magic", "got 'magic'"),
        ("datasets.ins.rows", "many", "datasets.ins.rows: expected integer, got 'many'"),
        ("datasets.ins.rows", 0, "expected at least 1, got 0"),
        ("datasets.Ins", {"source": "synthetic", "rows": 5}, "expected text like ^[a-z0-9_]+$, got 'Ins'"),
        ("datasets.mine.split", {"val": 0.0}, "expected more than 0, got 0.0"),
        ("variants.ross.model", None, "variants.ross: expected the key 'model'"),
        ("seeds", [0, 0], "non-unique"),
        ("seeds", 3, "seeds: expected array, got 3"),
        ("columns", ["accurracy"], "columns: expected known metrics, got 'accurracy'. Did you mean 'accuracy'?"),
        ("predictions.field", {"inputs": ["x"], "model": "ins/ros/seed0"}, "predictions.field: model"),
        ("fit.learning_rate", "1e-3", "expected number, got '1e-3'"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_the_closest_name(path: str, value: Any, message: str):
    with pytest.raises(InputError) as caught:
        config.resolve(changed(path, value), "my.yaml")
    assert str(caught.value).startswith("my.yaml") and message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "top level: expected the key 'tasks'"),
        ({"taks": {}}, "taks: expected a known key, got 'taks'. Did you mean 'tasks'?"),
        (
            {"tasks": {"polarities": SMALL["tasks"]["polarity"]}},
            "a known task, got 'polarities'. Did you mean 'polarity'?",
        ),
        (SMALL | {"devices": ["tpu"]}, "devices.0: expected one of ['cpu', 'gpu'], got 'tpu'"),
    ],
)
def test_mistakes_at_the_top(content: dict[str, Any], message: str):
    with pytest.raises(InputError) as caught:
        config.resolve(content)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "expected YAML"),
        ("- 1", "a mapping with `tasks`, got list"),
        ("", "got NoneType"),
        (None, "No such file"),
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, text: str | None, message: str):
    path = tmp_path / "bad.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError) as caught:
        config.read(path)
    assert str(path) in str(caught.value) and message in str(caught.value)


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_the_configurations_that_come_with_geoml_are_valid(path: Path):
    assert config.resolve(config.read(path), path)["tasks"]


def test_every_key_is_described():
    schemas = [ROOT / "config/schemas/config.schema.json", *(ROOT / "geoml/tasks").glob("*/schema.json")]
    assert len(schemas) > 1

    def undescribed(part: Any, at: str) -> list[str]:
        if not isinstance(part, dict):
            return []
        found = [
            f"{at}.{key}"
            for key, value in part.get("properties", {}).items()
            if isinstance(value, dict) and "description" not in value and "$ref" not in value
        ]
        return found + [name for key, value in part.items() for name in undescribed(value, f"{at}.{key}")]

    for path in schemas:
        content = json.loads(path.read_text())
        parts = content.values() if "properties" not in content else [content, *content.get("$defs", {}).values()]
        assert [name for part in parts for name in undescribed(part, path.parent.name) if ".tasks" not in name] == []


@pytest.mark.parametrize(
    ("text", "value"), [("20", 20), ("1e-3", 0.001), ("0.5", 0.5), ("val_accuracy", "val_accuracy"), ("-1", -1)]
)
def test_command_line_values(text: str, value: Any):
    assert config.number(text) == value and type(config.number(text)) is type(value)


def test_references_to_runs():
    assert config.model_source("ins/ross/seed1") == ("ins", "ross", "1")
    assert config.model_source("results/models/model.keras") is None
    assert config.model_source("a/b/seed0.keras") is None


def test_configurations_merge_as_snakemake_reads_them():
    """What geoml reads and what Snakemake reads is the same."""
    from snakemake.common.configfile import load_configfile

    path = ROOT / "config/config.yaml"
    assert load_configfile(path) == config.read(path) == yaml.safe_load(path.read_text())


def test_folds_become_data_sets_and_variants_follow():
    content = changed("datasets.mine.folds", 3)
    del content["tasks"]["polarity"]["datasets"]["both"]
    resolved = config.resolve(content)["tasks"]["polarity"]
    folds = ["mine_k0", "mine_k1", "mine_k2"]
    assert [name for name in resolved["datasets"] if name.startswith("mine")] == folds
    assert [resolved["datasets"][name]["fold"] for name in folds] == [[0, 3], [1, 3], [2, 3]]
    assert {resolved["datasets"][name]["base"] for name in folds} == {"mine"}
    assert resolved["variants"]["tuned"]["datasets"] == folds


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("datasets.mine.generate", {}, "source: synthetic"),
        ("datasets.ins.generate", {"loud": 1}, "generate.loud"),
        ("weights.imagenet", {"files": [{"url": "https://a.b/c.h5"}]}, "weights.imagenet"),
        ("export.max_los", 0.1, "export.max_los: expected a known key.*Did you mean 'max_loss'"),
        ("export.max_loss", -1, "export.max_loss: expected at least 0, got -1"),
        ("export.where", {"dataset": "ins"}, "expected array, got 'ins'"),
        ("export.where", {"dataset": ["inz"]}, "where.dataset: expected data sets of this task.*Did you mean 'ins'"),
        ("export.bundle", ["onnx", "keras"], "got 'keras'"),
        ("export.bundle", [], "export.bundle"),
        ("export.runs", ["model.keras"], "runs: expected runs as dataset/variant/seed0"),
        ("export.runs", ["ins/ros/seed0"], "runs: expected a run of a known variant.*Did you mean 'ross'"),
        ("export.runs", ["ins/ross/seed2"], r"runs: expected one of the seeds \[0, 1\]"),
        ("export.runs", ["ins/tuned/seed0"], "runs: expected runs of the configuration.*Its data sets: mine."),
    ],
)
def test_new_keys_are_checked(path: str, value: Any, words: str):
    with pytest.raises(InputError, match=words):
        config.resolve(changed(path, value))


def test_exports_have_defaults_and_know_folds_by_their_data_set():
    settings = config.resolve(SMALL)["tasks"]["polarity"]["export"]
    assert (settings["by"], settings["where"], settings["runs"]) == ("val_score", {}, [])
    content = changed("datasets.mine.folds", 3)
    del content["tasks"]["polarity"]["datasets"]["both"]
    content["tasks"]["polarity"]["export"] = {"where": {"dataset": ["mine"]}, "runs": ["mine_k2/tuned/seed1"]}
    assert config.resolve(content)["tasks"]["polarity"]["export"]["runs"] == ["mine_k2/tuned/seed1"]


def test_estimators_are_not_exported():
    task = {
        "datasets": {"photos": {"source": "synthetic", "rows": 90, "reader": "images"}},
        "variants": {"forest": {"model": "shallow"}},
        "export": {"runs": ["photos/forest/seed0"]},
    }
    with pytest.raises(InputError, match=r"runs: expected runs of networks.*An estimator has no exported form"):
        config.resolve({"tasks": {"folds": task}})


def test_a_variant_may_start_from_named_weights():
    content = changed("weights.imagenet", {"path": "resnet.h5"})
    content["tasks"]["polarity"]["variants"]["tuned"]["init_from"] = "imagenet"
    assert config.resolve(content)["tasks"]["polarity"]["variants"]["tuned"]["init_from"] == "imagenet"
    content["tasks"]["polarity"]["variants"]["tuned"]["init_from"] = "imagenot"
    with pytest.raises(InputError, match="Did you mean 'imagenet'"):
        config.resolve(content)


SLIP: dict[str, Any] = {
    "datasets": {
        "experiments": {"source": "synthetic", "rows": 400, "seed": 3},
        "published": {"same_files_as": "experiments", "prepare": {"sets": "published"}, "split": {"by": "official"}},
    },
    "variants": {"ssf_cnn": {"model": "ssf_cnn"}},
    "columns": ["mae", "accuracy_2sd"],
}


def slip(**changes: Any) -> dict[str, Any]:
    return {"tasks": {"slip": SLIP | changes}}


def test_a_data_set_may_be_another_split_of_the_files_of_one():
    datasets = config.resolve(slip())["tasks"]["slip"]["datasets"]
    own, other = datasets["experiments"], datasets["published"]
    assert {key: other[key] for key in ("source", "rows", "seed", "reader")} == {
        key: own[key] for key in ("source", "rows", "seed", "reader")
    }
    assert other["files_of"] == "experiments" and "files_of" not in own
    assert (other["split"]["by"], own["split"]["by"]) == ("official", "group")
    folded = slip(datasets=SLIP["datasets"] | {"folds": {"same_files_as": "experiments", "folds": 2}})
    parts = config.resolve(folded)["tasks"]["slip"]["datasets"]
    assert [(parts[name]["base"], parts[name]["files_of"]) for name in ("folds_k0", "folds_k1")] == [
        ("folds", "experiments")
    ] * 2


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({}, "source: expected this key, or same_files_as"),
        ({"same_files_as": "experiment"}, "Did you mean 'experiments'"),
        ({"same_files_as": "other"}, "a data set with files of its own"),
        ({"same_files_as": "experiments", "rows": 3}, "rows: expected nothing: it is that of experiments"),
    ],
)
def test_what_files_a_data_set_has_is_said_once(entry: dict[str, Any], words: str):
    with pytest.raises(InputError, match=words):
        config.resolve(slip(datasets=SLIP["datasets"] | {"other": entry}))


def test_scores_are_those_of_the_kind_of_task():
    with pytest.raises(InputError, match="columns: expected known metrics, got 'accuracy'"):
        config.resolve(slip(columns=["accuracy"]))
    with pytest.raises(InputError, match="columns: expected known metrics, got 'mae'"):
        config.resolve(changed("columns", ["mae"]))


def test_the_original_parameter_file_is_taken_as_it_is(tmp_path: Path):
    published = {
        "learning_rate": 5e-3, "batch_size": 256, "num_epochs": 50, "num_channels": 4, "bn_momentum": 0.8,
        "use_batch_norm": True, "use_random_flip": True, "num_parallel_calls": 4, "save_summary_steps": 1,
    }  # fmt: skip
    path = tmp_path / "params.json"
    path.write_text(json.dumps(published))
    variant = {"model": "ssf_cnn", "params": str(path), "fit": {"epochs": 3}}
    resolved = config.resolve(slip(variants={"ssf_cnn": variant}))["tasks"]["slip"]["variants"]["ssf_cnn"]
    assert (resolved["fit"]["learning_rate"], resolved["fit"]["batch_size"]) == (5e-3, 256)
    assert resolved["fit"]["epochs"] == 3, "what stands in the configuration goes before"
    assert resolved["args"] == {"channels": 4, "bn_momentum": 0.8} and "params" not in resolved


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "a parameter file"),
        ("{", "expected JSON"),
        ("[1]", "an object of parameters"),
        ('{"learnig_rate": 1}', "Did you mean 'learning_rate'"),
        ('{"batch_size": "many"}', "fit.batch_size: expected integer, got 'many'"),
    ],
)
def test_a_wrong_parameter_file_is_an_error_that_names_it(tmp_path: Path, text: str | None, words: str):
    path = tmp_path / "params.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=words) as error:
        config.resolve(slip(variants={"v": {"model": "ssf_cnn", "params": str(path)}}))
    assert str(path) in str(error.value)

"""The configuration: checked against the schema and against what exists, then completed with its defaults.

The schema is ``config/schemas/config.schema.json``; what is a task's own (``prepare``, ``augment``) is described in
``geoml/tasks/<task>/schema.json``. Nothing heavy is imported here: every cluster job passes through.
"""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from geoml import registry
from geoml.errors import InputError

_SCHEMA = Path(__file__).parents[1] / "config" / "schemas" / "config.schema.json"
_NEEDS = {"synthetic": "rows", "path": "path", "url": "files", "pool": "members"}
_OF_FILES = ("source", "reader", "rows", "seed", "generate", "path", "files")


def read(path: str | Path) -> dict[str, Any]:
    """Content of a YAML configuration file, as it is."""
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, "file", "a configuration file", error.strerror) from None
    except yaml.YAMLError as error:
        raise InputError(path, "content", "YAML", str(error)) from None
    if not isinstance(content, dict):
        raise InputError(path, "content", "a mapping with `tasks`", type(content).__name__)
    return content


def resolve(config: dict[str, Any], where: object = "config") -> dict[str, Any]:
    """The complete configuration: valid, every default filled in, every name known.

    Args:
        config: As read.
        where: What to name in errors.

    Returns:
        A new dictionary; every data set has its ``reader``, ``prepare`` and ``split``, every variant its ``fit``,
        ``augment`` and ``datasets``.

    Raises:
        InputError: at the first thing that is wrong, with the closest known name.
    """
    schema = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    _validate(config, schema, where)
    for task in config["tasks"]:
        if task not in registry.tasks():
            raise InputError(
                where, f"tasks.{task}", "a known task", repr(task), registry.closest(task, registry.tasks())
            )
    expanded = {
        task: _unfolded(_with_params(task, _with_files(_usual(task, settings), f"{where}: tasks.{task}"), schema))
        for task, settings in config["tasks"].items()
    }
    config = {**config, "tasks": expanded}
    resolved = with_defaults(config, schema, schema)
    for task, settings in resolved["tasks"].items():
        at, own = f"{where}: tasks.{task}", task_schema(task)
        given = config["tasks"][task]  # differences are over the task's settings, not over the schema's defaults
        for name in settings["weights"]:
            if name in settings["datasets"]:
                raise InputError(at, f"weights.{name}", "a name that no data set has", repr(name))
        for name, entry in settings["datasets"].items():
            entry["split"] = settings["split"] | given["datasets"][name].get("split", {})
            _check_split(entry, f"{at}.datasets.{name}")
            _resolve_dataset(task, name, entry, settings, own, f"{at}.datasets.{name}")
        for name, entry in settings["variants"].items():
            entry["fit"] = settings["fit"] | given["variants"][name].get("fit", {})
            _resolve_variant(task, name, entry, settings, own, schema, f"{at}.variants.{name}")
        for name, entry in settings["searches"].items():
            entry["fit"] = settings["fit"] | given["searches"][name].get("fit", {})
            _resolve_search(task, name, entry, settings, own, f"{at}.searches.{name}")
        _check_columns(task, settings["columns"], at)
        for name, entry in settings["predictions"].items():
            if not registry.has_part(task, "predict"):
                raise InputError(at, f"predictions.{name}", "a task that predicts on own files", repr(task))
            _check_model(entry["model"], settings, f"{at}.predictions.{name}", "model")
        _check_export(task, settings, f"{at}.export")
    return resolved


@cache
def task_schema(task: str) -> dict[str, Any]:
    """What is a task's own: schemas of ``prepare``, ``augment`` and, if synthetic data have settings, ``generate``.

    Under ``usual`` the settings of the task that differ from the general defaults; under ``params`` what the keys of
    the original's parameter file are called here, null for a key without effect.
    """
    return json.loads((Path(__file__).parent / "tasks" / task / "schema.json").read_text(encoding="utf-8"))


def with_defaults(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """A copy of a valid value with the schema's defaults where a key is missing."""
    schema = _follow(schema, root)
    if not isinstance(value, dict):
        return deepcopy(value)
    known = schema.get("properties", {})
    extra = schema.get("additionalProperties")
    filled = {
        key: with_defaults(item, known.get(key) or (extra if isinstance(extra, dict) else {}), root)
        for key, item in value.items()
    }
    for key, part in known.items():
        if key not in filled and "default" in part:
            filled[key] = with_defaults(part["default"], part, root)
    return filled


def number(text: str) -> Any:
    """A command-line value as YAML would read it: 20 is a number, val_accuracy is not."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def model_source(reference: str) -> tuple[str, str, str] | None:
    """``dataset, variant, seed`` of a reference to a run, or None when it is a model file."""
    parts = reference.split("/")
    if len(parts) == 3 and parts[2].startswith("seed") and not reference.endswith((".keras", ".skops", ".h5")):
        return parts[0], parts[1], parts[2].removeprefix("seed")
    return None


def table_names(task: str, settings: dict[str, Any]) -> list[str]:
    """Names of the tables of a task: its own, and those of its searches where it has any."""
    searches = [f"{task}_{kind}" for kind in ("search", "search_pairs")] if settings["searches"] else []
    return registry.names(task, "tables") + searches


def trains(task: str, variant: dict[str, Any]) -> bool:
    """Whether a variant is a network, trained in epochs; else it is an estimator that is fitted."""
    return registry.maker(task, variant["model"]) == "build"


def _usual(task: str, settings: dict[str, Any]) -> dict[str, Any]:
    """A task's settings with what is usual for the task where they say nothing."""
    usual = task_schema(task).get("usual", {})
    return settings | {
        key: value | settings.get(key, {}) if isinstance(value, dict) else settings.get(key, value)
        for key, value in usual.items()
    }


def _with_files(settings: dict[str, Any], at: str) -> dict[str, Any]:
    """A task's settings in which every ``same_files_as`` entry has the source of the named one, as ``files_of``."""
    datasets = {}
    for name, entry in settings["datasets"].items():
        if "same_files_as" not in entry:
            if "source" not in entry:
                raise InputError(f"{at}.datasets.{name}", "source", "this key, or same_files_as", ", ".join(entry))
            datasets[name] = entry
            continue
        other = entry["same_files_as"]
        for key in _OF_FILES:
            if key in entry:
                raise InputError(f"{at}.datasets.{name}", key, f"nothing: it is that of {other}", repr(entry[key]))
        known = [n for n, e in settings["datasets"].items() if e.get("source", "pool") != "pool"]
        if other not in known:
            raise InputError(
                f"{at}.datasets.{name}", "same_files_as", "a data set with files of its own", repr(other),
                registry.closest(other, known),
            )  # fmt: skip
        files = {"reader": other} | {k: v for k, v in settings["datasets"][other].items() if k in _OF_FILES}
        datasets[name] = files | {k: v for k, v in entry.items() if k != "same_files_as"} | {"files_of": other}
    return settings | {"datasets": datasets}


def _with_params(task: str, settings: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A task's settings in which the variants have what their parameter files say; their own settings go before."""
    variants = {}
    for name, variant in settings["variants"].items():
        if "params" in variant:
            said = _params(task, Path(variant["params"]), schema)
            variant = {k: v for k, v in variant.items() if k != "params"}
            variant |= {part: said[part] | variant.get(part, {}) for part in said}
        variants[name] = variant
    return settings | {"variants": variants}


def _params(task: str, path: Path, schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """``fit`` and ``args`` of a parameter file of the original (JSON), each key under our name."""
    ours = task_schema(task).get("params", {})
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, "params", "a parameter file", error.strerror) from None
    except ValueError as error:
        raise InputError(path, "content", "JSON", error) from None
    if not isinstance(content, dict):
        raise InputError(path, "content", "an object of parameters", type(content).__name__)
    said: dict[str, dict[str, Any]] = {"fit": {}, "args": {}}
    for key, value in content.items():
        if key not in ours:
            hint = registry.closest(key, ours)
            raise InputError(path, key, f"a parameter of the original of {task}", repr(key), hint)
        if ours[key]:
            part, _, ours_name = ours[key].partition(".")
            said[part][ours_name] = value
    _validate(said["fit"], schema["$defs"]["fit"], path, "fit")
    return said


def _unfolded(settings: dict[str, Any]) -> dict[str, Any]:
    """A task's settings with every ``folds: k`` entry as k entries, each with its ``fold`` and the name it had."""
    parts = {
        name: {
            f"{name}_k{k}": {key: value for key, value in entry.items() if key != "folds"}
            | {"base": name, "files_of": entry.get("files_of", name), "fold": [k, entry["folds"]]}
            for k in range(entry["folds"])
        }
        for name, entry in settings["datasets"].items()
        if "folds" in entry
    }
    datasets: dict[str, Any] = {}
    for name, entry in settings["datasets"].items():
        datasets |= parts.get(name, {name: entry})
    variants = {
        name: variant | {"datasets": [part for d in variant["datasets"] for part in parts.get(d, [d])]}
        if "datasets" in variant
        else variant
        for name, variant in settings["variants"].items()
    }
    return settings | {"datasets": datasets, "variants": variants}


def _check_split(entry: dict[str, Any], at: str) -> None:
    split = entry["split"]
    if isinstance(split["by"], list) and {"official", "time"} & {*split["by"]}:
        raise InputError(at, "split.by", "columns such as group and station", split["by"])
    if "fold" in entry and split["by"] in ("official", "time"):
        raise InputError(at, "split.by", "a column such as group, with folds", split["by"],
                         "Give the data set `split: {by: group, duplicates: drop}`.")  # fmt: skip


def _follow(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").removeprefix("#/$defs/")
    return root["$defs"][name] if name else schema


def _validate(value: Any, schema: dict[str, Any], where: object, at: str = "") -> None:
    from jsonschema import Draft202012Validator

    errors = sorted(
        Draft202012Validator(schema).iter_errors(value), key=lambda error: len(error.absolute_path), reverse=True
    )
    if not errors:
        return
    error = errors[0]
    place = ".".join([at, *map(str, error.absolute_path)]).strip(".") or "top level"
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        wrong = next(key for key in error.instance if key not in known)
        raise InputError(
            where,
            f"{place}.{wrong}".replace("top level.", ""),
            "a known key",
            repr(wrong),
            registry.closest(wrong, known),
        )
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        raise InputError(
            where, place, f"the key {missing!r}", f"only {', '.join(map(repr, error.instance)) or 'nothing'}"
        )
    meaning = error.schema.get("description", "")
    words = {
        "type": "", "enum": "one of ", "const": "", "pattern": "text like ", "minimum": "at least ",
        "maximum": "at most ", "exclusiveMinimum": "more than ", "exclusiveMaximum": "less than ",
    }  # fmt: skip
    known = error.validator in words
    expected = f"{words[error.validator]}{error.validator_value}" if known else error.message
    if error.validator == "type" and isinstance(number(str(error.instance)), float):
        meaning = "YAML takes this for text: write it with a point and a sign, such as 1.0e-3."
    raise InputError(where, place, expected, repr(error.instance), meaning)


def _own(value: dict[str, Any], common: dict[str, Any], schema: dict[str, Any], where: str, key: str) -> dict[str, Any]:
    """A task's own section: the entry's differences over the task's, checked, with defaults."""
    merged = common | value
    _validate(merged, schema, where, key)
    return with_defaults(merged, schema, schema)


def _resolve_dataset(
    task: str, name: str, entry: dict[str, Any], settings: dict[str, Any], own: dict[str, Any], at: str
) -> None:
    source = entry["source"]
    if _NEEDS[source] not in entry:
        raise InputError(at, _NEEDS[source], f"this key, with source: {source}", "none")
    for other, key in _NEEDS.items():
        if other != source and key in entry:
            raise InputError(at, key, f"only what source: {source} uses", repr(key))
    if source == "pool":
        for member in entry["members"]:
            if member not in settings["datasets"] or settings["datasets"][member]["source"] == "pool":
                known = [n for n, e in settings["datasets"].items() if e["source"] != "pool"]
                raise InputError(at, "members", "data sets of this task", repr(member), registry.closest(member, known))
    else:
        entry.setdefault("reader", entry.get("files_of", name))
        readers = registry.names(task, "datasets")
        if entry["reader"] not in readers:
            raise InputError(
                at, "reader", f"a file of geoml/tasks/{task}/datasets/", repr(entry["reader"]),
                registry.closest(entry["reader"], readers) + " Give `reader:` where the data set has another name.",
            )  # fmt: skip
    entry["prepare"] = _own(entry.get("prepare", {}), settings["prepare"], own["prepare"], at, "prepare")
    if source == "synthetic":
        making = own.get("generate", {"type": "object", "additionalProperties": False})
        entry["generate"] = _own(entry.get("generate", {}), settings["generate"], making, at, "generate")
    elif "generate" in entry:
        raise InputError(at, "generate", "only what source: synthetic uses", repr("generate"))


def _resolve_variant(
    task: str,
    name: str,
    entry: dict[str, Any],
    settings: dict[str, Any],
    own: dict[str, Any],
    schema: dict[str, Any],
    at: str,
) -> None:
    known = registry.names(task, "models")
    if entry["model"] not in known:
        raise InputError(
            at,
            "model",
            f"a file of geoml/tasks/{task}/models/",
            repr(entry["model"]),
            registry.closest(entry["model"], known),
        )
    _check_args(task, entry, at)
    if (search := entry.get("best_of")) is not None:
        if search not in settings["searches"]:
            hint = registry.closest(search, settings["searches"])
            raise InputError(at, "best_of", "a search of this task", repr(search), hint)
        if (model := settings["searches"][search]["model"]) != entry["model"]:
            raise InputError(at, "model", f"{model}, which the search {search} trained", repr(entry["model"]))
    entry.setdefault("datasets", list(settings["datasets"]))
    for dataset in entry["datasets"]:
        if dataset not in settings["datasets"]:
            raise InputError(
                at, "datasets", "data sets of this task", repr(dataset), registry.closest(dataset, settings["datasets"])
            )
    entry["augment"] = _own(entry.get("augment", {}), settings["augment"], own["augment"], at, "augment")
    if (
        "init_from" in entry
        and entry["init_from"] not in settings["weights"]
        and not entry["init_from"].endswith(".h5")
    ):
        _check_model(entry["init_from"], settings, at, "init_from")
        if (source := model_source(entry["init_from"])) and source[1] == name:
            raise InputError(at, "init_from", "a run of another variant", repr(entry["init_from"]))


def _resolve_search(
    task: str, name: str, entry: dict[str, Any], settings: dict[str, Any], own: dict[str, Any], at: str
) -> None:
    if not registry.has_part(task, "space"):
        raise InputError(at, "searches", "a task with a search space", repr(task))
    if entry["dataset"] not in settings["datasets"]:
        hint = registry.closest(entry["dataset"], settings["datasets"])
        raise InputError(at, "dataset", "a data set of this task", repr(entry["dataset"]), hint)
    known = [model for model in registry.names(task, "models") if "candidate" in _arguments(task, model)]
    if entry["model"] not in known:
        hint = registry.closest(entry["model"], known)
        raise InputError(at, "model", "a network of a candidate", repr(entry["model"]), hint)
    _check_args(task, entry, at)
    if entry["rungs"] != sorted(entry["rungs"]):
        raise InputError(at, "rungs", "rising numbers of epochs", entry["rungs"])
    space = registry.load_task(task, "space")
    entry["space"] = space.DEFAULT | entry["space"]
    space.check(entry["space"], f"{at}.space")
    entry["augment"] = _own({}, settings["augment"], own["augment"], at, "augment")


def _check_args(task: str, entry: dict[str, Any], at: str) -> None:
    arguments = _arguments(task, entry["model"])
    for key in entry["args"]:
        if key not in arguments:
            function = f"{entry['model']}.{registry.maker(task, entry['model'])}()"
            hint = registry.closest(key, arguments)
            raise InputError(at, f"args.{key}", f"an argument of {function}", repr(key), hint)


def _arguments(task: str, model: str) -> tuple[str, ...]:
    return registry.parameters(task, "models", model, registry.maker(task, model))


def _check_model(reference: str, settings: dict[str, Any], at: str, key: str) -> None:
    source = model_source(reference)
    if source is None:
        if not reference.endswith((".keras", ".skops")):
            hint = registry.closest(reference, settings["weights"]) if key == "init_from" else ""
            raise InputError(at, key, "a model file (.keras) or a run (dataset/variant/seed0)", repr(reference), hint)
        return
    dataset, variant, seed = source
    if dataset not in settings["datasets"]:
        raise InputError(
            at, key, "a run of a known data set", repr(dataset), registry.closest(dataset, settings["datasets"])
        )
    if variant not in settings["variants"]:
        raise InputError(
            at, key, "a run of a known variant", repr(variant), registry.closest(variant, settings["variants"])
        )
    if not seed.isdigit() or int(seed) not in settings["seeds"]:
        raise InputError(at, key, f"one of the seeds {settings['seeds']}", repr(f"seed{seed}"))


def _check_export(task: str, settings: dict[str, Any], at: str) -> None:
    known = {entry.get("base", name) for name, entry in settings["datasets"].items()}
    for name in settings["export"]["where"].get("dataset", []):
        if name not in known:
            raise InputError(at, "where.dataset", "data sets of this task", repr(name), registry.closest(name, known))
    for reference in settings["export"]["runs"]:
        source = model_source(reference)
        if source is None:
            raise InputError(at, "runs", "runs as dataset/variant/seed0", repr(reference))
        _check_model(reference, settings, at, "runs")
        variant = settings["variants"][source[1]]
        if source[0] not in variant["datasets"]:
            trained_on = f"Its data sets: {', '.join(variant['datasets']) or 'none'}."
            raise InputError(at, "runs", "runs of the configuration", repr(reference), trained_on)
        if not trains(task, variant):
            raise InputError(at, "runs", "runs of networks", repr(reference), "An estimator has no exported form.")


def _check_columns(task: str, columns: list[str], at: str) -> None:
    known = registry.scores(task)
    for column in columns:
        if column not in known and not any(column.startswith(f"{name}_") for name in known):
            raise InputError(at, "columns", "known metrics", repr(column), registry.closest(column, known))

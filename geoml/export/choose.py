"""Which run leaves the workshop: the best of a comparison table, by the rule of the configuration."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from geoml.errors import InputError
from geoml.files import read_json
from geoml.registry import closest

Choice = dict[str, Any]


def choose(table: Path, models: Iterable[Path], rule: Mapping[str, Any], bases: Mapping[str, str]) -> Choice:
    """The network that a rule prefers: first the row of a comparison table, then of its runs that of the best seed.

    Args:
        table: A comparison table: ``dataset``, ``variant`` or ``model``, and the columns that the rule names.
        models: Trained networks of the task, each with ``training.json`` beside it.
        rule: ``by``: a column; ``smallest``: whether less is better; ``where``: values of columns that count.
        bases: Data set of each fold of one.

    Returns:
        ``model``: the file; ``chosen``: the rule, the ``value`` that won, ``among`` how many networks, of how many
        ``seeds`` (and folds).

    Raises:
        InputError: a column is unknown or has no numbers, or no network is in a row that counts.
    """
    runs: dict[tuple[str, str], list[Path]] = {}
    for model in models:
        dataset, variant = model.parts[-4:-2]
        runs.setdefault((bases.get(dataset, dataset), variant), []).append(model)
    rows = [row for row in _rows(table, rule) if (row["dataset"], row.get("variant", row["model"])) in runs]
    if not rows:
        where = ", ".join(f"{name}: {values}" for name, values in rule["where"].items()) or "any row"
        raise InputError(table, "rows", f"a network with a {rule['by']} ({where})", "none", "See `export` in the task.")
    sign = -1 if rule["smallest"] else 1
    best = max(rows, key=lambda row: (sign * float(row[rule["by"]]), -float(row.get("parameters") or 0)))
    of_best = runs[best["dataset"], best.get("variant", best["model"])]
    model = max(of_best, key=lambda path: read_json(path.with_name("training.json"))["val_score"])
    compared = {(row["dataset"], row.get("variant", row["model"])) for row in rows}
    return {
        "model": str(model),
        "chosen": {
            "table": table.name,
            "by": rule["by"],
            "value": float(best[rule["by"]]),
            "where": dict(rule["where"]),
            "among": len(compared),
            "seeds": len(of_best),
        },
    }


def data_of(choice: Choice, files: Iterable[str]) -> Path:
    """Folder of the prepared set that the chosen network was trained on, of those that any of them was."""
    return next(path.parent for path in map(Path, files) if path.parent.name == choice["run"]["dataset"])


def _rows(table: Path, rule: Mapping[str, Any]) -> list[dict[str, str]]:
    """Rows that count, with a value to compare by."""
    with open(table, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows, columns = list(reader), reader.fieldnames or []
    for name in (rule["by"], *rule["where"]):
        if name not in columns:
            raise InputError(table, "columns", f"{name!r}, which `export` names", closest(name, columns))
    found = [
        row
        for row in rows
        if row[rule["by"]] and all(row[name] in map(str, values) for name, values in rule["where"].items())
    ]
    for row in found:
        try:
            float(row[rule["by"]])
        except ValueError:
            raise InputError(table, rule["by"], "numbers to compare by", repr(row[rule["by"]])) from None
    return found

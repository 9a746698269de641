"""Find tasks, readers, models and tables by name: the file name is the registration, nothing is imported to look."""

import ast
import re
from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

_PACKAGE = Path(__file__).parent
_TASKS = _PACKAGE / "tasks"
_IMPORT = re.compile(r"^[ \t]*(?:from (geoml[\w.]*) import (\([^)]*\)|[^\n#]*)|import (geoml[\w.]*))", re.MULTILINE)

# Modules that cannot change a result: an edit to them reruns nothing.
_PLUMBING = {"geoml", "geoml.cli", "geoml.errors", "geoml.files", "geoml.logs", "geoml.provenance", "geoml.registry"}


def tasks() -> list[str]:
    """Names of all tasks."""
    return sorted(path.parent.name for path in _TASKS.glob("*/task.py"))


def names(task: str, kind: str) -> list[str]:
    """Names of what a task has of one kind: ``datasets``, ``models``, ``tables`` or ``metrics``."""
    return sorted(path.stem for path in (_TASKS / task / kind).glob("[a-z0-9]*.py"))


def scores(task: str) -> dict[str, str]:
    """Module of every score of a task by name: the general ones, for classes or for values, and the task's own."""
    kind = "metrics/regression" if constants(task, ".", "task").get("CLASSES") == () else "metrics"
    general = {path.stem: f"geoml.{kind.replace('/', '.')}.{path.stem}" for path in (_PACKAGE / kind).glob("[a-z]*.py")}
    return general | {name: f"geoml.tasks.{task}.metrics.{name}" for name in names(task, "metrics")}


def closest(name: str, known: Iterable[str]) -> str:
    """``Did you mean ...? Known: ...`` for an error message."""
    known = sorted(known)
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return (f"Did you mean {near[0]!r}? " if near else "") + f"Known: {', '.join(known) or 'none'}."


def load(task: str, kind: str, name: str) -> ModuleType:
    """Module ``geoml.tasks.<task>.<kind>.<name>``, for example ``load("polarity", "models", "cnn_ross").build``."""
    if name not in names(task, kind):
        raise KeyError(f"no {name!r} in geoml/tasks/{task}/{kind}/. {closest(name, names(task, kind))}")
    return import_module(f"geoml.tasks.{task}.{kind}.{name}")


def load_task(task: str, part: str = "task") -> ModuleType:
    """Module ``geoml.tasks.<task>.<part>``: what the generic rooms ask of a task."""
    if task not in tasks():
        raise KeyError(f"no task {task!r} in geoml/tasks/. {closest(task, tasks())}")
    return import_module(f"geoml.tasks.{task}.{part}")


def has_part(task: str, part: str) -> bool:
    """Whether a task has the module ``part`` (``synthetic``, ``predict``, ``figures``)."""
    return (_TASKS / task / f"{part}.py").exists()


@cache
def parameters(task: str, kind: str, name: str, function: str) -> tuple[str, ...]:
    """Names of a function's keyword-only parameters, read without importing the module."""
    for node in _parse(_TASKS / task / kind / f"{name}.py").body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return tuple(argument.arg for argument in node.args.kwonlyargs)
    raise KeyError(f"geoml/tasks/{task}/{kind}/{name}.py has no function {function}()")


@cache
def constants(task: str, kind: str, name: str) -> dict[str, Any]:
    """Plain values (text, numbers, dictionaries of them) that a file gives names in capitals, without importing it."""
    found: dict[str, Any] = {}
    for node in _parse(_TASKS / task / kind / f"{name}.py").body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            with suppress(ValueError):
                found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


@cache
def maker(task: str, model: str) -> str:
    """What a model file has: ``build`` (a network) or ``estimator`` (of scikit-learn or its kind)."""
    functions = {node.name for node in _parse(_TASKS / task / "models" / f"{model}.py").body
                 if isinstance(node, ast.FunctionDef)}  # fmt: skip
    return "build" if "build" in functions else "estimator"


@cache
def sources(*modules: str) -> list[str]:
    """Files of these geoml modules and of all geoml modules they import, directly or not: what a result depends on.

    Imports are read from the source, so nothing heavy is loaded; modules found by name at run time must be given.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or name in _PLUMBING:
            continue
        path = _file(name)
        if path is None:
            continue
        found[name] = path
        waiting += _imports(path)
    return sorted(str(path) for path in found.values())


def _file(module: str) -> Path | None:
    base = _PACKAGE.joinpath(*module.split(".")[1:])
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.exists()), None)


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), str(path))


@cache
def _imports(path: Path) -> tuple[str, ...]:
    # By pattern and not by syntax tree: every job starts with this, and it is fifty times as fast.
    found: list[str] = []
    for module, members, plain in _IMPORT.findall(path.read_text(encoding="utf-8")):
        found += [plain] if plain else [module, *(f"{module}.{name}" for name in re.findall(r"\w+", members))]
    return tuple(found)

"""A trained or exported model on a user's own files."""

from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

from geoml import registry, runtimes
from geoml.errors import InputError
from geoml.files import read_json


def predict(task: str, inputs: Sequence[Path], out: Path, model: Path, **settings: Any) -> Any:
    """Answer for a user's files what the task asks, with a model of ours; what comes out is the task's to say.

    Args:
        task: Name of the task.
        inputs: Files or folders.
        out: A file, or a folder where there are several outputs.
        model: Model file: ``.keras``, ``.skops``, ``.onnx`` or ``.tflite``.
        settings: The task's own arguments, such as ``picks``; None is not given.

    Returns:
        The task's summary; ``str()`` of it is for the user.
    """
    if not registry.has_part(task, "predict"):
        raise InputError(task, "task", "one that predicts on own files", f"no geoml/tasks/{task}/predict.py")
    part = registry.load_task(task, "predict")
    check(part, settings)
    return answer(_load(task, model), part, inputs, out, settings)


def check(part: ModuleType, settings: Mapping[str, Any]) -> None:
    """Refuse what a task's prediction does not use."""
    known = signature(part.from_model).parameters
    for name, value in settings.items():
        if value is not None and name not in known:
            task = part.__name__.split(".")[-2]
            raise InputError(f"--{name}", "option", f"nothing: the task {task} does not use it", value)


def answer(model: Any, part: ModuleType, inputs: Sequence[Path], out: Path, settings: Mapping[str, Any]) -> Any:
    """What a loaded model and the task's ``predict`` module make of files; settings that are None are not given."""
    return part.from_model(model, inputs, out, **{k: v for k, v in settings.items() if v is not None})


def _load(task: str, model: Path) -> Any:
    if model.suffix in runtimes.SUFFIXES:
        loaded = runtimes.load(model)
        _same_task(model, task, loaded.meta)
        return loaded
    from geoml import models

    _same_task(model, task, models.read_meta(model))
    if model.suffix == ".keras":
        from geoml.backend import use_device

        use_device("cpu")
    return models.load(model)


def _same_task(model: Path, task: str, meta: Mapping[str, Any]) -> None:
    if meta["task"] != task:
        raise InputError(model, "task", task, meta["task"])


def best_model(task: str, results: Path = Path("results")) -> Path:
    """The exported best network of a task, else its trained model with the best validation score.

    Raises:
        InputError: nothing has been trained yet.
    """
    exported = results / "export" / task / "model.onnx"
    if exported.exists():
        return exported
    folder = results / "models"
    records = {path: read_json(path) for path in sorted(folder.glob(f"{task}/*/*/seed*/training.json"))}
    if not records:
        raise InputError(folder / task, "--model", "a trained model", "none", "Train one, or give --model FILE.")
    return next(max(records, key=lambda path: records[path]["val_score"]).parent.glob("model.*"))

"""A trained model on a user's own files."""

from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from geoml import models, registry
from geoml.errors import InputError
from geoml.files import read_json


def predict(task: str, inputs: Sequence[Path], out: Path, model: Path, **settings: Any) -> Any:
    """Answer for a user's files what the task asks, with a model of ours; what comes out is the task's to say.

    Args:
        task: Name of the task.
        inputs: Files or folders.
        out: A file, or a folder where there are several outputs.
        model: Model file.
        settings: The task's own arguments, such as ``picks``; None is not given.

    Returns:
        The task's summary; ``str()`` of it is for the user.
    """
    from geoml.backend import use_device

    meta = models.read_meta(model)
    if meta["task"] != task:
        raise InputError(model, "task", task, meta["task"])
    answer = registry.load_task(task, "predict").from_model
    given = {name: value for name, value in settings.items() if value is not None}
    for name in given.keys() - signature(answer).parameters.keys():
        raise InputError(f"--{name}", "option", f"nothing: the task {task} does not use it", given[name])
    if model.suffix == ".keras":
        use_device("cpu")
    return answer(models.load(model), inputs, out, **given)


def best_model(task: str, folder: Path = Path("results/models")) -> Path:
    """The trained model of a task with the best validation score.

    Raises:
        InputError: nothing has been trained yet.
    """
    records = {path: read_json(path) for path in sorted(folder.glob(f"{task}/*/*/seed*/training.json"))}
    if not records:
        raise InputError(folder / task, "--model", "a trained model", "none", "Train one, or give --model FILE.")
    return next(max(records, key=lambda path: records[path]["val_score"]).parent.glob("model.*"))

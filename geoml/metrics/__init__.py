"""Scores, one file each. The file name is the name of the score in ``columns`` of the configuration.

A file holds ``score(p) -> float``, or ``score(p, k) -> float`` for a score of class ``k``, which is then called with
the class behind its name: ``precision_u``. Those here are for tasks with classes, those in ``regression/`` for tasks
with values; files in ``geoml/tasks/{task}/metrics/`` go before both.
What is 0/0 is undefined and given as NaN, never as 0. A score that should have quick intervals uses
``p.confusion`` or ``p.totals``, or at least counts each sample ``p.weight`` times.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from inspect import signature

from geoml.errors import InputError
from geoml.predictions import Predictions
from geoml.registry import closest, scores

Score = Callable[[Predictions], float]


def find(task: str, name: str, classes: tuple[str, ...]) -> Score:
    """The score of a name, for example ``find("polarity", "precision_u", ("U", "D", "N"))``.

    Raises:
        InputError: no such score; the message gives the closest names.
    """
    modules = scores(task)
    if name in modules and not _of_class(modules[name]):
        return import_module(modules[name]).score
    for k, label in enumerate(classes):
        base = name.removesuffix(f"_{label.lower()}")
        if base != name and base in modules and _of_class(modules[base]):
            return partial(import_module(modules[base]).score, k=k)
    raise InputError(f"scores of {task}", "name", "a known score", repr(name), closest(name, names(task, classes)))


def names(task: str, classes: tuple[str, ...]) -> list[str]:
    """All scores of a task, those of a class once per class."""
    return sorted(
        full
        for name, module in scores(task).items()
        for full in ([f"{name}_{c.lower()}" for c in classes] if _of_class(module) else [name])
    )


def divide(numerator: float, denominator: float) -> float:
    """A quotient as a plain number; 0/0 is NaN."""
    return float(numerator / denominator) if denominator else float("nan")


def _of_class(module: str) -> bool:
    return "k" in signature(import_module(module).score).parameters

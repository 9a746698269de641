"""What the report, the results page and the model cards say in words; each task says its own in ``texts.py``."""

from typing import Any

from geoml import registry

TABLES = {
    "devices": "How long every model trains, on the CPU and on the GPU, and what that rests on.",
    "export": "The exported files of the best networks: size, agreement with the trained network, time and memory.",
}
FIGURES: dict[str, str] = {}


def of(task: str) -> dict[str, Any]:
    """``TITLE``, ``ABOUT``, ``TABLES``, ``FIGURES``, ``LIMITS`` of a task; what it does not say is empty."""
    said = registry.constants(task, ".", "texts") if registry.has_part(task, "texts") else {}
    return {"TITLE": task, "ABOUT": "", "TABLES": {}, "FIGURES": {}, "LIMITS": []} | said


def table(name: str, task: str | None = None) -> str:
    """Caption of a table: what its rows are and what to look for; empty of one that nothing is said of."""
    said = of(task)["TABLES"] if task else {}
    general = name.removeprefix(f"{task}_")
    return said.get(name) or TABLES.get(general, "")


def figure(name: str, task: str) -> str:
    """Caption of a figure: what it shows and what to look for; empty of one that nothing is said of."""
    return of(task)["FIGURES"].get(name) or FIGURES.get(name, "")

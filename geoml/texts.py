"""What the report, the results page and the model cards say in words; each task says its own in ``texts.py``."""

import ast
from pathlib import Path
from typing import Any

from geoml import registry

TABLES = {
    "devices": (
        "How long every model trains, in seconds (train_cpu_s, train_gpu_s) and per epoch; _basis says "
        "whether that was measured whole or extrapolated from some steps. gpu_speed_up is the first over the "
        "second. Compare rows of one machine only (cpu_name, cpu_threads, gpu_name); estimators without "
        "epochs train once."
    ),
    "export": (
        "The files of the best network of every task: ONNX and TFLite in float32, half (fp16) and 8-bit whole "
        "numbers (int8), beside the trained network (keras). agreement is the share of test samples with the "
        "same decision, max_abs_diff the largest difference of an output, change what the score loses or "
        "gains, with its interval. status: bundled is in the Raspberry Pi bundle; other words say why a file "
        "is not. latency_ms_p50 and _p95 are milliseconds for one sample, peak_rss_mb the memory of the "
        "process, on the machine that ran the workflow."
    ),
    "search": (
        "Every candidate of the architecture search, best first, with its accuracy on validation samples and "
        "a 95 % interval. pareto: 1 is a candidate that no other equals or beats in accuracy, parameters, "
        "operations (macs) and time at once. status says whether it was trained, reason why not. n0, n2 and "
        "the b columns are its hyper-parameters; mean top5 to Speed are the columns of the original's tables. "
        "The best of many candidates looks better than it is: what counts is its test as a network of its "
        "own."
    ),
    "search_pairs": (
        "Every two searches on the same data: epochs and seconds spent, best validation score, and how many "
        "of their ten best they share (top_shared), once as trained and once with the same number of epochs "
        "(budget). Empty where there is only one search."
    ),
}
_INTERVALS = (
    "_ci_low and _ci_high bound 95 % of what resampling whole groups (events, experiments, pictures) gives, _seed_std "
    "is the spread over seeds. "
)
_COMPARED = (
    "_vs_best is the paired difference to the best row of the same test set, and only one whose interval leaves out 0 "
    "tells two models apart. Training times are in seconds (_cpu_s, _gpu_s; _basis: measured, or extrapolated from "
    "some steps). stopped_by: epochs means that training was cut short by the configured number of epochs."
)
FIGURES = {
    "training": (
        "Loss, score and learning rate of a network by epoch; dashed is training, solid is validation. Look for a "
        "validation loss that rises while the training loss falls: from there on the network learns by heart. A "
        "curve that still climbs at the end was cut short by the configured number of epochs."
    ),
}


def of(task: str) -> dict[str, Any]:
    """``TITLE``, ``ABOUT``, ``TABLES``, ``FIGURES``, ``LIMITS`` of a task; what it does not say is empty."""
    said = registry.constants(task, ".", "texts") if registry.has_part(task, "texts") else {}
    return {"TITLE": task, "ABOUT": "", "TABLES": {}, "FIGURES": {}, "LIMITS": []} | said


def table(name: str, task: str | None = None) -> str:
    """Caption of a table: what its rows are and what to look for; empty of one that nothing is said of."""
    said = of(task)["TABLES"] if task else {}
    caption = said.get(name) or TABLES.get(name.removeprefix(f"{task}_"), "")
    common = _INTERVALS + _COMPARED if name.endswith("_compare") else _INTERVALS if name.endswith("_cross") else ""
    return f"{caption} {common}".strip()


def score(name: str, task: str) -> str:
    """What a score is: the first line of its file; empty of one that has none of its own, such as ``f1`` of a class."""
    files = registry.sources(registry.scores(task)[name]) if name in registry.scores(task) else []
    content = next((Path(path).read_text(encoding="utf-8") for path in files if Path(path).stem == name), "")
    return (ast.get_docstring(ast.parse(content)) or "").partition("\n")[0]


def figure(name: str, task: str) -> str:
    """Caption of a figure: what it shows and what to look for; empty of one that nothing is said of."""
    return find(name, FIGURES | of(task)["FIGURES"])


def find(name: str, captions: dict[str, str]) -> str:
    """Caption of a name, or of what it starts with: ``compare`` stands for ``compare_DATASET`` too."""
    known = (key for key in captions if f"{name}_".startswith(f"{key}_"))
    return captions.get(max(known, key=len, default=""), "")

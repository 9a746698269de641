"""Trained and only counted networks side by side: accuracy, size, operations, speed, and what was published."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.files import read_json
from geoml.tables import Run, compare

if TYPE_CHECKING:
    from pandas import DataFrame

TIMED_NETWORKS = True
PUBLISHED = Path(__file__).parent.parent / "published.csv"
_LINE = ("precision", "recall", "f1", "picks_precision", "picks_recall")


def table(runs: list[Run], columns: list[str], timing: Path | None = None) -> "DataFrame":
    """One row per data set and network; a network that nothing was trained with has empty scores.

    ``size_mb`` is that of float32 weights in 2**20 bytes. ``patches_per_s`` is at batch 64, on one machine with all
    networks taking turns; ``speed_up_vs_resnet50`` is the median ratio of these turns and ``macs_ratio_vs_resnet50``
    what the operations alone would give. ``line_*`` are scores per pixel of a synthetic line, mean over seeds, with the
    engine that prediction takes; ``engines_*`` compare the convolutional with the sliding engine there.
    """
    from pandas import DataFrame

    networks = read_json(Path(timing) / "patchnet" / "networks.json")["networks"] if timing else {}
    of: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        of.setdefault((run.whole, run.variant), []).append(run)
    scores: list[dict[str, Any]] = compare(runs, columns, "patchnet", timing=timing).to_dict("records")
    for row in scores:
        del row["infer_per_s"], row["infer_device"]  # not measured side by side
    nothing = {"dataset": ""} | dict.fromkeys(columns)
    untrained = [nothing | {"model": name} for name in networks if name not in {row["model"] for row in scores}]
    rows = [
        row | _counted(networks, row["model"]) | _on_line(of.get((row["dataset"], row["model"]), []))
        for row in scores + untrained
    ]
    found = DataFrame(rows, columns=list(dict.fromkeys(key for row in rows for key in row)))
    first = [name for name in ("dataset", "model", "architecture", columns[0]) if name in found]
    return found[[*first, *(name for name in found if name not in first)]]


def _counted(networks: dict[str, Any], variant: str) -> dict[str, Any]:
    """Size, operations and speed of a network, and what was published of it."""
    figures = _published()
    nothing = {name: None for of in figures.values() for name in of}
    if variant not in networks:
        return nothing
    this = networks[variant]
    known = {of["model"]: of for of in networks.values()}
    resnet, vgg = known.get("resnet50"), known.get("vgg16")
    row = {
        "architecture": this["model"],
        "parameters": this["parameters"],
        "macs": this["macs"],
        "size_mb": this["size_mb"],
        "patches_per_s": float(np.median(this["per_s"]["64"])),
        "patches_per_s_batch1": float(np.median(this["per_s"]["1"])),
        "speed_up_vs_resnet50": resnet and _ratio(this, resnet, "64"),
        "speed_up_vs_resnet50_batch1": resnet and _ratio(this, resnet, "1"),
        "macs_ratio_vs_resnet50": resnet and resnet["macs"] / this["macs"],
        "size_share_of_vgg16": vgg and this["parameters"] / vgg["parameters"],
    }
    return row | nothing | figures.get(this["model"], {})


def _ratio(this: dict[str, Any], other: dict[str, Any], size: str) -> float:
    return float(np.median(np.divide(this["per_s"][size], other["per_s"][size])))


def _on_line(seeds: list[Run]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name in _LINE:
        values = [run.get("details", "line", run.get("details", "line", "default"), name) for run in seeds]
        row[f"line_{name}"] = _mean(values)
    row["line_engine"] = next((run.get("details", "line", "default") for run in seeds), None)
    speeds = [
        [run.get("details", "line", name, "windows_per_s") for run in seeds] for name in ("convolutional", "sliding")
    ]
    row["engines_speed_up"] = _mean([a / b if a and b else None for a, b in zip(*speeds, strict=True)])
    for name in ("decisions", "correlation"):
        row[f"engines_{name}"] = _mean([run.get("details", "line", "agreement", name) for run in seeds])
    return row


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _published() -> dict[str, dict[str, Any]]:
    """Published figures by architecture, as ready columns."""
    found: dict[str, dict[str, Any]] = {}
    with open(PUBLISHED, newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            row = found.setdefault(line["model"], {})
            earlier = f"{row['published_source']} | " if "published_source" in row else ""
            row |= {f"published_{line['metric']}": float(line["value"])}
            row["published_source"] = f"{earlier}{line['metric']}: {line['source']}"
    return found

"""From a user's pictures to hinge shapes: class, probabilities, and where in the picture the answer was found."""

import csv
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from geoml.calibration import scaled
from geoml.errors import InputError
from geoml.files import atomic
from geoml.logs import progress
from geoml.models import Estimator, Model
from geoml.runtimes import Exported
from geoml.tasks.folds import CLASSES, answers, pictures

EDGE_PACKAGES = ("pillow",)  # of a bundle, beside NumPy and the runtime
_BATCH, _SMALL_BATCH = 64, 1  # pictures; the latter of exported networks, which are to need little memory
_VIEW = 512  # pixels, longest side of an overlay
_NO_OVERLAYS = "no Grad-CAM overlays: they need the trained network (a .keras file)"


@dataclass
class Summary:
    """What was done, for the user; ``str()`` gives it as text."""

    answered: dict[str, int]
    unusable: dict[str, str]
    table: Path
    overlays: int
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = ", ".join(f"{n} {name}" for name, n in self.answered.items()) or "none"
        lines = [f"{sum(self.answered.values())} pictures: {counts}"]
        lines += [f"  not read: {name}: {reason}" for name, reason in self.unusable.items()]
        lines.append(f"wrote {self.table}")
        if self.overlays:
            lines.append(f"wrote {self.overlays} Grad-CAM overlays beside it")
        lines += self.notes
        return "\n".join(lines)


def from_model(model: Any, inputs: Sequence[Path], out: Path) -> Summary:
    """Answer for every picture, and write ``folds.csv``; into a folder also a Grad-CAM overlay of each (trained
    networks).

    Args:
        model: As loaded by :func:`geoml.models.load`.
        inputs: Pictures, or folders, searched to the bottom.
        out: A ``.csv`` file, or a folder.

    Raises:
        InputError: nothing to read. A single bad picture is a row with a reason.
    """
    files = _files(inputs, out)
    table = out if out.suffix == ".csv" else out / "folds.csv"
    rows: list[dict[str, Any]] = []
    overlays = 0
    drawn = out.suffix != ".csv" and isinstance(model, Model)
    batch = _SMALL_BATCH if isinstance(model, Exported) else _BATCH
    starts = range(0, len(files), batch)
    for start in progress(starts, len(starts), "batch"):
        found, samples, views = _read(model, files[start : start + batch])
        rows += found
        good = [row for row in found if not row["reason"]]
        if not good:
            continue
        probabilities = scaled(answers.outputs(model, np.stack(samples)), model.meta["temperature"])
        for row, p in zip(good, probabilities, strict=True):
            answer = {f"p_{name}": f"{value:.4f}" for name, value in zip(CLASSES, p, strict=True)}
            row |= {"fold": CLASSES[int(p.argmax())], **answer, "confidence": f"{p.max():.4f}"}
        if drawn:
            _draw_overlays(model, good, np.stack(samples), views, out, overlays)
            overlays += len(good)
    header = ["file", "fold", *(f"p_{name}" for name in CLASSES), "confidence", "reason", "model"]
    name = "/".join(map(str, model.meta["run"].values()))
    with atomic(table) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | {"model": name} for row in rows)
    unusable = {row["file"]: row["reason"] for row in rows if row["reason"]}
    notes = [_NO_OVERLAYS] if out.suffix != ".csv" and isinstance(model, Exported) else []
    return Summary(dict(Counter(row["fold"] for row in rows if "fold" in row)), unusable, table, overlays, notes)


def _files(inputs: Sequence[Path], out: Path) -> list[Path]:
    """Pictures in the order given, those of a folder by name; not those that are written into ``out`` within it."""
    found: dict[Path, None] = {}
    for path in map(Path, inputs):
        if path.is_dir():
            files = [file for file in sorted(path.rglob("*")) if pictures.is_picture(file)]
            found |= dict.fromkeys(file for file in files if out not in file.parents or out in (path, *path.parents))
        elif path.is_file():
            found[path] = None
        else:
            raise InputError(path, "input", "a picture or a folder", "no such file or folder")
    if not found:
        raise InputError(", ".join(map(str, inputs)), "inputs", "at least one picture", "none")
    return list(found)


def _read(model: Any, files: list[Path]) -> tuple[list[dict[str, Any]], list[np.ndarray], list[np.ndarray]]:
    """Rows, and of each usable picture what the model is asked about and a small view; none is kept at full size."""
    rows, samples, views = [], [], []
    for file in files:
        name = os.fsencode(file).decode("utf-8", "replace")
        try:
            image = pictures.read(file)
        except pictures.Unusable as error:
            rows.append({"file": name, "reason": str(error)})
            continue
        rows.append({"file": name, "reason": ""})
        views.append(pictures.shrunk(image, _VIEW))
        if isinstance(model, Estimator):
            from geoml.tasks.folds.features import extract

            samples.append(np.nan_to_num(extract(pictures.grey(image))))
        else:
            samples.append(pictures.resized(image, model.meta["prepare"]["size"]))
    return rows, samples, views


def _draw_overlays(
    model: Any, rows: list[dict[str, Any]], samples: np.ndarray, views: list[np.ndarray], out: Path, before: int
) -> None:
    """One PNG a picture, numbered on: as given, with the places that made the answer in colour."""
    from matplotlib import colormaps
    from PIL import Image

    from geoml.tasks.folds.gradcam import maps

    heats = maps(model.network, samples)
    for number, (row, view, heat) in enumerate(zip(rows, views, heats, strict=True), start=before + 1):
        size = (view.shape[1], view.shape[0])
        weight = np.asarray(Image.fromarray(heat).resize(size, Image.Resampling.BILINEAR))[..., None]
        colour = colormaps["inferno"](weight[..., 0])[..., :3] * 255
        mixed = view * (1 - 0.6 * weight) + colour * 0.6 * weight
        with atomic(out / f"{number:04d}_{Path(row['file']).stem[:50]}_{row['fold']}.png") as temporary:
            Image.fromarray(mixed.round().astype(np.uint8)).save(temporary)

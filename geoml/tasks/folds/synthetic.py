"""Synthetic pictures of folds in the layout of the published data set, read by the same reader.

Section 8 of the fold card: modelled pictures (clean) and outcrops (pseudo-photographs). The number of a picture and
the seed of the run give all its draws, so any picture can be made again alone.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from geoml.errors import InputError
from geoml.files import atomic
from geoml.tasks.folds import CLASSES
from geoml.tasks.folds.synthetic_geometry import Fold, Values, draw_fold, view
from geoml.tasks.folds.synthetic_rock import STYLES, developed, draw_style, modelled, outcrop

SPLITS = ("train", "val", "test")
_TRAIN_SHARES = (1224, 1317, 1372)  # pictures per class of the published train set (card, 1.2)
_OVERSAMPLING = 1.5
_TRIES = 8


def generate(
    folder: Path,
    rows: int,
    seed: int,
    reader: str,
    *,
    outcrop: float = 0.255,
    size: int = 128,
    habit: float = 0.75,
    label_noise: float = 0.04,
) -> None:
    """Write a synthetic data set: TRAIN, VAL and TEST with one folder per class, and ``metadata.csv``.

    80 % of the pictures are for training, 8 % for validation, 12 % for testing. Classes have the published shares in
    TRAIN and are equally frequent elsewhere. VAL and TEST are three quarters outcrops, so that accuracy can be told
    for each domain, unless ``outcrop`` is 0 or 1.

    Args:
        folder: New or empty folder.
        rows: Pictures altogether.
        seed: Equal seeds give equal files.
        reader: ``images``, the only layout there is.
        outcrop: Share of outcrops in TRAIN.
        size: Height and width in pixels.
        habit: Probability of the habitual style of a class (kappa of the card, 8.4).
        label_noise: Share of outcrops, in every split, that lie in the folder of another class.

    Raises:
        InputError: unknown layout, too few rows, or a folder with something in it.
    """
    from PIL import Image

    folder = Path(folder)
    if reader != "images":
        raise InputError("synthetic data", "reader", "images", repr(reader))
    if rows < 9:
        raise InputError("synthetic data", "rows", "9 or more, one of each class in every split", rows)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InputError(folder, "folder", "a new or empty folder", "one with files in it", "Choose another folder.")
    table = []
    for split, index, shape, domain, label in _plan(rows, seed, outcrop, label_noise):
        rgb, values = draw(seed, split, index, shape, domain, size=size, habit=habit)
        name = f"{split.upper()}/{label}/fold_{index:05d}.{'png' if values['jpeg_quality'] is None else 'jpg'}"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if values["jpeg_quality"] is None:
            Image.fromarray(rgb).save(path, compress_level=4)
        else:
            Image.fromarray(rgb).save(path, quality=values["jpeg_quality"])
        told = {"file": name, "group": f"{split}_{index:05d}", "split": split, "domain": domain, "class": label}
        table.append(told | {"true_class": shape} | values | {"seed": seed, "index": index})
    with atomic(folder / "metadata.csv") as path, open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in table for key in row)), restval="")
        writer.writeheader()
        writer.writerows({key: f"{x:.6g}" if isinstance(x, float) else x for key, x in row.items()} for row in table)


def draw(
    seed: int, split: str, index: int, shape: str, domain: str, *, size: int = 128, habit: float = 0.75
) -> tuple[np.ndarray, Values]:
    """One picture.

    Args:
        seed: Seed of the run.
        split: ``train``, ``val`` or ``test``.
        index: Number of the picture in its split.
        shape: True class: ``box``, ``chevron`` or ``rounded``.
        domain: ``modelled`` or ``outcrop``.
        size: Height and width in pixels.
        habit: Probability of the habitual style of the class.

    Returns:
        (size, size, 3) uint8 RGB before any compression, and the drawn and measured values.
    """
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    tries, good = 0, False
    while not good and tries < _TRIES:
        tries += 1
        rgb, values, good = _attempt(shape, domain, size, habit, rng)
    return rgb, values | {"tries": tries}


def _attempt(
    shape: str, domain: str, size: int, habit: float, rng: np.random.Generator
) -> tuple[np.ndarray, Values, bool]:
    """A picture as of :func:`draw`, and whether it shows enough."""
    from PIL import Image

    photographed = domain == "outcrop"
    style = draw_style(shape, habit, rng)
    fold = Fold(draw_fold(shape, domain, rng))
    ratio, ramsay = fold.ramsay()
    shifts = rng.normal(0, 0.10 if photographed else 0.03, (4, 2))
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) + shifts
    large, visible = round(_OVERSAMPLING * size), True
    if photographed:
        picture, drawn = outcrop(fold, corners, large, STYLES[style], rng)
    else:
        grey, drawn = modelled(fold.label(*fold.frame(*view(corners, large))), STYLES[style], rng)
        visible = int((np.unique(grey, return_counts=True)[1] > 0.002 * grey.size).sum()) >= 4
        picture = np.repeat(grey[..., None], 3, 2)
    mirror = bool(rng.random() < 0.5)
    eight_bit = Image.fromarray((np.clip(picture[:, ::-1] if mirror else picture, 0, 1) * 255).round().astype(np.uint8))
    rgb = np.asarray(eight_bit.resize((size, size), Image.Resampling.BILINEAR))
    quality = None
    if photographed:
        rgb, camera = developed(rgb, rng)
        drawn |= camera
        quality = int(rng.integers(40, 96)) if rng.random() < 0.5 else None
    values: Values = {"style": style} | fold.values | drawn | {"mirror": mirror, "jpeg_quality": quality}
    values |= {f"corner_{number}": float(shift) for number, shift in enumerate(shifts.ravel())}
    values |= {"b1": fold.b1, "b3": fold.b3, "b5": fold.b5, "thickness_ratio": ratio, "ramsay_class": ramsay}
    return rgb, values, visible and float(rgb.mean(2).std()) >= 12


def _plan(rows: int, seed: int, outcrop: float, label_noise: float) -> Iterator[tuple[str, int, str, str, str]]:
    """Split, number, true class, domain and label of every picture."""
    val, test = max(3, round(0.08 * rows)), max(3, round(0.12 * rows))
    for code, total in enumerate((rows - val - test, val, test)):
        shares = np.cumsum(_TRAIN_SHARES if code == 0 else (1, 1, 1))
        shapes = np.repeat(CLASSES, np.diff(np.round(shares / shares[-1] * total).astype(int), prepend=0))
        share = outcrop if code == 0 or outcrop in (0, 1) else 0.75
        photographed = np.diff(np.floor(np.arange(total + 1) * share + 0.5)) > 0
        labels = np.searchsorted(CLASSES, shapes)
        rng = np.random.default_rng([seed, code])
        outcrops = rng.permutation(np.flatnonzero(photographed))
        wrong = outcrops[: round(label_noise * len(outcrops))]
        labels[wrong] = (labels[wrong] + rng.integers(1, 3, len(wrong))) % 3
        for index in range(total):
            domain = "outcrop" if photographed[index] else "modelled"
            yield SPLITS[code], index, str(shapes[index]), domain, CLASSES[labels[index]]

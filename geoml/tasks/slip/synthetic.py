"""Synthetic experiments in the published layout: displacement fields from which the labels follow (card, section 11).

Nothing sets an efficiency directly: slip is put on traces that grow and link, the rest of the plate motion into a
shear band, and the reader finds the efficiency as in a real experiment. Lengths are in pixels unless said otherwise.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geoml.errors import InputError
from geoml.files import atomic
from geoml.tasks.slip import EXPERIMENTS, NODES, STEP, VARIABLES
from geoml.tasks.slip.labels import starts

FEWEST = 4  # frames of an experiment
_FRAMES = (120, 230)  # of a published experiment
_RATES = {"025": -1.0, "050": -1 / 3, "100": 1 / 3, "150": 1.0}  # how far a rate code goes of what it can change
_THRESHOLD = 0.035  # of the curl per mm; per grid step, maps are thicker than in the card's table
_SMALLEST = 14  # pixels of a piece of a fault map


@dataclass(frozen=True)
class Setting:
    """What differs between experiments; the defaults are those that the card's table was measured with.

    Attributes:
        spacing: Of the segments (L of the card).
        midpoint: Share of the run at which half of the rise in efficiency is done.
        final: Target efficiency at the end (K1).
        band: Width of the shear band, as a factor (on D).
    """

    spacing: float = 55
    midpoint: float = 0.30
    final: float = 0.97
    band: float = 1.0


def generate(folder: Path, rows: int, seed: int, reader: str) -> None:
    """Write the 16 published experiments as ``<name>.mat`` (MATLAB v5, compressed).

    Args:
        folder: Where to; made if it is not there.
        rows: Windows altogether, about: ``rows / 80`` frames an experiment, shared out as 120 to 230 would be. None
            has fewer than 4 frames, so there are never fewer than 320 windows.
        seed: Equal seeds give equal files.
        reader: ``experiments``, the only layout there is.

    Raises:
        InputError: another layout.
    """
    if reader != "experiments":
        raise InputError("synthetic data", "reader", "experiments", repr(reader))
    drawn = np.random.default_rng(seed).integers(*_FRAMES, len(EXPERIMENTS), endpoint=True)
    windows = len(starts(NODES[1])) * len(EXPERIMENTS)
    frames = np.maximum(np.rint(rows / windows * drawn / drawn.mean()).astype(int), FEWEST)
    for name, count in zip(EXPERIMENTS, frames.tolist(), strict=True):
        _save(Path(folder) / f"{name}.mat", experiment(name, count, seed))


def experiment(name: str, frames: int, seed: int) -> dict[str, np.ndarray]:
    """One experiment of the published set.

    Args:
        name: Such as ``EB_050_1``: basal condition, rate code and repeat; the repeat changes the draws only.
        frames: 2 or more.
        seed: Seed of the run; with the name it gives all draws.

    Returns:
        The four variables of the card, section 2, (135, 313, frames) each: ``altBW_filt`` uint8, the others float32,
        as shares of the plate displacement in a frame's time.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    base, rate, _ = name.split("_")
    elastic = base == "EB"
    final = rng.uniform(0.80, 0.92) if elastic else rng.uniform(0.90, 0.97)
    change = _RATES[rate]
    setting = Setting(55 * (1 + 0.2 * change), 0.30 + 0.08 * change, final, 1.5 if elastic else 1.0)
    return fields(setting, frames, rng)


def fields(setting: Setting, frames: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The variables of an experiment, as of :func:`experiment`, for any setting."""
    segments = _segments(setting, rng)
    kinds = dict.fromkeys(VARIABLES, np.float32) | {"altBW_filt": np.uint8}
    out: dict[str, np.ndarray] = {name: np.empty((*NODES, frames), kinds[name], "F") for name in VARIABLES}
    for t in range(frames):
        u, v = _displacement(setting, segments, t / (frames - 1), rng)
        curl = (np.gradient(v, STEP, axis=1) - np.gradient(u, STEP, axis=0)) / 2
        for name, values in zip(VARIABLES, (curl, _fault_map(curl), u, v), strict=True):
            out[name][..., t] = values
    return out


def _segments(setting: Setting, rng: np.random.Generator) -> dict[str, Any]:
    """What is drawn once per experiment."""
    width, spacing = NODES[1], setting.spacing
    n = int(np.ceil(width / spacing)) + 2
    return {
        "x": ((np.arange(n) - 0.5) * spacing + rng.normal(0, 0.15 * spacing, n))[:, None],
        "y": (67 + rng.normal(0, 3, n))[:, None],
        "birth": rng.uniform(0, 0.22, n)[:, None],
        "angle": np.deg2rad(14 * (1 + 0.25 * rng.normal(size=n)))[:, None],
        "rough": 4 * _smooth(rng.normal(size=(n, width)), 6),
        "through": 67 + 12 * _smooth(rng.normal(size=width), 25),
    }


def _displacement(
    setting: Setting, segments: dict[str, Any], s: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Displacement (135, 313) along and across strike at the share ``s`` of the run; steps as in the card."""
    from scipy.special import erf

    target = 0.40 + (setting.final - 0.40) * _logistic((s - setting.midpoint) / 0.10)
    linked = _logistic((s - 0.50) / 0.08)

    from_centre = np.arange(NODES[1]) - segments["x"]
    half = setting.spacing * (0.18 + 0.75 * np.clip((s - segments["birth"]) / 0.35, 0, 1))
    weight = np.where(s > segments["birth"], np.sqrt(np.maximum(0, 1 - (from_centre / half) ** 2)), 0)
    weight = _smooth(weight, 3)

    alone = segments["y"] + np.tan(segments["angle"] * (1 - 0.8 * linked)) * from_centre + segments["rough"]
    trace = (1 - linked) * alone + linked * (segments["through"] + 0.3 * segments["rough"])

    total = weight.sum(0)
    some = np.where(total > 0, total, 1)
    uneven = 1 + 0.30 * (1 - linked / 2) * _smooth(rng.normal(size=NODES[1]), 8)
    localised = np.clip(target * total / np.where(total > 0, total + 0.25 * (1 - linked), 1) * uneven, 0, 0.99)
    share = localised * weight / some

    y = np.arange(NODES[0], dtype=np.float32)[:, None]
    band = setting.band * (16 * (1 - s) + 6)
    u = (1 - share.sum(0)) * (1 + erf((segments["through"] - y) / band)) / 2
    v = np.zeros(NODES)
    for line, slip, change in zip(trace, share, np.gradient(share, axis=1), strict=True):
        at = np.flatnonzero((slip > 0) | (change != 0))
        above = line[at].astype(np.float32) - y
        u[:, at] += slip[at] * (1 + np.tanh(above / np.float32(0.7))) / 2
        v[:, at] += 0.10 * (1 - 0.7 * linked) * change[at] * above * np.exp(-((above / 10) ** 2))
    return u + _noise(rng), v + _noise(rng)


def _noise(rng: np.random.Generator) -> np.ndarray:
    """(135, 313) noise correlated over 1.2 px, of standard deviation 0.01."""
    from scipy.ndimage import gaussian_filter

    return 0.010 * 2 * np.sqrt(np.pi) * 1.2 * gaussian_filter(rng.standard_normal(NODES, np.float32), 1.2)


def _fault_map(curl: np.ndarray) -> np.ndarray:
    """(135, 313) bool: where the curl stands out, small gaps closed, small pieces left out."""
    from scipy import ndimage

    bright = ndimage.gaussian_filter(curl, 0.6) > _THRESHOLD
    labels, _ = ndimage.label(ndimage.binary_closing(bright, np.ones((2, 3))), np.ones((3, 3)))
    large = np.bincount(labels.ravel()) >= _SMALLEST
    large[0] = False
    return large[labels]


def _smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(values, sigma, axis=-1)


def _logistic(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def _save(path: Path, variables: dict[str, np.ndarray]) -> None:
    from scipy.io import savemat

    with atomic(path) as temporary:
        savemat(temporary, variables, do_compression=True)
        with open(temporary, "r+b") as file:  # the header says when it was written, and equal seeds give equal files
            file.write(b"MATLAB 5.0 MAT-file, synthetic experiment".ljust(116))

"""Synthetic sets of patches on disk: every sample comes from the seed, its set and its place alone (card, 2)."""

import csv
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from geoml.errors import InputError
from geoml.files import atomic
from geoml.store import SPLITS
from geoml.tasks.patchnet import SIDE, corruptions
from geoml.tasks.patchnet.synthetic_patches import (
    BSR,
    ENVIRONMENT,
    KINDS,
    UNIFORMS,
    bands,
    drawn,
    kinds_of,
    reflections,
)

COLUMNS = [
    "set", "label", "kind", "centre", "half", "dip", "background_dip", "top", "bottom", "gain", "blur", "noise",
    "elastic", "elastic_sigma", "mask", "perspective", "dropout", "dropout_rows", "dropout_columns", "peak_hz", "phase",
]  # fmt: skip
FEWEST = 14  # samples, so that both classes are in each set
_BLOCK = 64
_KEPT = 16 << 20  # bytes of freed memory not to give back: getting it again costs more than most steps
_ONCE = 2**63  # place in a set that no sample has


def generate(
    folder: Path,
    rows: int,
    seed: int,
    reader: str,
    *,
    compat: bool = False,
    physics: bool = False,
    line: list[int] | None = None,
) -> None:
    """Write ``train``, ``val`` and ``test``, each ``<set>.npy`` (n, 48, 48) float16 and ``<set>.csv``.

    The tables tell what each sample was drawn from: its ``kind`` (:data:`~.synthetic_patches.KINDS`), middle ``centre``
    and lobes of ``half`` rows on a canvas of 68, dips in degrees, amplitudes, strengths of what spoils it (0: not
    applied), and its wavelet if it has one. Validation and test are spoilt more than training.

    Args:
        folder: Where to; made if it is not there.
        rows: Samples altogether: 70 % train, 15 % validate, 15 % test.
        seed: Equal seeds give equal files.
        reader: ``patches``, the only layout there is.
        compat: Draw once for a set the strengths that the original draws once for a run.
        physics: Reflectivity and wavelet instead of bands.
        line: Size of the synthetic line that trained networks are tested on; not used here.

    Raises:
        InputError: another layout, or fewer than 14 rows.
    """
    if reader != "patches":
        raise InputError("synthetic data", "reader", "patches", repr(reader))
    if rows < FEWEST:
        raise InputError("synthetic data", "rows", f"{FEWEST} or more", rows)
    np.empty(_KEPT, np.uint8)  # glibc raises its limit of what it keeps to the largest array that was freed
    part = round(0.15 * rows)
    for name, count in zip(SPLITS, (rows - 2 * part, part, part), strict=True):
        _write(Path(folder) / name, count, seed, compat, physics)


def sample(seed: int, name: str, index: int, *, compat: bool = False, physics: bool = False) -> np.ndarray:
    """One sample of a set again, bit for bit.

    Args:
        seed: Of the sets.
        name: ``train``, ``val`` or ``test``.
        index: Row in the set.
        compat: As the sets were made.
        physics: As the sets were made.

    Returns:
        (48, 48) float16.
    """
    return samples(seed, name, np.array([index]), compat=compat, physics=physics)[0][0]


def samples(
    seed: int, name: str, indices: np.ndarray, *, compat: bool = False, physics: bool = False
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Some samples of a set, the same however they are put together.

    Args:
        seed: Of the sets.
        name: ``train``, ``val`` or ``test``.
        indices: (n,) rows in the set.
        compat: Draw once for the set what the original draws once for a run.
        physics: Reflectivity and wavelet instead of bands.

    Returns:
        (n, 48, 48) float16 patches, and an (n,) array for each of :data:`COLUMNS`.
    """
    source = Source(seed, name)
    kind = kinds_of(indices)
    uniforms = source.numbers(0, indices, UNIFORMS + corruptions.UNIFORMS)
    if compat:
        once = source.numbers(0, np.array([_ONCE], np.uint64), UNIFORMS + corruptions.UNIFORMS)
        uniforms[:, [UNIFORMS + k for k in corruptions.ONCE]] = once[:, [UNIFORMS + k for k in corruptions.ONCE]]
    what = drawn(kind, uniforms[:, :UNIFORMS])
    limits = corruptions.TRAIN if name == "train" else corruptions.HARDER
    by = corruptions.drawn(uniforms[:, UNIFORMS:], limits)
    clean = reflections(what) if physics else bands(what)
    spoilt = corruptions.corrupted(clean, by, lambda step, rows, *kind: source.fields(step, indices[rows], *kind))
    event = kind != ENVIRONMENT
    columns = {
        "set": np.full(len(kind), name),
        "label": (kind == BSR).astype(int),
        "kind": np.array(KINDS)[kind],
        "centre": what.centre * event,
        "half": what.half * event,
        "dip": np.rad2deg(what.dip),
        "background_dip": np.rad2deg(what.background_dip),
        "top": what.top,
        "bottom": np.where(physics, 0, what.bottom),
        **by,
        "peak_hz": np.where(physics, what.peak_hz, 0),
        "phase": np.where(physics, np.rad2deg(what.phase), 0),
    }
    return spoilt.astype(np.float16), columns


class Source:
    """Random numbers that depend on seed, set, step and sample alone: a counter-based generator, set to a place."""

    def __init__(self, seed: int, name: str) -> None:
        key = np.random.SeedSequence([seed, SPLITS.index(name)]).generate_state(2, np.uint64)
        self._bits = np.random.Philox(key=key)
        self._random = np.random.Generator(self._bits)
        self._state: Any = self._bits.state
        self._counter = self._state["state"]["counter"]

    def _at(self, step: int, index: int) -> np.random.Generator:
        self._counter[1:3] = index, step
        self._bits.state = self._state
        return self._random

    def numbers(self, step: int, indices: np.ndarray, count: int) -> np.ndarray:
        """(n, count) float64 in [0, 1)."""
        out = np.empty((len(indices), count))
        for row, index in zip(out, indices.tolist(), strict=True):
            self._at(step, index).random(out=row)
        return out

    def fields(self, step: int, indices: np.ndarray, shape: tuple[int, ...], normal: bool) -> np.ndarray:
        """(n, *shape) float32, standard normal or uniform in [0, 1)."""
        out = np.empty((len(indices), *shape), np.float32)
        for row, index in zip(out, indices.tolist(), strict=True):
            random = self._at(step, index)
            (random.standard_normal if normal else random.random)(dtype=np.float32, out=row)
        return out


def _write(path: Path, count: int, seed: int, compat: bool, physics: bool) -> None:
    """One set, block after block; what a block needs is all that is in memory."""
    header = {"descr": "<f2", "fortran_order": False, "shape": (count, SIDE, SIDE)}
    with ExitStack() as stack:
        table, array = (stack.enter_context(atomic(path.with_suffix(suffix))) for suffix in (".csv", ".npy"))
        with open(array, "wb") as file, open(table, "w", newline="", encoding="utf-8") as text:
            np.lib.format.write_array_header_1_0(file, header)
            csv.writer(text, lineterminator="\n").writerow(COLUMNS)
            row = ",".join("%s" if name in ("set", "label", "kind") else "%.5g" for name in COLUMNS) + "\n"
            for start in range(0, count, _BLOCK):
                indices = np.arange(start, min(start + _BLOCK, count))
                patches, columns = samples(seed, path.name, indices, compat=compat, physics=physics)
                file.write(patches.astype("<f2", copy=False).data)
                values = zip(*(columns[name].tolist() for name in COLUMNS), strict=True)
                text.writelines([row % value for value in values])

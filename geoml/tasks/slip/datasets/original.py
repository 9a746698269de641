"""The publication's samples: a ``.npy`` file a window, its label in its name (method card, sections 4 and 5)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from geoml import reading
from geoml.errors import InputError
from geoml.store import Block
from geoml.tasks.slip import HEIGHT, WIDTH
from geoml.tasks.slip.datasets.experiments import CITATION as CITATION
from geoml.tasks.slip.datasets.experiments import identity, table

LISTS = {"train": "train_master.txt", "val": "eval_master.txt", "test": "test_master.txt"}
_NUMBER = r"(-?\d+\.\d+|-?inf|nan)"
_NAME = re.compile(rf"{_NUMBER}_{_NUMBER}_win_(\d{{1,2}})_t_(\d{{1,4}})_(.+)_cfuv\.npy")
_SHAPE = (HEIGHT, WIDTH, 4)
_FAULT = 1  # channel of the fault map
_ABSURD = 2  # efficiency, beyond which a label is no measurement
_BLOCK = 512  # samples


class Sample(NamedTuple):
    """What the name of a file says."""

    efficiency: float
    sd: float
    window: int
    frame: int
    experiment: str


def read(source: Path, settings: dict[str, Any]) -> Iterator[Block]:
    """Samples ``<experiment>/<KE>_<SD>_win_<w>_t_<ttt>_<experiment>_cfuv.npy``, by experiment, window and frame.

    Only the fault map of a file is read. The plate velocity is not known (NaN), progress is relative to the last frame
    that an experiment has a file of, and labels have two decimals.

    Args:
        source: Folder with a folder for each experiment.
        settings: ``sets``: ``none``, or ``published`` for a column ``official_split`` by the lists
            ``train_master.txt``, ``eval_master.txt`` and ``test_master.txt``; files in no list are left out.

    Yields:
        Blocks of at most 512 samples of one experiment: inputs (n, 128, 64) uint8.

    Raises:
        InputError: no files, a file that is no such sample, two files of one window and frame, or lists that
            contradict each other or name a file that is not there.
    """
    source = Path(source)
    files = reading.find(source, "*/*.npy")
    there = {path.relative_to(source).as_posix() for path in files}
    told = _lists(source, there) if settings["sets"] == "published" else None
    rejected: list[tuple[str, str]] = []
    experiments: dict[str, dict[str, tuple[Sample, Path]]] = {}
    for path in files:
        name = path.relative_to(source).as_posix()
        sample = parsed(path.name)
        if sample is None or sample.experiment != path.parent.name:
            rejected.append((name, "not named <KE>_<SD>_win_<w>_t_<frame>_<experiment>_cfuv.npy"))
            continue
        known = experiments.setdefault(sample.experiment, {})
        key = identity(sample.experiment, sample.window, sample.frame)
        if key in known:
            raise InputError(path, "window and frame", "one file of each", f"also {known[key][1].name}")
        known[key] = sample, path
    for known in experiments.values():
        last = max(sample.frame for sample, _ in known.values())
        usable = []
        for key, (sample, path) in sorted(known.items(), key=lambda item: (item[1][0].window, item[1][0].frame)):
            reason = _reason(sample, path, told)
            if reason:
                rejected.append((key, reason))
            else:
                usable.append((sample, path))
        for first in range(0, len(usable), _BLOCK):
            block = _block(usable[first : first + _BLOCK], last, told)
            block.rejected += rejected
            rejected = []
            yield block
    if rejected:
        yield Block(np.empty((0, HEIGHT, WIDTH), np.uint8), {}, rejected)


def parsed(name: str) -> Sample | None:
    """What a file's name says, by its parts and not by character position; None if it is named otherwise."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    efficiency, sd, window, frame, experiment = found.groups()
    return Sample(float(efficiency), float(sd), int(window), int(frame), experiment)


def _lists(source: Path, there: set[str]) -> dict[str, str]:
    """Set of each listed file."""
    sets: dict[str, str] = {}
    for split, name in LISTS.items():
        path = reading.find_one(source, name)
        for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
            file = line.strip().replace("\\", "/")
            if not file:
                continue
            if file not in there:
                raise InputError(path, f"line {number}", "a sample in the folder", repr(file))
            if sets.setdefault(file, split) != split:
                raise InputError(
                    path, f"line {number}", "a sample in one list", f"{file!r} also in {LISTS[sets[file]]}"
                )
    return sets


def _reason(sample: Sample, path: Path, told: dict[str, str] | None) -> str:
    """Why a file is left out by what its name says; empty if it is not."""
    if not (0 <= sample.efficiency <= _ABSURD and np.isfinite(sample.sd) and sample.sd >= 0):
        return f"no efficiency of 0 to {_ABSURD} with a finite deviation: {sample.efficiency:g}, {sample.sd:g}"
    if told is not None and f"{path.parent.name}/{path.name}" not in told:
        return "in no list of the published split"
    return ""


def _block(samples: list[tuple[Sample, Path]], last: int, told: dict[str, str] | None) -> Block:
    name = samples[0][0].experiment
    maps = np.array([_map(path) for _, path in samples])
    good = maps.max((1, 2)) > 0
    numbers = {
        key: np.array([getattr(sample, key) for sample, _ in samples])[good]
        for key in ("window", "frame", "efficiency", "sd")
    }
    columns = table(name, maps[good], numbers | {"velocity": np.full(good.sum(), np.nan)}, last)
    if told is not None:
        sets = [told[f"{path.parent.name}/{path.name}"] for _, path in samples]
        columns["official_split"] = np.array(sets)[good]
    empty = [sample for (sample, _), full in zip(samples, good, strict=True) if not full]
    rejected = [(identity(name, sample.window, sample.frame), "no fault in the window") for sample in empty]
    return Block(maps[good], columns, rejected)


def _map(path: Path) -> np.ndarray:
    """(128, 64) uint8."""
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(path, "content", "a complete array that is not pickled", error) from None
    if values.shape != _SHAPE:
        raise InputError(path, "shape", f"{_SHAPE}", values.shape)
    if values.dtype.kind not in "fiub":
        raise InputError(path, "type", "real numbers", values.dtype)
    fault = values[..., _FAULT]
    if not ((fault == 0) | (fault == 1)).all():
        found = ", ".join(f"{x:g}" for x in np.unique(fault)[:6].astype(float))
        raise InputError(path, "fault map (channel 1)", "0 and 1 (fault)", f"values {found}")
    return fault.astype(np.uint8)

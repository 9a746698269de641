"""Folders of fold pictures, ``TRAIN|VAL|TEST / box|chevron|rounded / ...``, as in the published study (card, 1.2)."""

import hashlib
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from geoml import reading
from geoml.errors import InputError
from geoml.files import atomic
from geoml.registry import closest
from geoml.store import SPLITS, Block
from geoml.tasks.folds import CLASSES, features, pictures

CITATION = (
    "Abdallah, R., Bond, C. E. & Butler, R. W. H. (2021-2023): Fold-Classification-Tool, University of Aberdeen, "
    "https://github.com/RamySaleem/Fold-Classification-Tool (layout and classes; the pictures are the user's)."
)
DOMAINS = ("outcrop", "modelled", "unknown")
BLOCK = 128  # pictures
_SPLIT_OF = {name: name for name in SPLITS} | {"validation": "val"}
_TABLE = "metadata.csv"
_PER_WORKER = 64  # pictures: for fewer a process is not worth its start
_KEPT = Path("checkpoints/folds/features")

_Picture = tuple[np.ndarray, tuple[int, int], np.ndarray | None]  # (size, size, 3) uint8, (width, height), (48,)
_Map = Callable[[Callable, list], Iterable]


def read(source: Path, settings: dict[str, Any]) -> Iterator[Block]:
    """Pictures of a folder: TRAIN, VAL, TEST, in each class by class, in each by path.

    The folder holds ``TRAIN``, ``VAL`` and ``TEST`` with a folder per class in each, or the class folders alone; in
    capital or small letters, pictures at any depth. ``metadata.csv`` beside them may tell group, domain, style and
    true class of a ``file``.

    Args:
        source: The folder.
        settings: ``size`` (pixels) and ``features`` (whether to work them out).

    Yields:
        Blocks of one split and class: inputs (n, size, size, 3) uint8 RGB; what cannot be used is rejected with reason.

    Raises:
        InputError: an unknown or empty folder, or a wrong ``metadata.csv``.
    """
    source = Path(source)
    folders = [(split, label, folder, _pictures(folder)) for split, label, folder in _class_folders(source)]
    for _, label, folder, files in folders:
        if not files:
            raise InputError(folder, "pictures", f"at least one of a {CLASSES[label]} fold", "none")
    told = _metadata(source)
    blocks = [
        (split, label, files[start : start + BLOCK])
        for split, label, _, files in folders
        for start in range(0, len(files), BLOCK)
    ]
    stray = [path for folder in (source, *_folders(source)) for path in folder.glob("*") if pictures.is_picture(path)]
    classed = {path for _, _, _, files in folders for path in files}
    outside = [
        (path.relative_to(source).as_posix(), "not in a class folder") for path in sorted(stray) if path not in classed
    ]
    with ExitStack() as stack:
        everywhere = _workers(sum(len(files) for _, _, files in blocks), stack)
        for split, label, files in blocks:
            block = _block(source, split, label, files, told, settings, everywhere)
            block.rejected += outside
            outside = []
            yield block


def _class_folders(source: Path) -> list[tuple[str, int, Path]]:
    """Split ("" if there are none), class and folder, in the order in which they are read."""
    top = _folders(source)
    if any(folder.name.lower() in CLASSES for folder in top):
        return sorted(("", _class_of(folder), folder) for folder in top)
    for folder in top:
        if folder.name.lower() not in _SPLIT_OF:
            hint = closest(folder.name.lower(), [*_SPLIT_OF, *CLASSES])
            raise InputError(source, "folders", "TRAIN, VAL and TEST, or box, chevron and rounded", folder.name, hint)
    found = []
    for folder in top:
        split = _SPLIT_OF[folder.name.lower()]
        found += [(SPLITS.index(split), _class_of(inside), inside) for inside in _folders(folder)]
    return [(SPLITS[split], label, folder) for split, label, folder in sorted(found)]


def _folders(folder: Path) -> list[Path]:
    """Folders inside a folder, hidden ones left out; none is an error."""
    found = folder.iterdir() if folder.is_dir() else []
    there = [path for path in found if path.is_dir() and not path.name.startswith(".")]
    if not there:
        got = "none" if folder.is_dir() else "no such folder"
        raise InputError(folder, "folders", "TRAIN, VAL and TEST, in each box, chevron and rounded", got)
    return there


def _class_of(folder: Path) -> int:
    if folder.name.lower() not in CLASSES:
        raise InputError(folder, "folder", "a class", repr(folder.name), closest(folder.name.lower(), CLASSES))
    return CLASSES.index(folder.name.lower())


def _pictures(folder: Path) -> list[Path]:
    found = []
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and pictures.is_picture(path):
            found.append(path)
    return sorted(found, key=Path.as_posix)


def _metadata(source: Path) -> dict[str, dict[str, str]]:
    """Rows of ``metadata.csv`` by file, without empty cells."""
    path = source / _TABLE
    if not path.is_file():
        return {}
    wanted = [name for name in ("group", "domain", "style", "true_class") if name in reading.header(path)]
    rows = next(reading.read_csv(path, ["file", *wanted])).to_dict("records")
    for row in rows:
        if not (source / row["file"]).is_file():
            raise InputError(path, "file", "a file in the folder", repr(row["file"]), "Correct or delete the row.")
        for name, known in (("domain", DOMAINS), ("true_class", CLASSES)):
            if row.get(name) and row[name] not in known:
                where = f"{name} of {row['file']}"
                raise InputError(path, where, " or ".join(known), repr(row[name]), closest(row[name], known))
    return {Path(row["file"]).as_posix(): {name: value for name, value in row.items() if value} for row in rows}


def _workers(count: int, stack: ExitStack) -> _Map:
    """A ``map`` over as many processes as there are processors and work for."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(processors, count // _PER_WORKER)
    if workers <= 1:
        return map
    pool = stack.enter_context(ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")))

    def everywhere(function: Callable, items: list) -> Iterable:
        # A new process imports the main module again, and a script of the workflow would run again; workers need
        # nothing of it. They start while tasks are handed over.
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            return pool.map(function, items, chunksize=8)
        finally:
            sys.modules["__main__"] = main

    return everywhere


def _block(
    source: Path,
    split: str,
    label: int,
    files: list[Path],
    told: dict[str, dict[str, str]],
    settings: dict[str, Any],
    everywhere: _Map,
) -> Block:
    kept = _KEPT / f"{_key(files)}.npy" if settings["features"] else None
    known = _load(kept) if kept else None
    work = settings["features"] and known is None
    results = list(everywhere(_picture, [(path, settings["size"], work) for path in files]))
    names = [path.relative_to(source).as_posix() for path in files]
    good = [(name, result) for name, result in zip(names, results, strict=True) if not isinstance(result, str)]
    rejected = [(name, result) for name, result in zip(names, results, strict=True) if isinstance(result, str)]
    n, size = len(good), settings["size"]
    inputs = np.array([image for _, (image, _, _) in good], np.uint8).reshape(n, size, size, 3)
    rows = [told.get(name, {}) for name, _ in good]
    true = [row.get("true_class") for row in rows]
    sides = np.array([sides for _, (_, sides, _) in good], np.int32).reshape(n, 2)
    columns = {
        "id": np.array([name for name, _ in good], "U"),
        "group": np.array([row.get("group", name) for row, (name, _) in zip(rows, good, strict=True)], "U"),
        "label": np.full(n, label, np.int8),
        "official_split": np.full(n, split),
        "domain": np.array([row.get("domain", "unknown") for row in rows], "U"),
        "style": np.array([row.get("style", "") for row in rows], "U"),
        "true_label": np.array([CLASSES.index(name) if name else -1 for name in true], np.int8),
        "width_px": sides[:, 0],
        "height_px": sides[:, 1],
    }
    if kept:
        if known is None:
            known = np.array([values for _, (_, _, values) in good]).reshape(n, len(features.FEATURES))
            with atomic(kept) as temporary:
                np.save(temporary, known)
        columns |= dict(zip(features.FEATURES, known.T, strict=True))
    return Block(inputs, columns, rejected)


def _picture(task: tuple[Path, int, bool]) -> _Picture | str:
    """One picture in a worker: what is needed of it, or why it cannot be used."""
    path, size, work = task
    try:
        rgb = pictures.read(path)
    except pictures.Unusable as error:
        return error.reason
    numbers = features.extract(pictures.grey(rgb)) if work else None
    return pictures.resized(rgb, size), (rgb.shape[1], rgb.shape[0]), numbers


def _key(files: list[Path]) -> str:
    """What the features of a block depend on: all bytes of its files, our code and the libraries."""
    import PIL

    digest = hashlib.blake2b(f"{PIL.__version__} {np.__version__}".encode(), digest_size=16)
    for path in (*(Path(str(module.__file__)) for module in (features, pictures)), *files):
        content = path.read_bytes()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()


def _load(path: Path) -> np.ndarray | None:
    """(n, 48) features worked out before; None if there are none, or the file is damaged."""
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None

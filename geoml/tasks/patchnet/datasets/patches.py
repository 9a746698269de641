"""Folders of pairs ``<name>.npy`` and ``<name>.csv``: patches and what each is, synthetic or a user's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from geoml import reading
from geoml.errors import InputError
from geoml.store import SPLITS, Block
from geoml.tasks.patchnet import CLASSES, SIDE

CITATION = (
    "Geng, Z. & Wang, Y. (2020): Automated design of a convolutional neural network with multi-scale filters for "
    "cost-efficient seismic data classification. Nature Communications 11, 3311, doi:10.1038/s41467-020-17123-6."
)
_BLOCK = 4096  # patches
_LABELS = {"0": 0, "1": 1} | {name: code for code, name in enumerate(CLASSES)}
_OPTIONAL = ("id", "group", "set", "kind")


def read(source: Path, settings: dict[str, Any]) -> Iterator[Block]:
    """Patches of every ``*.npy`` in the folder, described by the table of the same name.

    A table has a row a patch and the column ``label`` (0 or ``no_bsr``, 1 or ``bsr``). It may have ``id`` (else
    ``<name>:<row>``, from 0), ``group`` (the line a patch was cut from; else each patch is its own), ``set``
    (``train``, ``val`` or ``test``) and ``kind``; other columns are not read.

    Args:
        source: The folder.
        settings: Not used; there is nothing to choose.

    Yields:
        Blocks of at most 4096 patches of a file: inputs (n, 48, 48) float16 or float32 as in the files, raw amplitudes;
        columns ``id``, ``group``, ``label`` int8, ``kind`` and ``official_split`` (empty where the table has none).
        Patches that are not finite, or dead (one value everywhere), are left out.

    Raises:
        InputError: there is no pair, one lacks its other file, they differ in length, an array is none of such patches,
            the files differ in type, or a label or set is unknown.
    """
    source = Path(source)
    paths = reading.find(source, "*.npy")
    arrays = {path.stem for path in paths}
    for table in sorted(source.glob("*.csv")):
        if table.stem not in arrays:
            raise InputError(table, "patches", f"{table.stem}.npy beside it", "no such file")
    opened = [(path, _patches(path)) for path in paths]
    kinds = {patches.dtype.newbyteorder("=") for _, patches in opened}
    if len(kinds) > 1:
        raise InputError(source, "types", "one type of number in all files", ", ".join(sorted(map(str, kinds))))
    for path, patches in opened:
        columns = _columns(path, len(patches))
        for start in range(0, len(patches), _BLOCK):
            part = slice(start, start + _BLOCK)
            yield _block(patches[part], {name: values[part] for name, values in columns.items()})


def _patches(path: Path) -> np.ndarray:
    """(n, 48, 48) memory map."""
    try:
        patches = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(path, "content", "a complete array that is not pickled", error) from None
    if patches.shape[1:] != (SIDE, SIDE) or not len(patches):
        raise InputError(path, "shape", f"(patches, {SIDE}, {SIDE}), at least one", patches.shape)
    if patches.dtype.newbyteorder("=") not in (np.float16, np.float32):
        raise InputError(path, "type", "float16 or float32", patches.dtype)
    return patches


def _columns(path: Path, count: int) -> dict[str, np.ndarray]:
    table = path.with_suffix(".csv")
    if not table.is_file():
        raise InputError(path, "table", f"{table.name} beside it", "no such file")
    there = [name for name in _OPTIONAL if name in reading.header(table)]
    frame = next(reading.read_csv(table, ["label", *there]))
    if len(frame) != count:
        raise InputError(table, "rows", f"{count}, a row for each patch of {path.name}", len(frame))
    columns = {name: frame[name].str.strip().to_numpy(str) for name in ("label", *there)}
    _known(table, "label", columns["label"], _LABELS)
    empty = np.full(count, "")
    split = columns.get("set", empty)
    _known(table, "set", split, (*SPLITS, ""))
    ids = columns["id"] if "id" in columns else np.array([f"{path.stem}:{row}" for row in range(count)])
    return {
        "id": ids,
        "group": columns.get("group", ids),
        "label": np.array([_LABELS[label] for label in columns["label"].tolist()], np.int8),
        "kind": columns.get("kind", empty),
        "official_split": split,
    }


def _known(table: Path, name: str, values: np.ndarray, known: Any) -> None:
    for row, value in enumerate(values.tolist(), 2):
        if value not in known:
            raise InputError(table, f"{name}, line {row}", ", ".join(filter(None, known)), repr(value))


def _block(patches: np.ndarray, columns: dict[str, np.ndarray]) -> Block:
    inputs = np.array(patches, patches.dtype.newbyteorder("="))
    low, high = inputs.min((1, 2)), inputs.max((1, 2))
    finite = np.isfinite(low) & np.isfinite(high)
    good = finite & (low < high)
    rejected = [
        (columns["id"][row].item(), "dead: one value everywhere" if finite[row] else "amplitudes that are not finite")
        for row in np.flatnonzero(~good)
    ]
    return Block(inputs[good], {name: values[good] for name, values in columns.items()}, rejected)

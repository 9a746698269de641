"""The prepared data set: one contiguous typed array, a table of samples beside it, and what they are.

::

    results/data/{task}/{dataset}/inputs.npy     (n, ...) one row a sample, memory-mapped by readers
                                  samples.h5     one HDF5 dataset a column, n values each
                                  rejected.csv   what was left out, and why
                                  dataset.json   schema, counts, split, fingerprint; written last: it marks a whole set
"""

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from geoml.errors import InputError
from geoml.files import atomic, read_json, write_json

SPLITS = ("train", "val", "test")


@dataclass
class Block:
    """A piece of a data set on its way from a reader to the store.

    Attributes:
        inputs: (n, ...) array, the same dtype and trailing shape in every block of a data set.
        columns: one (n,) array a column, numbers or strings; ``id`` and ``group`` (what must not be split, such as
            the event) are required.
        rejected: ``(id, reason)`` of every source row that gave no sample.
    """

    inputs: np.ndarray
    columns: dict[str, np.ndarray]
    rejected: list[tuple[str, str]] = field(default_factory=list)


class StoreWriter:
    """Write blocks as they come; memory does not grow with the array, only with the table.

    Use as a context manager; nothing is left behind unless :meth:`finish` was reached.

    Args:
        folder: ``results/data/{task}/{dataset}``.
        keep_duplicates: Keep inputs that came before, bit for bit; else they are left out and listed.
    """

    _HEADER = 256  # room for any .npy header that we write; the true one is known only at the end

    def __init__(self, folder: str | Path, *, keep_duplicates: bool = False) -> None:
        self.folder = Path(folder)
        self.keep_duplicates = keep_duplicates
        self.n = 0
        self.rejected: list[tuple[str, str]] = []
        self._columns: dict[str, np.ndarray] = {}  # the table so far, with room for more rows
        self._twins: list[dict[str, np.ndarray]] = []
        self._known: list[np.ndarray] = []  # hashes so far, in sorted arrays, each at least twice the next
        self._shape: tuple[int, ...] = ()

    def __enter__(self) -> "StoreWriter":
        self._exit = ExitStack()
        self._file = open(self._exit.enter_context(atomic(self.folder / "inputs.npy")), "r+b")
        self._file.seek(self._HEADER)
        self._digest = hashlib.blake2b(digest_size=16)
        return self

    def append(self, block: Block) -> None:
        """Add the samples of a block."""
        self.rejected += block.rejected
        if not len(block.inputs):
            return
        inputs = np.ascontiguousarray(block.inputs)
        columns = {name: encoded(values) for name, values in block.columns.items()} | {"hash": _row_hashes(inputs)}
        new = np.ones(len(inputs), bool) if self.keep_duplicates else self._new(columns["hash"])
        if not new.all():
            self.rejected += [(name.decode(), "duplicate of an earlier sample") for name in columns["id"][~new]]
            self._twins.append({name: values[~new] for name, values in columns.items()})
            inputs, columns = inputs[new], {name: values[new] for name, values in columns.items()}
        if not self._columns:
            self._shape, self._dtype = inputs.shape[1:], inputs.dtype
        if (inputs.shape[1:], inputs.dtype) != (self._shape, self._dtype):
            raise ValueError(f"block of {inputs.dtype} {inputs.shape[1:]} in a set of {self._dtype} {self._shape}")
        self._file.write(inputs.data)
        self._digest.update(inputs.data)
        for name in list(self._columns) or columns:
            self._extend(name, columns[name])
        self.n += len(inputs)

    def _extend(self, name: str, values: np.ndarray) -> None:
        """Put values at the end of a column; one growing array a column leaves no holes in memory, unlike pieces."""
        column = self._columns.get(name, np.empty(0, values.dtype))
        column = column.astype(np.promote_types(column.dtype, values.dtype), copy=False)
        end = self.n + len(values)
        if end > len(column):
            column.resize(max(end, len(column) * 5 // 4), refcheck=False)
        column[self.n : end] = values
        self._columns[name] = column

    def _new(self, hashes: np.ndarray) -> np.ndarray:
        """(n,) bool: which hashes are met for the first time."""
        new = np.zeros(len(hashes), bool)
        new[np.unique(hashes, return_index=True)[1]] = True
        for known in self._known:
            at = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
            new &= known[at] != hashes
        if new.any():
            self._known.append(np.sort(hashes[new]))
        while len(self._known) > 1 and len(self._known[-2]) < 2 * len(self._known[-1]):
            self._known.append(np.sort(np.concatenate([self._known.pop(), self._known.pop()])))
        return new

    def inputs(self) -> np.ndarray:
        """(n, ...) memory map of all that was appended."""
        self._file.flush()
        return np.memmap(self._file.name, self._dtype, "r", self._HEADER, (self.n, *self._shape))

    def columns(self) -> dict[str, np.ndarray]:
        """The table, to be taken once: an (n,) array a column, strings as UTF-8 bytes, and ``hash`` of each input."""
        self._known.clear()
        for column in self._columns.values():
            column.resize(self.n, refcheck=False)
        return self._columns

    def linked(self, columns: dict[str, np.ndarray], key: str) -> list[tuple[Any, Any]]:
        """Pairs of values of column ``key`` that share an identical input, of which only one is in the set."""
        if not self._twins:
            return []
        other = np.concatenate([twin[key] for twin in self._twins])
        first = columns[key][self._first_of_twins(columns)]
        return [pair for pair in zip(first.tolist(), other.tolist(), strict=True) if pair[0] != pair[1]]

    def _first_of_twins(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        hashes, order = np.concatenate([twin["hash"] for twin in self._twins]), np.argsort(columns["hash"])
        return order[np.searchsorted(columns["hash"], hashes, sorter=order)]

    def finish(self, columns: dict[str, np.ndarray], meta: dict[str, Any]) -> dict[str, Any]:
        """Write everything; ``columns`` must hold ``split``. Gives what went into ``dataset.json``."""
        (self.folder / "dataset.json").unlink(missing_ok=True)  # until all is there again
        columns = {name: encoded(values) for name, values in columns.items()}
        header = np.lib.format.header_data_from_array_1_0(np.empty((0, *self._shape), self._dtype))
        header["shape"] = (self.n, *self._shape)
        self._file.seek(0)
        self._file.write(_npy_header(header, self._HEADER))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._write_table(columns)
        with atomic(self.folder / "rejected.csv") as temporary, open(temporary, "w", newline="", encoding="utf-8") as f:
            rows = csv.writer(f)
            rows.writerow(["id", "reason"])
            rows.writerows(self.rejected)
        for name in sorted(columns):
            self._digest.update(name.encode())
            self._digest.update(np.ascontiguousarray(columns[name]).data)
        split, split_hash = columns["split"], hashlib.blake2b(columns["id"].data, digest_size=16)
        split_hash.update(split.data)
        content = meta | {
            "fingerprint": self._digest.hexdigest(),
            "split_hash": split_hash.hexdigest(),
            "samples": self.n,
            "input_shape": list(self._shape),
            "input_dtype": str(self._dtype),
            "columns": {name: str(values.dtype) for name, values in columns.items()},
            "split_samples": {name: int((split == code).sum()) for code, name in enumerate(SPLITS)},
            "split_groups": {name: len(np.unique(columns["group"][split == code])) for code, name in enumerate(SPLITS)},
            "rejected": dict(Counter(reason.split(":")[0] for _, reason in self.rejected).most_common()),
        }
        self._file.close()
        self._exit.close()
        write_json(self.folder / "dataset.json", content)
        return content

    def _write_table(self, columns: dict[str, np.ndarray]) -> None:
        import h5py

        with atomic(self.folder / "samples.h5") as temporary, h5py.File(temporary, "w") as file:
            for name, values in columns.items():
                file.create_dataset(name, data=values)

    def __exit__(self, kind: type | None, error: BaseException | None, trace: Any) -> None:
        if not self._file.closed:
            self._file.close()
            self._exit.__exit__(kind, error, trace)


def _npy_header(header: dict[str, Any], size: int) -> bytes:
    text = repr(header).encode("latin1")
    return b"\x93NUMPY\x01\x00" + (size - 10).to_bytes(2, "little") + text.ljust(size - 11) + b"\n"


def encoded(values: np.ndarray) -> np.ndarray:
    """Strings as UTF-8 bytes, a quarter of their size; everything else as it is."""
    if values.dtype.kind != "U":
        return values
    try:
        return values.astype("S")
    except UnicodeEncodeError:
        return np.char.encode(values, "utf-8")


def _row_hashes(inputs: np.ndarray) -> np.ndarray:
    """(n,) uint64: a multiply-add hash of each row's bytes; equal rows give equal hashes, on any machine."""
    rows = inputs.reshape(len(inputs), -1).view(np.uint8)
    pad = -rows.shape[1] % 4
    words = np.ascontiguousarray(np.pad(rows, ((0, 0), (0, pad))) if pad else rows).view(np.uint32)
    factors = np.random.default_rng(0).integers(1, 2**63, words.shape[1], dtype=np.uint64) | np.uint64(1)
    out = np.empty(len(words), np.uint64)
    for start in range(0, len(words), 4096):
        out[start : start + 4096] = words[start : start + 4096].astype(np.uint64) @ factors
    return out


class Store:
    """A prepared data set, opened for reading.

    Args:
        folder: ``results/data/{task}/{dataset}``.

    Raises:
        InputError: there is no complete prepared set in the folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.meta: dict[str, Any] = read_json(self.folder / "dataset.json")

    @cached_property
    def inputs(self) -> np.ndarray:
        """(n, ...) memory map of all samples."""
        path = self.folder / "inputs.npy"
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(path, "content", "a prepared array", error, "Prepare the data set again.") from None

    @cached_property
    def samples(self) -> "Table":
        """The table: one (n,) array a column; strings as ``str`` arrays."""
        return Table(self.folder / "samples.h5")

    def rejected(self) -> list[tuple[str, str]]:
        """``(id, reason)`` of what was left out."""
        with open(self.folder / "rejected.csv", newline="", encoding="utf-8") as file:
            return [(row["id"], row["reason"]) for row in csv.DictReader(file)]

    def rows(self, split: str) -> np.ndarray:
        """Row numbers of one split (``train``, ``val`` or ``test``), ascending."""
        return np.flatnonzero(self.samples["split"] == SPLITS.index(split))

    def blocks(self, rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
        """``rows`` in pieces of at most ``size``."""
        for start in range(0, len(rows), size):
            yield rows[start : start + size]


class Table(Mapping[str, np.ndarray]):
    """Columns of ``samples.h5``, each read when it is first asked for."""

    def __init__(self, path: Path) -> None:
        import h5py

        self._path = path
        self._columns: dict[str, np.ndarray] = {}
        try:
            with h5py.File(path) as file:
                self._names = list(file)
        except OSError as error:
            raise InputError(path, "content", "a prepared table", error, "Prepare the data set again.") from None

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._columns:
            values = self.rows(name, slice(None))
            self._columns[name] = np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values
        return self._columns[name]

    def rows(self, name: str, part: slice) -> np.ndarray:
        """Some rows of a column, not kept; strings as UTF-8 bytes."""
        import h5py

        with h5py.File(self._path) as file:
            return file[name][part]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

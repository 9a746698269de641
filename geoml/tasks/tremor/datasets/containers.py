"""Files of windows that are cut already, ``X`` and ``y`` in HDF5 or NumPy's ``.npz`` (card, section 1)."""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from geoml import reading
from geoml.errors import InputError
from geoml.store import Block
from geoml.tasks.tremor import LENGTH_S, traces
from geoml.tasks.tremor.datasets.tree import CITATION as CITATION
from geoml.tasks.tremor.datasets.tree import block

WIDTHS = (20_000, 100_000)  # of a window at 20 and at 100 Hz
SUFFIXES = (".h5", ".hdf5", ".npz")
_TEXTS = ("event", "station", "component")
_BLOCK = 128  # windows

Rows = Callable[[int], np.ndarray]


def read(source: Path, settings: dict[str, Any]) -> Iterator[Block]:
    """Windows of every ``.h5``, ``.hdf5`` and ``.npz`` file in the folder, by name of the file and row.

    A file holds ``X`` (n, 20000) of 20 Hz or (n, 100000) of 100 Hz, ``y`` (n,) or (n, 1) of 0 and 1 (tremor), and may
    hold ``event``, ``station`` and ``component`` (n,). Without ``event`` every window is a group of its own, so that a
    split by group is the published random one. The published files are band-passed already: ``band_hz: null`` keeps
    them as they are.

    Args:
        source: The folder.
        settings: ``band_hz``, ``norm``; see :mod:`geoml.tasks.tremor.traces`.

    Yields:
        Blocks of at most 128 windows: inputs (n, 20000) float32.

    Raises:
        InputError: no files, or one with other arrays, lengths, labels, or numbers that are not finite.
    """
    source = Path(source)
    found = sorted(source.iterdir()) if source.is_dir() else []
    files = [path for path in found if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    for path in files or reading.find(source, *(f"*{suffix}" for suffix in SUFFIXES)):
        yield from _file(path, settings)


def _file(path: Path, settings: dict[str, Any]) -> Iterator[Block]:
    with (_npz if path.suffix.lower() == ".npz" else _hdf5)(path) as (shape, rows, arrays):
        n, width = shape if len(shape) == 2 else (0, 0)
        if width not in WIDTHS:
            raise InputError(path, "shape of 'X'", "(n, 20000) or (n, 100000)", shape)
        label = _labels(path, arrays.pop("y"), n)
        texts = {name: reading.text(values) for name, values in arrays.items()}
        for name, values in texts.items():
            if values.shape != (n,):
                raise InputError(path, f"shape of {name!r}", f"({n},), one for each row of X", values.shape)
        for first in range(0, n, _BLOCK):
            part = slice(first, min(first + _BLOCK, n))
            yield _block(
                path, first, rows(part.stop - first), label[part], {k: v[part] for k, v in texts.items()}, settings
            )


def _labels(path: Path, y: np.ndarray, n: int) -> np.ndarray:
    """(n,) int8."""
    if y.dtype.kind not in "fiub":
        raise InputError(path, "type of 'y'", "numbers", y.dtype)
    if y.shape not in ((n,), (n, 1)):
        raise InputError(path, "shape of 'y'", f"({n},) or ({n}, 1), one label for each row of X", y.shape)
    y = y.reshape(n)
    wrong = (y != 0) & (y != 1)
    if wrong.any():
        i = int(wrong.argmax())
        raise InputError(path, f"y, row {i}", "0 (no) or 1 (tremor)", y[i])
    return y.astype(np.int8)


def _block(
    path: Path, first: int, x: np.ndarray, label: np.ndarray, texts: dict[str, np.ndarray], settings: dict[str, Any]
) -> Block:
    finite = np.isfinite(x).all(1)
    if not finite.all():
        raise InputError(path, f"X, row {first + int(finite.argmin())}", "finite numbers", "NaN or infinity")
    rate = x.shape[1] / LENGTH_S
    inputs, table_rows, rejected = [], [], []
    for i, (trace, y) in enumerate(zip(x, label.tolist(), strict=True)):
        name = f"{path.name}/{first + i}"
        window = traces.samples(trace, rate, settings)
        if isinstance(window, str):
            rejected.append((name, window))
            continue
        told = {key: str(values[i]) for key, values in texts.items()}
        inputs.append(window)
        table_rows.append(
            {
                "id": name,
                "group": told.get("event") or name,
                "station": told.get("station", ""),
                "component": told.get("component", ""),
                "label": y,
                "kind": "tremor" if y else "",
                "rate_hz": rate,
                "flat_s": traces.flat(trace, rate),
                "clipped_s": traces.clipped(trace, rate),
                **dict.fromkeys(("distance_km", "start", "after_origin_s"), np.nan),
            }
        )
    return block(inputs, table_rows, rejected)


@contextmanager
def _hdf5(path: Path) -> Iterator[tuple[tuple[int, ...], Rows, dict[str, np.ndarray]]]:
    """Shape of X, a function for its next rows, and the other arrays."""
    with reading.open_hdf5(path) as file:
        x = reading.dataset(file, "X", getattr(file.get("X"), "ndim", 2))
        arrays = {name: file[name][()] for name in ("y", *_TEXTS) if name in file}
        if "y" not in arrays:
            raise InputError(path, "key 'y'", "an HDF5 dataset", f"only {', '.join(file)}")
        start = 0

        def rows(count: int) -> np.ndarray:
            nonlocal start
            start += count
            return x[start - count : start]

        yield x.shape, rows, arrays


@contextmanager
def _npz(path: Path) -> Iterator[tuple[tuple[int, ...], Rows, dict[str, np.ndarray]]]:
    """As :func:`_hdf5`; X is read as it is asked for, which NumPy itself does not do inside an archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            there = [name.removesuffix(".npy") for name in archive.namelist()]
            for name in ("X", "y"):
                if name not in there:
                    raise InputError(path, f"key {name!r}", "an array", f"only {', '.join(there)}")
            others = {name: _array(archive, name) for name in ("y", *_TEXTS) if name in there}
            with archive.open("X.npy") as file:
                read_header = {
                    (1, 0): np.lib.format.read_array_header_1_0,
                    (2, 0): np.lib.format.read_array_header_2_0,
                }[np.lib.format.read_magic(file)]
                shape, by_column, dtype = read_header(file)
                if by_column or dtype.kind not in "fiu":
                    expected = "numbers, row after row"
                    raise InputError(path, "layout of 'X'", expected, f"{dtype}{', by column' * by_column}")

                def rows(count: int) -> np.ndarray:
                    content = file.read(count * shape[1] * dtype.itemsize)
                    return np.frombuffer(content, dtype).reshape(count, shape[1])

                yield shape, rows, others
    except InputError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(path, "content", "a complete .npz file without pickled objects", error) from None


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)

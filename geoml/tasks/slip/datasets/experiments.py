"""MATLAB files of whole experiments, ``<experiment>.mat``, cut into windows and labelled (method card, 2 to 5)."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from geoml import reading
from geoml.errors import InputError
from geoml.store import Block
from geoml.tasks.slip import EXPERIMENTS, HEIGHT, NODES, VARIABLES, WIDTH
from geoml.tasks.slip.features import NAMES, features_of
from geoml.tasks.slip.labels import efficiency, starts, velocity

CITATION = (
    "Chaipornkaew, L., Elston, H., Cooke, M., Mukerji, T. & Graham, S. A. (2022): predicting off-fault deformation "
    "from experimental strike-slip fault structures with convolutional neural networks. Geophysical Research Letters."
)
GROUP_1 = tuple(name for name in EXPERIMENTS if name.endswith("_1") and name != "PP_150_1")  # every window trains
GROUP_2 = tuple(name for name in EXPERIMENTS if not name.endswith("_1"))  # windows are dealt out
NO_GROUP = "in no group of the published split"
_DEALT = ("val", "val", "test", "train", "train")
_PIECE = 32  # frames in memory at a time, where the file allows it
_SLOWEST = 0.05  # of the median plate velocity of an experiment
_NUMBERS = ("double", "single", "logical", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


def read(source: Path, settings: dict[str, Any]) -> Iterator[Block]:
    """Windows of every ``*.mat`` in the folder, an experiment named after its file each, MATLAB v5, v7 or v7.3.

    Args:
        source: The folder.
        settings: ``sets``: ``none``, or ``published`` for a column ``official_split`` (card, section 5).

    Yields:
        A block per experiment, by window, in it by frame: inputs (n, 128, 64) uint8, the fault maps.

    Raises:
        InputError: there is no file, or one is no experiment.
    """
    for path in reading.find(Path(source), "*.mat"):
        yield _experiment(path, settings["sets"] == "published")


def _experiment(path: Path, published: bool) -> Block:
    """A function of its own, so that the variables are gone when the next file is read."""
    with _frames(path) as variables:
        return _block(path, variables, published)


def table(name: str, maps: np.ndarray, numbers: dict[str, np.ndarray], last: int) -> dict[str, np.ndarray]:
    """The columns of samples of one experiment, the same for all readers.

    Args:
        name: Of the experiment.
        maps: (n, 128, 64) uint8.
        numbers: (n,) ``window``, ``frame``, ``efficiency``, ``sd`` and ``velocity``.
        last: The experiment's last frame.

    Returns:
        One (n,) array a column, without ``official_split``.
    """
    window, frame, n = numbers["window"], numbers["frame"], len(maps)
    ids = [identity(name, w, t) for w, t in zip(window.tolist(), frame.tolist(), strict=True)]
    columns = {
        "id": np.array(ids, "U"),
        "group": np.full(n, name),
        "condition": np.full(n, re.sub(r"_\d{1,2}$", "", name)),  # without the number of the repeat
        "window": window.astype(np.int16),
        "frame": frame.astype(np.int16),
        "progress": (frame / max(last, 1)).astype(np.float32),
        "efficiency": numbers["efficiency"].astype(float),
        "sd": numbers["sd"].astype(float),
        "velocity": numbers["velocity"].astype(float),
    }
    return columns | dict(zip(NAMES, features_of(maps).T, strict=True))


def identity(experiment: str, window: int, frame: int) -> str:
    """Name of a sample, such as ``EB_050_1/win_3/t_121``."""
    return f"{experiment}/win_{window}/t_{frame:03d}"


def dealt(experiment: str) -> tuple[str, ...]:
    """Sets of the five windows of an experiment; none if the published split leaves it out (card, section 5).

    The publication drew without a seed; here an experiment's name is the seed.
    """
    if experiment in GROUP_1:
        return ("train",) * len(_DEALT)
    if experiment not in GROUP_2:
        return ()
    return tuple(np.random.default_rng(list(experiment.encode())).permutation(_DEALT).tolist())


def _block(path: Path, variables: dict[str, Any], published: bool) -> Block:
    name, (frames, width, _) = path.stem, variables["curl_map"].shape
    columns = starts(width)
    if published and len(columns) != len(_DEALT):
        raise InputError(path, "windows", f"{len(_DEALT)}, for `sets: published`", len(columns))
    ends = {key: np.stack([variables[key][:, :, end] for end in (0, -1)], 1) for key in ("store_u", "store_v")}
    for key, values in ends.items():
        _finite(path, key, values, 0)
    plate = velocity(ends["store_u"], ends["store_v"])
    moving = plate > _SLOWEST * np.median(plate)
    maps = np.empty((len(columns), frames, HEIGHT, WIDTH), np.uint8)
    labels = np.full((2, len(columns), frames), np.nan)
    for first in range(0, frames, _PIECE):
        piece = slice(first, first + _PIECE)
        curl, fault = _piece(path, variables, piece)
        speed = np.where(moving[piece], plate[piece], np.nan)
        for w, x in enumerate(columns):
            crops = curl[:, :HEIGHT, x : x + WIDTH], fault[:, :HEIGHT, x : x + WIDTH]
            maps[w, piece] = crops[1]
            labels[:, w, piece] = efficiency(*crops, speed)

    faulted = maps.max((2, 3)) > 0
    good = faulted & moving
    window, frame = np.indices(good.shape)
    rejected = [
        (identity(name, w, t), "plate velocity near zero" if faulted[w, t] else "no fault in the window")
        for w, t in np.argwhere(~good)
    ]
    sets = dealt(name) if published else ("",) * len(columns)
    if not sets:
        rejected += [(identity(name, w, t), NO_GROUP) for w, t in np.argwhere(good)]
        good[:] = False
    if good.any() and (middle := np.median(labels[0][good])) < 0:
        expected = "positive rotation on faults, as in a dextral experiment"
        raise InputError(path, "curl_map", expected, f"a median efficiency of {middle:.2f}", "Change its sign.")
    numbers = {"window": window, "frame": frame, "velocity": np.broadcast_to(plate, good.shape)}
    numbers |= {"efficiency": labels[0], "sd": labels[1]}
    chosen = {key: values[good] for key, values in numbers.items()}
    told = table(name, maps[good], chosen, frames - 1)
    if published:
        told["official_split"] = np.array(sets or [""] * len(columns), "U5")[chosen["window"]]
    return Block(maps[good], told, rejected)


def _piece(path: Path, variables: dict[str, Any], piece: slice) -> tuple[np.ndarray, np.ndarray]:
    """Curl and fault map of some frames, (t, H, W) each; all four variables are checked."""
    values = {key: np.swapaxes(variables[key][piece], 1, 2) for key in VARIABLES}
    for key in VARIABLES:
        _finite(path, key, values[key], piece.start)
    fault = values["altBW_filt"]
    if not ((fault == 0) | (fault == 1)).all():
        found = ", ".join(f"{x:g}" for x in np.unique(fault)[:6].astype(float))
        raise InputError(path, "altBW_filt", "a map of 0 and 1 (fault)", f"values {found}")
    return values["curl_map"], fault


def _finite(path: Path, key: str, values: np.ndarray, first: int) -> None:
    bad = ~np.isfinite(values).reshape(len(values), -1).all(1)
    if bad.any():
        t = int(bad.argmax())
        raise InputError(path, key, "finite numbers", f"{(~np.isfinite(values[t])).sum()} others in frame {first + t}")


@contextmanager
def _frames(path: Path) -> Iterator[dict[str, Any]]:
    """The four variables, (T, W, H) each, in memory or as parts of an open file, checked for kind and shape."""
    import h5py

    if h5py.is_hdf5(path):
        with reading.open_hdf5(path) as file:
            _present(path, list(file))
            yield _checked(path, {key: _of_hdf5(reading.dataset(file, key, 3)) for key in VARIABLES})
    else:
        yield _checked(path, _of_matlab(path))


def _of_hdf5(values: Any) -> Any:
    """MATLAB's axes come reversed, (T, W, H); a file of another program is told by the published grid's shape."""
    shape = values.shape
    return np.ascontiguousarray(values[()].T) if shape[:2] == NODES and shape[1:] != NODES[::-1] else values


def _of_matlab(path: Path) -> dict[str, np.ndarray]:
    from scipy.io import loadmat, whosmat

    try:
        there = {name: (shape, kind) for name, shape, kind in whosmat(path)}
        _present(path, list(there))
        for key in VARIABLES:
            shape, kind = there[key]
            if kind not in _NUMBERS:
                raise InputError(path, f"type of {key!r}", "real numbers", kind)
            if len(shape) != 3:
                raise InputError(path, f"shape of {key!r}", "3 dimensions: rows, columns, frames", shape)
        found = loadmat(path, variable_names=VARIABLES)
    except InputError:
        raise
    except Exception as error:  # whatever SciPy says of a damaged file
        raise InputError(path, "content", "a complete MATLAB file", f"{error or type(error).__name__}") from None
    for key in VARIABLES:
        if found[key].dtype.kind == "c":
            raise InputError(path, f"type of {key!r}", "real numbers", "complex numbers")
    return {key: found[key].T for key in VARIABLES}


def _present(path: Path, names: list[str]) -> None:
    for key in VARIABLES:
        if key not in names:
            there = ", ".join(sorted(name for name in names if not name.startswith("#"))[:12]) or "nothing"
            raise InputError(path, f"variable {key!r}", ", ".join(VARIABLES), f"only {there}", "Is the file complete?")


def _checked(path: Path, variables: dict[str, Any]) -> dict[str, Any]:
    shapes = {key: values.shape[::-1] for key, values in variables.items()}
    if len(set(shapes.values())) > 1:
        got = ", ".join(f"{key} {shape}" for key, shape in shapes.items())
        raise InputError(path, "shapes", "the same rows, columns and frames in all variables", got)
    height, width, frames = shapes["curl_map"]
    if (height, width) == NODES[::-1]:
        raise InputError(path, "shape", "rows across the fault first, then columns along strike", shapes["curl_map"])
    if height < HEIGHT or width < WIDTH or not frames:
        expected = f"{HEIGHT} rows, {WIDTH} columns and a frame, or more"
        raise InputError(path, "shape", expected, f"{height} rows, {width} columns, {frames} frames")
    return variables

"""The probability of a BSR at every pixel of a seismic line, by two engines behind one interface (card, section 11).

The line is scaled, mirrored at its edges by half a window, and resized once by 112/48; windows of 112 x 112 pixels at
multiples of a stride then go through the network. The sliding engine cuts each window out. The convolutional engine
runs the network over whole tiles, so that neighbouring windows share their work; where a network pads its layers, its
windows then see their surroundings where cut windows see zeros, and the two agree only in trend.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, product
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.errors import InputError
from geoml.logs import progress
from geoml.tasks.patchnet import SIDE, SIZE
from geoml.tasks.patchnet.patches import scale_of

if TYPE_CHECKING:
    import keras

ENGINES = ("convolutional", "sliding")
SCALES = ("line", "model")
STRIDES = (16, 8, 4)  # network pixels
_STEP = 16  # network pixels between the windows of one convolutional pass
_TILE = 64  # windows along either side of a tile at most: about half a gigabyte while v1 is at it
_MARGIN = 8  # windows at a cut edge of a tile that a padding network gets wrong: its layers see up to 7 x 16 pixels
_PER_PIXEL = SIDE / SIZE  # samples of the line


@dataclass(eq=False)
class Map:
    """Probabilities of a BSR over a line.

    Attributes:
        values: (samples, traces) float32, interpolated between the windows; NaN in dead traces.
        grid: (rows, columns) float32, one a window.
        rows, columns: Centres of the windows, in samples and traces from 0.
        engine: ``sliding`` or ``convolutional``.
        scale: Centre and half range of the amplitudes, as of :func:`geoml.tasks.patchnet.patches.scale_of`.
        dead: (traces,) bool: constant or not finite, taken as without amplitude.
        seconds: That the engine took.
    """

    values: np.ndarray
    grid: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    engine: str
    scale: tuple[float, float]
    dead: np.ndarray
    seconds: float

    @property
    def windows(self) -> int:
        """How many windows were judged."""
        return self.grid.size


def probabilities(
    model: Any,
    amplitudes: np.ndarray,
    *,
    engine: str | None = None,
    stride: int = 16,
    batch: int = 64,
    scale: str = "line",
    where: object = "line",
) -> Map:
    """The probability of a BSR at every pixel of a line.

    Args:
        model: A :class:`geoml.models.Model` of this task.
        amplitudes: (samples, traces), any unit.
        engine: ``sliding`` or ``convolutional``; by default what :func:`engine_for` says.
        stride: Of the windows, network pixels: 16, 8 or 4 (6.9, 3.4 or 1.7 samples).
        batch: Windows at once (sliding).
        scale: ``line``: by the line's own percentiles, since its unit is arbitrary; ``model``: as the model's patches.
        where: What messages call the line.

    Raises:
        InputError: an option is wrong, the line is smaller than a patch, or it has no live trace.
    """
    if engine not in (None, *ENGINES):
        raise InputError("engine", "value", " or ".join(ENGINES), repr(engine))
    if stride not in STRIDES:
        raise InputError("stride", "value", "16, 8 or 4", stride)
    if scale not in SCALES:
        raise InputError("scale", "value", " or ".join(SCALES), repr(scale))
    if min(amplitudes.shape) < SIDE:
        raise InputError(where, "shape", f"at least {SIDE} samples and {SIDE} traces", amplitudes.shape)
    dead = dead_traces(amplitudes)
    if dead.all():
        raise InputError(where, "traces", "at least one with finite amplitudes that change", f"{len(dead)} dead ones")
    bounds = tuple(model.meta["scale"]) if scale == "model" else _own_scale(amplitudes[:, ~dead], where)
    centre, half = map(np.float32, bounds)
    scaled = np.clip((amplitudes.astype(np.float32) - centre) / half, -1, 1)
    scaled[:, dead] = 0
    engine = engine or engine_for(model)
    start = time.perf_counter()
    grid = grids(model.network, padded_and_resized(scaled), engine, stride, batch)
    seconds = time.perf_counter() - start
    # A window that starts at network pixel 0 of the padded line has its centre at the line's upper left corner.
    rows, columns = (np.arange(n) * stride * _PER_PIXEL - 0.5 for n in grid.shape)
    values = _interpolated(grid, rows, columns, amplitudes.shape)
    values[:, dead] = np.nan
    return Map(values, grid, rows, columns, engine, bounds, dead, seconds)


def dead_traces(amplitudes: np.ndarray) -> np.ndarray:
    """(traces,) bool: traces of (samples, traces) that are constant or not finite, which say nothing."""
    return ~np.isfinite(amplitudes).all(axis=0) | (amplitudes == amplitudes[:1]).all(axis=0)


def engine_for(model: Any) -> str:
    """The fastest engine whose answers are those of the network on cut windows.

    That is the convolutional one for a network of the family that pads none of its layers, and the sliding one for
    all others: the default never gives other answers than the network was trained and tested to give.
    """
    return "convolutional" if "convolutional" in engines_of(model) and not _pads(model.network) else "sliding"


def engines_of(model: Any) -> tuple[str, ...]:
    """The engines that can run a network: ``sliding`` any, ``convolutional`` those of the family."""
    try:
        _convolutional(model.network)
    except InputError:
        return ("sliding",)
    return ("sliding", "convolutional")


@lru_cache(maxsize=1)  # traced once for all lines
def _convolutional(network: "keras.Model") -> "keras.Model":
    from geoml.tasks.patchnet.models._blocks import fully_convolutional

    return fully_convolutional(network)


def _pads(network: "keras.Model") -> bool:
    """Whether a layer of a network of the family adds pixels at the borders of its input."""
    kernels = [layer for layer in network.layers if hasattr(layer, "padding")]
    sizes = [getattr(layer, "kernel_size", None) or layer.pool_size for layer in kernels]
    return any(layer.padding != "valid" and max(size) > 1 for layer, size in zip(kernels, sizes, strict=True))


def _own_scale(live: np.ndarray, where: object) -> tuple[float, float]:
    try:
        return scale_of(live[None])
    except InputError as error:
        raise InputError(where, error.field, error.expected, error.got) from None


def padded_and_resized(scaled: np.ndarray) -> np.ndarray:
    """What windows are cut from: the line (samples, traces), mirrored by half a window at its edges, 112/48 as large.

    Output pixel i is read at ``(i + 0.5) * 48 / 112 - 0.5`` of the padded line, bilinearly, as patches are resized.
    """
    return _resampled(_resampled(scaled).T).T


def _resampled(values: np.ndarray) -> np.ndarray:
    """The same along the first axis only."""
    last = len(values) - 1
    at = np.arange(int((len(values) + SIDE) / _PER_PIXEL + 1e-9)) + 0.5
    at = at * _PER_PIXEL - 0.5 - SIDE // 2
    at = last - np.abs(last - np.abs(at))
    left = np.minimum(at.astype(int), last - 1)
    weight = (at - left).astype(np.float32)[:, None]
    return values[left] * (1 - weight) + values[left + 1] * weight


def grids(network: "keras.Model", pixels: np.ndarray, engine: str, stride: int = 16, batch: int = 64) -> np.ndarray:
    """Probability of class 1 of every window of a resized line.

    Args:
        network: (b, 112, 112, 1) -> (b, 2).
        pixels: (height, width) float32, network pixels, 112 at least.
        engine: ``sliding`` or ``convolutional``.
        stride: Pixels between windows; for the convolutional engine a divisor of 16.
        batch: Windows at once (sliding).

    Returns:
        (rows, columns) float32, the windows that start at multiples of ``stride``.

    Raises:
        InputError: the network has no convolutional form.
    """
    grid = np.empty([(n - SIZE) // stride + 1 for n in pixels.shape], np.float32)
    if engine == "sliding":
        windows = np.lib.stride_tricks.sliding_window_view(pixels, (SIZE, SIZE))[::stride, ::stride]
        flat = (windows[at] for at in np.ndindex(grid.shape))
        steps = _batches(flat, batch)
        for number, part in enumerate(progress(steps, -(-grid.size // batch), "batch")):
            full = np.resize(part, (batch, SIZE, SIZE))  # one size, traced once
            answer = np.asarray(network.predict_on_batch(full[..., None]))
            grid.flat[number * batch : number * batch + len(part)] = answer[: len(part), 1]
        return grid
    whole = _convolutional(network)
    margin = _MARGIN if _pads(network) else 0
    passes = list(product(range(0, _STEP, stride), repeat=2))
    for down, right in progress(passes, len(passes), "pass"):
        part = grid[down // stride :: _STEP // stride, right // stride :: _STEP // stride]
        if part.size:
            _fill(part, whole, pixels[down:, right:], margin)
    return grid


def _batches(windows: Iterator[np.ndarray], batch: int) -> Iterable[np.ndarray]:
    while part := list(islice(windows, batch)):
        yield np.stack(part)


def _fill(grid: np.ndarray, whole: "keras.Model", pixels: np.ndarray, margin: int) -> None:
    """One convolutional pass: windows that start at multiples of 16 pixels, tile by tile, into ``grid``."""
    for (first, last, keep), (left, right, kept) in product(*(_tiles(n, margin) for n in grid.shape)):
        top, side = first * _STEP, left * _STEP
        tile = pixels[top : last * _STEP + SIZE - _STEP, side : right * _STEP + SIZE - _STEP]
        answer = np.asarray(whole.predict_on_batch(np.ascontiguousarray(tile)[None, ..., None]))[0, ..., 1]
        inner = slice(keep.start - first, keep.stop - first), slice(kept.start - left, kept.stop - left)
        grid[keep, kept] = answer[inner]


def _tiles(windows: int, margin: int) -> list[tuple[int, int, slice]]:
    """First and last (exclusive) window of each tile along an axis, and those that it gives; all of one size.

    A tile gives its windows but for ``margin`` at each edge that is not one of the line's.
    """
    count = -(-windows // (_TILE - 2 * margin))
    size = min(windows, -(-windows // count) + 2 * margin)
    found, done = [], 0
    while done < windows:
        first = max(min(done - margin, windows - size), 0)
        stop = windows if first + size == windows else first + size - margin
        found.append((first, first + size, slice(done, stop)))
        done = stop
    return found


def _interpolated(grid: np.ndarray, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The grid at every pixel (samples, traces), bilinearly; beyond the outermost centres as they are."""
    for centres, length in ((rows, shape[0]), (columns, shape[1])):
        at = np.interp(np.arange(length), centres, np.arange(len(centres)))
        left = np.minimum(at.astype(int), len(centres) - 2)
        weight = (at - left).astype(np.float32)[:, None]
        grid = (grid[left] * (1 - weight) + grid[left + 1] * weight).T
    return np.ascontiguousarray(grid)


def agreement(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """How far two maps agree: share of equal decisions at 0.5, correlation, mean and largest absolute difference."""
    difference = np.abs(a - b)
    varied = a.std() > 0 and b.std() > 0
    return {
        "decisions": float(((a >= 0.5) == (b >= 0.5)).mean()),
        "correlation": float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) if varied else float("nan"),
        "mean_abs": float(difference.mean()),
        "max_abs": float(difference.max()),
    }

"""The probability of a BSR at every pixel of a seismic line, by two engines behind one interface (card, section 11).

The line is scaled, mirrored at its edges by half a window, and resized once by 112/48; windows of 112 x 112 pixels at
multiples of a stride then go through the network. The sliding engine cuts each window out. The convolutional engine
runs the network over whole tiles, so that neighbouring windows share their work; where a network pads its layers, its
windows then see their surroundings where cut windows see zeros, and the two agree only in trend.

Trained and exported networks alike go through it; for exported ones NumPy and their runtime are all that is needed,
and little memory: the line is resized only where it is being read, and tiles are small.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, product
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.errors import InputError
from geoml.logs import progress
from geoml.runtimes import Exported
from geoml.tasks.patchnet import SIDE, SIZE
from geoml.tasks.patchnet.patches import scale_of

if TYPE_CHECKING:
    import keras

ENGINES = ("convolutional", "sliding")
SCALES = ("line", "model")
STRIDES = (16, 8, 4)  # network pixels
_STEP = 16  # network pixels between the windows of one convolutional pass
_TILE = 64  # windows along either side of a tile at most: about half a gigabyte while v1 is at it
_BATCH = 64  # windows at once (sliding)
_SMALL_TILE, _SMALL_BATCH = 10, 4  # the same of exported networks: at most 120 MB with Python and the runtime
_TOGETHER = 256  # traces that the map is made of at a time
_MARGIN = 8  # windows at a cut edge of a tile that a padding network gets wrong: its layers see up to 7 x 16 pixels
_PER_PIXEL = SIDE / SIZE  # samples of the line
_ANY = (None, None, 1)  # input of a network that takes any height and width


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
    batch: int | None = None,
    scale: str = "line",
    where: object = "line",
) -> Map:
    """The probability of a BSR at every pixel of a line.

    Args:
        model: A :class:`geoml.models.Model` or :class:`geoml.runtimes.Exported` of this task.
        amplitudes: (samples, traces), any unit.
        engine: ``sliding`` or ``convolutional``; by default what :func:`engine_for` says.
        stride: Of the windows, network pixels: 16, 8 or 4 (6.9, 3.4 or 1.7 samples).
        batch: Windows at once (sliding); by default 64, of an exported model 4.
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
    bounds = (
        tuple(model.meta["scale"])
        if scale == "model"
        else _own_scale(np.compress(~dead, amplitudes, axis=1) if dead.any() else amplitudes, where)
    )
    engine = engine or engine_for(model)
    start = time.perf_counter()
    network = model if isinstance(model, Exported) else model.network
    grid = grids(network, Resized(amplitudes, bounds, dead), engine, stride, batch)
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
    all others: the default never gives other answers than the network was trained and tested to give. Of exported
    networks those take any height and width that are exact (:func:`geoml.tasks.patchnet.task.exported`).
    """
    if isinstance(model, Exported):
        return engines_of(model)[-1]
    return "convolutional" if "convolutional" in engines_of(model) and not _pads(model.network) else "sliding"


def engines_of(model: Any) -> tuple[str, ...]:
    """The engines that can run a network: ``sliding`` any, ``convolutional`` those of the family.

    Raises:
        InputError: an exported network that does not take patches.
    """
    if isinstance(model, Exported):
        shape = model.input_shape[1:]
        if shape not in ((SIZE, SIZE, 1), _ANY):
            expected = f"(any, {SIZE}, {SIZE}, 1), or any height and width"
            raise InputError("model", "shape of the input", expected, model.input_shape)
        return ("sliding", "convolutional") if shape == _ANY else ("sliding",)
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


class Resized:
    """A line, scaled to -1..1, mirrored by half a window at its edges and 112/48 as large; made where it is read.

    Output pixel i is read at ``(i + 0.5) * 48 / 112 - 0.5`` of the padded line, bilinearly, as patches are resized.

    Attributes:
        shape: Height and width, network pixels.
    """

    def __init__(self, amplitudes: np.ndarray, scale: tuple[float, float], dead: np.ndarray) -> None:
        self._amplitudes, self._dead = amplitudes, dead
        self._centre, self._half = map(np.float32, scale)
        self.shape = tuple(int((n + SIDE) / _PER_PIXEL + 1e-9) for n in amplitudes.shape)

    def __getitem__(self, part: tuple[slice, slice]) -> np.ndarray:
        (rows, down), (columns, along) = (
            _places(range(*of.indices(size)), n)
            for of, size, n in zip(part, self.shape, self._amplitudes.shape, strict=True)
        )
        first, last = columns.min(), columns.max() + 2
        top, bottom = rows.min(), rows.max() + 2
        scaled = (self._amplitudes[top:bottom, first:last].astype(np.float32) - self._centre) / self._half
        scaled = np.clip(scaled, -1, 1)
        scaled[:, self._dead[first:last]] = 0
        return _between(_between(scaled, rows - top, down).T, columns - first, along).T


def _places(pixels: range, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Between which sample and its next each pixel lies, and how far, of a line of ``length``."""
    at = (np.arange(pixels.start, pixels.stop) + 0.5) * _PER_PIXEL - 0.5 - SIDE // 2
    at = length - 1 - np.abs(length - 1 - np.abs(at))
    left = np.minimum(at.astype(int), length - 2)
    return left, (at - left).astype(np.float32)[:, None]


def _between(values: np.ndarray, left: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return values[left] * (1 - weight) + values[left + 1] * weight


def grids(
    network: "keras.Model | Exported",
    pixels: np.ndarray | Resized,
    engine: str,
    stride: int = 16,
    batch: int | None = None,
) -> np.ndarray:
    """Probability of class 1 of every window of a resized line.

    Args:
        network: (b, 112, 112, 1) -> (b, 2), or exported for any height and width.
        pixels: (height, width) float32, network pixels, 112 at least.
        engine: ``sliding`` or ``convolutional``.
        stride: Pixels between windows; for the convolutional engine a divisor of 16.
        batch: Windows at once (sliding); by default 64, of an exported network 4.

    Returns:
        (rows, columns) float32, the windows that start at multiples of ``stride``.

    Raises:
        InputError: the network has no convolutional form.
    """
    grid = np.empty([(n - SIZE) // stride + 1 for n in pixels.shape], np.float32)
    if engine == "sliding":
        batch = batch or (_SMALL_BATCH if isinstance(network, Exported) else _BATCH)
        steps = _batches(_windows(pixels, stride), batch)
        for number, part in enumerate(progress(steps, -(-grid.size // batch), "batch")):
            grid.flat[number * batch : number * batch + len(part)] = _answers(network, part, batch)
        return grid
    whole, margin, tile = _whole(network)
    passes = list(product(range(0, _STEP, stride), repeat=2))
    for down, right in progress(passes, len(passes), "pass"):
        part = grid[down // stride :: _STEP // stride, right // stride :: _STEP // stride]
        for rows, columns in product(*(_tiles(n, margin, tile) for n in part.shape)) if part.size else ():
            seen = pixels[_pixels(rows, down), _pixels(columns, right)]
            answer = whole(np.ascontiguousarray(seen)[None, ..., None])
            part[rows[2], columns[2]] = answer[_inner(rows), _inner(columns)]
    return grid


def _windows(pixels: np.ndarray | Resized, stride: int) -> Iterator[np.ndarray]:
    for top in range(0, pixels.shape[0] - SIZE + 1, stride):
        band = pixels[top : top + SIZE, :]
        for left in range(0, pixels.shape[1] - SIZE + 1, stride):
            yield band[:, left : left + SIZE]


def _batches(windows: Iterator[np.ndarray], batch: int) -> Iterable[np.ndarray]:
    while part := list(islice(windows, batch)):
        yield np.stack(part)


def _answers(network: "keras.Model | Exported", windows: np.ndarray, batch: int) -> np.ndarray:
    """(n,) probabilities of class 1 for windows (n, 112, 112), n <= batch."""
    if isinstance(network, Exported):
        return next(iter(network.infer(windows[..., None], batch).values())).reshape(len(windows), -1)[:, 1]
    full = np.resize(windows, (batch, SIZE, SIZE))  # one size, traced once
    return np.asarray(network.predict_on_batch(full[..., None]))[: len(windows), 1]


def _whole(network: "keras.Model | Exported") -> tuple[Callable[[np.ndarray], np.ndarray], int, int]:
    """What gives the probabilities of class 1 (rows, columns) of a tile (1, height, width, 1); its margin and size."""
    if isinstance(network, Exported):
        if network.input_shape[1:] != _ANY:
            raise InputError(
                "model", "network", "one exported for any height and width", f"one for {network.input_shape[1:]}",
                "It can slide over a section.",
            )  # fmt: skip
        return lambda tile: next(iter(network.call(tile).values()))[0, ..., 1], 0, _SMALL_TILE
    whole = _convolutional(network)
    margin = _MARGIN if _pads(network) else 0
    return lambda tile: np.asarray(whole.predict_on_batch(tile))[0, ..., 1], margin, _TILE


def _pixels(tile: tuple[int, int, slice], start: int) -> slice:
    """What a tile sees along an axis, in a pass that starts at pixel ``start``."""
    first, last, _ = tile
    return slice(start + first * _STEP, start + (last - 1) * _STEP + SIZE)


def _inner(tile: tuple[int, int, slice]) -> slice:
    """Which of a tile's windows it gives."""
    first, _, keep = tile
    return slice(keep.start - first, keep.stop - first)


def _tiles(windows: int, margin: int, tile: int = _TILE) -> list[tuple[int, int, slice]]:
    """First and last (exclusive) window of each tile along an axis, and those that it gives; all of one size.

    A tile has ``tile`` windows at most. It gives its windows but for ``margin`` at each edge that is not one of the
    line's.
    """
    count = -(-windows // (tile - 2 * margin))
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
    (up, down), (left, right) = (_weighed(*axis) for axis in zip((rows, columns), shape, strict=True))
    values = np.empty(shape, np.float32)
    by_column = _between(grid, up, down).T
    for start in range(0, shape[1], _TOGETHER):
        part = slice(start, start + _TOGETHER)
        values[:, part] = _between(by_column, left[part], right[part]).T
    return values


def _weighed(centres: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Between which centre and its next each pixel of an axis lies, and how far."""
    at = np.interp(np.arange(length), centres, np.arange(len(centres)))
    left = np.minimum(at.astype(int), len(centres) - 2)
    return left, (at - left).astype(np.float32)[:, None]


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

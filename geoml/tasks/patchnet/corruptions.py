"""What spoils synthetic patches: six steps, each on a block of samples with a strength a sample (method card, 2.5).

Every step leaves its input alone where its strength is 0. Beyond its edges a patch is mirrored about its outermost
pixels for filters; warps stay at the outermost pixel.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from geoml.tasks.patchnet import SIDE
from geoml.tasks.patchnet.synthetic_patches import column, plane

WAVES = 8  # most cycles a patch of a blending mask; steeper ones hold less than 1 % of its power
MASK_NUMBERS = (2 * WAVES + 1, 2 * WAVES + 1)
CELLS = (15, 15)  # most cells of a drop-out's mask
UNIFORMS = 18  # numbers that a patch's strengths are drawn from
ONCE = [2, 4, 9, 13, 14, 15]  # those that the original draws once for a whole set
_RADIUS = 12  # pixels of a smoothing kernel: four times the largest sigma
_INWARD = 0.3  # of the side, most that a corner moves: the four stay convex


@dataclass(frozen=True)
class Strengths:
    """Probability of each step, and the ranges that its strengths are drawn from (card, 2.5).

    Attributes:
        blur: Probability, then the largest sigma, pixels.
        noise: Probability, then the smallest and largest standard deviation.
        elastic: Probability, then the smallest and largest sigma, pixels.
        mask: Probability.
        perspective: Probability, then the largest scale, as a share of the side.
        dropout: Probability, then the largest share of dropped cells, then the smallest and largest mask.
    """

    blur: tuple[float, float]
    noise: tuple[float, float, float]
    elastic: tuple[float, float, float]
    mask: float
    perspective: tuple[float, float]
    dropout: tuple[float, float, float, float]


TRAIN = Strengths((0.40, 2), (0.50, 0.005, 0.05), (0.35, 0.1, 2), 0.40, (0.35, 0.1), (0.35, 0.2, 0.05, 0.2))
HARDER = Strengths((0.50, 3), (0.50, 0.001, 0.15), (0.45, 0.01, 3), 0.50, (0.45, 0.2), (0.40, 0.3, 0.01, 0.3))


def drawn(uniforms: np.ndarray, limits: Strengths) -> dict[str, np.ndarray]:
    """Strengths of each sample, 0 where a step is left out.

    Args:
        uniforms: (n, 18) numbers in [0, 1).
        limits: What they are drawn from.

    Returns:
        (n,) ``gain``, ``blur`` (sigma, pixels), ``noise`` (standard deviation), ``elastic`` (pixels),
        ``elastic_sigma`` (pixels), ``mask`` (pixels), ``perspective`` (share of the side), ``dropout`` (share),
        ``dropout_rows`` and ``dropout_columns`` (shares of the side).
    """
    u = uniforms.T
    bounds = np.sort([_between(u[k], *limits.dropout[2:]) for k in (14, 15)], 0)
    warped, dropped = u[5] < limits.elastic[0], u[12] < limits.dropout[0]
    return {
        "gain": _between(u[0], 0.2, 1.0),
        "blur": _between(u[2], 0.05, limits.blur[1]) * (u[1] < limits.blur[0]),
        "noise": _between(u[4], *limits.noise[1:]) * (u[3] < limits.noise[0]),
        "elastic": _between(u[6], 0.5, 3.5) * warped,
        "elastic_sigma": _between(u[7], *limits.elastic[1:]) * warped,
        "mask": np.floor(_between(u[9], 1, SIDE)) * (u[8] < limits.mask),
        "perspective": _between(u[11], 0.01, limits.perspective[1]) * (u[10] < limits.perspective[0]),
        "dropout": _between(u[13], 0.05, limits.dropout[1]) * dropped,
        "dropout_rows": _between(u[16], *bounds) * dropped,
        "dropout_columns": _between(u[17], *bounds) * dropped,
    }


def corrupted(x: np.ndarray, by: dict[str, np.ndarray], numbers: Callable[..., np.ndarray]) -> np.ndarray:
    """All steps in the card's order, each on the samples that have it.

    Args:
        x: (n, 48, 48) float32.
        by: As of :func:`drawn`.
        numbers: ``numbers(step, rows, shape, normal)`` gives (len(rows), *shape) float32 random numbers for these rows
            of ``x``: standard normal ones, or uniform in [0, 1).

    Returns:
        (n, 48, 48) float32.
    """
    x = x * column(by["gain"])
    if len(rows := np.flatnonzero(by["blur"])):
        x[rows] = blur(x[rows], by["blur"][rows])
    if len(rows := np.flatnonzero(by["noise"])):
        x[rows] = noise(x[rows], by["noise"][rows], numbers(1, rows, (SIDE, SIDE), True))
    if len(rows := np.flatnonzero(by["elastic"])):
        field = numbers(2, rows, (2, SIDE, SIDE), False)
        x[rows] = elastic(x[rows], by["elastic"][rows], by["elastic_sigma"][rows], field)
    if len(rows := np.flatnonzero(by["mask"])):
        x[rows] = laplacian_blend(x[rows], by["mask"][rows], numbers(3, rows, MASK_NUMBERS, True))
    if len(rows := np.flatnonzero(by["perspective"])):
        x[rows] = perspective(x[rows], by["perspective"][rows], numbers(4, rows, (4, 2), True))
    if len(rows := np.flatnonzero(by["dropout"])):
        size = np.stack([by["dropout_rows"][rows], by["dropout_columns"][rows]], 1)
        x[rows] = dropout(x[rows], by["dropout"][rows], size, numbers(5, rows, CELLS, False))
    return x


def blur(x: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Gaussian blur.

    Args:
        x: (n, 48, 48) float32.
        sigma: (n,) standard deviations, pixels, up to 3.

    Returns:
        (n, 48, 48) float32.
    """
    smooth = _smoothing(sigma)
    return smooth @ x @ smooth.transpose(0, 2, 1)


def noise(x: np.ndarray, std: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """White Gaussian noise.

    Args:
        x: (n, 48, 48) float32.
        std: (n,) standard deviations.
        normal: (n, 48, 48) standard normal numbers.

    Returns:
        (n, 48, 48) float32.
    """
    return x + normal * column(std)


def elastic(x: np.ndarray, alpha: np.ndarray, sigma: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Elastic warp: each pixel is taken from a place nearby, by a smoothed random field.

    Args:
        x: (n, 48, 48) float32.
        alpha: (n,) largest displacement before smoothing, pixels.
        sigma: (n,) standard deviations of the smoothing, pixels, up to 3.
        uniform: (n, 2, 48, 48) float32 numbers in [0, 1): displacement down and along.

    Returns:
        (n, 48, 48) float32.
    """
    smooth = _smoothing(sigma)[:, None]
    field = smooth @ (uniform * np.float32(2) - np.float32(1)) @ smooth.transpose(0, 1, 3, 2)
    field *= column(alpha)[:, None]
    at = np.arange(SIDE, dtype=np.float32)
    field[:, 0] += at[:, None]
    field[:, 1] += at
    return _warped(x, field[:, 0], field[:, 1])


def laplacian_blend(x: np.ndarray, size: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Blend of patches and their 3 x 3 Laplacian, by smooth random masks of power-law noise (exponent -2).

    Args:
        x: (n, 48, 48) float32.
        size: (n,) side of the grid that a mask could be drawn on, pixels: waves up to half of it. Below 2 there is
            none.
        normal: (n, 17, 17) float32 standard normal numbers.

    Returns:
        (n, 48, 48) float32.
    """
    basis, amplitude, cycles = _waves()
    mask = basis @ (normal * amplitude * (cycles <= (size / 2)[:, None, None])) @ basis.T
    low, high = mask.min((1, 2), keepdims=True), mask.max((1, 2), keepdims=True)
    mask -= low
    mask /= np.where(high > low, high - low, 1)
    change = x * np.float32(-5)  # the Laplacian, less the patch itself
    change[:, 1:] += x[:, :-1]
    change[:, :-1] += x[:, 1:]
    change[:, :, 1:] += x[:, :, :-1]
    change[:, :, :-1] += x[:, :, 1:]
    change[:, 0] += x[:, 1]
    change[:, -1] += x[:, -2]
    change[:, :, 0] += x[:, :, 1]
    change[:, :, -1] += x[:, :, -2]
    change *= mask
    change += x
    return change


def perspective(x: np.ndarray, scale: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Perspective warp: the corners of what is seen move inwards, the size stays.

    Args:
        x: (n, 48, 48) float32.
        scale: (n,) standard deviation of the corners' moves, as a share of the side.
        normal: (n, 4, 2) standard normal numbers: top left, top right, bottom right, bottom left; down and along.

    Returns:
        (n, 48, 48) float32.
    """
    inward = np.minimum(np.abs(normal * scale[:, None, None]), _INWARD)
    corners = np.array([[0, 0], [0, 1], [1, 1], [1, 0]])
    (y0, x0), (y1, x1), (y2, x2), (y3, x3) = (corners + inward * (1 - 2 * corners)).transpose(1, 2, 0)
    # The projective map of the unit square to four corners (Heckbert 1989).
    ex, ey, fx, fy = x1 - x2, y1 - y2, x3 - x2, y3 - y2
    sx, sy = x0 - x1 + x2 - x3, y0 - y1 + y2 - y3
    cross = ex * fy - fx * ey
    g, h = (sx * fy - fx * sy) / cross, (ex * sy - sx * ey) / cross
    last = SIDE - 1
    depth = plane(h / last, g / last, np.ones_like(g))
    np.reciprocal(depth, out=depth)
    down = plane(y3 - y0 + h * y3, y1 - y0 + g * y1, y0 * last)
    along = plane(x3 - x0 + h * x3, x1 - x0 + g * x1, x0 * last)
    down *= depth
    along *= depth
    return _warped(x, down, along)


def dropout(x: np.ndarray, p: np.ndarray, size: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Coarse drop-out: rectangles of 0.

    Args:
        x: (n, 48, 48) float32.
        p: (n,) probability that a cell of the mask is dropped.
        size: (n, 2) rows and columns of the mask as shares of the patch's, up to 0.3; at least 3 cells are used.
        uniform: (n, 15, 15) numbers in [0, 1).

    Returns:
        (n, 48, 48) float32.
    """
    cells = np.clip((size * SIDE).astype(np.intp), 3, CELLS[0])
    down, along = (np.arange(SIDE) * cells.T[..., None]) // SIDE
    keep = (uniform >= p[:, None, None]).reshape(len(x), -1)
    at = (np.arange(len(x)) * keep.shape[1])[:, None] + down * CELLS[1]
    return x * keep.ravel().take(at[:, :, None] + along[:, None, :], mode="clip")


def _between(u: np.ndarray, low: np.ndarray | float, high: np.ndarray | float) -> np.ndarray:
    return low + (high - low) * u


def _smoothing(sigma: np.ndarray) -> np.ndarray:
    """(n, 48, 48) float32 matrices that smooth columns."""
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.exp(-0.5 * (np.arange(_RADIUS + 1) / sigma[:, None]) ** 2)
    weights[sigma == 0] = np.arange(_RADIUS + 1) == 0
    weights /= 2 * weights.sum(1, keepdims=True) - weights[:, :1]
    # A product a sample, so that a sample has the same bits in any block.
    return (weights.astype(np.float32)[:, None] @ _lags()).reshape(-1, SIDE, SIDE)


@cache
def _lags() -> np.ndarray:
    """(13, 48 * 48) float32: where a matrix that smooths mirrored columns has the weight of each lag."""
    out = np.zeros((_RADIUS + 1, SIDE, SIDE), np.float32)
    for row in range(SIDE):
        for lag in range(-_RADIUS, _RADIUS + 1):
            column = SIDE - 1 - abs(SIDE - 1 - abs(row + lag))
            out[abs(lag), row, column] += 1
    return out.reshape(_RADIUS + 1, -1)


@cache
def _waves() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(48, 17) waves along one axis; (17, 17) amplitudes and larger cycles of their products; all float32."""
    k = np.arange(2 * WAVES + 1) // 2 + np.arange(2 * WAVES + 1) % 2  # 0, 1, 1, 2, 2, ...
    phase = 2 * np.pi * np.arange(SIDE)[:, None] * k / SIDE
    basis = np.where(np.arange(2 * WAVES + 1) % 2, np.sin(phase), np.cos(phase))
    power = k[:, None] ** 2.0 + k**2
    amplitude = np.divide(1, power, out=np.zeros_like(power), where=power > 0)
    return basis.astype(np.float32), amplitude.astype(np.float32), np.maximum(k[:, None], k).astype(np.float32)


def _warped(x: np.ndarray, down: np.ndarray, along: np.ndarray) -> np.ndarray:
    """(n, 48, 48) patches read at rows ``down`` and columns ``along``, bilinearly; these are used up."""
    for at in (down, along):
        np.clip(at, 0, SIDE - 1, out=at)
    first, left = (np.trunc(np.minimum(at, SIDE - 2)) for at in (down, along))
    down -= first
    along -= left
    first *= SIDE
    first += left
    row = first.astype(np.intp)
    row += (np.arange(len(x)) * SIDE**2)[:, None, None]
    flat = x.ravel()
    pair = np.empty((2, *x.shape), np.float32)
    for k in range(2):
        near, far = flat.take(row, mode="clip"), flat[1:].take(row, mode="clip")
        far -= near
        far *= along
        np.add(near, far, out=pair[k])
        row += SIDE
    pair[1] -= pair[0]
    pair[1] *= down
    pair[0] += pair[1]
    return pair[0]

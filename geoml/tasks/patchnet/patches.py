"""From raw amplitudes to what a network sees: one scale for a whole set, one way of resizing (method card, 2.6)."""

from functools import cache

import numpy as np

from geoml.errors import InputError
from geoml.tasks.patchnet import SIZE

_TAIL = 0.005  # of all pixels, at either end, is beyond the scale
_BLOCK = 256  # patches, so that what lies between two products stays in the cache


def scale_of(patches: np.ndarray) -> tuple[float, float]:
    """Centre and half range of a set's amplitudes, from all its pixels together.

    The range ends at the outermost pixels within the 0.5 and 99.5 percentiles and is made symmetric, so that zero and
    polarity are kept. Only amplitudes that are all of one sign keep their own range.

    Args:
        patches: (n, height, width) raw amplitudes, n >= 1.

    Returns:
        ``(centre, half)``; the centre is 0 unless all amplitudes are of one sign.

    Raises:
        InputError: amplitudes are not finite, or have no range.
    """
    pixels = np.array(patches, np.float32).reshape(-1)
    if not np.isfinite(pixels.sum(dtype=np.float64)):
        raise InputError("patches", "amplitudes", "finite numbers", "NaN or infinite ones")
    first = int(np.ceil(_TAIL * (len(pixels) - 1)))
    last = len(pixels) - 1 - first
    one_sign = pixels.min() >= 0 or pixels.max() <= 0
    pixels.partition((first, last))
    low, high = float(pixels[first]), float(pixels[last])
    centre, half = ((low + high) / 2, (high - low) / 2) if one_sign else (0.0, max(-low, high))
    if half == 0:
        raise InputError("patches", "amplitudes", "more than one value", f"{low:g} in at least 99 % of all pixels")
    return centre, half


def network_input(patches: np.ndarray, scale: tuple[float, float], size: int = SIZE) -> np.ndarray:
    """Scaled, clipped and resized patches.

    Output pixel i is read at ``(i + 0.5) * height / size - 0.5``, bilinearly; beyond its outermost pixel a patch is
    mirrored about that pixel (which is not repeated).

    Args:
        patches: (n, height, width) raw amplitudes, any real type.
        scale: Centre and half range, as of :func:`scale_of`.
        size: Height and width of the result, pixels.

    Returns:
        (n, size, size, 1) float32 within [-1, 1].
    """
    (n, height, width), (centre, half) = patches.shape, scale
    rows, columns = _weights(height, size), _weights(width, size).T
    out = np.empty((n, size, size, 1), np.float32)
    for start in range(0, n, _BLOCK):
        block = patches[start : start + _BLOCK].astype(np.float32)
        block -= np.float32(centre)
        block *= np.float32(1 / half)
        np.clip(block, -1, 1, out=block)
        np.matmul(rows @ block, columns, out=out[start : start + _BLOCK, ..., 0])
    return out


@cache
def _weights(length: int, size: int) -> np.ndarray:
    """(size, length) float32: what each pixel of a line of ``length`` gives to each of ``size``."""
    at = np.abs((np.arange(size) + 0.5) * length / size - 0.5)
    at = length - 1 - np.abs(length - 1 - at)
    left = np.minimum(at.astype(int), length - 2)
    out = np.zeros((size, length), np.float32)
    out[np.arange(size), left] = 1 - (at - left)
    out[np.arange(size), left + 1] += at - left
    out.flags.writeable = False
    return out

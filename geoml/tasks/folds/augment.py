"""Random changes of whole batches of training pictures: geometry in one gather, then colour jitter.

The scaling to what a network wants is part of the network, so everything here is in grey levels, 0 to 255.
"""

from typing import Any

import numpy as np

_LEFT, _TOP, _BOTTOM = 2, 5, 5  # zero padding of the published transforms, px
_CROP = 4  # reflected padding before the published random crop, px
_PIVOT = (40.0, 80.0)  # x, y of the published rotation, px; outside the picture
_FILL = 100  # grey level that the published rotation brings in
_ANGLE = np.deg2rad(10)
_SHIFT = 0.1  # of the size, in sane
_JITTER = 0.1  # of brightness, contrast, saturation about 1 and of the hue circle
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


def augment(images: np.ndarray, rng: np.random.Generator, settings: dict[str, Any]) -> np.ndarray:
    """One randomly changed picture each (method card, section 2).

    Args:
        images: (b, S, S, 3) uint8, RGB.
        rng: Where all randomness comes from.
        settings: ``kind``: ``published`` (the study's steps, exactly), ``sane`` (shift up to 0.1 with reflection,
            rotation up to 10 degrees about the centre, flips, jitter) or ``none``.

    Returns:
        (b, S, S, 3) float32, 0..255; (b, S + 10, S + 2, 3) for ``published``.
    """
    if settings["kind"] == "none":
        return images.astype(np.float32)
    moved = {"published": _published, "sane": _sane}[settings["kind"]](images, rng)
    return _jitter(moved, rng)


def _published(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random crop, flips, padding, shift and off-canvas rotation, followed backwards from every pixel of the result."""
    n, size = images.shape[:2]
    high, wide = size + _TOP + _BOTTOM, size + _LEFT
    crop = rng.integers(-_CROP, _CROP, (2, n, 1, 1), endpoint=True)
    flip = rng.random((2, n, 1, 1)) < 0.5
    shift = np.rint(rng.uniform(-1, 1, (2, n, 1, 1)) * [[[[0.5 * high]]], [[[0.4 * wide]]]]).astype(np.intp)
    y, x = _rotated(rng.uniform(-_ANGLE, _ANGLE, n), (high, wide), _PIVOT)
    on_canvas = (y >= 0) & (y < high) & (x >= 0) & (x < wide)
    y -= shift[0] + _TOP
    x -= shift[1] + _LEFT
    on_picture = (y >= 0) & (y < size) & (x >= 0) & (x < size)
    y, x = (_reflected(np.where(flip[i], size - 1 - at, at) + crop[i], size) for i, at in enumerate((y, x)))
    pixel = (np.arange(n)[:, None, None] * size + y) * size + x
    black, grey = n * size * size, n * size * size + 1
    pixel = np.where(on_canvas, np.where(on_picture, pixel, black), grey)
    fills = np.array([[0] * 3, [_FILL] * 3], np.uint8)
    return np.concatenate([images.reshape(-1, 3), fills])[pixel].astype(np.float32)


def _sane(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rotation about the centre, shift and flips; what lies outside is the mirror image."""
    n, size = images.shape[:2]
    flip = rng.random((2, n, 1, 1)) < 0.5
    shift = rng.uniform(-_SHIFT * size, _SHIFT * size, (2, n))
    at = _rotated(rng.uniform(-_ANGLE, _ANGLE, n), (size, size), (size / 2, size / 2), shift)
    y, x = (np.where(flip[i], size - 1 - inside, inside) for i, inside in enumerate(_reflected(a, size) for a in at))
    return images[np.arange(n)[:, None, None], y, x].astype(np.float32)


def _rotated(
    angle: np.ndarray, shape: tuple[int, int], pivot: tuple[float, float], shift: Any = (0, 0)
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns, (n, height, width) each, of the nearest pixels before a rotation and a shift before it.

    Args:
        angle: (n,) rad, counter-clockwise as seen.
        shape: Height and width of the picture, px.
        pivot: x, y, px; pixel 0 covers 0 to 1.
        shift: Downwards and to the right, px, one number or (n,) each.
    """
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    dy = np.arange(shape[0])[:, None] + 0.5 - pivot[1]
    dx = np.arange(shape[1]) + 0.5 - pivot[0]
    down, right = (np.reshape(s, (-1, 1, 1)) for s in shift)
    y = (cos * dy + (pivot[1] - down)) + sin * dx
    x = (cos * dx + (pivot[0] - right)) - sin * dy
    return np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)


def _reflected(index: np.ndarray, size: int) -> np.ndarray:
    """Indices of pixels, mirrored at the first and the last one."""
    return size - 1 - np.abs(size - 1 - np.abs(index))


def _jitter(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness, contrast, saturation and hue, in an order drawn for every picture; (b, h, w, 3) of 0..255."""
    n = len(images)
    planes = np.ascontiguousarray(images.reshape(n, -1, 3).transpose(2, 0, 1))
    change = rng.uniform(-_JITTER, _JITTER, (4, n, 1)).astype(np.float32)
    order = rng.permuted(np.tile(np.arange(4), (n, 1)), axis=1)
    steps = (_brightness, _contrast, _saturation, _hue)
    for place in order.T:
        for kind, step in enumerate(steps):
            chosen = np.flatnonzero(place == kind)
            planes[:, chosen] = np.clip(step(planes[:, chosen], change[kind, chosen]), 0, 255)
    return np.ascontiguousarray(planes.transpose(1, 2, 0)).reshape(images.shape)


def _brightness(rgb: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Planes (3, n, pixels), here and below, times 1 + ``change`` (n, 1)."""
    return rgb * (1 + change)


def _contrast(rgb: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Distances from the mean luminance of the picture, times 1 + ``change``."""
    mean = _luminance(rgb).mean(axis=1, keepdims=True)
    return mean + (rgb - mean) * (1 + change)


def _saturation(rgb: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Distances from the pixel's luminance, times 1 + ``change``."""
    grey = _luminance(rgb)
    return grey + (rgb - grey) * (1 + change)


def _luminance(rgb: np.ndarray) -> np.ndarray:
    return _LUMINANCE[0] * rgb[0] + _LUMINANCE[1] * rgb[1] + _LUMINANCE[2] * rgb[2]


def _hue(rgb: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Hue of HSV turned by ``change`` of the circle; value and saturation stay."""
    red, green, blue = rgb
    value = np.maximum(np.maximum(red, green), blue)
    chroma = value - np.minimum(np.minimum(red, green), blue)
    some = np.maximum(chroma, np.float32(1e-6))  # grey has no hue
    hue = np.where(
        value == red,
        (green - blue) / some,
        np.where(value == green, (blue - red) / some + 2, (red - green) / some + 4),
    )
    hue += 6 * change
    turned = np.empty_like(rgb)
    for plane, offset in zip(turned, (5, 3, 1), strict=True):
        part = hue + offset
        part -= 6 * np.floor(part / 6)
        np.subtract(value, chroma * np.clip(np.minimum(part, 4 - part), 0, 1), out=plane)
    return turned

"""Random changes of whole batches of fault maps, for training (method card, section 6)."""

from typing import Any

import numpy as np

_PIECE = 32  # maps at a time: they stay in the processor's cache


def augment(maps: np.ndarray, rng: np.random.Generator, settings: dict[str, Any]) -> np.ndarray:
    """One randomly shifted, zoomed and flipped map each, bilinear, with the pixels of the edge repeated.

    A zoom is about the centre and by a factor of its own for each axis. The kinematic efficiency does not change.

    Args:
        maps: (b, h, w) uint8 fault maps, 0 or 1.
        rng: Where all randomness comes from.
        settings: ``shift`` (largest, as a share of height and of width), ``zoom`` (largest difference of the factor
            from 1), ``flips`` (``independent``: each axis or not; ``together``: both or none, which keeps the sense of
            slip; ``none``) and ``thickness`` (whether half of the maps get traces a pixel thicker or thinner).

    Returns:
        (b, h, w, 1) float32 of 0..1.
    """
    n = len(maps)
    shift = rng.uniform(-settings["shift"], settings["shift"], (2, n)) * [[maps.shape[1]], [maps.shape[2]]]
    zoom = rng.uniform(1 - settings["zoom"], 1 + settings["zoom"], (2, n))
    flip = rng.random((2, n)) < (0.5 if settings["flips"] != "none" else 0)
    if settings["flips"] == "together":
        flip[1] = flip[0]
    if settings["thickness"]:
        maps = _rethickened(maps, rng)
    return moved(maps, np.where(flip, -zoom, zoom), shift)[..., None]


def moved(maps: np.ndarray, zoom: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Zoomed and shifted maps: pixel ``i`` of an axis with the centre ``c`` is read at ``c + zoom (i - c) + shift``.

    Args:
        maps: (b, h, w) uint8.
        zoom: (2, b), of rows and columns; negative flips.
        shift: (2, b), px.

    Returns:
        (b, h, w) float32, bilinear between pixels; outside is the nearest pixel of the edge.
    """
    out = np.empty(maps.shape, np.float32)
    for first in range(0, len(maps), _PIECE):
        piece = slice(first, first + _PIECE)
        across = _between(np.swapaxes(maps[piece], 1, 2), zoom[1, piece], shift[1, piece])
        out[piece] = _between(np.swapaxes(across, 1, 2), zoom[0, piece], shift[0, piece])
    return out


def _between(values: np.ndarray, zoom: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Linear interpolation along the first axis of each map (b, m, k); whole lines are copied, which is fast."""
    b, m, k = values.shape
    centre = (m - 1) / 2
    at = np.clip(centre + zoom[:, None] * (np.arange(m) - centre) + shift[:, None], 0, m - 1)
    low = np.minimum(at.astype(np.intp), m - 2)
    share = (at - low).astype(np.float32)[..., None]
    lines = np.ascontiguousarray(values).reshape(b * m, k)
    low += np.arange(b)[:, None] * m
    near, far = lines[low], lines[low + 1]
    return near * (1 - share) + far * share


def _rethickened(maps: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A quarter of the maps with traces a pixel thicker across strike, a quarter a pixel thinner, never empty."""
    draw = rng.integers(0, 4, len(maps))
    out = maps.copy()
    thick, thin = np.flatnonzero(draw == 0), np.flatnonzero(draw == 1)
    out[thick, 1:] |= maps[thick, :-1]
    thinner = maps[thin]
    thinner[:, 1:] &= maps[thin, :-1]
    left = thinner.any((1, 2))
    out[thin[left]] = thinner[left]
    return out

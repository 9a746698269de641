"""Shape of synthetic folds: hinge profile, fold geometry and thickness of the layers.

Sections 8.2 and 8.3 of the fold card. The unit of length is the height of the picture, y points down.
Parallel folds are made by true offsets of a reference horizon (its distance field), the alternative that the card
allows: the first-order device tears steep limbs. Beyond a packet of layers about that horizon the
fold is similar again, so that the hinge keeps its shape through the picture.
"""

from typing import Any

import numpy as np
from scipy import ndimage

POINTS = 4096  # samples of a profile over one wavelength
Values = dict[str, Any]

_GRID = 104  # nodes along each side for the distance from the reference horizon

_RAMSAY_K = {"1A": (1.1, 1.3), "1B": (1.0, 1.0), "1C": (0.2, 0.8), "2": (0.0, 0.0), "3": (-0.3, -0.05)}
_RAMSAY_SHARES = {"rounded": (0.05, 0.45, 0.20, 0.25, 0.05)} | dict.fromkeys(
    ("box", "chevron"), (0.05, 0.25, 0.20, 0.45, 0.05)
)
_PACKETS = {"box": (0.05, 0.12), "chevron": (0.08, 0.25), "rounded": (0.05, 0.18)}  # half thickness of parallel layers
_U = np.arange(POINTS) / POINTS


def draw_profile(shape: str, rng: np.random.Generator) -> Values:
    """Parameters of a hinge profile (card, 8.2).

    Args:
        shape: ``box``, ``chevron`` or ``rounded``.
        rng: Source of all draws.

    Returns:
        ``curve`` (kind of profile), ``smoothing`` (sigma in wavelengths) and what that kind needs.
    """
    blunt = rng.random() < 0.2
    if shape == "chevron":
        return {"curve": "chevron", "smoothing": rng.uniform(0.055, 0.11) if blunt else rng.uniform(0, 0.055)}
    if shape == "box":
        crest = rng.uniform(0.34, 0.62)
        trough = rng.uniform(0.05, crest) if rng.random() < 0.5 else crest * rng.uniform(0.8, 1)
        limb = max(0.06, (1 - min(crest, 0.7) - 0.9 * min(trough, 0.7)) / 2)
        whole = crest + trough + 2 * limb
        smoothing = rng.uniform(0.045, 0.07) if blunt else rng.uniform(0.006, 0.045)
        return {"curve": "box", "smoothing": smoothing, "crest": crest / whole, "trough": trough / whole}
    curve = rng.choice(["cosine", "cosine", "ellipse", "parabola"]).item()
    if curve == "cosine":
        return {"curve": curve, "smoothing": 0.0, "third": rng.uniform(-0.05, 0.16), "fifth": rng.uniform(0, 0.03)}
    return {"curve": curve, "smoothing": 0.01}  # the limbs of a true semi-ellipse are vertical


def profile(values: Values) -> np.ndarray:
    """Hinge profile f(u) of one wavelength, crest at u = 0 (card, 8.2).

    Returns:
        (POINTS,) float64, zero mean, largest absolute value 1.
    """
    away = np.abs((_U + 0.5) % 1 - 0.5)  # distance from the crest, 0 to 1/2
    curve = values["curve"]
    if curve == "chevron":
        f = 1 - 4 * away
    elif curve == "box":
        f = np.interp(away, [values["crest"] / 2, 0.5 - values["trough"] / 2], [1.0, -1.0])
    elif curve == "cosine":
        turn = 2 * np.pi * _U
        f = np.cos(turn) - values["third"] * np.cos(3 * turn) + values["fifth"] * np.cos(5 * turn)
    else:
        part = 1 - (4 * np.minimum(away, 0.5 - away)) ** 2  # of the antiform; the synform mirrors it
        f = np.where(away < 0.25, 1, -1) * (np.sqrt(np.maximum(part, 0)) if curve == "ellipse" else part)
    order = np.arange(POINTS // 2 + 1)
    f = np.fft.irfft(np.fft.rfft(f) * np.exp(-2 * (np.pi * order * values["smoothing"]) ** 2), POINTS)
    f -= f.mean()
    return f / np.abs(f).max()


def inflexion(f: np.ndarray) -> int:
    """Index of the middle of the steepest part of the descending limb of a profile."""
    descent = -np.diff(f[: POINTS // 2 + 1])
    return round(float(np.flatnonzero(descent > 0.95 * descent.max()).mean() + 0.5))


def fourier(f: np.ndarray) -> tuple[float, float, float]:
    """Quarter-wave coefficients b1, b3, b5 of Hudleston (card, 8.2), from the inflexion to the crest.

    Args:
        f: (POINTS,) profile.
    """
    middle = inflexion(f)
    x = np.linspace(0, 1, 1025)
    y = np.interp(middle * (1 - x), np.arange(POINTS), f) - f[middle]
    b1, b3, b5 = (2 * float(np.trapezoid(y * np.sin(n * np.pi * x / 2), x)) for n in (1, 3, 5))
    return b1, b3, b5


def draw_fold(shape: str, domain: str, rng: np.random.Generator) -> Values:
    """Parameters of a fold (card, 8.3), its profile among them.

    Beyond the card: the hinge is lifted or lowered into the picture, a box crest takes at most half of the width, and
    the amplitude cannot die out so fast that layers overturn.

    Args:
        shape: Class of the hinge.
        domain: ``modelled`` or ``outcrop``.
        rng: Source of all draws.

    Returns:
        Named scalars, units of picture height and degrees.
    """
    outcrop = domain == "outcrop"
    values = draw_profile(shape, rng)
    length = rng.uniform(0.65, 1.6) if outcrop else rng.uniform(0.6, 1.3)
    length = min(length, 0.5 / values["crest"]) if shape == "box" else length
    angle = rng.uniform(45, 135)
    amplitude = 0.25 * length / np.tan(np.radians(angle / 2)) * (1 if shape == "chevron" else rng.uniform(0.75, 1.1))
    amplitude = min(amplitude, 0.55 * length + 0.05)
    synform = bool(rng.random() < 0.35)
    asymmetry = float(np.clip(rng.normal(0, 0.08 if outcrop else 0.04), -0.3, 0.3))
    ramsay = rng.choice(list(_RAMSAY_K), p=_RAMSAY_SHARES[shape]).item()
    if outcrop:  # the fold dies out along its axial surface
        values["fade_y"] = rng.uniform(-0.2, 0.2)
        values["fade_length"] = max(rng.uniform(0.35, 3), 1.5 * amplitude)
    return values | {
        "wavelength": length,
        "interlimb_deg": angle,
        "amplitude": amplitude,
        "offset": (rng.uniform(-0.2, 0.2) if outcrop else rng.normal(0, 0.06)) * length,
        "synform": synform,
        "hinge_y": (1 if synform else -1) * min(amplitude, rng.uniform(0.02, 0.3)),
        "tilt_deg": rng.normal(0, 20 if outcrop else 10),
        "shear": rng.normal(0, 0.12 if outcrop else 0.06),
        "asymmetry": asymmetry,
        "ramsay_k": rng.uniform(*_RAMSAY_K[ramsay]),
        "reference": rng.uniform(-0.1, 0.1),
        "packet": rng.uniform(*_PACKETS[shape]),
    }


def view(corners: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Picture coordinates x, y of every pixel under perspective (card, 8.5, step 9).

    Args:
        corners: (4, 2) x, y of the upper left, upper right, lower right and lower left corner.
        size: Pixels along each side.

    Returns:
        Two (size, size) float32.
    """
    rows = []
    for (u, v), (x, y) in zip([(0, 0), (1, 0), (1, 1), (0, 1)], corners, strict=True):
        rows += [[u, v, 1, 0, 0, 0, -u * x, -v * x], [0, 0, 0, u, v, 1, -u * y, -v * y]]
    a = np.linalg.solve(np.array(rows), corners.ravel()).astype(np.float32)
    middles = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)
    across, down = np.meshgrid(middles, middles)
    depth = 1 + a[6] * across + a[7] * down
    return (a[0] * across + a[1] * down + a[2]) / depth, (a[3] * across + a[4] * down + a[5]) / depth


class Fold:
    """Field of stratigraphic labels of one fold, and what can be measured on it.

    Args:
        values: From :func:`draw_fold`.
    """

    def __init__(self, values: Values) -> None:
        self.values = values
        f = profile(values)
        self.b1, self.b3, self.b5 = fourier(f)
        half = 0.5 + values["asymmetry"]  # of the wavelength, for the descending limb
        self._shape = np.interp(np.interp(_U, [0, half, 1], [0, 0.5, 1]), np.append(_U, 1), np.append(f, f[0]))
        self._limb = inflexion(f) / POINTS * 2 * half
        if values["synform"]:
            self._shape, self._limb = np.roll(self._shape, POINTS // 2), (self._limb + 0.5) % 1
        steep = values["amplitude"] / values["wavelength"] * np.abs(np.diff(self._shape)).max() * POINTS
        room = 0.7 / (1 - np.cos(np.arctan(steep)) + 1e-9)  # above it, limbs of class 1A would turn inside out
        self._k = min(values["ramsay_k"], max(1.0, room))
        self._table = (values["amplitude"] * self._shape).astype(np.float32)
        self._drop = values["hinge_y"] + (-1 if values["synform"] else 1) * values["amplitude"]
        if self._k:
            self._horizon = self._reference()

    def frame(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fold coordinates (along and across the axial surface) of picture coordinates."""
        tilt = np.radians(self.values["tilt_deg"]).astype(np.float32)
        across = y * np.cos(tilt) - x * np.sin(tilt)
        return x * np.cos(tilt) + y * np.sin(tilt) + np.float32(self.values["shear"]) * across, across

    def label(self, along: np.ndarray, across: np.ndarray) -> np.ndarray:
        """Stratigraphic label q, constant on a horizon and increasing downwards.

        Args:
            along, across: Fold coordinates, float32 of any one shape.

        Returns:
            float32 of that shape; 0 in the middle of the picture's hinge, thickness in picture heights.
        """
        similar = self._similar(along, across)
        if self._k == 0:
            return similar
        level, packet = np.float32(self.values["reference"]), np.float32(self.values["packet"])
        inside = np.clip(similar, level - packet, level + packet)
        parallel = self._parallel(along, across - (similar - inside))
        return similar + np.float32(self._k) * (parallel - inside)

    def ramsay(self) -> tuple[float, str]:
        """Measured Ramsay class of one layer, 0.06 thick, about the reference horizon (card, 8.3).

        Returns:
            Ratio t' of the orthogonal thickness on the limb to that at the hinge, and the class: ``1A``, ``1B``,
            ``1C``, ``2`` or ``3``.
        """
        v = self.values
        limb = v["offset"] + v["wavelength"] * (self._limb - (self._limb > 0.5))
        across = np.linspace(-2.5, 2.5, 1001, dtype=np.float32)
        contacts = []
        for along in (v["offset"], limb - 0.01, limb, limb + 0.01):
            q = self.label(np.full_like(across, along), across)
            contacts.append(np.interp(v["reference"] + np.array([-0.03, 0.03]), np.maximum.accumulate(q), across))
        hinge, before, middle, after = contacts
        cosine = 1 / np.hypot(1, (after - before).mean() / 0.02)
        ratio = max((middle[1] - middle[0]) * cosine / (hinge[1] - hinge[0]), 1e-3)
        k = (1 - cosine / ratio) / max(1 - cosine, 1e-3)  # from t' = cos / (1 + k (cos - 1))
        return float(ratio), ("3", "2", "1C", "1B", "1A")[int(np.searchsorted([-0.05, 0.1, 0.9, 1.07], k))]

    def _similar(self, along: np.ndarray, across: np.ndarray) -> np.ndarray:
        v = self.values
        where = (along - np.float32(v["offset"])) * np.float32(POINTS / v["wavelength"])
        height = self._table[where.astype(np.int32) & (POINTS - 1)]
        if "fade_length" in v:
            height = height * np.exp(np.abs(across - np.float32(v["fade_y"])) * np.float32(-1 / v["fade_length"]))
        return across - np.float32(self._drop) + height

    def _reference(self) -> np.ndarray:
        """(n, 2) float32 points on the horizon from which parallel layers are offset, evenly spaced."""
        along = np.linspace(-1.5, 1.5, 1500, dtype=np.float32)
        level = np.float32(self.values["reference"])
        across = np.zeros_like(along)
        for _ in range(16):  # a fixed point: the fade is gentler than 1.5 amplitudes
            across += level - self._similar(along, across)
        walked = np.concatenate([[0], np.cumsum(np.hypot(np.diff(along), np.diff(across)))])
        even = np.linspace(0, walked[-1], 700)
        return np.stack([np.interp(even, walked, along), np.interp(even, walked, across)], 1).astype(np.float32)

    def _parallel(self, along: np.ndarray, across: np.ndarray) -> np.ndarray:
        """Level of the reference horizon plus the signed distance from it."""
        if along.ndim == 1:
            return self._offset(along, across)
        low = np.array([along.min(), across.min()])
        step = np.array([np.ptp(along), np.ptp(across)]) / (_GRID - 1)
        nodes = (low[:, None] + step[:, None] * np.arange(_GRID)).astype(np.float32)
        grid = self._offset(*(part.ravel() for part in np.meshgrid(*nodes, indexing="ij"))).reshape(_GRID, _GRID)
        place = [(along - low[0]) / step[0], (across - low[1]) / step[1]]
        return ndimage.map_coordinates(grid, place, order=1, mode="nearest")

    def _offset(self, along: np.ndarray, across: np.ndarray) -> np.ndarray:
        points = np.stack([along, across, np.ones_like(along)], 1)
        horizon = np.concatenate([-2 * self._horizon.T, (self._horizon**2).sum(1)[None]])
        pieces = [(points[first : first + 256] @ horizon).min(1) for first in range(0, len(points), 256)]  # in cache
        squares = np.concatenate(pieces) + along**2 + across**2
        level = np.float32(self.values["reference"])
        return level + np.copysign(np.sqrt(np.maximum(squares, 0)), self._similar(along, across) - level)

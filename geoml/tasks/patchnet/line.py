"""A synthetic seismic line with truth: sea floor, folded layers, and a BSR that cuts across them.

Amplitudes follow the synthetic patches (method card, section 2): a reflection is two bands of opposite sign, a BSR
the negative one above, the sea floor and strong layer boundaries the positive one above.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geoml.errors import InputError
from geoml.files import atomic
from geoml.tasks.patchnet import SIDE, segy

TRACES, SAMPLES = 1290, 600  # as many traces as line 88 of Blake Ridge (card, section 8)
INTERVAL_MS = 4.0
_ZOOM = 2**0.5  # of every thickness in a patch (card, 2.2)
_PEAK_HZ = 30.0  # of the wavelet of lines with physics; card 11: 20 to 60 Hz
_BLUR = 0.7  # standard deviation, samples
_NOISE = 0.02  # standard deviation
_HORIZONS = 5  # strong reflections that follow the layers


@dataclass(eq=False)
class Line:
    """A line and what is in it.

    Attributes:
        amplitudes: (samples, traces) float32, most within -1 and 1.
        bsr: (traces,) row where the BSR changes from negative to positive, NaN where there is none.
        sea_floor: (traces,) row where the sea floor changes from positive to negative.
    """

    amplitudes: np.ndarray
    bsr: np.ndarray
    sea_floor: np.ndarray


def line(traces: int = TRACES, samples: int = SAMPLES, seed: int = 0, *, physics: bool = False) -> Line:
    """Draw a line; the same arguments give the same line.

    Args:
        traces: At least 48.
        samples: At least 240, so that sea floor and BSR have room.
        seed: Of all draws.
        physics: Reflection coefficients and a Ricker wavelet (4 ms, 30 Hz) in place of bands of two signs.

    Raises:
        InputError: too few traces or samples.
    """
    if traces < SIDE or samples < 5 * SIDE:
        got = f"{traces} and {samples}"
        raise InputError("line", "traces and samples", f"at least {SIDE} and {5 * SIDE}", got)
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng([seed, int(physics)])
    column = np.arange(traces)
    slope = rng.uniform(-0.02, 0.02)
    sea_floor = 0.18 * samples + slope * (column - traces / 2) + _wavy(rng, column, 0.02 * samples, 500)
    sea_floor = np.clip(sea_floor, 0.08 * samples, 0.3 * samples)
    bsr = sea_floor + 0.34 * samples + _wavy(rng, column, 0.012 * samples, 500)
    fold = _wavy(rng, column, 0.025 * samples, 300) + rng.uniform(-0.1, 0.1) * column  # dips as in the patches
    present = _present(rng, traces)

    depth = np.arange(samples)[:, None] - fold  # below a layer boundary, however folded
    image = _layers(rng, depth)
    strength = {name: 0.6 + _wavy(rng, column, 0.25, 150) for name in ("upper", "lower", "floor_upper", "floor_lower")}
    strength = {name: np.clip(values, 0.2, 0.99) for name, values in strength.items()}
    rows = np.arange(samples)[:, None]
    if physics:
        image = 0.5 * np.diff(image, axis=0, prepend=image[:1])
    apart = np.ptp(depth) / _HORIZONS  # or two horizons could make a BSR that truth does not know
    for where in depth.min() + apart * (np.arange(_HORIZONS) + rng.uniform(0.1, 0.9, _HORIZONS)):
        _reflect(image, depth - where, 2 * _ZOOM, rng.uniform(0.2, 0.7), rng.uniform(-0.7, -0.2), physics)
    under = np.where(present, rows - bsr, np.inf)
    _reflect(image, under, rng.integers(2, 4) * _ZOOM, -strength["upper"], strength["lower"], physics)
    image[rows - sea_floor < 0] = 0
    floor = rows - sea_floor
    _reflect(image, floor, 3 * _ZOOM, strength["floor_upper"], -strength["floor_lower"], physics)
    image = _convolved(image) if physics else gaussian_filter(image, _BLUR)
    image += rng.normal(0, _NOISE, image.shape)
    return Line(image.astype(np.float32), np.where(present, bsr, np.nan), sea_floor)


def truth(made: Line, half_height: float = 7.0) -> np.ndarray:
    """(samples, traces) bool: pixels at which the centre of a patch would make it one with a BSR.

    Args:
        made: The line.
        half_height: Largest distance from the BSR, samples. In the training patches the BSR is off the centre by a
            standard deviation of 0.05 x 68 x 1.41 = 4.8 samples (card, 2.1 and 2.2).
    """
    rows = np.arange(len(made.amplitudes))[:, None]
    return np.abs(rows - made.bsr) <= half_height  # NaN is near nothing


def write(made: Line, folder: Path) -> None:
    """Write ``line.sgy`` (IBM floats), ``line.npy`` and ``truth.npz`` (bsr, sea_floor: rows by trace)."""
    segy.write(folder / "line.sgy", made.amplitudes, INTERVAL_MS, segy.IBM)
    with atomic(folder / "line.npy") as temporary:
        np.save(temporary, made.amplitudes)
    with atomic(folder / "truth.npz") as temporary:
        np.savez(temporary, bsr=made.bsr, sea_floor=made.sea_floor)


def _wavy(rng: np.random.Generator, column: np.ndarray, height: float, length: float) -> np.ndarray:
    """A smooth curve (traces,) within plus and minus ``height``, of waves of ``length`` traces and half of it."""
    waves = [
        share * np.sin(2 * np.pi * column / (length * rng.uniform(0.8, 1.4) * share**0.5) + rng.uniform(0, 2 * np.pi))
        for share in (0.75, 0.25)
    ]
    return height * np.sum(waves, axis=0)


def _present(rng: np.random.Generator, traces: int) -> np.ndarray:
    """(traces,) bool: stretches with a BSR, about two thirds of the line, and without, in turns."""
    present = np.zeros(traces, bool)
    at, here = 0, bool(rng.random() < 0.5)
    while at < traces:
        length = int(traces * (rng.uniform(0.12, 0.3) if here else rng.uniform(0.06, 0.15)))
        present[at : at + length] = here
        at, here = at + length, not here
    return present


def _layers(rng: np.random.Generator, depth: np.ndarray) -> np.ndarray:
    """Amplitudes (samples, traces) of random layers at depths below the topmost."""
    top, span = depth.min(), np.ptp(depth)
    edges = np.cumsum(_ZOOM * np.round(rng.uniform(1, 4, int(span / _ZOOM) + 2)))
    amplitude = rng.uniform(-0.30, 0.24, len(edges) + 1)
    profile = amplitude[np.searchsorted(edges, np.arange(0, span + 1, 0.25))]
    return np.interp(depth - top, np.arange(len(profile)) * 0.25, profile)


def _reflect(
    image: np.ndarray,
    below: np.ndarray,
    thick: float,
    upper: np.ndarray | float,
    lower: np.ndarray | float,
    point: bool,
) -> None:
    """Draw a reflection: two bands, or one coefficient of the upper one's sign.

    Args:
        image: (samples, traces), changed.
        below: (samples, traces) rows below the reflection, negative above it.
        thick: Rows of either band.
        upper: Amplitude above the reflection, of all or of each trace.
        lower: Amplitude below it.
        point: One coefficient instead, shared by the two rows around the reflection.
    """
    shape = image.shape
    if point:
        weight = np.clip(1 - np.abs(below), 0, None)
        image *= 1 - weight
        image += weight * upper
        return
    for inside, amplitude in ((below < 0) & (below >= -thick), upper), ((below >= 0) & (below < thick), lower):
        image[inside] = np.broadcast_to(amplitude, shape)[inside]


def _convolved(coefficients: np.ndarray) -> np.ndarray:
    """Coefficients (samples, traces) seen with a Ricker wavelet of zero phase, largest amplitude about that given."""
    from scipy.ndimage import convolve1d

    seconds = np.arange(-20, 21) * INTERVAL_MS / 1000
    square = (np.pi * _PEAK_HZ * seconds) ** 2
    return convolve1d(coefficients, (1 - 2 * square) * np.exp(-square), axis=0, mode="constant")

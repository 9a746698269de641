"""Clean synthetic patches of four kinds, drawn a block at a time (method card, 2.1 to 2.4).

Every piece of a patch (layers, lobes) depends on the depth across it only, so turning a canvas with bilinear
interpolation is looking up a profile along a slanted coordinate: no canvas is ever drawn. As in the original, turning
also magnifies by the square root of 2, and the layers below a sea floor are turned twice.
"""

from dataclasses import dataclass

import numpy as np

from geoml.tasks.patchnet import SIDE

KINDS = ("bsr", "normal", "seafloor", "environment")
BSR, NORMAL, SEAFLOOR, ENVIRONMENT = range(len(KINDS))
SAMPLE_S = 0.004  # assumed interval between the rows of a patch, for the wavelet only
ROWS = 97  # of a background canvas, the larger of the two
UNIFORMS = 9 + 2 * ROWS  # numbers that a patch is drawn from

_CANVAS = 68  # of an event, rows and columns; a patch is its middle
_CENTRE = 48.5  # of a background canvas, rows
_ZOOM = np.sqrt(2)
_DIP = {  # degrees either way: of the event, of the background
    BSR: (15, 20),
    NORMAL: (15, 20),
    SEAFLOOR: (8, 8),
    ENVIRONMENT: (0, 20),
}
_NEGATIVES = np.array([NORMAL, NORMAL, NORMAL, NORMAL, ENVIRONMENT] * 5)  # in the card's shares, with one sea floor
_NEGATIVES[12] = SEAFLOOR
_FINE = 4  # rows of a reflectivity series per row of a canvas
_SERIES = 512  # its length: a background canvas, and room for the wavelet not to come round
_PEAK_HZ = (20, 60)
_PHASE = 60  # degrees either way


@dataclass(frozen=True)
class Drawn:
    """What a block of patches shows, an (n,) array each unless said otherwise.

    Attributes:
        kind: Of :data:`KINDS`, by number.
        centre: Of the event, row of its canvas of 68.
        half: Rows of either lobe on that canvas.
        dip: Of the event, radians.
        background_dip: Radians.
        top: Amplitude of the upper lobe; 0 where there is no event.
        bottom: Amplitude of the lower lobe.
        layers: (n, 97) amplitude of each row of the background.
        peak_hz: Of the wavelet, where there is one.
        phase: Of the wavelet, radians.
    """

    kind: np.ndarray
    centre: np.ndarray
    half: np.ndarray
    dip: np.ndarray
    background_dip: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    layers: np.ndarray
    peak_hz: np.ndarray
    phase: np.ndarray


def kinds_of(indices: np.ndarray) -> np.ndarray:
    """Kinds of samples by their place in a set: every second one is positive, and 50 in a row keep the card's shares.

    Args:
        indices: (n,) places, from 0.

    Returns:
        (n,) places in :data:`KINDS`.
    """
    return np.where(indices % 2 == 0, BSR, _NEGATIVES[indices // 2 % len(_NEGATIVES)])


def drawn(kind: np.ndarray, uniforms: np.ndarray) -> Drawn:
    """What patches show (card, 2.1).

    Args:
        kind: (n,) of :func:`kinds_of`.
        uniforms: (n, 203) independent numbers in [0, 1).

    Returns:
        The drawn values.
    """
    from scipy.special import ndtri

    u = uniforms[:, :9].T
    dip, background_dip = np.deg2rad(np.array([_DIP[k] for k in range(len(KINDS))])[kind].T)
    negative, positive = -(0.2 + 0.79 * u[4]), 0.2 + 0.79 * u[5]
    event = kind != ENVIRONMENT
    return Drawn(
        kind=kind,
        centre=np.floor((0.5 + 0.05 * ndtri(np.maximum(u[0], 1e-12))) * _CANVAS),
        half=np.floor((0.06 + 0.04 * u[1]) * _CANVAS) // 2,
        dip=dip * (2 * u[2] - 1),
        background_dip=background_dip * (2 * u[3] - 1),
        top=np.where(kind == BSR, negative, positive) * event,
        bottom=np.where(kind == BSR, positive, negative) * event,
        layers=_layers(uniforms[:, 9 : 9 + ROWS], uniforms[:, 9 + ROWS :]),
        peak_hz=_PEAK_HZ[0] + (_PEAK_HZ[1] - _PEAK_HZ[0]) * u[6],
        phase=np.deg2rad(_PHASE) * (2 * u[7] - 1),
    )


def _layers(thickness: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
    """(n, 97) amplitude of each row; the card's other range for the last row is left out, no patch reaches it."""
    ends = np.rint(1 + 3 * thickness).astype(np.intp).cumsum(1)
    samples, layers = np.nonzero(ends < ROWS)
    starts = np.zeros(thickness.shape, np.intp)
    starts[samples, ends[samples, layers]] = 1
    return np.take_along_axis(-0.30 + 0.54 * amplitude, starts.cumsum(1), 1).astype(np.float32)


def bands(what: Drawn) -> np.ndarray:
    """Patches as the original draws them: two bands of constant amplitude over (or instead of) layers.

    Returns:
        (n, 48, 48) float32, rows = time downwards.
    """
    below, background = _slants(what)
    out = _lookup(what.layers, background)
    top, bottom, half = (column(values) for values in (what.top, what.bottom, what.half))
    # The lobes' rows [-half, 0) and [0, half), each fading out linearly to its neighbouring rows.
    upper = np.minimum(below + (half + 1), -below)
    lower = np.minimum(below + 1, half - below)
    np.clip(upper, 0, 1, out=upper)
    np.clip(lower, 0, 1, out=lower)
    event = (what.kind == BSR) | (what.kind == NORMAL)
    outside = (np.abs(below + np.float32(0.5)) >= half + np.float32(0.5)) | ~event[:, None, None]
    out *= outside
    floor = what.kind == SEAFLOOR
    out[floor] *= _under(below[floor], half[floor])
    upper *= top
    lower *= bottom
    out += upper
    out += lower
    return out


def reflections(what: Drawn) -> np.ndarray:
    """The same patches as reflectivity series convolved with a Ricker wavelet, rows 4 ms apart.

    A BSR is one negative reflection coefficient, a sea floor or another event one positive one, as strong as the upper
    lobe; a layer boundary reflects with half the difference of its amplitudes, as impedances would. Nothing is above a
    sea floor. The phase is within 60 degrees of 0: beyond 90 a reflection would have the other polarity.

    Returns:
        (n, 48, 48) float32, rows = time downwards.
    """
    below, background = _slants(what)
    layered = np.zeros((len(below), _SERIES), np.float32)
    layered[:, _FINE : ROWS * _FINE : _FINE] = np.diff(what.layers, axis=1) / 2
    single = np.zeros_like(layered)
    single[:, _SERIES // 2] = what.top
    out = _lookup(_convolved(layered, what), background * _FINE)
    floor = what.kind == SEAFLOOR
    out[floor] *= _under(below[floor], column(what.half)[floor])
    return out + _lookup(_convolved(single, what), below * _FINE + _SERIES // 2)


def _slants(what: Drawn) -> tuple[np.ndarray, np.ndarray]:
    """Rows below an event's middle, and rows of the background's canvas, of every pixel; (n, 48, 48) float32 each."""
    cos, sin = np.cos(what.dip) / _ZOOM, np.sin(what.dip) / _ZOOM
    background_cos, background_sin = np.cos(what.background_dip) / _ZOOM, np.sin(what.background_dip) / _ZOOM
    middle = SIDE / 2
    below = plane(cos, sin, _CANVAS / 2 - what.centre - middle * (cos + sin))

    floor, environment = what.kind == SEAFLOOR, what.kind == ENVIRONMENT
    down = np.where(floor, background_cos * cos - background_sin * sin, background_cos)
    along = np.where(floor, background_cos * sin + background_sin * cos, background_sin)
    # Central cuts of even from odd sides are half a row off the centre.
    shift = np.where(environment, _CANVAS / 2, _CENTRE - (background_cos + background_sin) / 2)
    return below, plane(down, along, shift - middle * (down + along))


def _lookup(profiles: np.ndarray, at: np.ndarray) -> np.ndarray:
    """``profiles`` (n, rows) read at rows ``at`` (n, ...), linearly; all within them."""
    n, rows = profiles.shape
    step = np.zeros_like(profiles)
    np.subtract(profiles[:, 1:], profiles[:, :-1], out=step[:, :-1])
    first = np.trunc(at)
    row = first.astype(np.intp)
    between = np.subtract(at, first, out=first)
    row += (np.arange(n) * rows)[:, None, None]
    between *= step.ravel().take(row, mode="clip")
    between += profiles.ravel().take(row, mode="clip")
    return between


def _under(below: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Weight of the layers under a sea floor."""
    return np.clip(below - half + 1, 0, 1)


def _convolved(series: np.ndarray, what: Drawn) -> np.ndarray:
    """Series (n, rows) convolved with each patch's wavelet, which is 1 at its peak if its phase is 0."""
    # A row of a canvas is the root of 2 rows of a patch.
    frequency = np.fft.rfftfreq(_SERIES, SAMPLE_S * _ZOOM / _FINE) / what.peak_hz[:, None]
    ricker = frequency**2 * np.exp(-(frequency**2))
    ricker *= _SERIES / (2 * ricker.sum(1, keepdims=True))
    turned = ricker * np.exp(1j * what.phase)[:, None]
    return np.fft.irfft(np.fft.rfft(series) * turned, _SERIES).astype(np.float32)


def plane(down: np.ndarray, along: np.ndarray, start: np.ndarray) -> np.ndarray:
    """(n, 48, 48) float32: a plane over the pixels of each patch."""
    at = np.arange(SIDE)
    column = (start[:, None] + down[:, None] * at).astype(np.float32)
    return column[:, :, None] + (along[:, None] * at).astype(np.float32)[:, None, :]


def column(values: np.ndarray) -> np.ndarray:
    """(n, 1, 1) float32: a value a sample, beside its pixels."""
    return values.astype(np.float32)[:, None, None]

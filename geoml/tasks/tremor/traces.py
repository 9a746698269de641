"""From a raw trace to the 20,000 samples that a network sees, in training and on continuous data (card, section 2)."""

import math
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from geoml import filters
from geoml.errors import InputError
from geoml.tasks.tremor import LENGTH_S, RATE_HZ, SAMPLES

GROUP_SPEED = 4.0  # km/s: windows start with the first surface waves
WITHOUT_EVENT_S = 400.0  # where a negative's window starts, after the first sample
MOST_DAMAGED = 0.1  # of a window that may be constant or clipped
_PASS_HZ, _STOP_HZ, _STOP_DB = 8.0, 10.0, 80.0  # of the low-pass before the rate is lowered


class Window(NamedTuple):
    """Where a window starts.

    Attributes:
        first: Index of its first sample in the trace.
        after_origin_s: Its start after the origin, NaN if that is unknown.
    """

    first: int
    after_origin_s: float


def samples(data: np.ndarray, rate_hz: float, settings: dict[str, Any]) -> np.ndarray | str:
    """What a network sees of a raw window: its first 1000 s without mean, at 20 Hz, in the band, normalised.

    Args:
        data: (n,) numbers, at least :func:`length` of them; later ones do not matter.
        rate_hz: Their rate.
        settings: ``band_hz``, two frequencies (2 corners, zero phase) or None; ``norm``: ``per_trace`` (mean 0,
            standard deviation 1) or ``none``.

    Returns:
        (20000,) float32, or the reason why the window cannot be used.
    """
    band = settings["band_hz"]
    if not rate_hz > 0:
        return f"rate: {rate_hz:g} Hz"
    if band is not None and rate_hz / 2 < band[1]:
        return f"rate: {rate_hz:g} Hz is too low for {band[0]:g}-{band[1]:g} Hz"
    needed = length(rate_hz)
    if len(data) < needed:
        return f"shorter than {LENGTH_S:g} s: {len(data) / rate_hz:.2f} s"
    data = data[:needed]
    if not np.isfinite(data).all():
        return f"not finite: {(~np.isfinite(data)).sum()} samples"
    if data.min() == data.max():
        return "constant"
    damaged = (_flat(data, rate_hz) | _clipped(data)).sum() / rate_hz
    if damaged > MOST_DAMAGED * LENGTH_S:
        return f"flat or clipped: {damaged:.1f} s of {LENGTH_S:g} s"
    x = data - data.mean(dtype=float)
    x = resampled(x, rate_hz)[:SAMPLES]
    if band is not None:
        x = _banded(x, *band)
    if settings["norm"] == "per_trace":
        # Without the published 1e-6 beside the deviation, which would leave ground velocity in m/s all but as it is.
        x = x - x.mean()
        if not (scale := x.std()) > 0:
            return "constant in its band"
        x /= scale
    return x.astype(np.float32)


def cut(
    label: int, count: int, rate_hz: float, start: float, origin: float, distance_km: float, window_from: str
) -> Window | str:
    """Where the window of a whole trace is (card, section 2).

    With the origin and the distance it starts 4 km/s after the origin, or takes the last 1000 s if its end does not
    fit. Negatives that have both are cut in the same way, since the window's place would betray their class; others
    start 400 s after the first sample, or take the last 1000 s. ``first_sample`` is the published rule: positives count
    from the first sample of the trace and not from the origin, negatives never know an event.

    Args:
        label: 1 for tremor, 0 for none.
        count: Samples of the trace.
        rate_hz: Their rate.
        start: Time of the first sample, epoch seconds.
        origin: Time of the event, epoch seconds, NaN if unknown.
        distance_km: Between event and station, NaN if unknown.
        window_from: ``origin`` or ``first_sample``.

    Returns:
        The window, or the reason why there is none.
    """
    if not rate_hz > 0:
        return f"rate: {rate_hz:g} Hz"
    room = count - length(rate_hz)
    if room < 0:
        return f"shorter than {LENGTH_S:g} s: {count / rate_hz:.2f} s"
    from_origin = window_from == "origin"
    if label and not math.isfinite(distance_km):
        return "no distance"
    if label and from_origin and not math.isfinite(origin):
        return "no origin time: needed by window_from: origin"
    with_event = from_origin and math.isfinite(distance_km) and math.isfinite(origin)
    if with_event:
        wanted = distance_km / GROUP_SPEED + origin - start
    else:
        wanted = distance_km / GROUP_SPEED if label else WITHOUT_EVENT_S
    first = min(max(round(wanted * rate_hz), 0), room)
    if with_event and abs(first / rate_hz - wanted) >= LENGTH_S:
        return f"no surface waves: expected {wanted:.0f} s after the first sample of {count / rate_hz:.0f} s"
    return Window(first, start + first / rate_hz - origin)


def length(rate_hz: float) -> int:
    """Samples that a window of 1000 s has at a rate."""
    up, down = _ratio(rate_hz)
    return round(LENGTH_S * rate_hz) if rate_hz <= RATE_HZ else math.ceil(SAMPLES * down / up)


def flat(data: np.ndarray, rate_hz: float) -> float:
    """Seconds of a trace (n,) in which it is constant for 1 s or more."""
    return float(_flat(data, rate_hz).sum() / rate_hz)


def clipped(data: np.ndarray, rate_hz: float) -> float:
    """Seconds of a trace (n,) at its largest or smallest value, 3 samples or more at once; 0 if it is constant."""
    return float(_clipped(data).sum() / rate_hz)


def resampled(x: np.ndarray, rate_hz: float) -> np.ndarray:
    """A trace (n,) at 20 Hz: Fourier resampling from below, a zero-phase polyphase filter from above.

    Any rate gives 20 Hz; the published decimation by a whole factor gives 25 Hz for a trace of 50 Hz.
    """
    if rate_hz <= RATE_HZ:
        count = round(len(x) * RATE_HZ / rate_hz)
        return x if count == len(x) else filters.resample(x, count)
    up, down = _ratio(rate_hz)
    return x if up == down else filters.resample_poly(x, up, down, "antireflect", _low_pass(rate_hz))


def _flat(data: np.ndarray, rate_hz: float) -> np.ndarray:
    """(n,) bool: where the trace is constant for 1 s or more."""
    same = data[1:] == data[:-1]
    return _runs(same, max(math.ceil(rate_hz) - 1, 1), 1)


def _clipped(data: np.ndarray) -> np.ndarray:
    """(n,) bool: where the trace stays at its largest or smallest value."""
    lowest, highest = data.min(), data.max()
    if lowest == highest:
        return np.zeros(len(data), bool)
    return _runs(data == lowest, 3) | _runs(data == highest, 3)


def _runs(mask: np.ndarray, fewest: int, more: int = 0) -> np.ndarray:
    """(n + more,) bool: the runs of a mask (n,) that are ``fewest`` or longer, each ``more`` longer at its end."""
    kept = np.zeros(len(mask) + more, bool)
    if mask.sum() < fewest:
        return kept
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    for begin, end in edges.reshape(-1, 2)[edges[1::2] - edges[::2] >= fewest]:
        kept[begin : end + more] = True
    return kept


@cache
def _ratio(rate_hz: float) -> tuple[int, int]:
    """Factors up and down from a rate to 20 Hz; for odd rates off by 5e-5 at most, which is 0.05 s in a window."""
    ratio = Fraction(RATE_HZ / rate_hz).limit_denominator(10_000)
    return ratio.numerator, ratio.denominator


@cache
def _low_pass(rate_hz: float) -> np.ndarray:
    """Taps of a Kaiser low-pass, symmetric, for the rate raised by its factor."""
    nyquist = rate_hz * _ratio(rate_hz)[0] / 2
    taps, beta = filters.kaiser(_STOP_DB, (_STOP_HZ - _PASS_HZ) / nyquist)
    return filters.low_pass(taps | 1, (_PASS_HZ + _STOP_HZ) / 2 / nyquist, beta)


def _banded(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """A trace (n,) of 20 Hz between two frequencies."""
    return filters.sosfiltfilt(_band_pass(low, high), x)


@cache
def _band_pass(low: float, high: float) -> np.ndarray:
    """Second-order sections of a Butterworth band-pass with 2 corners."""
    if not 0 < low < high < RATE_HZ / 2:
        raise InputError("prepare", "band_hz", f"two rising frequencies between 0 and {RATE_HZ / 2:g} Hz", [low, high])
    return filters.butter(2, [low, high], RATE_HZ)

"""The published transforms of one trace: dictionary in, dictionary out, what came in is not changed (card, section 2).

A sample is ``{"data": (..., n), "rate_hz": float}``, for some with ``dist_km`` and ``start_after_origin_s`` (of the
first sample). Each transform gives a new dictionary with new data; :func:`chain` makes one of several::

    prepared = chain(partial(resample, rate_hz=20), partial(butterworth, low_hz=2, high_hz=8), normalise)
    sample = prepared({"data": data, "rate_hz": 100})
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from geoml.errors import InputError
from geoml.registry import closest

Sample = dict[str, Any]
TRENDS = ("demean", "simple", "linear", "polynomial", "spline")
BANDS = ("bandpass", "bandstop", "highpass", "lowpass")


def chain(*steps: Callable[[Sample], Sample]) -> Callable[[Sample], Sample]:
    """One transform of several, done in this order."""

    def every(sample: Sample) -> Sample:
        for step in steps:
            sample = step(sample)
        return sample

    return every


def butterworth(
    sample: Sample,
    *,
    kind: str = "bandpass",
    low_hz: float = 0.0,
    high_hz: float = 10.0,
    corners: int = 2,
    zero_phase: bool = False,
) -> Sample:
    """Filter a trace.

    Args:
        sample: The trace.
        kind: One of :data:`BANDS`; ``highpass`` has its corner at ``low_hz``, ``lowpass`` at ``high_hz``.
        low_hz, high_hz: Corners. A band that begins at 0 or ends at the Nyquist frequency has one corner only.
        corners: Of the filter.
        zero_phase: Once forwards, once backwards; else forwards only.

    Raises:
        InputError: unknown kind, or corners that leave nothing or everything.
    """
    from scipy.signal import butter, sosfilt, sosfiltfilt

    if kind not in BANDS:
        raise InputError("butterworth", "kind", "a kind of filter", repr(kind), closest(kind, BANDS))
    nyquist = sample["rate_hz"] / 2
    has_low, has_high = kind != "lowpass" and low_hz > 0, kind != "highpass" and high_hz < nyquist
    edges = [low_hz] * has_low + [high_hz] * has_high
    if not edges or sorted(edges) != edges or not 0 < edges[0] <= edges[-1] < nyquist:
        raise InputError("butterworth", "corners", f"rising, inside 0 to {nyquist:g} Hz", (low_hz, high_hz))
    if len(edges) == 1:  # what is left of a band-pass above its lower corner, of a band-stop above its upper one
        kind = "highpass" if has_low != (kind == "bandstop") else "lowpass"
    sos = butter(corners, edges if len(edges) > 1 else edges[0], kind, fs=sample["rate_hz"], output="sos")
    return _with(sample, (sosfiltfilt if zero_phase else sosfilt)(sos, _data(sample)))


def detrend(sample: Sample, *, kind: str = "demean", order: int = 3, knots_s: float = 100.0) -> Sample:
    """Take the trend out of a trace.

    Args:
        sample: The trace, (n,).
        kind: ``demean``; ``simple``, the line through the first and last sample; ``linear``, the fitted line;
            ``polynomial`` and ``spline`` of an order.
        order: Of the polynomial or spline.
        knots_s: Between the knots of the spline.

    Raises:
        InputError: unknown kind.
    """
    from scipy.interpolate import LSQUnivariateSpline

    data = _data(sample)
    t = np.linspace(-1, 1, len(data))
    if kind == "demean":
        trend = data.mean()
    elif kind == "simple":
        trend = data[0] + (data[-1] - data[0]) * (t + 1) / 2
    elif kind in ("linear", "polynomial"):
        trend = np.polynomial.Polynomial.fit(t, data, 1 if kind == "linear" else order)(t)
    elif kind == "spline":
        step = round(knots_s * sample["rate_hz"])
        trend = LSQUnivariateSpline(t, data, t[step:-step:step], k=order)(t)
    else:
        raise InputError("detrend", "kind", "a kind of trend", repr(kind), closest(kind, TRENDS))
    return _with(sample, data - trend)


def resample(sample: Sample, *, rate_hz: float) -> Sample:
    """Another rate through the Fourier transform."""
    from scipy.signal import resample as by_fourier

    data = _data(sample)
    count = round(data.shape[-1] * rate_hz / sample["rate_hz"])
    return _with(sample, by_fourier(data, count, axis=-1), rate_hz)


def interpolate(sample: Sample, *, rate_hz: float) -> Sample:
    """Another rate by cubic splines, from the first sample to the last; no low-pass."""
    from scipy.interpolate import CubicSpline

    data = _data(sample)
    last = (data.shape[-1] - 1) / sample["rate_hz"]
    t = np.arange(int(last * rate_hz + 1e-9) + 1) / rate_hz
    return _with(sample, CubicSpline(np.arange(data.shape[-1]) / sample["rate_hz"], data, axis=-1)(t), rate_hz)


def decimate(sample: Sample, *, factor: int) -> Sample:
    """A rate lower by a whole factor, after a zero-phase low-pass."""
    from scipy.signal import decimate as every_nth

    return _with(sample, every_nth(_data(sample), factor, ftype="fir", axis=-1), sample["rate_hz"] / factor)


def surface_window(sample: Sample, *, start_velocity: float, end_velocity: float) -> Sample:
    """The part of a trace in which waves of two speeds arrive, in whole seconds: its end is not in it.

    Args:
        sample: The trace, with ``dist_km``; times count from the origin if ``start_after_origin_s`` is known, else
            from the first sample, as was published.
        start_velocity, end_velocity: km/s, the faster first.

    Raises:
        InputError: no distance, or no sample in the window.
    """
    if "dist_km" not in sample:
        raise InputError("surface_window", "dist_km", "a distance", "none")
    data, rate, known = _data(sample), sample["rate_hz"], sample.get("start_after_origin_s")
    begin, end = (int(sample["dist_km"] / speed) for speed in (start_velocity, end_velocity))
    first, last = (max(round((second - (known or 0)) * rate), 0) for second in (begin, end))
    part = data[..., first:last]
    if not part.size:
        expected = f"samples between {begin} and {end} s"
        raise InputError(
            "surface_window", "window", expected, f"{data.shape[-1] / rate:.1f} s from {known or 0:g} s on"
        )
    return _later(_with(sample, part), first)


def target_length(sample: Sample, *, length: int = 1000, rng: np.random.Generator | None = None) -> Sample:
    """As many samples as wanted: zeros at both ends, or a part from the start, or from anywhere with ``rng``."""
    data = _data(sample)
    missing = length - data.shape[-1]
    if missing >= 0:
        pad = [(0, 0)] * (data.ndim - 1) + [(missing // 2, missing - missing // 2)]
        return _later(_with(sample, np.pad(data, pad)), -(missing // 2))
    first = 0 if rng is None else int(rng.integers(0, -missing, endpoint=True))
    return _later(_with(sample, data[..., first : first + length]), first)


def normalise(sample: Sample) -> Sample:
    """Mean 0 and standard deviation 1, with the published 1e-6 beside the deviation."""
    data = _data(sample)
    return _with(sample, (data - data.mean()) / (data.std() + 1e-6))


def augment(sample: Sample, *, rng: np.random.Generator, probability: float = 0.5) -> Sample:
    """With a probability, a linear change of gain between two values of U(0, 2), and noise.

    The noise is Gaussian, with the mean of the trace and its deviation times U(1, 2).
    """
    data = _data(sample)
    if rng.random() >= probability:
        return _with(sample, data)
    ramp = np.linspace(rng.uniform(0, 2), rng.uniform(0, 2), data.shape[-1])
    return _with(sample, data * ramp + rng.normal(data.mean(), data.std() * rng.uniform(1, 2), data.shape))


def _later(sample: Sample, count: int) -> Sample:
    """A sample whose first sample is now later by a count, if it is known when that was."""
    if "start_after_origin_s" not in sample:
        return sample
    return sample | {"start_after_origin_s": sample["start_after_origin_s"] + count / sample["rate_hz"]}


def _data(sample: Sample) -> np.ndarray:
    """(..., n) float64, a copy."""
    return np.array(sample["data"], float)


def _with(sample: Sample, data: np.ndarray, rate_hz: float | None = None) -> Sample:
    return sample | {"data": data, "rate_hz": sample["rate_hz"] if rate_hz is None else rate_hz}

"""Numbers that describe a trace, for the shallow baselines (method card, sections 7 and 8).

All are of the trace's shape and none of its gain, so they do not depend on how it was normalised. ``amplitude_*`` and
``period_*`` are of the envelope, the root mean square of every second. ``floor_*`` is the colour of the quietest tenth
of the trace alone: a classifier that tells tremor by it has learnt stations and days (method card, pitfall 2).
"""

from itertools import accumulate, pairwise

import numpy as np

from geoml.tasks.tremor import LENGTH_S, RATE_HZ

_SPECTRUM_HZ = np.linspace(0.01, 0.1, 19)  # edges of the bands of the envelope's spectrum
_LAGS_S = (10, 15, 20, 25, 30, 35, 40, 50, 60, 70, 80)
_FRAME = 128  # samples, 6.4 s
# Edges of the bands of the floor, 0.6 to 10 Hz, of 6 frequencies each. Bursts leave fewer quiet frames and so raise the
# percentile, the less the more frequencies are averaged: were these not as many in all bands, the colour would tell.
_FLOOR_BINS = np.arange(4, 65, 6)
_FLOOR_HZ = _FLOOR_BINS * RATE_HZ / _FRAME
_QUIET = 10  # % of the frames
_AT_A_TIME = 64  # traces, so that the temporary arrays stay small
_LITTLE = 1e-3  # of the trace's root mean square: where logarithms end

_OF_GROUP = {
    "amplitude": (
        "kurtosis",  # of the samples, 0 for Gaussian noise
        "peak",  # largest sample over root mean square
        "envelope_std",  # over the envelope's mean
        "log_std",  # standard deviation of the envelope's logarithm
        "95_50",  # log of the ratio of these percentiles of the envelope
        "early_late",  # log of the mean power of the first half over that of the second
    ),
    "period": (
        *(f"{1000 * low:.0f}_{1000 * high:.0f}_mhz" for low, high in pairwise(_SPECTRUM_HZ)),  # log share of variance
        *(f"lag_{lag}_s" for lag in _LAGS_S),  # autocorrelation
    ),
    "floor": tuple(f"{1000 * low:.0f}_{1000 * high:.0f}_mhz" for low, high in pairwise(_FLOOR_HZ)),  # log power
}
NAMES = tuple(f"{group}_{name}" for group, names in _OF_GROUP.items() for name in names)
_ENDS = (0, *accumulate(map(len, _OF_GROUP.values())))
GROUPS = {group: slice(*ends) for group, ends in zip(_OF_GROUP, pairwise(_ENDS), strict=True)}  # of columns


def features_of(x: np.ndarray) -> np.ndarray:
    """The numbers of ``NAMES``.

    Args:
        x: (n, 20000) traces at 20 Hz, of any unit.

    Returns:
        (n, 45) float32, finite also for a trace that is partly or wholly constant.
    """
    found = np.zeros((len(x), len(NAMES)), np.float32)
    for start in range(0, len(x), _AT_A_TIME):
        part = np.asarray(x[start : start + _AT_A_TIME], np.float32)
        part = part - part.mean(axis=1, keepdims=True)
        part /= _some(np.sqrt((part**2).mean(axis=1, keepdims=True)))
        seconds = envelope(part)
        found[start : start + len(part)] = np.hstack([_amplitude(part, seconds), _period(seconds), _floor(part)])
    return found


def envelope(x: np.ndarray) -> np.ndarray:
    """(n, 1000) root mean square of every second of traces (n, 20000)."""
    return np.sqrt((x.reshape(len(x), int(LENGTH_S), -1) ** 2).mean(axis=2))


def _amplitude(x: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """(n, 6), of traces with mean 0 and root mean square 1, and their envelopes."""
    power, half = seconds**2, seconds.shape[1] // 2
    middle, high = np.percentile(seconds, (50, 95), axis=1) + _LITTLE
    early, late = power[:, :half].mean(axis=1), power[:, half:].mean(axis=1)
    values = (
        (x**2 * x**2).mean(axis=1) - 3,
        np.abs(x).max(axis=1),
        seconds.std(axis=1) / _some(seconds.mean(axis=1)),
        np.log(seconds + _LITTLE).std(axis=1),
        np.log(high / middle),
        np.log((early + _LITTLE**2) / (late + _LITTLE**2)),
    )
    return np.stack(values, axis=1)


def _period(seconds: np.ndarray) -> np.ndarray:
    """(n, 29): spectrum and autocorrelation of the envelopes (n, 1000)."""
    beat = seconds - seconds.mean(axis=1, keepdims=True)
    beat /= _some(beat.std(axis=1, keepdims=True))
    n = beat.shape[1]
    spectrum = np.abs(np.fft.rfft(beat, 2 * n)) ** 2 / n**2  # zeros behind: every second value is of the trace alone
    correlation = np.fft.irfft(spectrum)[:, list(_LAGS_S)] * n
    first, *_, last = edges = np.round(_SPECTRUM_HZ * n).astype(int)
    shares = np.add.reduceat(2 * spectrum[:, ::2][:, first:last], edges[:-1] - first, axis=1)
    return np.hstack([np.log(shares + _LITTLE**2), correlation])


def _floor(x: np.ndarray) -> np.ndarray:
    """(n, 10): log power of the quietest frames by band, its mean over the bands removed."""
    frames = x[:, : x.shape[1] // _FRAME * _FRAME].reshape(len(x), -1, _FRAME) * np.hanning(_FRAME).astype(np.float32)
    power = np.abs(np.fft.rfft(frames)) ** 2 / _FRAME
    power = power[..., _FLOOR_BINS[0] : _FLOOR_BINS[-1]]
    bands = power.reshape(*power.shape[:2], len(_FLOOR_BINS) - 1, -1).mean(axis=3)
    floor = np.percentile(np.log(bands + _LITTLE**4), _QUIET, axis=1)
    return floor - floor.mean(axis=1, keepdims=True)


def _some(values: np.ndarray) -> np.ndarray:
    """Divisors: 1 instead of 0, so that a constant stays 0."""
    return np.where(values > 0, values, 1)

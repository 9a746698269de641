"""From a vertical trace and a P pick to the stored sample: cut, high-pass, cut again, scale; SNR and first break.

Order of work and definitions are those of the method card, sections 3 (conditioning), 8 (SNR) and 9 (first break).
Everything here is odd: the negated trace gives the negated sample and the negated first break, exactly.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from geoml import filters

RATE_HZ = 100.0  # common rate of all data sets
BEFORE = AFTER = 300  # stored sample: P-300 .. P+300
LEAD = TAIL = 1000  # segment that is filtered: P-1000 .. P+1000, so that edge transients stay outside the sample
EDGE = 50  # real samples that a trace must have on either side of P; the rest may be padded

# High-pass before SNR and first break: 1 Hz (card, section 9), of the order that samples have by default.
_HEARING_HZ, _HEARING_ORDER = 1.0, 2
_CHUNK = 1024  # rows filtered at a time, in float64
_CLIP_RUN = 8  # equal extreme samples in a row that are too many to be a wave ...
_CLIP_STEP = 0.02  # ... when the trace jumps on or off them by this share of its range (coarse counts do not)


def segments(
    traces: np.ndarray, p: np.ndarray, length: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cut P-1000 .. P+1000 out of traces of the common rate.

    Args:
        traces: (n, m) vertical component.
        p: (n,) int, P sample.
        length: (n,) int, real samples of each trace, where the rest of its row is filling.

    Returns:
        Segments (n, 2000) float32 with P at index 1000, padded with the edge value; the first and one past the last
        real index (n,), (n,) int; reasons (n,) object: ``""``, or why the trace cannot be used.
    """
    traces, p = np.asarray(traces), np.asarray(p, np.int64)
    length = np.full(len(p), traces.shape[1]) if length is None else np.asarray(length, np.int64)
    index = np.clip(p[:, None] + np.arange(-LEAD, TAIL), 0, length[:, None] - 1)
    first, last = np.clip(LEAD - p, 0, LEAD), np.clip(LEAD + length - p, LEAD, LEAD + TAIL)
    return np.take_along_axis(traces, index, axis=1).astype(np.float32), first, last, usable(p, length)


def usable(p: np.ndarray, length: np.ndarray) -> np.ndarray:
    """(n,) object: ``""`` where there are enough samples on both sides of P, else the reason why not."""
    reasons = np.full(len(p), "", object)
    reasons[(p < EDGE) | (p >= length - EDGE)] = f"P too near the edge: fewer than {EDGE} samples on one side"
    reasons[~((p >= 0) & (p < length))] = "P outside the trace"
    return reasons


def segment(
    trace: np.ndarray, rate_hz: float, p_sample: float, settings: dict[str, Any]
) -> tuple[np.ndarray, int, int] | str:
    """Cut P-1000 .. P+1000 out of one trace at the common rate, resampling it if it has another and that is allowed.

    Args:
        trace: (m,) vertical component.
        rate_hz: Sampling rate of the trace.
        p_sample: P pick, in samples of the trace; fractions allowed.
        settings: Settings of the data set.

    Returns:
        Segment (2000,) float32 with P at index 1000, padded with the edge value, with the first and one past the last
        real index; or a reason, if the trace cannot be used.
    """
    if not np.isfinite(p_sample):
        return "no P pick"
    if not 0 <= p_sample < len(trace):
        return "P outside the trace"
    if not same_rate(rate_hz):
        if settings["wrong_rate"] == "refuse":
            return f"wrong rate: {rate_hz:g} Hz"
        trace, p_sample = _resample(trace, p_sample, RATE_HZ / rate_hz)
    cut, first, last, reasons = segments(trace[None], np.rint([p_sample]))
    return reasons[0] or (cut[0], int(first[0]), int(last[0]))


def same_rate(rate_hz: float | np.ndarray) -> Any:
    """Whether a rate is the common one; headers keep it, or its inverse, with float32 accuracy."""
    return np.isclose(rate_hz, RATE_HZ, rtol=1e-4)


def _resample(trace: np.ndarray, p: float, ratio: float) -> tuple[np.ndarray, float]:
    """Polyphase resampling, with its anti-alias filter, of what the segment needs; P in the new samples."""
    start = max(0, int(p - 1.1 * LEAD / ratio))
    stop = int(p + 1.1 * TAIL / ratio) + 1
    factor = Fraction(ratio).limit_denominator(1000)
    part = np.asarray(trace[start:stop], np.float64)
    return filters.resample_poly(part, factor.numerator, factor.denominator, "edge"), (p - start) * ratio


def prepare(
    waveforms: np.ndarray,
    p_index: int,
    settings: dict[str, Any],
    first: np.ndarray | None = None,
    last: np.ndarray | None = None,
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Condition segments of the common rate and cut the stored samples out of them.

    Args:
        waveforms: (n, L) float, P at ``p_index``, at least 300 samples on either side of it.
        p_index: Index of P, the same in all rows.
        settings: Settings of the data set.
        first: (n,) int, first real sample; before it the edge value is repeated. None: all samples are real.
        last: (n,) int, one past the last real sample.

    Returns:
        Samples (n, 600) float32, largest magnitude 1; columns ``snr_db`` (n,) float32 (NaN: no noise or no signal) and
        ``first_break`` (n,) int8 (+1, -1, 0 unreadable); reasons (n,) object: ``""``, or why a row (then zeros) cannot
        be used.
    """
    n, samples = waveforms.shape
    if p_index < BEFORE or samples < p_index + AFTER:
        raise ValueError(f"P at {p_index} of {samples} samples; {BEFORE} before and {AFTER} after are needed")
    first = np.zeros(n, int) if first is None else np.asarray(first)
    last = np.full(n, samples) if last is None else np.asarray(last)
    inputs = np.zeros((n, BEFORE + AFTER), np.float32)
    columns: dict[str, np.ndarray] = {"snr_db": np.full(n, np.nan, np.float32), "first_break": np.zeros(n, np.int8)}
    reasons = np.full(n, "", object)
    for part in _chunks(n):
        # What comes after the sample cannot change it: the filter is causal.
        raw = np.asarray(waveforms[part, : p_index + AFTER])
        reasons[part] = _unusable(raw, p_index, first[part], last[part])
        rows = np.flatnonzero(reasons[part] == "")
        if not len(rows):
            continue
        wave = raw.astype(np.float64) if len(rows) == len(raw) else raw[rows].astype(np.float64)
        rows += part.start
        wave -= _mean(wave, first[rows], np.full(len(rows), p_index))[:, None]
        filtered, hearing = _filtered(wave, p_index, settings)
        cut = filtered[:, p_index - BEFORE :]
        largest = np.abs(cut).max(axis=1, keepdims=True)
        inputs[rows] = cut / np.where(largest > 0, largest, 1)
        columns["snr_db"][rows] = _snr_db(hearing, p_index, first[rows], last[rows])
        columns["first_break"][rows] = _first_break(hearing, p_index, first[rows])
    return inputs, columns, reasons


def _chunks(n: int) -> Iterator[slice]:
    for start in range(0, n, _CHUNK):
        yield slice(start, min(start + _CHUNK, n))


def _filtered(wave: np.ndarray, p: int, settings: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The waves for the sample, and their 1 Hz high-passed copy for SNR and first break, as far as these look."""
    corner, order = settings["highpass_hz"], settings["highpass_order"]
    filtered = wave if corner is None else highpass(wave, corner, order)
    if (corner, order) == (_HEARING_HZ, _HEARING_ORDER):
        return filtered, filtered
    return filtered, highpass(wave[:, : p + _seconds(1)], _HEARING_HZ, _HEARING_ORDER)


def highpass(wave: np.ndarray, corner_hz: float, order: int) -> np.ndarray:
    """Causal Butterworth high-pass along the last axis of ``wave`` (n, m).

    The filter starts as if each row had always had its first value, so an offset makes no transient.
    """
    return filters.sosfilt(filters.butter(order, [corner_hz], RATE_HZ), wave)


def _unusable(raw: np.ndarray, p: int, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """(n,) object: reason for each raw row, by the part of it that becomes the sample."""
    reasons = np.full(len(raw), "", object)
    cut = raw[:, p - BEFORE :]
    highest, lowest = cut.max(axis=1, keepdims=True), cut.min(axis=1, keepdims=True)
    padded = (first > p - BEFORE).any() or (last < p + AFTER).any()
    index = np.arange(p - BEFORE, p + AFTER)
    for extreme in (highest, lowest):
        at = np.asarray(cut == extreme)
        if padded:
            at &= (index >= first[:, None]) & (index < last[:, None])
        rows = np.flatnonzero(np.count_nonzero(at, axis=1) >= _CLIP_RUN)
        if len(rows):
            with np.errstate(invalid="ignore"):  # infinities are told below
                jump = np.abs(np.diff(cut[rows], axis=1)) > _CLIP_STEP * (highest[rows] - lowest[rows])
            reasons[rows[_has_plateau(at[rows], jump)]] = "clipped"
    reasons[(highest == lowest)[:, 0]] = "flat"
    reasons[~np.isfinite(raw).all(axis=1)] = "not finite"
    return reasons


def _has_plateau(at: np.ndarray, jump: np.ndarray) -> np.ndarray:
    """(n,) bool: a run of samples at the extreme value, ``at`` (n, m), that begins or ends with a ``jump`` (n, m-1)."""
    run = np.asarray(np.lib.stride_tricks.sliding_window_view(at, _CLIP_RUN, axis=1).all(axis=-1))
    begins = run[:, 1:] & jump[:, : run.shape[1] - 1]
    ends = run[:, :-1] & jump[:, _CLIP_RUN - 1 :]
    return (begins | ends).any(axis=1)


def _seconds(seconds: float) -> int:
    return round(seconds * RATE_HZ)


def _inside(length: int, start: np.ndarray, stop: np.ndarray) -> np.ndarray | None:
    """(n, length) bool: real samples, those from ``start`` to ``stop``; None when all are."""
    if (start <= 0).all() and (stop >= length).all():
        return None
    index = np.arange(length)
    return (index >= start[:, None]) & (index < stop[:, None])


def _mean(wave: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    part = wave[:, : stop.max()]
    inside = _inside(part.shape[1], start, stop)
    return part.mean(axis=1) if inside is None else part.mean(axis=1, where=inside)


def _std(wave: np.ndarray, start: int, stop: int, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Standard deviation of the real samples from ``start`` to ``stop``."""
    part = wave[:, max(start, 0) : stop]
    inside = _inside(part.shape[1], first - max(start, 0), last - max(start, 0))
    return part.std(axis=1) if inside is None else part.std(axis=1, where=inside)


def _noise(wave: np.ndarray, p: int, first: np.ndarray) -> np.ndarray:
    """Noise level: standard deviation over P-2 s .. P-0.2 s (card, sections 8 and 9)."""
    return _std(wave, p - _seconds(2), p - _seconds(0.2), first, np.full(len(wave), p))


def _snr_db(wave: np.ndarray, p: int, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """20 log10(std of P .. P+1 s / std of P-2 s .. P-0.2 s) (card, section 8)."""
    signal, noise = _std(wave, p, p + _seconds(1), first, last), _noise(wave, p, first)
    ratio = np.divide(signal, noise, out=np.full(len(wave), np.nan), where=(noise > 0) & (signal > 0))
    return 20 * np.log10(ratio)


def _first_break(wave: np.ndarray, p: int, first: np.ndarray) -> np.ndarray:
    """Sign of the first extremum after P-0.05 s, until P+0.6 s, that exceeds 4 noise levels (card, section 9)."""
    part = wave[:, p - _seconds(0.05) - 1 : p + _seconds(0.6) + 2]
    size = np.abs(part)
    level = 4 * _noise(wave, p, first)[:, None]
    extremum = (size[:, 1:-1] >= size[:, :-2]) & (size[:, 1:-1] > size[:, 2:]) & (size[:, 1:-1] > level)
    at = extremum.argmax(axis=1)[:, None]
    sign = np.sign(np.take_along_axis(part[:, 1:-1], at, axis=1)[:, 0])
    return np.where(extremum.any(axis=1), sign, 0).astype(np.int8)

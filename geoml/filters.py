"""Filters and changes of rate: by SciPy where it is installed, else by NumPy with the same answers.

Everything here is linear: the negated trace gives the negated result, exactly.
"""

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


@cache
def _scipy() -> Any:
    """``scipy.signal``, or None where it is not installed."""
    try:
        from scipy import signal
    except ImportError:
        return None
    return signal


def butter(order: int, corners_hz: list[float], rate_hz: float) -> np.ndarray:
    """Second-order sections (k, 6) of a Butterworth filter: a high-pass of one corner, a band-pass of two."""
    if signal := _scipy():
        kind = "bandpass" if len(corners_hz) == 2 else "highpass"
        return signal.butter(order, np.squeeze(corners_hz), kind, fs=rate_hz, output="sos")
    corners = 4 * np.tan(np.pi * np.array(corners_hz) / rate_hz)  # of the analogue filter that the bilinear map turns
    poles = -np.exp(1j * np.pi * np.arange(1 - order, order, 2) / (2 * order))
    if len(corners) == 1:
        poles, gain = corners[0] / poles, 1.0
    else:
        middle, half = poles * np.ptp(corners) / 2, np.sqrt((poles * np.ptp(corners) / 2) ** 2 - np.prod(corners))
        poles, gain = np.concatenate([middle + half, middle - half]), np.ptp(corners) ** order
    gain *= (4.0**order / np.prod(4 - poles)).real
    digital = (4 + poles) / (4 - poles)
    return _sections(digital, [1.0] * order + [-1.0] * (len(poles) - order), gain)


def _sections(poles: np.ndarray, zeros: list[float], gain: float) -> np.ndarray:
    """Poles with the zeros nearest to them, those nearest to the unit circle last and served first, as SciPy has it."""
    halves = sorted(poles[poles.imag > 1e-12], key=lambda pole: (-round(abs(pole), 12), pole.real))
    pairs = [(pole, pole.conjugate()) for pole in halves]
    pairs += [(pole, 0j) for pole in poles if abs(pole.imag) <= 1e-12]  # of an odd order one, the farthest
    zeros = zeros + [0.0] * (2 * len(pairs) - len(zeros))
    sections: list[np.ndarray] = []
    for pair in pairs:
        near = sorted(zeros, key=lambda zero: abs(zero - pair[0]))[:2]
        for zero in near:
            zeros.remove(zero)
        sections.insert(0, np.concatenate([np.poly(near), np.poly(pair).real]))
    sections[0][:3] *= gain
    return np.array(sections)


def sosfilt(sections: np.ndarray, wave: np.ndarray) -> np.ndarray:
    """Filter ``wave`` (..., m) along its last axis, as if each row had always had its first value."""
    if signal := _scipy():
        state = signal.sosfilt_zi(sections).reshape(len(sections), *[1] * (wave.ndim - 1), 2)
        return signal.sosfilt(sections, wave, axis=-1, zi=state * wave[..., :1])[0]
    for section in sections:
        wave = _section(section, wave)
    return wave


def _section(section: np.ndarray, wave: np.ndarray) -> np.ndarray:
    """One section: its state, s[t+1] = A s[t] + B x[t], of all times at once, by doubling the reach of A."""
    b, a = section[:3], section[4:]
    step, drive = np.array([[-a[0], 1.0], [-a[1], 0.0]]), b[1:] - a * b[0]
    state = np.empty((2, *wave.shape))
    state[..., 0] = np.multiply.outer(np.linalg.solve(np.eye(2) - step, drive), wave[..., 0])
    state[..., 1:] = np.multiply.outer(drive, wave[..., :-1])
    reach = 1
    while reach < wave.shape[-1] and np.abs(step).max() > 1e-30:
        state[..., reach:] += np.tensordot(step, state[..., :-reach], 1)
        step, reach = step @ step, 2 * reach
    return b[0] * wave + state[0]


def sosfiltfilt(sections: np.ndarray, wave: np.ndarray) -> np.ndarray:
    """Filter ``wave`` (..., m) forwards and backwards, its ends extended by their odd reflections."""
    if signal := _scipy():
        return signal.sosfiltfilt(sections, wave)
    edge = 3 * (2 * len(sections) + 1 - min((sections[:, 2] == 0).sum(), (sections[:, 5] == 0).sum()))
    wave = _extended(wave, edge, "antireflect")
    for _ in range(2):
        wave = sosfilt(sections, wave)[..., ::-1]
    return wave[..., edge:-edge]


def resample(wave: np.ndarray, count: int) -> np.ndarray:
    """A trace (m,) with another number of samples in the same time, by its Fourier series."""
    if signal := _scipy():
        return signal.resample(wave, count)
    fewest = min(count, len(wave))
    spectrum = np.fft.rfft(wave)[: fewest // 2 + 1]
    if fewest % 2 == 0 and count != len(wave):  # the highest frequency is one of two where there is room for both
        spectrum[-1] *= 2 if count < len(wave) else 0.5
    return np.fft.irfft(spectrum * (count / len(wave)), count)


def resample_poly(wave: np.ndarray, up: int, down: int, padding: str, taps: np.ndarray | None = None) -> np.ndarray:
    """A trace (m,) at ``up / down`` times its rate, by a zero-phase polyphase filter.

    Args:
        wave: The trace.
        up, down: Factors without a common divisor.
        padding: Beyond the ends: ``edge`` (their values) or ``antireflect`` (their odd reflections).
        taps: Of the low-pass (2 h + 1,) at the raised rate; None: SciPy's own, a Kaiser window of 10 periods.
    """
    if signal := _scipy():
        return signal.resample_poly(wave, up, down, padtype=padding, **({} if taps is None else {"window": taps}))
    if taps is None:
        highest = max(up, down)
        taps = low_pass(20 * highest + 1, 1 / highest, 5.0)
    half, count = len(taps) // 2, -(-len(wave) * up // down)
    edge = half // up + 1
    padded = _extended(wave, edge, padding)
    out = np.empty(count)
    for phase in range(min(up, count)):  # outputs ``up`` apart have the same taps, on samples ``down`` apart
        first, rest = divmod(phase * down, up)
        own = taps[(half + rest) % up :: up]
        start = edge + first + (half + rest) // up - len(own) + 1
        found = sliding_window_view(padded, len(own))[start::down] @ (up * own[::-1])
        out[phase::up] = found[: len(out[phase::up])]
    return out


def low_pass(count: int, corner: float, beta: float) -> np.ndarray:
    """Taps (count,), an odd number, of a low-pass with a Kaiser window; ``corner`` as a share of Nyquist's."""
    if signal := _scipy():
        return signal.firwin(count, corner, window=("kaiser", beta))
    taps = corner * np.sinc(corner * (np.arange(count) - (count - 1) / 2)) * np.kaiser(count, beta)
    return taps / taps.sum()


def kaiser(attenuation_db: float, width: float) -> tuple[int, float]:
    """Number of taps and shape of the Kaiser window (Kaiser 1974) for 50 dB or more over a share of Nyquist's."""
    return math.ceil((attenuation_db - 7.95) / 2.285 / (np.pi * width) + 1), 0.1102 * (attenuation_db - 8.7)


def _extended(wave: np.ndarray, edge: int, padding: str) -> np.ndarray:
    """``wave`` (..., m) with ``edge`` samples more at both ends."""
    room = [(0, 0)] * (wave.ndim - 1) + [(edge, edge)]
    return np.pad(wave, room, "edge") if padding == "edge" else np.pad(wave, room, "reflect", reflect_type="odd")

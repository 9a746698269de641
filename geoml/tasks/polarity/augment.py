"""From stored samples to what the network sees in training: augmented windows, whole batches at once.

Everything here is odd in the waveform: negate the trace and every window is negated, bit for bit.
"""

from typing import Any

import numpy as np

from geoml.tasks.polarity.answers import PICK, WINDOW, normalise, windows
from geoml.tasks.polarity.windows import BEFORE, RATE_HZ

CURVE_STD = 10.0  # samples; 0.1 s, as the original's P curve
_STRETCH = np.array([0.5, 0.75, 1.5, 2.0, 3.0], np.float32)
_NOISE = 250  # samples at the beginning of a stored segment that are noise, well before any P


def curve(shift: np.ndarray | int, n: int) -> np.ndarray:
    """Target P curve (n, 400): a Gaussian of 10 samples standard deviation at P (method card, section 3)."""
    at = PICK - np.broadcast_to(np.asarray(shift), n)
    return np.exp(-((np.arange(WINDOW) - at[:, None]) ** 2) / (2 * CURVE_STD**2)).astype(np.float32)


def augment(
    inputs: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    norm: str,
    rng: np.random.Generator,
    settings: dict[str, Any],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One randomly changed, normalised window a row.

    Args:
        inputs: (n, 600) float32, P at 300.
        labels: (n,) int8, U, D, N = 0, 1, 2.
        rows: (b,) row numbers.
        norm: See :func:`normalise`.
        rng: Where all randomness comes from.
        settings: ``shift`` in samples, ``flip``, ``stretch``, ``noise``, ``amplitude`` and ``glitch`` as probabilities.

    Returns:
        windows (b, 400) float32, labels (b,) int8, shift (b,) of P against its nominal index.
    """
    n = len(rows)
    shift = rng.integers(-settings["shift"], settings["shift"], n, endpoint=True)
    wave, label = windows(inputs, rows, shift), labels[rows]
    if chosen := _some(rng, n, settings["stretch"]):
        wave[chosen] = _stretched(inputs, rows[chosen], shift[chosen], rng.choice(_STRETCH, len(chosen[0])))
    if chosen := _some(rng, n, settings["noise"]):
        wave[chosen], label[chosen] = _noisy(inputs, wave[chosen], label[chosen], rows, shift[chosen], rng)
    if chosen := _some(rng, n, settings["glitch"]):
        wave[chosen] = _glitched(wave[chosen], shift[chosen], rng)
    wave = normalise(wave, norm)
    if chosen := _some(rng, n, settings["amplitude"]):
        wave[chosen] *= np.exp2(rng.uniform(-1, 1, len(chosen[0])).astype(np.float32))[:, None]
    flip = rng.random(n) < settings["flip"]
    wave *= np.where(flip, np.float32(-1), np.float32(1))[:, None]
    return wave, np.where(flip & (label < 2), 1 - label, label).astype(np.int8), shift


def with_noise(inputs: np.ndarray, snr_db: float) -> np.ndarray:
    """Stored samples with noise from before another sample's P, which brings the first second after P to ``snr_db``.

    Args:
        inputs: (n, 600) float32; the noise is that of the next sample, so the result is always the same.
        snr_db: 20 log10 of the standard deviations of signal and noise.
    """
    noise = np.roll(inputs[:, :_NOISE], 1, axis=0)
    noise = noise - noise.mean(axis=1, keepdims=True)
    noise = np.concatenate([noise, noise[:, ::-1], noise], axis=1)[:, : inputs.shape[1]]
    signal = inputs[:, BEFORE : BEFORE + int(RATE_HZ)].std(axis=1)
    return inputs + noise * (signal / np.maximum(noise.std(axis=1), 1e-12) / 10 ** (snr_db / 20))[:, None]


def _some(rng: np.random.Generator, n: int, probability: float) -> tuple[np.ndarray] | None:
    """Index of a random part of n, or None when it is empty."""
    if not probability:
        return None
    chosen = np.flatnonzero(rng.random(n) < probability)
    return (chosen,) if len(chosen) else None


def _stretched(inputs: np.ndarray, rows: np.ndarray, shift: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Windows with time multiplied by ``factor`` about P, by linear interpolation; ends are held."""
    after = np.arange(WINDOW) - (PICK - shift)[:, None]
    at = np.clip(BEFORE + after / factor[:, None], 0, inputs.shape[1] - 1.001)
    low = at.astype(np.intp)
    part = (at - low).astype(np.float32)
    segment = inputs[rows]
    return np.take_along_axis(segment, low, 1) * (1 - part) + np.take_along_axis(segment, low + 1, 1) * part


def _noisy(
    inputs: np.ndarray,
    wave: np.ndarray,
    label: np.ndarray,
    rows: np.ndarray,
    shift: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Windows with real noise from before another sample's P, at 0 to 20 dB; a drowned onset becomes N."""
    noise = inputs[rng.choice(rows, len(wave)), :_NOISE]
    noise = noise - noise.mean(axis=1, keepdims=True)
    noise = np.concatenate([noise, noise[:, ::-1]], axis=1)[:, :WINDOW]
    target = rng.uniform(0, 20, len(wave))
    after = (PICK - shift)[:, None] + np.arange(int(RATE_HZ))
    signal = np.take_along_axis(wave, np.minimum(after, WINDOW - 1), 1)
    level = signal.std(axis=1) / np.maximum(noise.std(axis=1), 1e-12) / 10 ** (target / 20)
    noise *= level.astype(np.float32)[:, None]
    onset = np.abs(signal[:, :20] - wave[:, : PICK // 2].mean(axis=1, keepdims=True)).max(axis=1)
    drowned = onset < noise.std(axis=1)
    return wave + noise, np.where(drowned, np.int8(2), label)


def _glitched(wave: np.ndarray, shift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Windows with a step of the baseline or a spike of one sample, somewhere before P."""
    n = len(wave)
    at = (rng.random(n) * (PICK - shift - 20)).astype(np.intp)
    largest = np.take_along_axis(wave, np.abs(wave).argmax(axis=1)[:, None], axis=1)[:, 0]  # signed, so this is odd
    size = rng.uniform(-0.5, 0.5, n).astype(np.float32) * largest
    column = np.arange(WINDOW)
    spike = rng.random(n) < 0.5
    touched = np.where(spike[:, None], column == at[:, None], column >= at[:, None])
    return wave + touched * size[:, None]

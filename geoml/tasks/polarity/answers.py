"""From stored samples to probabilities: windows, normalisation, and a network asked about both signs.

Everything here is odd in the waveform: negate the trace and every window is negated, bit for bit.
"""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from geoml.tasks.polarity.windows import BEFORE, RATE_HZ

WINDOW = 400  # samples a network sees, 4 s at 100 Hz
PICK = 200  # nominal index of the P pick in a window
_START = BEFORE - PICK


def windows(inputs: np.ndarray, rows: np.ndarray, shift: np.ndarray | int = 0) -> np.ndarray:
    """Cut windows whose P lies at ``PICK - shift``.

    Args:
        inputs: (n, 600) float32, P at 300.
        rows: (b,) row numbers.
        shift: (b,) or one number of samples, within [-100, 100].

    Returns:
        (b, 400) float32, a copy, not yet normalised.
    """
    start = np.broadcast_to(_START + np.asarray(shift), len(rows))
    return sliding_window_view(inputs, WINDOW, axis=1)[rows, start]


def normalise(wave: np.ndarray, norm: str) -> np.ndarray:
    """Remove the mean of the noise before P and divide by an amplitude, in place; all-zero stays zero.

    Args:
        wave: (b, 400) float32.
        norm: ``peak`` (largest absolute value of the window), or ``onset`` (of the first second after P, clipped at 5),
            which keeps a small onset visible before a large later arrival.
    """
    wave -= wave[:, : PICK // 2].mean(axis=1, keepdims=True)
    part = wave if norm == "peak" else wave[:, PICK : PICK + int(RATE_HZ)]
    top = np.maximum(part.max(axis=1), -part.min(axis=1))
    wave *= (np.float32(1) / np.where(top > 0, top, np.float32(1)))[:, None]
    return wave if norm == "peak" else np.clip(wave, -5, 5, out=wave)


def network_input(inputs: np.ndarray, meta: dict[str, Any], shift: int = 0) -> np.ndarray:
    """Prepared samples (n, 600) to windows (n, 400, 1), normalised as in training.

    Args:
        inputs: (n, 600) float32, P at 300.
        meta: Metadata of the prepared set or of the model.
        shift: Added pick error in samples: P then lies at ``200 - shift``.
    """
    wave = windows(inputs, np.arange(len(inputs)), shift)
    return normalise(wave, meta["prepare"]["norm"])[:, :, None]


def outputs(model: Any, inputs: np.ndarray, shift: int = 0) -> np.ndarray:
    """Probabilities (n, 3) of U, D, N for prepared samples (n, 600).

    The network sees every window and its negative; the answers are averaged after exchanging U and D in the second,
    so negating a trace exchanges p(U) and p(D) exactly.
    """
    wave = network_input(inputs, model.meta, shift)
    up, down = model.infer(wave)["po"], model.infer(-wave)["po"]
    return (up + down[:, [1, 0, 2]]) / 2

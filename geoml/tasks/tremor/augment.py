"""Changes to whole batches of training traces (method card, section 8); never made in validation or test."""

from typing import Any

import numpy as np

from geoml.tasks.tremor import RATE_HZ


def augment(
    waves: np.ndarray, label: np.ndarray, rng: np.random.Generator, settings: dict[str, Any], norm: str
) -> np.ndarray:
    """Shift, mix, add noise, ramp and turn round the traces of a batch.

    Args:
        waves: (b, 20000) float32.
        label: (b,) 1 for tremor.
        rng: What everything is drawn from.
        settings: ``augment`` of the configuration; 0 or false leaves a change out.
        norm: ``per_trace`` to bring traces whose shape changes back to mean 0 and deviation 1.

    Returns:
        (b, 20000) float32, new.
    """
    n, samples = waves.shape
    shift = round(settings["shift_s"] * RATE_HZ)
    if shift:  # round the ends: what leaves at one end comes back at the other
        out = np.empty_like(waves)
        by_how_much = rng.integers(-shift, shift + 1, n) % samples
        for new, wave, by in zip(out, waves, by_how_much.tolist(), strict=True):
            new[by:], new[:by] = wave[: samples - by], wave[samples - by :]
    else:
        out = np.array(waves)
    deviation = out.std(axis=1)
    negatives = np.flatnonzero(label == 0)
    if settings["mix"] and len(negatives):
        mixed = np.flatnonzero((label == 1) & (rng.random(n) < settings["mix"]))
        other = rng.choice(negatives, len(mixed))
        share = rng.uniform(0.2, 0.7, len(mixed)) * deviation[mixed] / np.maximum(deviation[other], 1e-12)
        out[mixed] += share[:, None].astype(np.float32) * waves[other]
    if settings["noise"]:
        size = (rng.uniform(0, settings["noise"], n) * deviation).astype(np.float32)
        out += size[:, None] * rng.standard_normal(out.shape, np.float32)
    if settings["ramp"]:
        ends = rng.uniform(1 - settings["ramp"], 1 + settings["ramp"], (n, 2)).astype(np.float32)
        out *= ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * np.linspace(0, 1, samples, dtype=np.float32)
    if settings["polarity"]:
        out *= rng.choice(np.array([-1, 1], np.float32), n)[:, None]
    if norm == "per_trace" and (settings["mix"] or settings["noise"] or settings["ramp"]):
        out -= out.mean(axis=1, keepdims=True)
        out /= out.std(axis=1, keepdims=True) + 1e-6
    return out

"""Changes to batches of training traces: each does what it says, and nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoml.tasks.tremor import SAMPLES
from geoml.tasks.tremor.augment import augment

OFF: dict[str, Any] = {"shift_s": 0, "mix": 0, "noise": 0, "ramp": 0, "polarity": False}
ALL: dict[str, Any] = {"shift_s": 100, "mix": 0.3, "noise": 0.3, "ramp": 0.5, "polarity": True}
LABEL = np.arange(16, dtype=np.int8) % 2


def traces(n: int = 16, seed: int = 0) -> np.ndarray:
    """(n, 20000) float32 of mean 0 and deviation 1."""
    waves = np.random.default_rng(seed).standard_normal((n, SAMPLES))
    waves -= waves.mean(axis=1, keepdims=True)
    return (waves / waves.std(axis=1, keepdims=True)).astype(np.float32)


def changed(waves: np.ndarray, norm: str = "none", label: np.ndarray = LABEL, seed: int = 0, **on: Any) -> np.ndarray:
    before = waves.copy()
    found = augment(waves, label, np.random.default_rng(seed), OFF | on, norm)
    assert np.array_equal(waves, before) and not np.shares_memory(found, waves)
    assert (found.shape, found.dtype) == (waves.shape, np.float32)
    return found


@pytest.mark.parametrize("norm", ["per_trace", "none"])
@pytest.mark.parametrize("scale", [1, 1e-7])
def test_with_all_off_the_traces_are_copied_bit_for_bit(norm: str, scale: float):
    waves = traces() * np.float32(scale)
    assert np.array_equal(changed(waves, norm), waves)


@pytest.mark.parametrize("norm", ["per_trace", "none"])
def test_a_shift_goes_round_the_ends_by_at_most_so_much_either_way(norm: str):
    waves = traces(64)
    found = changed(waves, norm, np.zeros(64), shift_s=2)
    spectrum = np.conj(np.fft.rfft(waves)) * np.fft.rfft(found)
    by = np.fft.irfft(spectrum).argmax(axis=1)
    by = np.where(by > SAMPLES // 2, by - SAMPLES, by)
    assert all(np.array_equal(new, np.roll(wave, k)) for new, wave, k in zip(found, waves, by, strict=True))
    assert -40 <= by.min() < -20 and 20 < by.max() <= 40


def test_the_longest_shift_in_the_schema_is_half_a_trace():
    waves = traces()
    found = changed(waves, shift_s=500)
    assert np.array_equal(np.sort(found, axis=1), np.sort(waves, axis=1)) and (found != waves).any(axis=1).all()


def test_only_tremor_gets_a_negative_added_and_at_most_seven_tenths_of_it():
    waves = traces()
    waves[LABEL == 0] *= 1e3  # added by deviation, whatever the gain
    found = changed(waves, mix=1)
    assert np.array_equal(found[LABEL == 0], waves[LABEL == 0])
    negatives = waves[LABEL == 0].astype(float) / 1e3
    for row in np.flatnonzero(LABEL == 1):
        added = found[row].astype(float) - waves[row]
        share = negatives @ added / SAMPLES  # of each negative in what was added
        assert 0.19 < share.max() < 0.71
        assert np.allclose(added, share.max() * negatives[share.argmax()], atol=1e-3)


def test_mix_is_the_share_of_the_tremor_traces():
    waves, label = traces(200)[:, :100], np.arange(200) % 2
    touched = (changed(waves, label=label, mix=0.3) != waves).any(axis=1)
    assert 18 <= touched.sum() <= 42 and not touched[label == 0].any()


@pytest.mark.parametrize("value", [0, 1])
def test_a_batch_of_one_class_has_nothing_to_mix(value: int):
    waves = traces()
    assert np.array_equal(changed(waves, label=np.full(16, value), mix=1), waves)


@pytest.mark.parametrize("scale", [1, 1e-7])
def test_noise_is_white_and_has_at_most_so_much_of_the_deviation(scale: float):
    waves = traces(64) * np.float32(scale)
    noise = (changed(waves, label=np.zeros(64), noise=0.5) - waves) / scale
    sizes = noise.std(axis=1)
    assert sizes.max() < 0.51 and sizes.min() < 0.1 and sizes.max() > 0.4
    power = (np.abs(np.fft.rfft(noise / sizes[:, None])) ** 2).mean(axis=0)[1:].reshape(10, -1).mean(axis=1)
    assert np.allclose(power / power.mean(), 1, atol=0.03)


def test_a_ramp_is_a_straight_line_between_two_gains():
    waves = np.ones((64, SAMPLES), np.float32)
    gain = changed(waves, label=np.zeros(64), ramp=0.5)
    assert gain.min() >= 0.5 and gain.max() <= 1.5 and np.abs(np.diff(gain, 2, axis=1)).max() < 1e-6
    assert len(np.unique(gain[:, 0].round(4))) > 60 and len(np.unique(gain[:, -1].round(4))) > 60


def test_about_half_of_the_traces_are_turned_round():
    waves = traces(64)
    turned = (changed(waves, "per_trace", np.zeros(64), polarity=True) * waves).sum(axis=1) < 0
    assert 16 < turned.sum() < 48
    assert np.array_equal(changed(waves, label=np.zeros(64), polarity=True), np.where(turned[:, None], -waves, waves))


def test_changed_traces_are_normalised_again_only_where_they_were():
    waves = traces()
    found = changed(waves, "per_trace", **ALL)
    assert np.abs(found.mean(axis=1)).max() < 1e-5 and np.allclose(found.std(axis=1), 1, atol=1e-4)
    raw = changed(waves, "none", **ALL)
    assert not np.allclose(raw.std(axis=1), 1, atol=0.05)
    centred = raw - raw.mean(axis=1, keepdims=True)
    assert np.allclose(found, centred / centred.std(axis=1, keepdims=True), atol=1e-4)


@pytest.mark.parametrize("norm", ["per_trace", "none"])
def test_a_silent_trace_stays_finite(norm: str):
    waves = traces()
    waves[:2] = 0
    for seed in range(5):
        found = changed(waves, norm, seed=seed, **ALL | {"ramp": 1, "mix": 1})
        assert np.isfinite(found).all() and not found[0].any()


def test_the_same_generator_gives_the_same_batch_and_another_does_not():
    waves = traces()
    assert np.array_equal(changed(waves, "per_trace", **ALL), changed(waves, "per_trace", **ALL))
    assert not np.array_equal(changed(waves, "per_trace", **ALL), changed(waves, "per_trace", seed=1, **ALL))


def test_the_file_behind_the_traces_is_never_written(tmp_path: Path):
    np.save(tmp_path / "inputs.npy", traces())
    waves = np.load(tmp_path / "inputs.npy", mmap_mode="r")
    found = changed(waves, "per_trace", **ALL)
    assert (found != waves).any(axis=1).all() and np.array_equal(np.load(tmp_path / "inputs.npy"), traces())


def test_what_is_not_normalised_keeps_its_unit():
    waves = traces()
    found = changed(waves * np.float32(1e-7), **ALL)
    assert np.allclose(found, changed(waves, **ALL) * 1e-7, rtol=1e-4, atol=1e-12)

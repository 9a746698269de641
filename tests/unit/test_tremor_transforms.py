"""The published transforms: each does what it says, and leaves what it was given."""

from functools import partial

import numpy as np
import pytest
from scipy.signal import butter, sosfilt, sosfiltfilt

from geoml.errors import InputError
from geoml.tasks.tremor.transforms import (
    augment,
    butterworth,
    chain,
    decimate,
    detrend,
    interpolate,
    normalise,
    resample,
    surface_window,
    target_length,
)


def noise(n=4000, rate_hz=50.0, **more):
    return {"data": np.random.default_rng(0).normal(3, 2, n).astype(np.float32), "rate_hz": rate_hz} | more


def sine(hz, rate_hz=50.0, seconds=100.0):
    return {"data": np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz), "rate_hz": rate_hz}


STEPS = {
    "butterworth": butterworth,
    "detrend": detrend,
    "resample": partial(resample, rate_hz=20),
    "interpolate": partial(interpolate, rate_hz=20),
    "decimate": partial(decimate, factor=2),
    "surface_window": partial(surface_window, start_velocity=4.0, end_velocity=2.0),
    "target_length": target_length,
    "normalise": normalise,
    "augment": partial(augment, rng=np.random.default_rng(1), probability=1),
}


@pytest.mark.parametrize("name", STEPS)
def test_what_comes_in_is_not_changed(name):
    sample = noise(dist_km=100.0, start_after_origin_s=10.0, station="A")
    data = sample["data"].copy()
    before = dict(sample)
    out = STEPS[name](sample)
    assert out is not sample and not np.shares_memory(out["data"], sample["data"])
    assert sample == before and np.array_equal(sample["data"], data)
    assert (out["station"], out["dist_km"]) == ("A", 100.0)
    if name != "target_length" and name != "surface_window" and out["rate_hz"] == 50:
        assert not np.array_equal(out["data"], data)


def test_a_chain_does_its_steps_in_order():
    first, second = partial(resample, rate_hz=20), partial(target_length, length=500)
    out = chain(first, second, normalise)(noise())
    assert np.array_equal(out["data"], normalise(second(first(noise())))["data"])
    assert out["rate_hz"] == 20
    assert chain()(noise())["rate_hz"] == 50


@pytest.mark.parametrize(("zero_phase", "run"), [(False, sosfilt), (True, sosfiltfilt)])
def test_filters_are_butterworth_once_or_forwards_and_backwards(zero_phase, run):
    x = noise()["data"].astype(float)
    for kind, corners in (("bandpass", [2, 8]), ("bandstop", [2, 8]), ("highpass", 2), ("lowpass", 8)):
        out = butterworth(noise(), kind=kind, low_hz=2, high_hz=8, corners=3, zero_phase=zero_phase)
        expected = run(butter(3, corners, kind, fs=50, output="sos"), x)
        assert np.allclose(out["data"], expected)


def test_a_band_from_0_or_to_the_nyquist_frequency_has_one_corner():
    two = partial(butterworth, corners=2)
    assert np.array_equal(two(noise())["data"], two(noise(), kind="lowpass")["data"])  # 0-10 Hz, the default
    high = two(noise(), kind="highpass", low_hz=3)["data"]
    assert np.array_equal(two(noise(), low_hz=3, high_hz=25)["data"], high)
    stopped = two(noise(), kind="bandstop", low_hz=0, high_hz=3)["data"]
    assert np.array_equal(stopped, high)
    low = two(noise(), kind="lowpass", high_hz=3)["data"]
    assert np.array_equal(two(noise(), kind="bandstop", low_hz=3, high_hz=25)["data"], low)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "notch"},
        {"low_hz": 8, "high_hz": 2},
        {"low_hz": 0, "high_hz": 25},
        {"kind": "highpass", "low_hz": 0},
        {"kind": "highpass", "low_hz": 30},
        {"kind": "lowpass", "high_hz": -1},
    ],
)
def test_a_filter_that_cannot_be_is_an_error(wrong):
    with pytest.raises(InputError, match=r"butterworth: (kind|corners): expected"):
        butterworth(noise(), **wrong)


def test_trends_are_taken_out():
    t = np.linspace(-1, 1, 5000)
    for kind, trend in (("demean", 3 + 0 * t), ("linear", 2 + 5 * t), ("polynomial", 1 + t - 4 * t**3)):
        found = detrend({"data": trend, "rate_hz": 50}, kind=kind)["data"]
        assert np.abs(found).max() < 1e-9
    line = detrend(noise(), kind="simple")["data"]
    assert line[[0, -1]] == pytest.approx([0, 0])
    slow, fast = np.sin(2 * t), np.sin(500 * t)
    found = detrend({"data": slow + fast, "rate_hz": 50}, kind="spline", knots_s=25)["data"]
    assert np.abs(found - fast).max() < 0.1
    with pytest.raises(InputError, match="detrend: kind"):
        detrend(noise(), kind="quadratic")


@pytest.mark.parametrize("step", [resample, interpolate])
def test_a_sine_survives_another_rate(step):
    out = step(sine(1), rate_hz=20)
    assert out["rate_hz"] == 20 and len(out["data"]) == 2000
    assert np.abs(out["data"] - sine(1, 20)["data"])[20:-20].max() < 1e-3


def test_decimation_keeps_what_is_slow_and_loses_what_is_fast():
    out = decimate(sine(1), factor=5)
    assert out["rate_hz"] == 10
    assert np.abs(out["data"] - sine(1, 10)["data"])[20:-20].max() < 1e-2
    assert np.abs(decimate(sine(9), factor=5)["data"])[20:-20].max() < 0.05


def test_the_surface_window_is_in_whole_seconds_after_the_origin():
    ramp = {"data": np.arange(40_000.0), "rate_hz": 50.0, "dist_km": 1001.0}
    out = surface_window(ramp, start_velocity=5.0, end_velocity=2.5)  # 200.2 and 400.4 s after the first sample
    assert (out["data"][0], len(out["data"])) == (200 * 50, 200 * 50)
    out = surface_window(ramp | {"start_after_origin_s": 150.0}, start_velocity=5.0, end_velocity=2.5)
    assert (out["data"][0], len(out["data"])) == (50 * 50, 200 * 50)
    assert out["start_after_origin_s"] == 200
    early = surface_window(ramp | {"start_after_origin_s": 300.0}, start_velocity=5.0, end_velocity=2.5)
    assert (early["data"][0], len(early["data"]), early["start_after_origin_s"]) == (0, 100 * 50, 300)


def test_a_surface_window_without_distance_or_samples_is_an_error():
    with pytest.raises(InputError, match="dist_km"):
        surface_window(noise(), start_velocity=5.0, end_velocity=2.5)
    with pytest.raises(InputError, match=r"expected samples between 2000 and 4000 s, got 80.0 s from 0 s on"):
        surface_window(noise(dist_km=10_000.0), start_velocity=5.0, end_velocity=2.5)


def test_short_traces_get_zeros_at_both_ends_and_long_ones_are_cut():
    short = target_length({"data": np.ones(7), "rate_hz": 1, "start_after_origin_s": 5.0}, length=12)
    assert short["data"].tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0]
    assert short["start_after_origin_s"] == 3
    ramp = {"data": np.arange(12.0), "rate_hz": 1, "start_after_origin_s": 5.0}
    assert target_length(ramp, length=10)["data"].tolist() == list(range(10))
    rng = np.random.default_rng(0)
    cuts = [target_length(ramp, length=10, rng=rng) for _ in range(50)]
    assert {(cut["data"][0], cut["start_after_origin_s"]) for cut in cuts} == {(0, 5), (1, 6), (2, 7)}
    assert target_length(noise(1000))["data"].shape == (1000,)


def test_normalised_data_have_the_published_formula():
    data = noise()["data"].astype(float)
    assert np.allclose(normalise(noise())["data"], (data - data.mean()) / (data.std() + 1e-6))


def test_augmentation_happens_with_its_probability_and_is_the_same_for_the_same_seed():
    one, two = (augment(noise(), rng=np.random.default_rng(3), probability=1)["data"] for _ in range(2))
    assert np.array_equal(one, two)
    rng = np.random.default_rng(0)
    short = noise(50)
    changed = sum(not np.array_equal(augment(short, rng=rng)["data"], short["data"]) for _ in range(400))
    assert 160 < changed < 240


def test_augmentation_is_a_ramp_of_gain_and_noise_of_the_mean_and_deviation():
    sample = {"data": np.tile([99.0, 101.0], 5000), "rate_hz": 50.0}
    ends, spreads = [], []
    for seed in range(60):
        out = augment(sample, rng=np.random.default_rng(seed), probability=1)["data"]
        ends += [out[:500].mean() / 100 - 1, out[-500:].mean() / 100 - 1]  # the noise has the mean of the trace
        spreads.append(np.diff(out)[::2].std())
    assert -0.05 < min(ends) < 0.3 and 1.7 < max(ends) < 2.05
    assert 1.3 < min(spreads) < 1.8 and 2.5 < max(spreads) < 3.5

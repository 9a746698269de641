"""From raw traces to 20,000 samples: rates, bands, windows, and each reason why not."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from geoml.errors import InputError
from geoml.tasks.tremor import SAMPLES
from geoml.tasks.tremor.traces import Window, clipped, cut, flat, length, resampled, samples

SHARED = Path(os.environ.get("GEOML_SHARED", Path(__file__).parents[3] / "shared"))
RAW = {"window_from": "origin", "band_hz": None, "norm": "none"}
USUAL = {"window_from": "origin", "band_hz": [2, 5], "norm": "per_trace"}
INSIDE = slice(200, -200)
NAN = float("nan")


def sine(hz, rate_hz, seconds=1000.0, phase=0.3):
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz + phase)


def random(rate_hz, seed=0, seconds=1000.0):
    return np.random.default_rng(seed).normal(size=round(seconds * rate_hz))


@pytest.mark.parametrize("rate_hz", [10, 20, 25, 40, 50, 62.5, 100, 125, 200, 250])
def test_a_sine_keeps_its_frequency_phase_and_amplitude_at_any_rate(rate_hz):
    found = samples(sine(3, rate_hz), rate_hz, RAW)
    assert found.shape == (SAMPLES,) and found.dtype == np.float32
    assert np.abs(found - sine(3, 20))[INSIDE].max() < 2e-3


@pytest.mark.parametrize("rate_hz", [33.3333, 59.97, 99.9998, 100.0002, 100.05])
def test_rates_that_do_not_divide_are_brought_to_20_hz_as_well(rate_hz):
    data = np.sin(2 * np.pi * 3 * np.arange(length(rate_hz)) / rate_hz)
    found = samples(data, rate_hz, RAW)
    assert found.shape == (SAMPLES,)
    late = slice(18_000, 19_000)  # where a wrong rate shows most
    assert np.abs(found - np.sin(2 * np.pi * 3 * np.arange(SAMPLES) / 20))[late].max() < 0.1


def test_the_rate_of_the_window_decides_its_length():
    for rate_hz, samples_in_1000_s in (
        (10, 10_000),
        (19.9999997, 20_000),
        (20, 20_000),
        (50, 50_000),
        (100.0002, 100_000),
    ):
        assert length(rate_hz) == samples_in_1000_s


def test_what_would_fold_into_the_band_is_filtered_out():
    for hz in (11, 12, 17, 23, 38):
        assert np.abs(samples(sine(hz, 100), 100, RAW)[INSIDE]).max() < 2e-3


@pytest.mark.parametrize("rate_hz", [50, 100])
def test_the_ends_of_a_trace_do_not_ring(rate_hz):
    found = samples(np.linspace(0, 1000, 1000 * rate_hz, endpoint=False), rate_hz, RAW)
    assert np.abs(np.diff(found) - 1 / 20).max() < 0.02  # of 1000


def test_a_trace_of_20_hz_is_left_as_it_is():
    data = random(20)
    assert np.array_equal(samples(data, 20, RAW), (data - data.mean()).astype(np.float32))


def test_traces_below_20_hz_are_resampled_by_fourier():
    spectrum = np.fft.rfft(random(8))
    found = resampled(np.fft.irfft(spectrum), 8)
    assert np.abs(np.fft.rfft(found)[: len(spectrum) - 1] / 2.5 - spectrum[:-1]).max() < 1e-9


@pytest.mark.parametrize("rate_hz", [20, 50, 100])
def test_only_the_first_1000_seconds_matter(rate_hz):
    data = random(rate_hz, seconds=1010)
    changed = data.copy()
    changed[length(rate_hz) :] = np.nan
    assert np.array_equal(samples(data, rate_hz, USUAL), samples(changed, rate_hz, USUAL))


def test_the_band_is_that_of_a_butterworth_filter_forwards_and_backwards():
    data = random(20)
    data -= data.mean()
    expected = sosfiltfilt(butter(2, [2, 5], "bandpass", fs=20, output="sos"), data)
    assert np.abs(samples(data, 20, RAW | {"band_hz": [2, 5]}) - expected).max() < 1e-6


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e6])
def test_normalised_traces_do_not_know_their_gain_in_any_unit(scale):
    data = random(50) + 4
    found = samples(scale * data, 50, USUAL)
    assert (found.mean(), found.std()) == (pytest.approx(0, abs=1e-6), pytest.approx(1, abs=1e-5))
    assert np.abs(found - samples(data, 50, USUAL)).max() < 1e-5
    assert samples(scale * data, 50, RAW).std() == pytest.approx(scale * samples(data, 50, RAW).std())


def test_the_trace_that_is_given_stays_as_it_is():
    data = (1000 * random(20)).astype(np.int32)
    before = data.copy()
    samples(data, 20, USUAL)
    assert np.array_equal(data, before)


def spoiled(**parts):
    """Noise of 20 Hz with some parts set to a value."""
    data = random(20)
    for value, part in parts.values():
        data[part] = value
    return data


@pytest.mark.parametrize(
    ("data", "rate_hz", "reason"),
    [
        (random(20)[:-1], 20, "shorter than 1000 s: 999.95 s"),
        (random(50)[:49_000], 50, "shorter than 1000 s: 980.00 s"),
        (spoiled(a=(np.nan, slice(3, 5))), 20, "not finite: 2 samples"),
        (spoiled(a=(np.inf, 7)), 20, "not finite: 1 samples"),
        (np.full(20_000, 3.0), 20, "constant"),
        (spoiled(a=(0, slice(0, 1000)), b=(1, slice(4000, 5040))), 20, "flat or clipped: 102.0 s of 1000 s"),
        (np.clip(sine(1, 20, phase=0), -0.8, 0.8), 20, "flat or clipped: "),
        (random(8), 8, "rate: 8 Hz is too low for 2-5 Hz"),
        (random(20), 0, "rate: 0 Hz"),
        (random(20), NAN, "rate: nan Hz"),
    ],
)
def test_a_window_that_cannot_be_used_gives_the_reason(data, rate_hz, reason):
    found = samples(data, rate_hz, USUAL)
    assert isinstance(found, str) and found.startswith(reason)


def test_a_tenth_of_the_window_may_be_dead():
    assert isinstance(samples(spoiled(a=(0, slice(0, 1990))), 20, USUAL), np.ndarray)


def test_a_trace_without_anything_in_the_band_is_not_blown_up():
    held = np.repeat([0.0, 1.0], [19_999, 1])
    assert isinstance(samples(held, 20, USUAL), str)


def test_constant_stretches_of_a_second_or_more_count():
    data = random(50)
    data[100:149] = 1  # 0.98 s
    assert flat(data, 50) == 0
    data[500:550], data[700:800] = 1, 2
    assert flat(data, 50) == pytest.approx(3)
    assert flat(np.zeros(500), 50) == pytest.approx(10)


def test_samples_at_the_extremes_count_in_runs_of_three():
    data = random(50)
    top, bottom = data.max() + 1, data.min() - 1
    data[10:12] = top
    assert clipped(data, 50) == 0
    data[40:43], data[90:94] = top, bottom
    assert clipped(data, 50) == pytest.approx(7 / 50)
    assert clipped(np.ones(100), 50) == 0


def test_a_positive_window_starts_where_waves_of_4_km_per_s_arrive():
    told = {"count": 150_000, "rate_hz": 50, "start": 1000.0, "origin": 980.0, "distance_km": 2000.0}
    assert cut(1, **told, window_from="origin") == Window(24_000, 500.0)
    assert cut(1, **told, window_from="first_sample") == Window(25_000, 520.0)


def test_a_window_that_does_not_fit_is_the_last_1000_s():
    told = {"count": 60_000, "rate_hz": 50, "start": 1000.0, "origin": 980.0, "distance_km": 2000.0}
    for way in ("origin", "first_sample"):
        assert cut(1, **told, window_from=way) == Window(10_000, 220.0)


def test_a_window_before_the_trace_starts_with_it():
    assert cut(1, 60_000, 50, 0.0, -510.0, 2000.0, "origin") == Window(0, 510.0)


def test_negatives_are_cut_like_positives_when_they_belong_to_an_event():
    for told in ((150_000, 50, 1000.0, 980.0, 2000.0), (60_000, 50, 1000.0, 980.0, 2000.0)):
        assert cut(0, *told, "origin") == cut(1, *told, "origin")
        assert cut(0, *told, "first_sample").first == min(20_000, told[0] - 50_000)


@pytest.mark.parametrize(("seconds", "first_s"), [(1000, 0), (1399, 399), (1400, 400), (4000, 400)])
@pytest.mark.parametrize("way", ["origin", "first_sample"])
def test_other_negatives_start_400_s_after_the_first_sample_or_are_the_last_1000_s(seconds, first_s, way):
    found = cut(0, seconds * 100, 100, 5.0, NAN, NAN, way)
    assert found.first == first_s * 100 and np.isnan(found.after_origin_s)


def test_windows_that_cannot_be_placed_give_the_reason():
    assert cut(1, 60_000, 50, 0, 0, NAN, "origin") == "no distance"
    assert cut(1, 60_000, 50, 0, 0, NAN, "first_sample") == "no distance"
    assert cut(1, 60_000, 50, 0, NAN, 2000, "origin") == "no origin time: needed by window_from: origin"
    assert cut(1, 60_000, 50, 0, NAN, 2000, "first_sample").first == 10_000
    assert cut(0, 49_999, 50, 0, NAN, NAN, "origin") == "shorter than 1000 s: 999.98 s"
    assert cut(1, 60_000, 0, 0, 0, 2000, "origin") == "rate: 0 Hz"
    for label in (0, 1):
        reason = cut(label, 60_000, 50, 0, 86_400, 2000, "origin")
        assert reason == "no surface waves: expected 86900 s after the first sample of 1200 s"


@pytest.mark.parametrize("band", [[5, 2], [0, 5], [2, 10], [3, 3]])
def test_an_impossible_band_is_an_error(band):
    with pytest.raises(InputError, match="band_hz: expected two rising frequencies"):
        samples(random(50), 50, USUAL | {"band_hz": band})


@pytest.mark.skipif(not (SHARED / "data" / "sac_sample").is_dir(), reason="the SAC sample is not here")
def test_the_window_of_a_real_seismogram():
    from obspy import read

    trace = read(SHARED / "data" / "sac_sample" / "sample.SAC")[0]
    start, header = trace.stats.starttime.timestamp, trace.stats.sac
    origin = start - float(header.b) + float(header.o)
    window = cut(1, len(trace), 50, start, origin, float(header.dist), "origin")
    assert window.first == round(50 * (3083.06 / 4 - 47.006))
    assert window.after_origin_s == pytest.approx(770.765, abs=0.02)
    found = samples(trace.data[window.first :], 50, RAW)
    assert found.shape == (SAMPLES,)
    raw = trace.data[window.first : window.first + 50_000]
    assert found.std() == pytest.approx(raw.std(), rel=0.01)  # its energy is far below 8 Hz
    assert np.abs(found[::2] - (raw - raw.mean())[::5])[50:-50].max() < 0.02 * raw.std()

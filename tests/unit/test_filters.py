"""Filters without SciPy: the answers are SciPy's."""

from math import gcd

import numpy as np
import pytest
from scipy import signal

from geoml import filters


@pytest.fixture(autouse=True)
def without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "_scipy", lambda: None)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(3, 1, shape).cumsum(axis=-1)


def close(found: np.ndarray, wanted: np.ndarray) -> bool:
    return found.shape == wanted.shape and np.abs(found - wanted).max() <= 1e-9 * np.abs(wanted).max()


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("corner", [0.1, 1.0, 15.0, 45.0])
def test_a_high_pass_has_the_sections_of_scipy(order: int, corner: float) -> None:
    wanted = signal.butter(order, corner, "highpass", fs=100, output="sos")
    assert close(filters.butter(order, [corner], 100), wanted)


@pytest.mark.parametrize("band", [(2, 5), (2, 8), (0.5, 9.5), (0.02, 0.1), (8, 9)])
def test_a_band_pass_has_the_sections_of_scipy(band: tuple[float, float]) -> None:
    assert close(filters.butter(2, list(band), 20), signal.butter(2, band, "bandpass", fs=20, output="sos"))


@pytest.mark.parametrize(("order", "corner"), [(2, 1.0), (4, 0.05), (3, 20.0)])
def test_many_traces_are_filtered_from_their_first_values_on(order: int, corner: float) -> None:
    sections = signal.butter(order, corner, "highpass", fs=100, output="sos")
    wave = noise(5, 1300) + 1e4
    state = signal.sosfilt_zi(sections)[:, None, :] * wave[None, :, :1]
    wanted = signal.sosfilt(sections, wave, zi=state)[0]
    assert np.abs(filters.sosfilt(sections, wave) - wanted).max() <= 1e-9 * np.abs(wave).max()
    assert np.array_equal(filters.sosfilt(sections, -wave), -filters.sosfilt(sections, wave))
    assert np.abs(filters.sosfilt(sections, np.full((2, 500), 7.0))).max() < 1e-6, "an offset makes no transient"


@pytest.mark.parametrize("band", [(2, 5), (0.5, 9.5), (0.02, 0.1)])
def test_forwards_and_backwards(band: tuple[float, float]) -> None:
    sections, wave = signal.butter(2, band, "bandpass", fs=20, output="sos"), noise(20_000)
    assert close(filters.sosfiltfilt(sections, wave), signal.sosfiltfilt(sections, wave))


@pytest.mark.parametrize(("count", "wanted"), [(1000, 2000), (1001, 1999), (1000, 1000), (2000, 999), (999, 500)])
def test_fourier_resampling(count: int, wanted: int) -> None:
    assert close(filters.resample(noise(count), wanted), signal.resample(noise(count), wanted))


RATES = [(5, 2), (2, 1), (1, 2), (4, 5), (100, 99), (1, 5), (2, 5), (7, 3), (997, 1000)]


@pytest.mark.parametrize(("up", "down"), RATES)
@pytest.mark.parametrize("padding", ["edge", "antireflect"])
def test_polyphase_resampling_with_the_default_window(up: int, down: int, padding: str) -> None:
    for n in (2200, 2201):
        wanted = signal.resample_poly(noise(n), up, down, padtype=padding)
        assert close(filters.resample_poly(noise(n), up, down, padding), wanted)


@pytest.mark.parametrize("rate_hz", [25, 30, 40, 50, 62.5, 100, 200])
def test_polyphase_resampling_with_a_low_pass_of_ones_own(rate_hz: float) -> None:
    divisor = gcd(200, round(rate_hz * 10))
    up, down = 200 // divisor, round(rate_hz * 10) // divisor
    count, beta = filters.kaiser(80, 2 / (rate_hz * up / 2))
    assert (count, beta) == pytest.approx(signal.kaiserord(80, 2 / (rate_hz * up / 2)), rel=1e-12)
    taps = filters.low_pass(count | 1, 9 / (rate_hz * up / 2), beta)
    assert close(taps, signal.firwin(count | 1, 9, window=("kaiser", beta), fs=rate_hz * up))
    wave = noise(round(100 * rate_hz))
    wanted = signal.resample_poly(wave, up, down, window=taps, padtype="antireflect")
    assert close(filters.resample_poly(wave, up, down, "antireflect", taps), wanted)


def test_with_scipy_its_own_functions_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "_scipy", lambda: signal)
    wave, sections = noise(3, 400), filters.butter(2, [1.0], 100)
    assert np.array_equal(sections, signal.butter(2, 1.0, "highpass", fs=100, output="sos"))
    state = signal.sosfilt_zi(sections)[:, None, :] * wave[None, :, :1]
    assert np.array_equal(filters.sosfilt(sections, wave), signal.sosfilt(sections, wave, zi=state)[0])

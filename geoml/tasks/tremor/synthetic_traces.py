"""Synthetic seismograms with and without triggered tremor (card, section 7).

Times ``t`` are seconds after the start of the window, which is at the origin plus D / 4 km/s. Amplitudes are in
standard deviations of the noise. All draws come from the seed of the run and the numbers of event, station and
component, so any trace can be made alone.
"""

import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from geoml.tasks.tremor import LENGTH_S, RATE_HZ
from geoml.tasks.tremor.traces import GROUP_SPEED

COMPONENTS = ("Z", "R", "T")
RATES_HZ = (20.0, 50.0, 100.0)
NEGATIVES = {"noise": 0.25, "local": 0.20, "coda": 0.10, "bursts": 0.20, "regular": 0.15, "surface": 0.10}
BEFORE_S, AFTER_S = 20.0, 60.0  # of a trace: before the origin, after the window
FREQUENCIES = np.linspace(1 / 50, 1 / 15, 60)
TREMOR_BAND = 2.0, 5.0
_NOISE_BAND = 2.0, 8.0
_WAVE_RATE_HZ = 2.0  # enough for waves of 15 s
_SPREAD_KM = 150.0  # of the stations, along the path


class Wave(NamedTuple):
    """A surface wave of an event.

    Attributes:
        slowest: Group speed at a period of 15 s, km/s.
        factor: On all its speeds.
        amplitude: Of the wave.
        centre_hz: Where its spectrum is highest.
        phase: rad.
    """

    slowest: float
    factor: float
    amplitude: float
    centre_hz: float
    phase: float


class Event(NamedTuple):
    """What the stations of one event have in common.

    Attributes:
        distance_km: To the middle of the stations.
        love, rayleigh: Its surface waves.
        lag: Between stress and ground motion, rad.
        threshold, power: Of the stress that drives tremor.
        smooth_s: Length of the window that smooths the tremor's envelope.
    """

    distance_km: float
    love: Wave
    rayleigh: Wave
    lag: float
    threshold: float
    power: float
    smooth_s: float


class Station(NamedTuple):
    """What the events of one station have in common.

    Attributes:
        rate_hz: Of its recordings.
        beta: Power of the noise spectrum.
        gain: On everything.
        offset_km: Added to an event's distance.
    """

    rate_hz: float
    beta: float
    gain: float
    offset_km: float


@dataclass(frozen=True)
class Pair:
    """An event at a station.

    Attributes:
        kind: ``tremor``, or what a negative is.
        distance_km: Between the two.
        lag, threshold: NaN without tremor.
        snr: Of tremor, bursts or coda, over the noise; NaN if there is none of them.
        t: (n,) times at 20 Hz.
        loud: What is added to the noise: upper corner (Hz) of a carrier and its envelope (n,).
        burst_s: Times of the bursts.
        waves: (3, n) surface waves of the components, times noise; zeros if the kind has none.
    """

    kind: str
    distance_km: float
    lag: float
    threshold: float
    snr: float
    t: np.ndarray
    loud: list[tuple[float, np.ndarray]]
    burst_s: np.ndarray
    waves: np.ndarray


def generator(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """Random numbers of their own for a purpose and up to three numbers."""
    # Always of one length: NumPy takes trailing zeros for nothing.
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *numbers, *[0] * (3 - len(numbers))])


def draw_event(seed: int, number: int) -> Event:
    """Draw an event."""
    rng = generator(seed, "event", number)
    love, rayleigh = (
        Wave(slowest, rng.uniform(0.97, 1.03), rng.uniform(0.4, 1), rng.uniform(0.03, 0.055), rng.uniform(0, 2 * np.pi))
        for slowest in (3.5, 3.0)
    )
    drawn = rng.normal(0, 0.5), rng.uniform(0.12, 0.4), rng.uniform(0.7, 1.5), rng.uniform(1, 4)
    return Event(rng.uniform(1500 + _SPREAD_KM, 6500 - _SPREAD_KM), love, rayleigh, *drawn)


def draw_station(seed: int, number: int) -> Station:
    """Draw a station; rates take turns."""
    rng = generator(seed, "station", number)
    gain = float(np.exp(rng.normal(0, 1.2)))
    return Station(RATES_HZ[number % 3], rng.uniform(0.3, 1.6), gain, rng.uniform(-_SPREAD_KM, _SPREAD_KM))


def draw_positives(seed: int, event: int, stations: int) -> np.ndarray:
    """(stations,) bool: which stations of an event have tremor: half of them, of an odd number one more or less."""
    return generator(seed, "positives", event).permutation(stations) < (stations + event % 2) // 2


def draw_pair(
    seed: int, numbers: tuple[int, int], event: Event, station: Station, positive: bool, snr: tuple[float, float]
) -> Pair:
    """Draw what an event does at a station.

    Args:
        seed: Of the run.
        numbers: Of event and station.
        event, station: Themselves.
        positive: Whether there is tremor.
        snr: Smallest and largest ratio of tremor, bursts and coda to noise.
    """
    rng = generator(seed, "pair", *numbers)
    kind = "tremor" if positive else str(rng.choice([*NEGATIVES], p=[*NEGATIVES.values()]))
    distance = event.distance_km + station.offset_km
    t = times(distance)
    ratio = _log_uniform(rng, *snr)
    lag = threshold = np.nan
    loud: list[tuple[float, np.ndarray]] = []
    bursts = np.empty(0)
    moving = np.zeros((len(COMPONENTS), len(t)), np.float32)
    if kind in ("tremor", "surface"):
        s, parts = surface_waves(t, distance, event)
        moving = (rng.uniform(5, 50) * parts).astype(np.float32)
    if kind == "tremor":
        lag, threshold = event.lag + rng.normal(0, 0.1), event.threshold * rng.uniform(0.9, 1.1)
        envelope, bursts = tremor(t, stress(s, lag), threshold, event.power, event.smooth_s, rng)
        loud.append((rng.uniform(5, 8), ratio * envelope))
    elif kind == "coda":
        at_p = t > -distance / (2 * GROUP_SPEED)  # P is about twice as fast as the window's start
        loud.append((_NOISE_BAND[1], 1.5 * ratio * at_p * np.exp(-np.maximum(t, 0) / rng.uniform(60, 300))))
    elif kind in ("bursts", "regular"):
        bursts, width = _random_bursts(rng) if kind == "bursts" else _regular_bursts(rng)
        gains = rng.lognormal(0, 0.5, len(bursts))
        envelope = _bell_shaped(t, bursts, width, gains)
        loud.append((rng.uniform(5, 8), ratio * envelope / envelope.max()))
    if kind == "local" or (kind == "tremor" and rng.random() < 0.3):
        envelope, quakes = _local_earthquakes(t, rng)
        loud.append((_NOISE_BAND[1], envelope))
        bursts = quakes if kind == "local" else bursts
    snr_drawn = np.nan if kind in ("noise", "local", "surface") else ratio
    return Pair(kind, distance, lag, threshold, snr_drawn, t, loud, bursts, moving)


def make_trace(
    seed: int, numbers: tuple[int, int, int], station: Station, pair: Pair, band: str
) -> tuple[np.ndarray, float]:
    """One seismogram from 20 s before the origin to 60 s or more after the window.

    Args:
        seed: Of the run.
        numbers: Of event, station and component.
        station: Where it was recorded.
        pair: What happened there.
        band: ``tremor`` (2-5 Hz), or ``broadband``, with the surface waves.

    Returns:
        (m,) float32 at the station's rate, and the seconds that are dead or clipped.
    """
    rng = generator(seed, "trace", *numbers)
    x = noise(pair.t, station.beta, rng)
    for upper, envelope in pair.loud:
        x += carrier(len(x), 2.0, upper, rng) * envelope
    if band == "broadband":
        x += pair.waves[numbers[2]]
    x = raised(x, station.rate_hz, TREMOR_BAND if band == "tremor" else None)
    damaged = 0.0
    if rng.random() < 0.03:
        damaged = rng.uniform(5, 60)
        start = rng.uniform(0, LENGTH_S - damaged) - pair.t[0]
        part = slice(int(start * station.rate_hz), int((start + damaged) * station.rate_hz))
        full = np.abs(x).max()
        x[part] = 0 if rng.random() < 0.5 else np.clip(50 * x[part], -full, full)
    return (station.gain * x).astype(np.float32), damaged


def times(distance_km: float) -> np.ndarray:
    """(n,) times of a trace at 20 Hz, from 20 s before the origin; n is even and easy for a Fourier transform."""
    from scipy.fft import next_fast_len

    before = BEFORE_S + distance_km / GROUP_SPEED
    half = next_fast_len(int(np.ceil((before + LENGTH_S + AFTER_S) * RATE_HZ / 2)), real=True)
    return np.arange(2 * half) / RATE_HZ - before


def arrival(distance_km: float, period_s: np.ndarray | float, wave: Wave) -> np.ndarray:
    """Time at which a period of a surface wave arrives: long periods come first."""
    return distance_km / _group_speed(period_s, wave) - distance_km / GROUP_SPEED


def train(t: np.ndarray, distance_km: float, wave: Wave) -> np.ndarray:
    """(n,) dispersed surface wave, a sum of 60 frequencies."""
    f = FREQUENCIES[:, None]
    speed = _group_speed(1 / f, wave)
    group, phase = distance_km / speed, distance_km / (1.12 * speed)
    spectrum = np.exp(-(((f - wave.centre_hz) / 0.02) ** 2))
    since = t + distance_km / GROUP_SPEED
    packet = np.exp(-(((since - group - 12) / (55 + 0.01 * distance_km)) ** 2))
    return wave.amplitude * (spectrum * np.cos(2 * np.pi * f * (since - phase) + wave.phase) * packet).sum(0)


def surface_waves(t: np.ndarray, distance_km: float, event: Event) -> tuple[np.ndarray, np.ndarray]:
    """Ground motion (n,) that is 1 at most in the window, and its share on each component (3, n)."""
    from scipy.interpolate import CubicSpline
    from scipy.signal import hilbert

    coarse = np.arange(t[0], t[-1] + 1 / _WAVE_RATE_HZ, 1 / _WAVE_RATE_HZ)
    love, rayleigh = (train(coarse, distance_km, wave) for wave in (event.love, event.rayleigh))
    both = np.stack([love + rayleigh, rayleigh, hilbert(rayleigh).imag, love])
    fine = CubicSpline(coarse, both, axis=1)(t)
    fine /= np.abs(fine[0, _window(t)]).max()
    return fine[0], fine[1:]


def stress(s: np.ndarray, lag: float) -> np.ndarray:
    """(n,) stress on the fault that ground motion (n,) makes: near 0 shear by velocity, near 90 degrees dilatation."""
    from scipy.signal import hilbert

    return np.cos(lag) * s + np.sin(lag) * hilbert(s).imag


def tremor(
    t: np.ndarray, z: np.ndarray, threshold: float, power: float, smooth_s: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Envelope (n,) of tremor that a stress (n,) drives, 1 at most in the window, and the times of its bursts."""
    above = np.maximum(0, z - threshold) ** power
    cycle = np.cumsum(np.diff(z > 0, prepend=False) & (z > 0))
    loud = np.unique(cycle[(above > 0) & _window(t)])
    gain = rng.lognormal(0, 0.5, cycle[-1] + 1) * (rng.random(cycle[-1] + 1) >= 0.15)
    if not gain[loud].any():  # a positive has tremor
        gain[rng.choice(loud)] = 1
    envelope = above * gain[cycle]
    hann = np.hanning(round(smooth_s * RATE_HZ) + 2)
    envelope = np.convolve(envelope, hann, "same")
    centres = [t[cycle == k][above[cycle == k].argmax()] for k in loud if gain[k]]
    return envelope / envelope[_window(t)].max(), np.array(centres)


def noise(t: np.ndarray, beta: float, rng: np.random.Generator) -> np.ndarray:
    """(n,) float32 noise of standard deviation 1: spectrum f^-beta, 2-8 Hz, with a gain that wanders."""
    x = carrier(len(t), *_NOISE_BAND, rng, beta)
    steps = np.arange(t[0], t[-1] + 25, 25)
    walk = np.cumsum(rng.normal(size=len(steps)))
    x *= np.exp(0.042 * np.interp(t, steps, walk))
    return x / x.std()


def carrier(n: int, low: float, high: float, rng: np.random.Generator, beta: float = 0.0) -> np.ndarray:
    """(n,) float32 Gaussian noise between two frequencies, of standard deviation 1, spectrum f^-beta."""
    from scipy.fft import irfft, rfft

    x = irfft(rfft(rng.standard_normal(n, np.float32)) * band_gain(n, low, high, beta), n)
    return x / x.std()


@lru_cache(16)  # the components of a pair share theirs
def band_gain(n: int, low: float, high: float, beta: float = 0.0) -> np.ndarray:
    """Gain at the n // 2 + 1 frequencies of n samples at 20 Hz, float32: a zero-phase Butterworth band-pass, f^-beta.

    The band-pass has 2 corners and is that of a digital filter.
    """
    f = np.arange(n // 2 + 1)[1:] * (RATE_HZ / n)
    w, w1, w2 = (np.tan(np.pi * np.minimum(x, RATE_HZ / 2 - 1e-6) / RATE_HZ) for x in (f, low, high))
    squared = ((w * w - w1 * w2) / (w * (w2 - w1))) ** 2
    gain = f ** (-beta / 2) / (1 + squared * squared)
    return np.concatenate([[0], gain]).astype(np.float32)


def raised(x: np.ndarray, rate_hz: float, band: tuple[float, float] | None) -> np.ndarray:
    """A trace of 20 Hz (n,) at a higher rate, in a band."""
    from scipy.fft import irfft, rfft

    spectrum = rfft(x)
    if band is not None:
        spectrum *= band_gain(len(x), *band)
    factor = rate_hz / RATE_HZ
    return irfft(spectrum, round(len(x) * factor)) * np.float32(factor)


def _random_bursts(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Times and widths (k,) of 3-15 bursts; of 60 % of the traces all in the first half of the window."""
    end = LENGTH_S / 2 if rng.random() < 0.6 else LENGTH_S
    count = rng.integers(3, 15, endpoint=True)
    return np.sort(rng.uniform(0, end, count)), rng.uniform(1.5, 7, count)


def _regular_bursts(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Times and widths (k,) of bursts with a period outside that of surface waves, narrow enough to be told apart."""
    period = rng.uniform(4, 9) if rng.random() < 0.5 else rng.uniform(65, 140)
    centres = np.arange(rng.uniform(0, period), LENGTH_S, period)
    return centres, np.full(len(centres), min(rng.uniform(1.5, 7), period / 4))


def _bell_shaped(t: np.ndarray, centres: np.ndarray, widths: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """(n,) sum of Gaussians."""
    out = np.zeros(len(t))
    for centre, width, gain in zip(centres, widths, gains, strict=True):
        near = slice(*np.searchsorted(t, [centre - 5 * width, centre + 5 * width]))
        out[near] += gain * np.exp(-(((t[near] - centre) / width) ** 2) / 2)
    return out


def _local_earthquakes(t: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Envelope (n,) of 1-3 local earthquakes, and the times of their P waves."""
    arrivals = np.sort(rng.uniform(0, LENGTH_S - 30, rng.integers(1, 3, endpoint=True)))
    out = np.zeros(len(t))
    for p in arrivals:
        peak = _log_uniform(rng, 1, 20)
        for start, decay, share in (
            (p, rng.uniform(1.5, 6), 0.45),
            (p + rng.uniform(2, 25), rng.uniform(4, 22), 1.0),
        ):
            since = np.maximum(t - start, 0)
            shape = (1 - np.exp(-since / 0.25)) * np.exp(-since / decay)
            out += peak * share * shape / shape.max()
    return out, arrivals


def _group_speed(period_s: np.ndarray | float, wave: Wave) -> np.ndarray:
    return wave.factor * (wave.slowest + 0.9 * (np.asarray(period_s) - 15) / 35)


def _window(t: np.ndarray) -> np.ndarray:
    return (t >= 0) & (t < LENGTH_S)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))

"""Synthetic first-motion waveforms.

Every step below comes from section 12 of the polarity method card. Where the card
leaves a distribution open, it was chosen so that the labelled traces of ``hinet`` look like the 60 real ones of the
Kumamoto example (section 12.4): a first half-cycle that is slow and a small part of what follows. The order of work:
events with a random double couple and the stations that record them (:func:`_events`), the clean P train of
each record (:func:`_trains`), the analyst who reads it or not (:func:`_read`), a random choice that meets the class
quotas (:func:`chunks`), and only for the chosen records the full waveform with noise (:func:`_waves`).

A table of records is a dict of (n,) arrays; all waveforms are float32 at 100 Hz.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np

from geoml.tasks.polarity.synthetic_flavours import Flavour

RATE_HZ = 100
UP, DOWN, UNKNOWN = 0, 1, 2
CHUNK = 512  # records made, shuffled and written together; bounds the memory
Table = dict[str, np.ndarray]

_LEAD = 64  # samples of a train before P, room for the acausal ripple of the 61-tap filter
_SPEED_KM_S, _GRADIENT_S = 5.0, 0.05  # crust: P speed at the surface and its increase with depth, per second
_KM_PER_DEGREE = 111.2


def chunks(
    flavour: Flavour, stations: Table, rows: int, faults: list[str], rng: np.random.Generator
) -> Iterator[tuple[Table, np.ndarray]]:
    """Records in random order, with their waveforms, in pieces that each hold the class quotas.

    From every pool of drawn records the kept ones are chosen at random within their class and then shuffled, so that
    neither the order nor the event tells the label.

    Yields:
        Table with ``label``, ``pick`` and ``fault`` ("" for a good record) among its columns, and waveforms
        (n, components, before + after), counts, first motion at ``before``.
    """
    pieces = -(-rows // CHUNK)
    totals = apportion(flavour.quota, rows)
    first_event = 0
    for piece in range(pieces):
        good = totals * (piece + 1) // pieces - totals * piece // pieces
        bad = faults[piece::pieces]
        wanted = good + apportion(flavour.quota, len(bad))
        pool: Table = {}
        while not pool or (np.bincount(pool["label"], minlength=3) < wanted).any():
            events = min(CHUNK // 12, 16 + int(wanted.sum()) // 12)  # 12 records each
            drawn = _events(flavour, stations, events, first_event, rng)
            drawn["spectrum"] = _trains(flavour, drawn, rng)
            drawn |= _read(flavour, drawn, rng)
            first_event += events
            pool = {name: np.concatenate([pool[name], drawn[name]]) for name in pool} if pool else drawn
        chosen, is_bad = [], []
        for label in range(3):
            members = rng.permutation(np.flatnonzero(pool["label"] == label))[: wanted[label]]
            chosen.append(members)
            is_bad.append(np.arange(len(members)) >= good[label])
        order = rng.permutation(wanted.sum())
        kept = np.concatenate(chosen)[order]
        table = {name: values[kept] for name, values in pool.items()}
        table["fault"] = np.full(len(kept), "", "U10")
        table["fault"][np.concatenate(is_bad)[order]] = rng.permutation(np.array(bad, "U10"))
        spectrum = table.pop("spectrum")
        yield table, _waves(flavour, table, spectrum, rng)


def apportion(shares: tuple[float, ...], total: int) -> np.ndarray:
    """Whole numbers that add up to ``total`` and are nearest to the shares (largest remainders)."""
    exact = np.array(shares) * total
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: total - counts.sum()]] += 1
    return counts


def make_stations(flavour: Flavour, rng: np.random.Generator) -> Table:
    """60 stations in a box of 2 by 2 degrees; the channel belongs to the station."""
    n = 60
    letters = rng.permutation(26**3)[:n]
    codes = np.array([chr(65 + i // 676) + chr(65 + i // 26 % 26) + chr(65 + i % 26) for i in letters.tolist()])
    kinds = np.repeat(list(flavour.channels), apportion(tuple(flavour.channels.values()), n))
    return {
        "net": rng.choice(flavour.networks, n),
        "code": codes,
        "channel": rng.permutation(kinds),
        "lat": np.round(flavour.corner[0] + rng.uniform(0, 2, n), 4),
        "lon": np.round(flavour.corner[1] + rng.uniform(0, 2, n), 4),
        "elevation_m": np.round(rng.uniform(0, 1500, n)),
    }


def _events(flavour: Flavour, stations: Table, count: int, first: int, rng: np.random.Generator) -> Table:
    """Step 1: events and their records at 4 to 20 stations, one row a record.

    The bias ``p_up`` comes from the mechanism: a rake turned by 180 degrees reverses every polarity of an event, and
    is chosen so that the expected share of ups is ``p_up``. Large events have lower ``f0`` and higher SNR, far
    stations lower SNR. ``f0`` favours the low end of its range: real first half-cycles last 0.17 s (12.4).
    """
    low, high = 1.0, 5.5
    rank = rng.uniform(size=count)  # of the magnitude; b = 1
    event = {
        "event": first + np.arange(count),
        "origin": rng.integers(1_104_537_600_00, 1_577_836_800_00, count),  # 2005 to 2019, in units of 10 ms
        "event_lat": np.round(flavour.corner[0] + rng.uniform(0.3, 1.7, count), 4),
        "event_lon": np.round(flavour.corner[1] + rng.uniform(0.3, 1.7, count), 4),
        "depth_km": np.round(rng.uniform(3, 25, count), 2),
        "magnitude": np.round(low - np.log10(1 - rank * (1 - 10 ** (low - high))), 1),
        "strike": rng.integers(0, 360, count),
        "dip": np.round(np.degrees(np.arccos(rng.uniform(size=count)))).astype(int),
        "rake": rng.integers(-180, 180, count),
        "test": rng.uniform(size=count) < 0.15,
        "rank": rank,
        "f0_rank": _reflect(1 - rank + rng.uniform(-0.3, 0.3, count)),
    }
    north = (stations["lat"] - event["event_lat"][:, None]) * _KM_PER_DEGREE
    east = (stations["lon"] - event["event_lon"][:, None]) * _KM_PER_DEGREE * np.cos(np.radians(flavour.corner[0] + 1))
    near = np.argsort(np.hypot(north, east), axis=1)[:, :30]
    near = rng.permuted(near, axis=1)
    source, place = np.nonzero(np.arange(30) < rng.integers(4, 21, count)[:, None])
    station = near[source, place]
    table = {name: values[source] for name, values in event.items()}
    table["station"] = station
    table["channel"] = stations["channel"][station]
    north, east = north[source, station], east[source, station]
    table["distance_km"] = distance = np.maximum(np.hypot(north, east), 1.0)
    table["azimuth"] = np.degrees(np.arctan2(east, north)) % 360
    takeoff, travel_s = _ray(distance, table["depth_km"])
    table["travel"] = np.round(travel_s * RATE_HZ).astype(int)
    radiation = _radiation(table["strike"], table["dip"], table["rake"], table["azimuth"], takeoff)

    ups = np.bincount(source, radiation > 0) / np.bincount(source)
    majority = np.maximum(ups, 1 - ups)
    p_majority_up = min(1.0, 0.5 + (flavour.p_up - 0.5) / (2 * majority.mean() - 1))
    turn = (rng.uniform(size=count) < p_majority_up) != (ups > 0.5)
    table["rake"] = np.where(turn[source], (table["rake"] + 360) % 360 - 180, table["rake"])
    table["sign"] = np.where((radiation > 0) != turn[source], 1, -1)
    table["radiation"] = np.maximum(np.abs(radiation), 0.03)

    n = len(source)
    table["f0_hz"] = _between(flavour.f0_hz, _reflect(table["f0_rank"] + rng.normal(0, 0.15, n)) ** 2)
    size = (-np.log(1 - table["rank"]) - 1).clip(None, 3)  # zero mean, unit deviation
    far = np.log(distance / 50).clip(-2, 2)
    mean, deviation = flavour.snr_db
    table["snr_db"] = mean + deviation * (0.4 * size - 0.4 * far + 0.82 * rng.standard_normal(n))
    return table


def _reflect(u: np.ndarray) -> np.ndarray:
    """Fold values back into 0..1, so that a blurred uniform variable stays uniform."""
    return 1 - np.abs(1 - np.abs(u))


def _between(bounds: tuple[float, float], u: np.ndarray) -> np.ndarray:
    """Log-uniform values within bounds from uniform ``u``."""
    return bounds[0] * (bounds[1] / bounds[0]) ** u


def _ray(distance_km: np.ndarray, depth_km: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take-off angle (degrees from down) and travel time (s) of the circular ray where speed grows linearly."""
    depth_of_centre = _SPEED_KM_S / _GRADIENT_S
    centre = (distance_km**2 - depth_km**2 - 2 * depth_km * depth_of_centre) / (2 * distance_km)
    takeoff = np.degrees(np.arctan2(depth_km + depth_of_centre, centre))
    speeds = _SPEED_KM_S * (_SPEED_KM_S + _GRADIENT_S * depth_km)
    squared = _GRADIENT_S**2 * (distance_km**2 + depth_km**2)
    return takeoff, np.arccosh(1 + squared / (2 * speeds)) / _GRADIENT_S


def _radiation(
    strike: np.ndarray, dip: np.ndarray, rake: np.ndarray, azimuth: np.ndarray, takeoff: np.ndarray
) -> np.ndarray:
    """P radiation of a double couple, -1 to 1 (Aki & Richards 2002, eq. 4.89); all angles in degrees."""
    dip, rake, i, angle = (np.radians(v) for v in (dip, rake, takeoff, azimuth - strike))
    return (
        np.cos(rake) * np.sin(dip) * np.sin(i) ** 2 * np.sin(2 * angle)
        - np.cos(rake) * np.cos(dip) * np.sin(2 * i) * np.cos(angle)
        + np.sin(rake) * np.sin(2 * dip) * (np.cos(i) ** 2 - np.sin(i) ** 2 * np.sin(angle) ** 2)
        + np.sin(rake) * np.cos(2 * dip) * np.sin(2 * i) * np.sin(angle)
    )


def _trains(flavour: Flavour, table: Table, rng: np.random.Generator) -> np.ndarray:
    """Steps 2, 3, 5 and 6: spectra (n, train // 2 + 1) of the causal P trains, first half-cycle positive.

    Adds ``emergent`` to the table. The coda begins after the first half-cycle of the direct wave, since scattered
    waves take longer ways, is weaker near a nodal plane, though less so than the direct wave, and favours short growth
    and decay: real trains peak 0.7 s after P (12.4).
    """
    n, length = len(table["event"]), flavour.train
    t = ((np.arange(length) - _LEAD) / RATE_HZ).astype(np.float32)
    after_p = slice(_LEAD + 1, length)
    f0 = table["f0_hz"].astype(np.float32)[:, None]
    table["emergent"] = rng.uniform(size=n) < flavour.p_emergent
    exponent = np.where(table["emergent"], rng.uniform(*flavour.emergent, n), rng.uniform(*flavour.impulsive, n))
    decay = f0 * rng.uniform(0.8, 2.5, (n, 1)).astype(np.float32)
    x = f0 * t[after_p]
    pulse = np.exp(exponent.astype(np.float32)[:, None] * np.log(x) - decay * t[after_p]) * np.sin(2 * np.pi * x)
    pulse *= (table["radiation"] / np.abs(pulse).max(axis=1)).astype(np.float32)[:, None]

    f = np.fft.rfftfreq(length, 1 / RATE_HZ).astype(np.float32)
    band = (f > 0.5 * f0) & (f < 1.8 * f0)
    coda = np.fft.irfft(_normals(rng, (n, len(f))) * band, length)[:, after_p]
    coda *= length / 2 / np.sqrt(band.sum(axis=1, keepdims=True, dtype=np.float32))  # unit deviation
    late = np.maximum(t[after_p] - 0.5 / f0, 0)
    u = rng.uniform(size=(3, n, 1)).astype(np.float32)
    rise, fall, level = _between((0.2, 1.2), u[0] ** 3), _between((1, 5), u[1] ** 3), _between((0.3, 10), u[2])
    level *= table["radiation"].astype(np.float32)[:, None] ** 0.7
    coda *= level * (1 - np.exp(-late / rise)) ** 2 * np.exp(-late / fall)

    train = np.zeros((n, length), np.float32)
    train[:, after_p] = pulse + coda
    train *= _fade(length, 140)  # the echoes and filters below ring on for about a second and must not wrap around

    echoes = np.zeros((n, length), np.float32)
    echoes[:, 0] = 1
    if flavour.reverberation:
        number = rng.poisson(2, n)
        for k in range(6):
            strength = rng.normal(0, flavour.reverberation, n) * (number > k)
            echoes[np.arange(n), rng.integers(4, 51, n)] += strength
    else:  # borehole: the reflection from the free surface
        echoes[np.arange(n), rng.integers(6, 26, n)] += rng.uniform(0.5, 0.9, n)

    turn = np.exp(-2j * np.pi * f / RATE_HZ).astype(np.complex64)
    r = np.exp(-2 / RATE_HZ / rng.uniform(*flavour.t_star_s, (n, 1))).astype(np.float32)
    attenuation = ((1 - r) / (1 - r * turn)) ** 2  # of the kernel (k + 1) r^k, unit sum
    return np.fft.rfft(train) * np.fft.rfft(echoes) * attenuation


def _normals(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Complex normal numbers, complex64, of mean square 2."""
    return rng.standard_normal((*shape, 2), np.float32).view(np.complex64)[..., 0]


def _fade(length: int, zeros: int) -> np.ndarray:
    """(length,) float32: one, then a cosine taper of 120 samples, then ``zeros`` zeros."""
    taper = np.ones(length, np.float32)
    taper[length - zeros - 120 : length - zeros] = 0.5 + 0.5 * np.cos(np.pi * np.arange(120) / 120)
    taper[length - zeros :] = 0
    return taper


@cache
def _instrument(channel: str, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Step 8: response at ``rfftfreq(length)``, the causal part (complex64) and the symmetric filter (float32).

    ``HH`` passes all that is made here (its corner is 0.05 Hz). The symmetric filter is that of the digitiser, 61
    taps at 0.8 of the Nyquist frequency; ``BH`` was recorded at a lower rate and ends at 16 Hz.
    """
    from scipy.signal import firwin, freqz

    f = np.fft.rfftfreq(length, 1 / RATE_HZ)
    causal, symmetric = np.ones(len(f), complex), np.ones(len(f))
    if channel in ("EH", "U"):
        causal = _highpass(length, order=2)
    if channel == "HN":  # acceleration: the first difference is causal, i omega would not be
        causal = 1 - np.exp(-2j * np.pi * f / RATE_HZ)
    if channel in ("HH", "HN", "BH"):
        taps = firwin(61, 16 if channel == "BH" else 40, fs=RATE_HZ)
        symmetric = (freqz(taps, worN=f, fs=RATE_HZ)[1] * np.exp(2j * np.pi * f * 30 / RATE_HZ)).real
    return causal.astype(np.complex64), symmetric.astype(np.float32)


@cache
def _highpass(length: int, order: int = 4) -> np.ndarray:
    """Response of a 1 Hz high-pass at ``rfftfreq(length)``; SNR and ``y`` are read through the steep default."""
    from scipy.signal import butter, freqz

    return freqz(*butter(order, 1, "highpass", fs=RATE_HZ), worN=np.fft.rfftfreq(length, 1 / RATE_HZ), fs=RATE_HZ)[1]


def _by_channel(table: Table, length: int) -> tuple[np.ndarray, np.ndarray]:
    """:func:`_instrument` of every record, two arrays (n, length // 2 + 1)."""
    kinds, index = np.unique(table["channel"], return_inverse=True)
    causal, symmetric = zip(*(_instrument(str(kind), length) for kind in kinds), strict=True)
    return np.stack(causal)[index], np.stack(symmetric)[index]


def _delayed(trains: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Rows moved to later times by (n,) whole samples; every row must begin with (nearly) zero."""
    index = np.arange(trains.shape[1]) - samples[:, None]
    return np.take_along_axis(trains, np.maximum(index, 0), axis=1)


def _with_forerunner(trains: np.ndarray, scale: np.ndarray, delay: np.ndarray) -> np.ndarray:
    """Step 4: trains put off by (n,) ``delay``, and a scaled copy that stays at P and dies away in half a second."""
    t = np.maximum(np.arange(trains.shape[1]) - _LEAD, 0) / RATE_HZ
    return _delayed(trains, delay) + (scale[:, None] * np.exp(-t / 0.15)).astype(np.float32) * trains


def _read(flavour: Flavour, table: Table, rng: np.random.Generator) -> Table:
    """Steps 4 and 9 to 11: what the analyst makes of each record; noise above 1 Hz has deviation 1.

    A forerunner too weak to see leaves label and pick to the main arrival behind it, which then is the true P too.

    Returns:
        ``gain`` of the train; ``forerunner`` (signed scale, 0 for none) and ``delay`` (samples) of the main arrival
        behind it; ``arrival`` (samples after the first motion), ``true_sign`` and ``y`` (dB) of the P that can be
        seen; ``label``; ``error`` of the pick from that P (samples) and its ``uncertainty_s``.
    """
    n, length = len(table["event"]), flavour.train
    causal, _ = _by_channel(table, length)
    table["spectrum"] *= causal
    heard = np.fft.irfft(table["spectrum"] * _highpass(length).astype(np.complex64), length)
    heard = heard[:, : _LEAD + 2 * RATE_HZ]
    first = _first_half_cycle(heard[:, _LEAD:])

    has = rng.uniform(size=n) < flavour.p_forerunner
    delay = np.where(has, rng.integers(15, 121, n), 0)
    forerunner = np.where(has, rng.uniform(0.04, 0.3, n) * np.where(rng.uniform(size=n) < 0.6, 1, -1), 0)
    arrivals = _with_forerunner(heard, forerunner, delay)[:, _LEAD:]
    dead = rng.uniform(size=n) < 0.005
    gain = np.where(dead, 0, 10 ** (table["snr_db"] / 20) / arrivals.std(axis=1))

    with np.errstate(divide="ignore"):
        y_main = 20 * np.log10(first * gain)
        y_first = y_main + 20 * np.log10(np.where(has, np.abs(forerunner), 1))
    # Emergent onsets are seldom read (2.3: the emergent rows of the PNW sample are all undecidable): 6 dB more.
    threshold = flavour.readable_db + np.where(table["emergent"], 6, 0) + 2 * rng.logistic(size=n)
    hidden = has & (y_first <= threshold)
    y = np.where(hidden, y_main, y_first)
    true_sign = table["sign"] * np.where(~hidden & (forerunner < 0), -1, 1)
    read = (y > threshold) & (rng.uniform(size=n) >= flavour.p_skipped)
    p_wrong = flavour.p_flipped * np.where(y < flavour.readable_db + 4, 2.5, 0.5)
    sign = true_sign * np.where(rng.uniform(size=n) < p_wrong, -1, 1)
    label = np.where(read, np.where(sign > 0, UP, DOWN), UNKNOWN)

    if flavour.pick_s is None:
        # Shares of 12.1 step 11; in the real table every pick of 0.15 s is undecidable, 0.35 / 0.413 of all those.
        coarse = (label == UNKNOWN) & (rng.uniform(size=n) < 0.85)
        fine = rng.choice([0.03, 0.04, 0.06], n, p=np.array([0.30, 0.05, 0.30]) / 0.65)
        uncertainty_s = np.where(coarse, 0.15, fine)
        error_s = rng.normal(0, uncertainty_s / 2)
    else:
        common, late, p_late = flavour.pick_s
        uncertainty_s = np.full(n, common)
        error_s = np.where(rng.uniform(size=n) < p_late, np.abs(rng.normal(0, late, n)), rng.normal(0, common, n))
    return {
        "gain": gain,
        "forerunner": forerunner,
        "delay": delay,
        "arrival": np.where(hidden, delay, 0),
        "true_sign": true_sign,
        "y": y,
        "label": label,
        "error": np.round(error_s * RATE_HZ).astype(int),
        "uncertainty_s": uncertainty_s,
    }


def _first_half_cycle(heard: np.ndarray) -> np.ndarray:
    """(n,) largest value before the first turn to the other side; P at sample 0, first motion positive.

    The first 10^-4 of the peak does not count: there the spectra leave rounding noise.
    """
    floor = 1e-4 * np.abs(heard).max(axis=1, keepdims=True)
    turned = np.logical_or.accumulate(heard < -floor, axis=1)
    return np.where(turned, 0, heard).max(axis=1)


def _waves(flavour: Flavour, table: Table, spectrum: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Full waveforms (n, components, before + after) of chosen records; see :func:`chunks`.

    The order of components is E, N, Z, or Z alone. Adds ``s_delay`` (samples) to the table.
    """
    n, length = spectrum.shape[0], flavour.train
    _, symmetric = _by_channel(table, length)
    train = np.fft.irfft(spectrum * symmetric, length)
    train *= (table["sign"] * table["gain"])[:, None].astype(np.float32)
    signal = _with_forerunner(train, table["forerunner"], table["delay"])
    table["s_delay"] = np.round(0.73 * table["travel"]).astype(int)  # S at 1.73 times the P travel time
    s_scale = rng.uniform(2, 5, n) * rng.choice([-1, 1], n)
    signal += s_scale.astype(np.float32)[:, None] * _delayed(signal, table["s_delay"])
    signal *= _fade(length, 0)

    total = flavour.before + flavour.after
    waves = _noise(flavour, table, total, rng)
    start = flavour.before - _LEAD
    stop = min(start + length, total)
    signal = signal[:, : stop - start]
    waves[:, -1, start:stop] += signal
    if flavour.components == 3:
        incidence, heading = rng.uniform(0.2, 0.6, n), rng.uniform(0, 2 * np.pi, n)
        for component, part in enumerate((np.sin(heading), np.cos(heading))):
            waves[:, component, start:stop] += (incidence * part).astype(np.float32)[:, None] * signal
    waves *= _between(flavour.noise_counts, rng.uniform(size=(n, 1, 1))).astype(np.float32)
    return _spoil(waves, table["fault"] == "clipped", flavour.before, rng)


def _noise(flavour: Flavour, table: Table, length: int, rng: np.random.Generator) -> np.ndarray:
    """Step 7: (n, components, length) noise with deviation 1 above 1 Hz, shaped by the instrument."""
    n = len(table["event"])
    f = np.fft.rfftfreq(length, 1 / RATE_HZ)
    seen = np.maximum(f, f[1])
    power = seen ** -rng.uniform(*flavour.slope, (n, 1)) * (f >= 0.05)
    power /= power.sum(axis=1, keepdims=True)
    for low, high, level in ((0.12, 0.35, flavour.microseism), (2, 15, flavour.cultural)):
        band = (f >= low) & (f <= high)
        power += (level * rng.uniform(0.3, 1.7, (n, 1))) ** 2 * band / band.sum()
    causal, symmetric = _by_channel(table, length)
    power *= np.abs(causal) ** 2 * symmetric**2
    power /= (power * np.abs(_highpass(length)) ** 2).sum(axis=1, keepdims=True)
    amplitude = (np.sqrt(power) * length / 2).astype(np.float32)
    return np.fft.irfft(_normals(rng, (n, flavour.components, len(f))) * amplitude[:, None], length)


def _spoil(waves: np.ndarray, clipped: np.ndarray, p: int, rng: np.random.Generator) -> np.ndarray:
    """Step 7: a spike or a step in 0.5 % of the records each, on all components; clips the ``clipped`` (n,) ones.

    A clipped amplifier stays at the rail for 0.3 s when it first reaches it after P (at sample ``p``).
    """
    n, _, length = waves.shape
    for row in np.flatnonzero(rng.uniform(size=n) < 0.005):
        waves[row, :, rng.integers(length)] += rng.choice([-1, 1]) * rng.uniform(0.2, 2) * np.abs(waves[row]).max()
    for row in np.flatnonzero(rng.uniform(size=n) < 0.005):
        waves[row, :, rng.integers(length) :] += rng.choice([-1, 1]) * rng.uniform(0.1, 1) * np.abs(waves[row]).max()
    for row in np.flatnonzero(clipped):
        limit = 0.2 * np.abs(waves[row, -1, p : p + 250]).max()
        waves[row] = waves[row].clip(-limit, limit)
        first = p + np.argmax(np.abs(waves[row, -1, p:]) >= limit)
        waves[row, :, first : first + 30] = waves[row, :, first, None]
    return waves

"""Synthetic sets of triggered tremor in the formats of the readers, and continuous recordings (card, section 7)."""

import csv
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from geoml.errors import InputError
from geoml.files import atomic
from geoml.registry import closest
from geoml.tasks.tremor import LENGTH_S, RATE_HZ, SAMPLES, traces
from geoml.tasks.tremor import synthetic_traces as draw

FEWEST = 24  # traces
_STATIONS = 6  # at least
_EVENTS_PER_STATION = 40 / 6
_WITH_COMPONENTS = 180  # traces from which on every station has three components
_NETWORK = "YY"  # with it the usual share and seeds hold some station out
_FIRST_ORIGIN = 1_072_915_200  # 2004-01-01
_BANDS = ("tremor", "broadband")
_DAY_S = 86_400
_SLOT_S = 7200  # of a continuous recording, for an event
_COUNTS = 1000  # counts of a continuous recording for a noise of 1

Save = Callable[["Trace", np.ndarray], str]


class Trace(NamedTuple):
    """Which seismogram it is, and what is told with it.

    Attributes:
        numbers: Of event, station and component.
        event, station, channel: Their names.
        origin: Time of the event, epoch seconds, in whole milliseconds.
        label: 1 for tremor, wrong for some.
        rate_hz: Of the seismogram.
        pair: What happens in it.
    """

    numbers: tuple[int, int, int]
    event: str
    station: str
    channel: str
    origin: float
    label: int
    rate_hz: float
    pair: draw.Pair


def generate(
    folder: Path,
    rows: int,
    seed: int,
    reader: str,
    *,
    band: str = "tremor",
    label_noise: float = 0.02,
    snr: tuple[float, float] = (1.2, 8.0),
) -> None:
    """Write a data set; ``.truth.npz`` beside it says what is in each trace.

    720 rows are 40 events at 6 stations with 3 components; larger sets have more of both, smaller ones fewer events,
    and with fewer than 180 rows there is one component. Stations record at 20, 50 and 100 Hz in turn, and in every
    event half of them have tremor.

    Args:
        folder: Where to; made if it is not there.
        rows: Traces altogether, about, 24 or more.
        seed: Equal seeds give equal data.
        reader: ``tree``: SAC files in ``positive/<event>/positive`` and ``negative``; ``manifest``: SAC files in
            ``traces`` and a ``manifest.csv``; ``containers``: windows of 20 Hz in ``synthetic_20hz.h5``.
        band: ``tremor`` (2-5 Hz) or ``broadband``, in which traces with tremor and those of surface waves only have
            surface waves.
        label_noise: Share of event-station pairs with a wrong label.
        snr: Smallest and largest ratio of tremor to noise.

    Raises:
        InputError: unknown reader or band, ratios in the wrong order, or too few rows.
    """
    folder = Path(folder)
    if reader not in _WRITERS:
        raise InputError("synthetic data", "reader", "a reader of tremor", repr(reader), closest(reader, _WRITERS))
    if band not in _BANDS:
        raise InputError("synthetic data", "band", "a band", repr(band), closest(band, _BANDS))
    if rows < FEWEST:
        raise InputError("synthetic data", "rows", f"{FEWEST} or more", rows)
    low, high = snr
    if not 0 < low <= high:
        raise InputError("synthetic data", "snr", "two ratios above 0, the smaller first", [low, high])
    folder.mkdir(parents=True, exist_ok=True)
    truth: list[dict[str, Any]] = []
    with _WRITERS[reader](folder) as save:
        for trace, data, damaged_s in drawn(rows, seed, band, label_noise, (low, high)):
            truth.append(_truth(trace, damaged_s) | {"id": save(trace, data)})
    bursts = [row.pop("burst_s") for row in truth]
    columns: dict[str, Any] = {name: np.array([row[name] for row in truth]) for name in truth[0]}
    columns["burst_s"] = np.full((len(truth), max(map(len, bursts))), np.nan)
    for row, found in zip(columns["burst_s"], bursts, strict=True):
        row[: len(found)] = found
    with atomic(folder / ".truth.npz") as temporary:
        np.savez(temporary, **columns)


def drawn(
    rows: int, seed: int, band: str, label_noise: float, snr: tuple[float, float]
) -> Iterator[tuple[Trace, np.ndarray, float]]:
    """Traces of a data set, their samples (m,) and how many seconds are damaged; arguments as of :func:`generate`."""
    components = len(draw.COMPONENTS) if rows >= _WITH_COMPONENTS else 1
    pairs = rows / components
    count = max(_STATIONS, round((pairs / _EVENTS_PER_STATION) ** 0.5))
    stations = [draw.draw_station(seed, number) for number in range(count)]
    for event in range(round(pairs / count)):
        shaken = draw.draw_event(seed, event)
        origin, name = _when(seed, event)
        positives = draw.draw_positives(seed, event, count).tolist()
        for at, (station, positive) in enumerate(zip(stations, positives, strict=True)):
            pair = draw.draw_pair(seed, (event, at), shaken, station, positive, snr)
            flipped = draw.generator(seed, "wrong label", event, at).random() < label_noise
            for k in range(components):
                channel = ("HH" if station.rate_hz > 50 else "BH") + draw.COMPONENTS[k]
                told = name, f"S{at + 1:02d}", channel, origin, int(positive != flipped), station.rate_hz
                numbers = event, at, k
                yield Trace(numbers, *told, pair), *draw.make_trace(seed, numbers, station, pair, band)


def continuous(folder: Path, hours: float, rate_hz: float, seed: int, *, snr: tuple[float, float] = (2.0, 8.0)) -> None:
    """Write a recording of one station with three components, miniSEED files of a day at most, 2-5 Hz, in counts.

    Every two hours there is an event, by turns with and without tremor; ``.truth.csv`` tells the 1000 s of each
    (``start_utc``, ``end_utc``), ``label``, ``kind``, ``distance_km`` and ``snr``.

    Args:
        folder: Where to; made if it is not there.
        hours: Length.
        rate_hz: 20 or more.
        seed: Equal seeds give equal recordings.
        snr: Smallest and largest ratio of tremor to noise.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    station = draw.draw_station(seed, 0)._replace(rate_hz=rate_hz)
    rows: list[dict[str, Any]] = []
    for day, begin in enumerate(range(0, round(hours * 3600), _DAY_S)):
        t = np.arange(round(min(_DAY_S, hours * 3600 - begin) * RATE_HZ)) / RATE_HZ
        pairs: list[tuple[float, draw.Pair]] = []
        for slot in range(int(len(t) / RATE_HZ / _SLOT_S + 0.5)):
            number = begin // _SLOT_S + slot
            event = draw.draw_event(seed, number)
            pair = draw.draw_pair(seed, (number, 0), event, station, number % 2 == 0, snr)
            pairs.append((slot * _SLOT_S - pair.t[0], pair))
        rows += [_told(_FIRST_ORIGIN + begin + start, pair) for start, pair in pairs]
        for k, component in enumerate(draw.COMPONENTS):
            rng = draw.generator(seed, "continuous", day, k)
            x = draw.noise(t, station.beta, rng)
            for start, pair in pairs:
                part = slice(round((start + pair.t[0]) * RATE_HZ), round((start + pair.t[0]) * RATE_HZ) + len(pair.t))
                for upper, envelope in pair.loud:
                    x[part] += (draw.carrier(len(pair.t), 2.0, upper, rng) * envelope)[: len(x[part])]
            counts = np.rint(_COUNTS * draw.raised(x, rate_hz, draw.TREMOR_BAND)).astype(np.int32)
            _save_mseed(folder, f"HH{component}", rate_hz, _FIRST_ORIGIN + begin, counts)
    with atomic(folder / ".truth.csv") as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]) if rows else ["start_utc"])
        table.writeheader()
        table.writerows(rows)


def _told(start: float, pair: draw.Pair) -> dict[str, Any]:
    """A row of a recording's table."""
    begin, end = (np.datetime64(round((start + s) * 1000), "ms") for s in (0, LENGTH_S))
    return {
        "start_utc": f"{begin}Z",
        "end_utc": f"{end}Z",
        "label": int(pair.kind == "tremor"),
        "kind": pair.kind,
        "distance_km": f"{pair.distance_km:.1f}",
        "snr": f"{pair.snr:.2f}",
    }


def _save_mseed(folder: Path, channel: str, rate_hz: float, start: int, data: np.ndarray) -> None:
    from obspy import Trace as Recording
    from obspy import UTCDateTime

    about = {"network": _NETWORK, "station": "S01", "channel": channel, "sampling_rate": rate_hz}
    recording = Recording(data, about | {"starttime": UTCDateTime(start)})
    name = f"{_NETWORK}.S01.{channel}.{np.datetime64(start, 's')}".replace(":", "") + ".mseed"
    with atomic(folder / name) as temporary:
        recording.write(str(temporary), "MSEED", encoding="STEIM2")


def _when(seed: int, event: int) -> tuple[float, str]:
    """Origin time and name of an event; every one has its own month."""
    seconds = draw.generator(seed, "origin", event).uniform(0, 28 * _DAY_S)
    origin = round(_FIRST_ORIGIN + event * 30 * _DAY_S + seconds, 3)
    return origin, str(np.datetime64(int(origin), "s")).replace("-", "").replace(":", "").replace("T", "_")


def _truth(trace: Trace, damaged_s: float) -> dict[str, Any]:
    pair = trace.pair
    return {
        "id": "",
        "event": trace.event,
        "station": trace.station,
        "channel": trace.channel,
        "label": trace.label,
        "true_label": int(pair.kind == "tremor"),
        "kind": pair.kind,
        "distance_km": pair.distance_km,
        "lag": pair.lag,
        "threshold": pair.threshold,
        "snr": pair.snr,
        "damaged_s": damaged_s,
        "burst_s": pair.burst_s,
    }


@contextmanager
def _tree(folder: Path) -> Iterator[Save]:
    def save(trace: Trace, data: np.ndarray) -> str:
        name = f"{_NETWORK}.{trace.station}.{trace.channel}.sac"
        path = f"positive/{trace.event}/positive/{name}" if trace.label else f"negative/{trace.event}.{name}"
        _save_sac(folder / path, trace, data)
        return path

    yield save


@contextmanager
def _manifest(folder: Path) -> Iterator[Save]:
    with atomic(folder / "manifest.csv") as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "event", "station", "component", "kind"])

        def save(trace: Trace, data: np.ndarray) -> str:
            path = f"traces/{trace.event}.{_NETWORK}.{trace.station}.{trace.channel}.sac"
            _save_sac(folder / path, trace, data)
            station = f"{_NETWORK}.{trace.station}"
            rows.writerow([path, trace.label, trace.event, station, trace.channel, trace.pair.kind])
            return path

        yield save


@contextmanager
def _containers(folder: Path) -> Iterator[Save]:
    import h5py

    settings = {"band_hz": None, "norm": "none"}
    names: dict[str, list[str]] = {"event": [], "station": [], "component": []}
    with ExitStack() as stack:
        temporary = stack.enter_context(atomic(folder / "synthetic_20hz.h5"))
        file = stack.enter_context(h5py.File(temporary, "w"))
        x = file.create_dataset("X", (0, SAMPLES), np.float32, maxshape=(None, SAMPLES), chunks=(1, SAMPLES))
        y = file.create_dataset("y", (0, 1), np.int8, maxshape=(None, 1), chunks=(1024, 1))

        def save(trace: Trace, data: np.ndarray) -> str:
            start = trace.origin - draw.BEFORE_S
            told = trace.label, len(data), trace.rate_hz, start, trace.origin, trace.pair.distance_km
            window = traces.cut(*told, "origin")
            assert isinstance(window, traces.Window)
            row = len(x)
            x.resize(row + 1, axis=0)
            y.resize(row + 1, axis=0)
            x[row], y[row] = traces.samples(data[window.first :], trace.rate_hz, settings), trace.label
            station = f"{_NETWORK}.{trace.station}"
            for name, value in zip(names, (trace.event, station, trace.channel), strict=True):
                names[name].append(value)
            return f"synthetic_20hz.h5/{row}"

        yield save
        for name, values in names.items():
            file[name] = np.array(values, "S")


_WRITERS = {"tree": _tree, "manifest": _manifest, "containers": _containers}


def _save_sac(path: Path, trace: Trace, data: np.ndarray) -> None:
    """Write a SAC file whose reference time is its first sample."""
    from obspy.io.sac.arrayio import dict_to_header_arrays, write_sac

    start = np.datetime64(round((trace.origin - draw.BEFORE_S) * 1000), "ms")
    year, day = start.astype("datetime64[Y]"), start.astype("datetime64[D]")
    ms = int((start - day).astype(int))
    header = {
        **{"nvhdr": 6, "iftype": 1, "leven": 1, "lcalda": 0, "npts": len(data)},
        **{"delta": 1 / trace.rate_hz, "b": 0.0, "e": (len(data) - 1) / trace.rate_hz, "o": draw.BEFORE_S},
        **{"depmin": data.min(), "depmax": data.max(), "depmen": data.mean(dtype=float)},
        **{"nzyear": int(year.astype(int)) + 1970, "nzjday": int((day - year.astype(day.dtype)).astype(int)) + 1},
        **{"nzhour": ms // 3_600_000, "nzmin": ms // 60_000 % 60, "nzsec": ms // 1000 % 60, "nzmsec": ms % 1000},
        **{"kevnm": trace.event, "knetwk": _NETWORK, "kstnm": trace.station, "kcmpnm": trace.channel},
        **{"dist": trace.pair.distance_km, "kuser0": trace.pair.kind},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        write_sac(str(temporary), *dict_to_header_arrays(header), data)

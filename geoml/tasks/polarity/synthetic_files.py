"""Writers of synthetic first-motion data in the formats of section 2 of the polarity method card.

Each writer takes the records piece by piece (``synthetic_records.chunks``), keeps nothing but the
truth of the good records in memory, and gives that back.
"""

import csv
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from geoml.files import atomic
from geoml.tasks.polarity.synthetic_flavours import FLAVOURS
from geoml.tasks.polarity.synthetic_records import RATE_HZ, Table

Chunks = Iterator[tuple[Table, np.ndarray]]
# gzip and not lzf: what lzf writes depends on what its memory held before.
_COMPRESSED: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True, "track_times": False}
_LIMIT = 2**23 - 1  # counts of a 24-bit digitiser


class _Truth:
    """What the tests may know: collected for good records only."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[np.ndarray]] = {name: [] for name in ("id", "sign", "p_sample", "snr_db", "y")}

    def add(self, table: Table, ids: np.ndarray, p_sample: np.ndarray) -> None:
        good = table["fault"] == ""
        columns = (ids, table["true_sign"].astype(np.int8), p_sample, table["snr_db"], table["y"])
        for name, values in zip(self._pieces, columns, strict=True):
            self._pieces[name].append(values[good])

    def columns(self) -> Table:
        return {name: np.concatenate(pieces) for name, pieces in self._pieces.items()}


@contextmanager
def _table_file(path: Path, header: list[str]) -> Iterator[Callable[[list], None]]:
    """Function that appends a row to a CSV file, which appears when it is complete."""
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(header)
        yield rows.writerow


@contextmanager
def _hdf5(path: Path) -> Iterator[Any]:
    import h5py

    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        yield file


def _iso(ticks: np.ndarray) -> np.ndarray:
    """Times in units of 10 ms since 1970 as ``2016-04-15T07:46:52.040000Z``."""
    return np.char.add(np.datetime_as_string((ticks * 10).astype("datetime64[ms]"), unit="us"), "Z")


def _long_trace(wave: np.ndarray, quiet: np.ndarray, start: int) -> np.ndarray:
    """Whole-number counts: ``wave`` (3, w) put at ``start`` of a (3, n) trace of quiet, repeating digits."""
    trace = quiet.copy()
    trace[:, start : start + wave.shape[1]] = np.rint(wave.clip(-_LIMIT, _LIMIT))
    return trace


def _quiet(length: int, rng: np.random.Generator) -> np.ndarray:
    """(3, length) noise of a few counts with a period of 64 samples, which compresses to almost nothing."""
    return np.tile(rng.integers(-2, 3, (3, 64)), -(-length // 64))[:, :length].astype(np.float32)


def write_scsn(folder: Path, chunks: Chunks, stations: Table, rng: np.random.Generator) -> Table:
    """Four HDF5 files (2.1): the records of ``fm_*`` and ``pick_*`` are the same, ``Y`` is not."""
    truth = _Truth()
    with ExitStack() as stack:
        parts = [(what, split) for split in ("train", "test") for what in ("fm", "pick")]
        files = {
            part: stack.enter_context(_hdf5(folder / f"scsn_p_2000_2017_6sec_0.5r_{part[0]}_{part[1]}.hdf5"))
            for part in parts
        }
        for table, waves in chunks:
            # The window is cut at the pick, so the true P is off 300 by the error.
            start = FLAVOURS["scsn"].before + table["arrival"] + table["error"] - 300
            x = np.take_along_axis(waves[:, 0], start[:, None] + np.arange(600), axis=1)
            x -= x.mean(axis=1, keepdims=True)
            x /= np.abs(x).max(axis=1, keepdims=True)
            x[table["fault"] == "flat"] = 0
            nets, codes = stations["net"][table["station"]], stations["code"][table["station"]]
            names = [f"{net}.{code}.{kind}Z" for net, code, kind in zip(nets, codes, table["channel"], strict=True)]
            columns = {
                "X": x,
                "evids": table["event"] + 10_000_000,
                "mag": table["magnitude"].astype(np.float32),
                "dist": table["distance_km"].astype(np.float32),
                "snr": table["snr_db"].astype(np.float32),
                "sncls": np.array(names, "S12"),
            }
            ids = np.empty(len(x), "U64")
            for what, split in parts:
                rows = np.flatnonzero(table["test"] == (split == "test"))
                first = _append(files[what, split], {name: values[rows] for name, values in columns.items()})
                if what == "fm":
                    _append(files[what, split], {"Y": table["label"][rows]})
                    ids[rows] = [f"{what}_{split}.hdf5:{first + i}" for i in range(len(rows))]
                else:
                    _append(files[what, split], {"fm": table["label"][rows], "Y": np.full(len(rows), 3.0)})
            truth.add(table, ids, 300 - table["error"])
    return truth.columns()


def _append(file: Any, columns: Table) -> int:
    """Add rows to growing datasets; gives the number of rows that were there before."""
    for name, values in columns.items():
        if name not in file:
            row = values.shape[1:]
            chunks = (256, *row) if row else (4096,)
            file.create_dataset(name, (0, *row), values.dtype, maxshape=(None, *row), chunks=chunks, **_COMPRESSED)
        before = len(file[name])
        file[name].resize(before + len(values), axis=0)
        file[name][before:] = values
    return before


_INS_COLUMNS = [
    "source_id",
    "station_network_code",
    "station_code",
    "station_location_code",
    "station_channels",
    "source_origin_time",
    "source_magnitude",
    "path_ep_distance_km",
    "trace_start_time",
    "trace_dt_s",
    "trace_npts",
    "trace_P_arrival_time",
    "trace_P_arrival_sample",
    "trace_P_uncertainty_s",
    "trace_polarity",
    "trace_Z_snr_db",
    "trace_name",
]
_WORDS = np.array(["positive", "negative", "undecidable"])


def write_ins(folder: Path, chunks: Chunks, stations: Table, rng: np.random.Generator) -> Table:
    """INSTANCE (2.2): one HDF5 dataset (3, 12000) a trace, components E, N, Z, and a CSV."""
    truth, length = _Truth(), 12_000
    quiet = _quiet(length, rng)
    with (
        _hdf5(folder / "Instance_events_counts.hdf5") as file,
        _table_file(folder / "metadata_Instance_events.csv", _INS_COLUMNS) as add_row,
    ):
        data = file.create_group("data")
        for table, waves in chunks:
            n = len(waves)
            p = rng.integers(1500, 4501, n)
            pick = np.where(table["fault"] == "outside", length + 400, p + table["arrival"] + table["error"])
            start = table["origin"] + table["travel"] - p
            starts, origins, picks = _iso(start), _iso(table["origin"]), _iso(start + pick)
            names = np.zeros(n, "U32")
            for i, station in enumerate(table["station"]):
                source = 1_000_000 + table["event"][i]
                net, code, kind = stations["net"][station], stations["code"][station], table["channel"][i]
                names[i] = f"{source}.{net}.{code}..{kind}"
                if table["fault"][i] != "missing":
                    trace = _long_trace(waves[i], quiet, p[i] - FLAVOURS["ins"].before)
                    if table["fault"][i] == "flat":
                        trace[:] = 12
                    data.create_dataset(names[i], data=trace, chunks=trace.shape, **_COMPRESSED)
                add_row(
                    [
                        source,
                        net,
                        code,
                        "",
                        kind,
                        origins[i],
                        table["magnitude"][i],
                        f"{table['distance_km'][i]:.2f}",
                        starts[i],
                        1 / RATE_HZ,
                        length,
                        picks[i],
                        pick[i],
                        table["uncertainty_s"][i],
                        _WORDS[table["label"][i]],
                        f"{table['snr_db'][i]:.2f}",
                        names[i],
                    ]
                )
            truth.add(table, names, p + table["arrival"])
    return truth.columns()


_PNW_COLUMNS = [
    "event_id",
    "source_origin_time",
    "preferred_source_magnitude",
    "station_network_code",
    "station_channel_code",
    "station_code",
    "station_location_code",
    "trace_name",
    "trace_sampling_rate_hz",
    "trace_start_time",
    "trace_P_arrival_sample",
    "trace_S_arrival_sample",
    "trace_P_arrival_uncertainty_s",
    "trace_P_polarity",
    "trace_P_onset",
    "trace_snr_db",
]


def write_pnw(folder: Path, chunks: Chunks, stations: Table, rng: np.random.Generator) -> Table:
    """PNW (2.3): ten buckets (n, 3, 15001), components E, N, Z, and a CSV; traces start 50 s before the origin."""
    truth, length, buckets = _Truth(), 15_001, 10
    quiet = _quiet(length, rng)
    with (
        _hdf5(folder / "comcat_waveforms.hdf5") as file,
        _table_file(folder / "comcat_metadata.csv", _PNW_COLUMNS) as add_row,
    ):
        file["data_format/component_order"] = "ENZ"
        bucket = [
            file.create_dataset(
                f"data/bucket{b + 1}",
                (0, 3, length),
                np.float32,
                maxshape=(None, 3, length),
                chunks=(1, 3, length),
                **_COMPRESSED,
            )
            for b in range(buckets)
        ]
        written = 0
        for table, waves in chunks:
            n = len(waves)
            p = 5000 + table["travel"]
            pick = np.where(table["fault"] == "outside", length + 400, p + table["arrival"] + table["error"])
            starts, origins = _iso(table["origin"] - 5000), _iso(table["origin"])
            word = np.where(table["fault"] == "unlabelled", "", _WORDS[table["label"]])
            onset = np.where(table["emergent"] | (table["uncertainty_s"] == 0.15), "emergent", "impulsive")
            onset = np.where(rng.uniform(size=n) < 0.2, "", onset)
            # As in a notebook of the authors, 20 times the natural logarithm of the ratio, for E, N and Z.
            ratios = np.round(table["snr_db"][:, None] * np.log(10) + rng.normal(-3, 2, (n, 3)), 3).astype("U")
            ratios = np.where(rng.uniform(size=(n, 3)) < 0.05, "nan", ratios)
            names = np.zeros(n, "U32")
            for i, station in enumerate(table["station"]):
                if table["fault"][i] != "missing":
                    trace = _long_trace(waves[i], quiet, p[i] - FLAVOURS["pnw"].before)
                    if table["fault"][i] == "flat":
                        trace[:] = 12
                    place, index = bucket[written % buckets], written // buckets
                    place.resize(index + 1, axis=0)
                    place[index] = trace
                    names[i] = f"bucket{written % buckets + 1}${index},:3,:{length}"
                    written += 1
                add_row(
                    [
                        f"uw{60_000_000 + table['event'][i]}",
                        origins[i],
                        table["magnitude"][i],
                        stations["net"][station],
                        table["channel"][i],
                        stations["code"][station],
                        "",
                        names[i],
                        RATE_HZ,
                        starts[i],
                        float(pick[i]),
                        float(p[i] + table["s_delay"][i]),
                        table["uncertainty_s"][i],
                        word[i],
                        onset[i],
                        "|".join(ratios[i]),
                    ]
                )
            truth.add(table, names, p + table["arrival"])
    return truth.columns()


_CATALOGUE_COLUMNS = [
    *("event_id", "data_id", "jst", "lat", "lon", "dep", "mag", "tmag", "mag2", "tmag2"),
    *("strike", "dip", "slip", "dist"),
]


def write_hinet(folder: Path, chunks: Chunks, stations: Table, rng: np.random.Generator) -> Table:
    """Hi-net (2.4): SAC files of 60 to 80 s with P at 20 to 40 s, and three CSV tables; all times are local."""
    truth = _Truth()
    sta = np.char.add(np.char.add("N.", stations["code"]), "H")
    place = {"stla": stations["lat"], "stlo": stations["lon"], "stel": stations["elevation_m"]}
    with _table_file(folder / "hinet_station.csv", ["net", "sta", "chan", "lat", "lon", "elv"]) as add_row:
        for row in zip(stations["net"], sta, stations["channel"], *place.values(), strict=True):
            add_row(list(row))
    with (
        _table_file(folder / "Hinet_phase.csv", ["event_id", "data_id", "sta", "ptime", "stime", "pol"]) as add_phase,
        _table_file(folder / "Hinet_catalog.csv", _CATALOGUE_COLUMNS) as add_event,
    ):
        for table, waves in chunks:
            n = len(waves)
            codes, station = sta[table["station"]], table["station"]
            p, after = rng.integers(2000, 4001, n), FLAVOURS["hinet"].after
            start = table["origin"] + table["travel"] - p
            pick = np.where(table["fault"] == "outside", -500, p + table["arrival"] + table["error"])
            ptime, stime, jst = (_iso(ticks) for ticks in (start + pick, start + p + table["s_delay"], table["origin"]))
            digits = [time.translate({ord(c): None for c in "-T:.Z"}) for time in jst.tolist()]
            events = np.array([f"J{digit[:16]}" for digit in digits])
            folders = np.array([f"D{d[:8]}{e:06d}" for d, e in zip(digits, table["event"] % 10**6, strict=True)])
            headers = _sac_headers(start, p + after, codes, {name: values[station] for name, values in place.items()})
            for i in range(n):
                add_phase([events[i], folders[i], codes[i], ptime[i], stime[i], "UDK"[table["label"][i]]])
                if table["fault"][i] == "missing":
                    continue
                trace = waves[i, 0, FLAVOURS["hinet"].before - p[i] :]
                path = folder / "waveform" / folders[i] / f"{codes[i]}.U.SAC"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(headers[i].tobytes() + (trace * (table["fault"][i] != "flat")).tobytes())
            for i in np.unique(table["event"], return_index=True)[1]:
                mag, dist = table["magnitude"][i], table["distance_km"][table["event"] == table["event"][i]].min()
                where = [table[name][i] for name in ("event_lat", "event_lon", "depth_km")]
                mechanism = [table[name][i] for name in ("strike", "dip", "rake")]
                add_event([events[i], folders[i], jst[i], *where, mag, "V", mag, "W", *mechanism, f"{dist:.2f}"])
            ids = np.char.add(np.char.add(folders, "/"), codes)
            truth.add(table, ids, p + table["arrival"])
    return truth.columns()


_SAC = np.dtype([("floats", "<f4", 70), ("integers", "<i4", 40), ("texts", "S8", 24)])


def _sac_headers(start: np.ndarray, lengths: np.ndarray, names: np.ndarray, place: Table) -> np.ndarray:
    """(n,) binary SAC headers of 632 bytes (SAC manual, version 6), the reference time at the whole minute.

    Args:
        start: times of the first sample, units of 10 ms since 1970.
        lengths: samples.
        names: station names, at most 8 letters.
        place: ``stla``, ``stlo`` (degrees) and ``stel`` (metres).
    """
    headers = np.empty(len(start), _SAC)
    headers["floats"], headers["integers"], headers["texts"] = -12345.0, -12345, b"-12345  "
    minute = (start * 10).astype("datetime64[ms]").astype("datetime64[m]")
    day, year = minute.astype("datetime64[D]"), minute.astype("datetime64[Y]")
    of_day = (minute - day).astype(int)
    b = start % (60 * RATE_HZ) / RATE_HZ
    floats = {0: 1 / RATE_HZ, 5: b, 6: b + (lengths - 1) / RATE_HZ, 57: 0, 58: 0}
    floats |= {31: place["stla"], 32: place["stlo"], 33: place["stel"]}
    integers = {
        0: year.astype(int) + 1970,
        1: (day - year.astype("datetime64[D]")).astype(int) + 1,
        2: of_day // 60,
        3: of_day % 60,
        4: 0,
        5: 0,
        6: 6,  # header version
        9: lengths,
        15: 1,  # a time series
        16: 7,  # velocity
        35: 1,  # evenly spaced
        36: 0,
        37: 1,
        38: 1,
        39: 0,
    }
    for group, fields in (("floats", floats), ("integers", integers)):
        for index, values in fields.items():
            headers[group][:, index] = values
    headers["texts"][:, 0] = np.char.ljust(names.astype("S8"), 8)
    headers["texts"][:, 1], headers["texts"][:, 2] = b"Hi-net  ", b"        "
    headers["texts"][:, 20] = b"U       "
    return headers


WRITERS = {"ins": write_ins, "hinet": write_hinet, "scsn": write_scsn, "pnw": write_pnw}

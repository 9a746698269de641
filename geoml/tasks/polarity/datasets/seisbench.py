"""Any folder in the SeisBench format, ``metadata*.csv`` and ``waveforms*.hdf5``; INSTANCE and PNW share the code.

The metadata are read in pieces, and the traces of a piece in the order in which they are stored.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml import reading
from geoml.errors import InputError
from geoml.store import Block
from geoml.tasks.polarity import pieces, windows

if TYPE_CHECKING:
    import h5py
    import pandas as pd

CITATION = (
    "Woollam, J. et al. (2022): SeisBench - a toolbox for machine learning in seismology. Seismol. Res. Lett. 93, "
    "1695-1709, doi:10.1785/0220210324. Cite the data set itself as well."
)
DOWNLOADS: list[tuple[str, str]] = []
CODE = {"positive": "U", "up": "U", "u": "U", "negative": "D", "down": "D", "d": "D"}
CODE |= {"undecidable": "N", "unknown": "N", "n": "N"}

# Columns by what they mean; the first that a table has is read.
REQUIRED = {
    "name": ("trace_name",),
    "label": ("trace_p_polarity", "trace_P_polarity", "trace_polarity", "trace_Pg_polarity", "trace_pg_polarity"),
    "p": ("trace_p_arrival_sample", "trace_P_arrival_sample", "trace_Pg_arrival_sample", "trace_pg_arrival_sample"),
    "group": ("source_id", "event_id"),
}
OPTIONAL = {
    "network": ("station_network_code",),
    "station": ("station_code",),
    "location": ("station_location_code", "trace_location_code"),
    "channel": ("station_channels", "station_channel_code", "trace_channel"),
    "start": ("trace_start_time",),
    "rate": ("trace_sampling_rate_hz",),
    "interval": ("trace_dt_s",),
    "order": ("trace_component_order",),
    "magnitude": ("source_magnitude", "preferred_source_magnitude"),
    "distance": ("path_ep_distance_km",),
    "onset": ("trace_p_onset", "trace_P_onset", "trace_onset"),
    "split": ("split",),
    "latitude": ("source_latitude_deg",),
    "longitude": ("source_longitude_deg",),
    "station_latitude": ("station_latitude_deg",),
    "station_longitude": ("station_longitude_deg",),
}
_ROWS = 200_000  # metadata rows at a time
_SPAN = 64  # traces of a block to read at once, if its chunks do not hold more


def read(folder: Path, settings: dict[str, Any]) -> Iterator[Block]:
    """Samples of ``metadata<chunk>.csv`` and ``waveforms<chunk>.hdf5`` of every chunk."""
    return pieces.blocks(_pieces(Path(folder), settings), settings)


def _pieces(folder: Path, settings: dict[str, Any]) -> Iterator[pieces.Piece]:
    chunks = _chunks(folder)
    for chunk in chunks:
        table = reading.find_one(folder, f"metadata{chunk}.csv")
        waveforms = reading.find_one(folder, f"waveforms{chunk}.hdf5")
        prefix = f"{chunk}/" if len(chunks) > 1 else ""
        yield from from_table(table, waveforms, settings, CODE, prefix=prefix)


def _chunks(folder: Path) -> list[str]:
    """Names of the chunks: from the file ``chunks``, or else from the names of the metadata files."""
    if (folder / "chunks").is_file():
        if named := [name for name in (folder / "chunks").read_text(encoding="utf-8").splitlines() if name.strip()]:
            return named
    elif (folder / "metadata.csv").is_file():
        return [""]
    return [path.stem.removeprefix("metadata") for path in reading.find(folder, "metadata*.csv")]


def from_table(
    table: Path,
    waveforms: Path,
    settings: dict[str, Any],
    code: dict[str, str],
    order: str | None = None,
    rate_hz: float | None = None,
    prefix: str = "",
    splits: bool = True,
) -> Iterator[pieces.Piece]:
    """Traces of one pair of files.

    Args:
        table: Metadata, CSV.
        waveforms: HDF5 with ``data/<trace_name>`` (components, samples), or ``data/<block>`` (n, components, samples)
            for names like ``block$12,:3,:12000``.
        settings: Settings of the data set.
        code: Source labels to U, D or N.
        order: Component order of a file that does not tell; None: it must.
        rate_hz: Likewise the sampling rate.
        prefix: Put before the trace names to make ids.
        splits: Whether to pass on the column ``split``.
    """
    with reading.open_hdf5(waveforms) as file:
        told = _data_format(file)
        if "data" not in file:
            raise InputError(waveforms, "key 'data'", "a group of traces", f"only {', '.join(file) or 'nothing'}")
        columns = _columns(table)
        for frame in reading.read_csv(table, columns.values(), _ROWS):
            frame = frame.rename(columns={name: role for role, name in columns.items()})
            rows, rejected = _rows(frame, columns, table, settings, code, prefix, splits)
            rows["z"] = _z(rows.pop("order"), told.get("component_order", order), waveforms)
            missing = np.isnan(rows["rate"])
            rows["rate"] = np.where(missing, told.get("sampling_rate", rate_hz or np.nan), rows["rate"])
            if missing.all() and np.isnan(rows["rate"]).any():
                hint = "Add the column trace_sampling_rate_hz or data_format/sampling_rate."
                raise InputError(table, "sampling rate", "a rate in the metadata or the HDF5 file", "none", hint)
            pieces.refuse_other_rate(table, columns.get("rate", "sampling rate"), rows["rate"], settings)
            yield from _cut_rows(file, rows, rejected, settings)


def _columns(table: Path) -> dict[str, str]:
    """Name of the column for each meaning that the table has."""
    there = reading.header(table)
    found = {}
    for role, names in (REQUIRED | OPTIONAL).items():
        if present := [name for name in names if name in there]:
            found[role] = present[0]
        elif role in REQUIRED:
            expected = "column " + " or ".join(names)
            raise InputError(table, "columns", expected, ", ".join(there) or "an empty file", "Check the header line.")
    return found


def _data_format(file: "h5py.File") -> dict[str, Any]:
    """Component order and sampling rate from the group ``data_format``, as far as it tells them."""
    told: dict[str, Any] = {}
    group = file.get("data_format", {})
    values = {name: "".join(reading.text(np.atleast_1d(group[name][()]))) for name in group}
    if values.get("dimension_order", "CW") not in ("CW", "NCW"):
        hint = "Store components before samples."
        raise InputError(file.filename, "data_format/dimension_order", "CW or NCW", values["dimension_order"], hint)
    if values.get("component_order"):
        told["component_order"] = values["component_order"]
    with suppress(KeyError, ValueError):
        told["sampling_rate"] = float(values["sampling_rate"])
    return told


def _z(orders: np.ndarray, default: str | None, path: Path) -> np.ndarray:
    """(n, 2) int: index of the vertical component and number of components, from (n,) orders such as ``ENZ``."""
    found, inverse = np.unique(np.where(orders == "", default or "", orders), return_inverse=True)
    for order in found.tolist():
        if order.upper().count("Z") != 1:
            hint = "Say it in data_format/component_order or the column trace_component_order."
            raise InputError(path, "component order", "letters with one Z, such as ENZ", repr(order), hint)
    return np.array([(order.upper().index("Z"), len(order)) for order in found.tolist()]).reshape(-1, 2)[inverse]


def _rows(
    frame: "pd.DataFrame",
    columns: dict[str, str],
    table: Path,
    settings: dict[str, Any],
    code: dict[str, str],
    prefix: str,
    splits: bool,
) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """Usable rows of the metadata in the order of storage, one array a meaning; and the others with a reason."""
    n = len(frame)

    def text(role: str) -> np.ndarray:
        return reading.text(frame[role]) if role in frame else np.full(n, "")

    def numbers(role: str) -> np.ndarray:
        return reading.numbers(frame[role]) if role in frame else np.full(n, np.nan)

    name, label, p = text("name"), pieces.labels(frame["label"], code, settings, table, columns["label"]), numbers("p")
    rate = numbers("rate")
    with np.errstate(divide="ignore"):
        rate = np.where(np.isnan(rate), 1 / numbers("interval"), rate)
    rate[~((rate > 0) & np.isfinite(rate))] = np.nan
    distance = numbers("distance")
    if "distance" not in frame:
        distance = pieces.epicentral_km(
            *map(numbers, ("latitude", "longitude", "station_latitude", "station_longitude"))
        )
    split, location, onset = text("split"), text("location"), np.char.lower(text("onset"))
    official = np.where(split == "test", "test", np.where(split == "", "", "train"))
    parts = frame["name"].str.extract(r"^\s*(?P<block>[^$]*)\$(?P<index>\d+)(?:,:\d*)?(?:,:(?P<length>\d+))?\s*$")
    index, length = (reading.numbers(parts[part]) for part in ("index", "length"))
    rows = {
        "id": np.char.add(prefix, name),
        "name": name,
        "group": text("group"),
        "network": text("network"),
        "station": text("station"),
        "location": np.where(location == "--", "", location),
        "channel": pieces.vertical(text("channel")),
        "label": label,
        "p": p,
        "rate": rate,
        "order": text("order"),
        "start": reading.seconds(frame["start"]) if "start" in frame else np.full(n, np.nan),
        "magnitude": numbers("magnitude"),
        "distance_km": distance,
        "onset": np.where(np.isin(onset, ("impulsive", "emergent")), onset, ""),
        "official_split": official if splits else np.full(n, ""),
        "block": reading.text(parts["block"].fillna("")),
        "index": np.nan_to_num(index, nan=-1).astype(int),
        "length": np.nan_to_num(length, nan=np.iinfo(np.int32).max).astype(int),
    }
    reasons = np.full(n, "", object)
    reasons[rows["group"] == ""] = "no event id"
    reasons[np.isnan(p)] = "no P pick"
    reasons[label < 0] = "no label"
    reasons[(np.char.find(name, "$") >= 0) & (rows["index"] < 0)] = "trace name that is neither a name nor block$row"
    reasons[name == ""] = "no trace name"
    bad, good = np.flatnonzero(reasons != ""), np.flatnonzero(reasons == "")
    rejected = [(str(rows["id"][row]) or f"{table.name} row {frame.index[row] + 2}", reasons[row]) for row in bad]
    order = good[np.lexsort((good, rows["index"][good], rows["block"][good]))]
    return {key: values[order] for key, values in rows.items()}, rejected


def _cut_rows(
    file: "h5py.File", rows: dict[str, np.ndarray], rejected: list[tuple[str, str]], settings: dict[str, Any]
) -> Iterator[pieces.Piece]:
    """Pieces of sorted rows; the rejected ones go with the first."""
    passed_on = (
        *("id", "group", "network", "station", "location", "channel", "label"),
        *("magnitude", "distance_km", "onset", "official_split"),
    )
    for start in range(0, max(len(rows["id"]), 1), pieces.BLOCK):
        part = {key: values[start : start + pieces.BLOCK] for key, values in rows.items()}
        cuts = _Cuts(file, part, settings)
        columns = {key: part[key] for key in passed_on} | {"time": part["start"] + part["p"] / part["rate"]}
        yield pieces.Piece(
            cuts.waveforms, windows.LEAD, columns, cuts.first, cuts.last, cuts.reasons, rejected if start == 0 else []
        )


class _Cuts:
    """Segments of sorted rows around their P picks.

    Attributes:
        waveforms: (n, 2000) float32, P at index 1000.
        first, last: (n,) int, range of real samples.
        reasons: (n,) object, ``""`` or why there is no segment.
    """

    def __init__(self, file: "h5py.File", rows: dict[str, np.ndarray], settings: dict[str, Any]) -> None:
        n = len(rows["id"])
        self.file, self.rows, self.settings = file, rows, settings
        self.waveforms = np.zeros((n, windows.LEAD + windows.TAIL), np.float32)
        self.first, self.last = np.zeros(n, int), np.full(n, windows.LEAD + windows.TAIL)
        self.reasons = np.full(n, "", object)
        self.reasons[np.isnan(rows["rate"])] = "no sampling rate"
        for block in np.unique(rows["block"]):
            at = np.flatnonzero((rows["block"] == block) & (self.reasons == ""))
            if block == "":
                self._single(at)
            else:
                self._block(str(block), at)

    def _dataset(self, name: str, rank: int, components: int) -> "h5py.Dataset | None":
        if f"data/{name}" not in self.file:
            return None
        found = reading.dataset(self.file, f"data/{name}", rank)
        if found.shape[-2] != components:
            expected = f"{components} components, as the component order says"
            raise InputError(self.file.filename, f"shape of 'data/{name}'", expected, found.shape)
        return found

    def _single(self, at: np.ndarray) -> None:
        """Rows with a dataset for each trace."""
        for row in at:
            z, components = self.rows["z"][row]
            found = self._dataset(str(self.rows["name"][row]), 2, components)
            if found is None:
                self.reasons[row] = "no waveform"
            else:
                self._put(row, found[z], 0)

    def _put(self, row: int, trace: np.ndarray, offset: int) -> None:
        """Cut one trace, whose first sample is number ``offset`` of the record."""
        cut = windows.segment(trace, self.rows["rate"][row], self.rows["p"][row] - offset, self.settings)
        if isinstance(cut, str):
            self.reasons[row] = cut
        else:
            self.waveforms[row], self.first[row], self.last[row] = cut

    def _block(self, block: str, at: np.ndarray) -> None:
        """Rows with one dataset for many traces: neighbours are read together."""
        found = None
        if len(at):
            found = self._dataset(block, 3, self.rows["z"][at[0], 1])
        if found is None:
            self.reasons[at] = "no waveform"
            return
        index, common = self.rows["index"], windows.RATE_HZ / self.rows["rate"][at]
        length = np.minimum(self.rows["length"], found.shape[2])
        self.reasons[at] = windows.usable(self.rows["p"][at] * common, length[at] * common)
        self.reasons[at[index[at] >= found.shape[0]]] = "no waveform"
        at = at[self.reasons[at] == ""]
        chunk = found.chunks[0] if found.chunks else 1
        group = index[at] // (max(_SPAN // chunk, 1) * chunk)
        for same in np.split(at, np.flatnonzero(np.diff(group)) + 1):
            if len(same):
                self._span(found, same, length)

    def _span(self, found: "h5py.Dataset", at: np.ndarray, length: np.ndarray) -> None:
        index, p, rate = self.rows["index"][at], self.rows["p"][at], self.rows["rate"][at]
        # Twice the segment, for the resampling filter.
        margin = int(2 * windows.LEAD * max(rate.max() / windows.RATE_HZ, 1))
        start, stop = max(int(p.min()) - margin, 0), min(int(p.max()) + margin, found.shape[2])
        for z in np.unique(self.rows["z"][at, 0]):
            traces = found[index[0] : index[-1] + 1, z, start:stop]
            mine = self.rows["z"][at, 0] == z
            common = mine & windows.same_rate(rate)
            cuts = windows.segments(
                traces[index[common] - index[0]], np.rint(p[common]).astype(int) - start, length[at[common]] - start
            )
            for kept, cut in zip((self.waveforms, self.first, self.last, self.reasons), cuts, strict=True):
                kept[at[common]] = cut
            for row in at[mine & ~common]:
                trace = traces[self.rows["index"][row] - index[0], : length[row] - start]
                self._put(row, trace, start)

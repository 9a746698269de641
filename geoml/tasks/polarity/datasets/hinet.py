"""Hi-net, Japan, in the layout of the RPNet example: a SAC tree of vertical traces and tables of picks and events."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml import reading
from geoml.store import Block
from geoml.tasks.polarity import pieces, windows

if TYPE_CHECKING:
    import pandas as pd

CITATION = (
    "National Research Institute for Earth Science and Disaster Resilience (NIED): Hi-net, doi:10.17598/NIED.0003. "
    "Obara, K. et al. (2005): A densely distributed high-sensitivity seismograph network in Japan: Hi-net. Rev. Sci. "
    "Instrum. 76, 021301. Layout and example: Han, J., Kim, S. & Sheen, D.-H. (2025), Seismol. Res. Lett., "
    "doi:10.1785/0220240384."
)
DOWNLOADS = [("https://www.hinet.bosai.go.jp/", "waveforms for registered users, who may not pass them on")]
CODE = {"u": "U", "d": "D", "k": "N"}  # K: not read
_PHASE = ("event_id", "data_id", "sta", "ptime", "pol")
_CATALOGUE = ("data_id", "lat", "lon", "mag")
_STATIONS = ("net", "sta", "lat", "lon")
_ROWS = 1024  # traces at a time


def read(folder: Path, settings: dict[str, Any]) -> Iterator[Block]:
    """Samples of ``waveform/<data_id>/<sta>.U.SAC``.

    All times are Japan Standard Time although written with a ``Z``; tables and traces agree, so none is converted.
    """
    return pieces.blocks(_pieces(Path(folder), settings), settings)


def _pieces(folder: Path, settings: dict[str, Any]) -> Iterator[pieces.Piece]:
    picks = _picks(folder, settings)
    reading.find(folder, "waveform/*/*.SAC")
    for start in range(0, len(picks), _ROWS):
        yield _piece(folder, picks.iloc[start : start + _ROWS], settings)


def _picks(folder: Path, settings: dict[str, Any]) -> "pd.DataFrame":
    """One row a pick, with what the event and station tables know."""
    import pandas as pd

    tables = []
    for path in reading.find(folder, "*_phase.csv"):
        table = pd.concat(list(reading.read_csv(path, _PHASE)))
        table["label"] = pieces.labels(table["pol"], CODE, settings, path, "pol")
        tables.append(table)
    picks = pd.concat(tables, ignore_index=True)
    for column in ("data_id", "sta"):
        picks[column] = picks[column].str.strip()
    events = _table(folder, "*_catalog.csv", _CATALOGUE).drop_duplicates("data_id")
    stations = _table(folder, "*station*.csv", _STATIONS).drop_duplicates("sta")
    picks = picks.merge(events, "left", "data_id").merge(stations, "left", "sta", suffixes=("", "_station"))
    picks["time"] = reading.seconds(picks["ptime"])
    places = (reading.numbers(picks[name]) for name in ("lat", "lon", "lat_station", "lon_station"))
    picks["distance_km"] = pieces.epicentral_km(*places)
    picks["magnitude"] = reading.numbers(picks["mag"])
    picks["net"] = picks["net"].fillna("")
    picks["duplicate"] = picks.duplicated(["data_id", "sta"])
    return picks


def _table(folder: Path, pattern: str, columns: tuple[str, ...]) -> "pd.DataFrame":
    import pandas as pd

    return pd.concat([table for path in reading.find(folder, pattern) for table in reading.read_csv(path, columns)])


def _piece(folder: Path, picks: "pd.DataFrame", settings: dict[str, Any]) -> pieces.Piece:
    n = len(picks)
    waveforms = np.zeros((n, windows.LEAD + windows.TAIL), np.float32)
    first, last = np.zeros(n, int), np.full(n, windows.LEAD + windows.TAIL)
    reasons = np.full(n, "", object)
    rows = zip(picks["data_id"], picks["sta"], picks["time"], picks["label"], picks["duplicate"], strict=True)
    for row, (event, station, time, label, duplicate) in enumerate(rows):
        path = folder / "waveform" / event / f"{station}.U.SAC"
        if label < 0 or np.isnan(time) or duplicate:
            reasons[row] = "no label" if label < 0 else "no P pick" if np.isnan(time) else "second pick of the trace"
            continue
        cut = _segment(path, time, settings)
        if isinstance(cut, str):
            reasons[row] = cut
        else:
            waveforms[row], first[row], last[row] = cut
    columns = {
        "id": pieces.join(reading.text(picks["data_id"]), reading.text(picks["sta"]), "/"),
        "group": reading.text(picks["data_id"]),
        "network": reading.text(picks["net"]),
        "station": reading.text(picks["sta"]),
        "location": np.full(n, ""),
        "channel": np.full(n, "U"),
        "label": picks["label"].to_numpy(),
        "time": picks["time"].to_numpy(),
        "magnitude": picks["magnitude"].to_numpy(),
        "distance_km": picks["distance_km"].to_numpy(),
        "onset": np.full(n, ""),
        "official_split": np.full(n, ""),
    }
    return pieces.Piece(waveforms, windows.LEAD, columns, first, last, reasons)


def _segment(path: Path, time: float, settings: dict[str, Any]) -> tuple[np.ndarray, int, int] | str:
    """Segment around a pick at ``time``, epoch seconds; or why there is none."""
    from obspy import read as read_sac

    if not path.is_file():
        return "no waveform"
    if not path.stat().st_size:
        return "unreadable SAC file: 0 bytes"
    try:
        trace = read_sac(str(path), format="SAC")[0]
    except Exception as error:  # obspy raises many kinds, bare Exception among them
        return f"unreadable SAC file: {error}"
    if trace.stats.channel and trace.stats.channel[-1] not in "UZ":
        return f"wrong component: {trace.stats.channel}"
    rate = trace.stats.sampling_rate
    pieces.refuse_other_rate(path, "sampling rate", rate, settings)
    return windows.segment(trace.data, rate, (time - trace.stats.starttime.timestamp) * rate, settings)

"""Stations known to have been wired upside down, from a table of when and where."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from geoml import reading
from geoml.errors import InputError

COLUMNS = ("network", "station", "location", "channel", "start_date", "end_date")


def load(path: str | Path) -> dict[str, np.ndarray]:
    """Read a table of reversals: a CSV file with the columns of ``COLUMNS``; a blank field fits any.

    Returns:
        One (m,) array a column: strings, and the dates as epoch seconds (NaN where blank).

    Raises:
        InputError: a column is missing, or a date is none.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(path, "reversals", "a CSV file", "no such file")
    table = {name: np.array(values, dtype=str) for name, values in reading.small_table(path, COLUMNS).items()}
    table["location"] = np.where(table["location"] == "--", "", table["location"])  # how FDSN services write a blank
    for name in ("start_date", "end_date"):
        written, table[name] = table[name], np.array([_seconds(value) for value in table[name]], np.float64)
        wrong = written[(written != "") & np.isnan(table[name])]
        if len(wrong):
            raise InputError(path, name, "a date such as 2016-04-15", repr(str(wrong[0])))
    return table


def _seconds(date: str) -> float:
    """Epoch seconds of an ISO 8601 date or time, UTC unless it carries an offset; of a month or year, its beginning."""
    try:
        time = datetime.fromisoformat(date + {4: "-01-01", 7: "-01"}.get(len(date), ""))
    except ValueError:
        return np.nan
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def signs(
    table: dict[str, np.ndarray],
    network: np.ndarray,
    station: np.ndarray,
    channel: np.ndarray,
    time: np.ndarray,
    location: np.ndarray | None = None,
) -> np.ndarray:
    """What to multiply each trace by.

    Args:
        table: From :func:`load`.
        network, station, channel: (n,) strings; ``HH`` in the table fits the channel ``HHZ``.
        time: (n,) epoch seconds, NaN unknown; a row fits from its start date until before its end date.
        location: (n,) strings; None or blank: unknown.

    Returns:
        (n,) float32: -1 where a row of the table fits, else +1. A row that gives what is unknown of a trace does not
        fit it.
    """
    n = len(station)
    location = np.full(n, "") if location is None else location
    out = np.ones(n, np.float32)
    for row in range(len(table["station"])):
        fits = np.ones(n, bool)
        for name, values in (("network", network), ("station", station), ("location", location)):
            if table[name][row]:
                fits &= values == table[name][row]
        if table["channel"][row]:
            fits &= np.char.startswith(channel, table["channel"][row])
        if np.isfinite(table["start_date"][row]):
            fits &= time >= table["start_date"][row]
        if np.isfinite(table["end_date"][row]):
            fits &= time < table["end_date"][row]
        out[fits] = -1
    return out

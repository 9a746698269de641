"""Answers as files: a table for people, one for focal-mechanism programs, a QuakeML catalogue for all else."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geoml.errors import InputError
from geoml.files import atomic
from geoml.reading import has_obspy
from geoml.tasks.polarity.picks import Picks, isoformat

COLUMNS = (
    "event", "network", "station", "location", "channel", "pick_time", "polarity", "p_u", "p_d", "p_n", "confidence",
    "snr_db", "reason", "label", "model",
)  # fmt: skip
_LETTERS = np.array(["U", "D", "N", ""])  # the last one for code -1: no label
_QUAKEML = {"U": "positive", "D": "negative", "N": "undecidable"}


@dataclass
class Answers:
    """One answer a pick, one (n,) array a column, in the order of the picks.

    Attributes:
        picks: the picks; their network, location and channel are filled in from the trace where they were empty.
        probabilities: (n, 3) float, p(U), p(D), p(N); NaN where a pick could not be judged.
        polarity: int8, U/D/N = 0/1/2.
        snr_db: float; NaN unknown.
        reason: why N, where it is not the model's own N; empty otherwise.
        model: name of the model.
    """

    picks: Picks
    probabilities: np.ndarray
    polarity: np.ndarray
    snr_db: np.ndarray
    reason: Sequence[str]
    model: str

    @property
    def confidence(self) -> np.ndarray:
        """(n,) larger one of p(U) and p(D): what the threshold is compared with."""
        return self.probabilities[:, :2].max(axis=1)

    def rows(self) -> Iterator[dict[str, str]]:
        """The rows of ``polarities.csv``."""
        p = self.picks
        numbers = zip(*self.probabilities.T, self.confidence, self.snr_db, strict=True)
        codes = zip(p.event, p.network, p.station, p.location, p.channel, strict=True)
        answers = zip(_LETTERS[self.polarity], numbers, self.reason, _LETTERS[p.label], strict=True)
        for name, time, (letter, values, reason, label) in zip(codes, p.time, answers, strict=True):
            cells = (*name, isoformat(time), letter, *map(_number, values), reason, label, self.model)
            yield dict(zip(COLUMNS, map(str, cells), strict=True))


def check(out: str | Path) -> None:
    """Refuse an ``out`` that cannot be written, before any work is done."""
    out = Path(out)
    if out.suffix.lower() == ".csv" and out.is_dir():
        raise InputError(out, "output", "a file name", "a folder")
    if out.suffix.lower() != ".csv" and out.is_file():
        raise InputError(out, "output", "a folder or a name ending in .csv", "an existing file")


def write(answers: Answers, out: str | Path) -> list[Path]:
    """Write ``out`` (``.csv``) or the three files of the folder ``out``, QuakeML only with obspy; gives their paths."""
    out = Path(out)
    if out.suffix.lower() == ".csv":
        write_csv(answers, out)
        return [out]
    writers = {"polarities.csv": write_csv, "polarities.skhash.csv": write_skhash}
    if has_obspy():
        writers["polarities.quakeml.xml"] = write_quakeml
    for name, writer in writers.items():
        writer(answers, out / name)
    return [out / name for name in writers]


def write_csv(answers: Answers, path: Path) -> None:
    """All answers, one row a pick; an empty cell is an unknown value."""
    _write_table(path, COLUMNS, answers.rows())


def write_skhash(answers: Answers, path: Path) -> None:
    """U and D answers as a polarity file of SKHASH (Skoumal, Hardebeck & Shearer 2024, doi:10.1785/0220230329).

    ``p_polarity`` lies in -1..1: its sign is the first motion (+ up), its size the weight of the reading, for which
    the confidence is used. An empty location code is ``--``, as in SKHASH's own examples.
    """
    rows = (
        {
            "event_id": row["event"],
            **{name: row[name] for name in ("network", "station", "channel")},
            "location": row["location"] or "--",
            "p_polarity": ("-" if row["polarity"] == "D" else "") + row["confidence"],
        }
        for row in answers.rows()
        if row["polarity"] != "N"
    )
    _write_table(path, ("event_id", "network", "station", "location", "channel", "p_polarity"), rows)


def write_quakeml(answers: Answers, path: Path) -> None:
    """The picks with their polarity: in the catalogue they came from, or in a new one with one event an event id.

    A pick that could not be judged keeps what it had. A comment on each judged pick names the model, its
    probabilities and, if there was one, the reading that was replaced.
    """
    from obspy.core.event import Comment, ResourceIdentifier

    catalog, quakeml = answers.picks.catalog, answers.picks.quakeml
    if catalog is None:
        catalog, quakeml = _new_catalog(answers.picks)
    for pick, row in zip(quakeml, answers.rows(), strict=True):
        if not row["p_u"]:
            continue
        probabilities = ", ".join(f"{name} {row[name]}" for name in ("p_u", "p_d", "p_n"))
        before = f"; before: {pick.polarity}" if pick.polarity else ""
        name = f"{pick.resource_id.id}/geoml"
        comments = [c for c in pick.comments if c.resource_id is None or c.resource_id.id != name]
        text = f"polarity by geoml, model {row['model']}: {probabilities}{before}"
        pick.comments = [*comments, Comment(text=text, resource_id=ResourceIdentifier(name))]
        pick.polarity = _QUAKEML[row["polarity"]]
    with atomic(path) as temporary:
        catalog.write(str(temporary), format="QUAKEML")


def _new_catalog(picks: Picks) -> tuple[Any, list[Any]]:
    """obspy ``Catalog`` of the picks, and its ``Pick`` of every row; resource ids depend on the table only."""
    from obspy import UTCDateTime
    from obspy.core.event import Catalog, Event, Pick, ResourceIdentifier, WaveformStreamID

    events: dict[str, Any] = {}
    quakeml = []
    for row in range(len(picks)):
        name = str(picks.event[row])
        if name not in events:
            slug = re.sub(r"[^\w.~-]", "_", name, flags=re.ASCII)
            events[name] = Event(resource_id=ResourceIdentifier(f"smi:local/geoml/event/{len(events) + 1}/{slug}"))
        codes = [str(values[row]) for values in (picks.network, picks.station, picks.location, picks.channel)]
        pick = Pick(
            resource_id=ResourceIdentifier(f"smi:local/geoml/pick/{row + 1}"),
            time=UTCDateTime(ns=round(picks.time[row] * 1e6) * 1000),
            waveform_id=WaveformStreamID(codes[0], codes[1], codes[2] or None, codes[3] or None),
            phase_hint="P",
        )
        events[name].picks.append(pick)
        quakeml.append(pick)
    return Catalog(list(events.values()), resource_id=ResourceIdentifier("smi:local/geoml/catalog")), quakeml


def score(rows: Iterable[Mapping[str, str]]) -> dict[str, int]:
    """Count hits of labelled picks, from rows of ``polarities.csv``; empty if no row has a label.

    Returns:
        ``ud`` labelled U or D, and ``ud_hits`` of them where the larger of p(U) and p(D) is the label; ``d`` and
        ``d_hits`` the same for D alone; ``ud_answered_n`` answered N among them; ``n`` labelled N and
        ``n_answered_n`` answered N among those; ``not_judged`` labelled picks without probabilities, counted nowhere
        else.
    """
    count = dict.fromkeys(("ud", "ud_hits", "d", "d_hits", "ud_answered_n", "n", "n_answered_n", "not_judged"), 0)
    for row in rows:
        label, answered_n = row["label"], row["polarity"] == "N"
        if label and not row["p_u"]:
            count["not_judged"] += 1
        elif label == "N":
            count["n"] += 1
            count["n_answered_n"] += answered_n
        elif label:
            up, down = float(row["p_u"]), float(row["p_d"])
            hit = up > down if label == "U" else down > up
            count["ud"] += 1
            count["ud_hits"] += hit
            count["ud_answered_n"] += answered_n
            count["d"] += label == "D"
            count["d_hits"] += hit and label == "D"
    return count if any(count.values()) else {}


def _number(value: float) -> str:
    return f"{value:.6g}" if np.isfinite(value) else ""


def _write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)

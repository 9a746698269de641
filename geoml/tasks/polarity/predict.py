"""From a user's waveform files and P picks to polarities: one answer a pick, in the order of the picks."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geoml import reading
from geoml.logs import progress
from geoml.runtimes import Exported
from geoml.tasks.polarity import answers, outputs, picks, reversals, windows

P_INDEX = 1000  # of the P pick in a segment of 2000 samples
_BATCH = 1024  # segments judged together: 16 MB, and enough to keep a model busy
_FEW = 32  # the same with an exported model, which is no faster with more
_UNMATCHED = (  # why a pick has no trace: how far the best trace came
    "no waveform of this station",
    "no trace of this station holds the pick",
    "no vertical trace of this station holds the pick",
    "no trace in the file or folder of the pick",
)


@dataclass
class Summary:
    """What was done, for the user; ``str()`` gives it as text.

    Attributes:
        answered: number of picks answered U, D and N.
        reasons: why picks were answered N, with counts; the model's own N is not among them.
        score: see :func:`geoml.tasks.polarity.outputs.score`; empty without labels.
        notes: one line each on what was chosen, left out or could not be read.
        written: the output files.
    """

    answered: dict[str, int]
    reasons: dict[str, int]
    score: dict[str, int]
    notes: list[str]
    written: list[Path]

    def __str__(self) -> str:
        counts = ", ".join(f"{n} {letter}" for letter, n in self.answered.items())
        lines = [f"{sum(self.answered.values())} picks: {counts}"]
        lines += [f"  {n} N because: {reason}" for reason, n in self.reasons.items()]
        if s := self.score:
            lines.append(
                f"labels: {s['ud_hits']} of {s['ud']} U/D right by p(U) against p(D) ({s['d_hits']} of {s['d']} D); "
                f"answered N: {s['ud_answered_n']} of {s['ud']} U/D, {s['n_answered_n']} of {s['n']} N"
                + (f"; {s['not_judged']} labelled picks could not be judged" if s["not_judged"] else "")
            )
        return "\n".join([*lines, *self.notes, *(f"wrote {path}" for path in self.written)])


@dataclass
class _Cut:
    """A segment around one pick, with what decides whether it is the one to use."""

    row: int
    order: tuple  # smaller is better: given channel, given location, then trace id and file by name
    codes: tuple[str, str, str, str]  # network, station, location, channel of the trace
    segment: np.ndarray
    first: int
    last: int


def from_model(
    model: Any, inputs: Sequence[Path], out: Path, *, picks: Path | None = None, reversals: Path | None = None
) -> Summary:
    """:func:`predict` with a model of ours, which knows its preprocessing and its threshold."""
    return predict(
        inputs,
        picks,
        out,
        probabilities=lambda samples: answers.outputs(model, samples),
        settings=model.meta["prepare"],
        threshold=model.meta["threshold"] or 0.0,
        model_name="/".join(map(str, model.meta["run"].values())),
        reversals=reversals,
        batch=_FEW if isinstance(model, Exported) else None,
    )


def predict(
    inputs: Sequence[Path],
    picks_path: Path | None,
    out: Path,
    *,
    probabilities: Callable[[np.ndarray], np.ndarray],
    settings: dict,
    threshold: float,
    model_name: str,
    reversals: Path | None = None,
    batch: int | None = None,
) -> Summary:
    """Answer every P pick with U, D or N, and write the answers.

    A pick takes the vertical trace of its station (and network, where both name one) that holds its time; among
    several, one that can be judged, then the channel and location of the pick, then the first by name. Polarities of
    stations listed as reversed are turned round by turning the waveform. Files are read one at a time.

    Args:
        inputs: waveform files (SAC; with obspy miniSEED and all else that it reads) or folders, searched to the bottom.
        picks_path: table or catalogue for :func:`geoml.tasks.polarity.picks.read`; None: field ``a`` of SAC headers.
        out: a ``.csv`` file, or a folder for CSV, SKHASH and, with obspy, QuakeML.
        probabilities: (n, 600) float32 prepared samples, 100 Hz, P at 300 -> (n, 3) p(U), p(D), p(N).
        settings: how the model's samples were prepared.
        threshold: answer N where the larger of p(U) and p(D) is below it (or p(N) is the largest).
        model_name: written beside every answer.
        reversals: table of stations with reversed polarity.
        batch: picks judged together, at most; by default 1024.

    Raises:
        InputError: inputs, picks or reversals that cannot be used. A single bad waveform is a row with a reason.
    """
    outputs.check(out)
    files = reading.waveform_files(inputs)
    table = picks.read(picks_path) if picks_path else picks.from_headers(files)
    run = _Run(table, probabilities, settings, reversals, batch or _BATCH)
    run.read(files)
    given, notes = run.answers(threshold, model_name)
    written = outputs.write(given, out)
    if out.suffix.lower() != ".csv" and not reading.has_obspy():
        notes.append("no QuakeML: obspy is not installed")
    letters = np.array(["U", "D", "N"])[given.polarity]
    return Summary(
        answered={letter: int((letters == letter).sum()) for letter in "UDN"},
        reasons=dict(Counter(reason.split(";")[0] for reason in given.reason if reason).most_common()),
        score=outputs.score(given.rows()),
        notes=table.notes + notes,
        written=written,
    )


class _Run:
    """The picks, and the best answer so far of each."""

    def __init__(
        self, table: picks.Picks, probabilities: Callable, settings: dict, reversed_path: Path | None, batch: int
    ) -> None:
        self.picks, self.model, self.settings, self.batch = table, probabilities, settings, batch
        self.reversed = reversals.load(reversed_path) if reversed_path else None
        n = len(table)
        self.probabilities = np.full((n, 3), np.nan)
        self.snr_db = np.full(n, np.nan)
        self.reason: list[str] = [""] * n
        self.best: list[tuple | None] = [None] * n
        self.codes: list[tuple[str, str, str, str] | None] = [None] * n
        self.usable = np.zeros(n, int)  # traces that gave an answer
        self.stage = np.zeros(n, int)  # index into _UNMATCHED
        self.unreadable: dict[Path, str] = {}
        self._network = np.char.upper(table.network)
        stations = np.char.upper(table.station)
        order = np.argsort(stations, kind="stable")
        names, starts = np.unique(stations[order], return_index=True)
        self._rows = dict(zip(map(str, names), np.split(order, starts[1:]), strict=True))

    def read(self, files: Sequence[Path]) -> None:
        """Cut and judge the picks in every file; memory holds one file and one batch of segments."""
        pending: list[_Cut] = []
        for file in progress(files, len(files), "files"):
            pending += self._cuts(file)
            while len(pending) >= self.batch:
                self._judge(pending[: self.batch])
                pending = pending[self.batch :]
        if pending:
            self._judge(pending)

    def _cuts(self, file: Path) -> Iterator[_Cut]:
        if not file.stat().st_size:
            self.unreadable[file] = "empty file (0 bytes)"
            return
        try:
            stream = reading.waveforms(file)
        except Exception as error:  # every reader has its own ways to fail on a broken file
            self.unreadable[file] = (str(error).splitlines() or [type(error).__name__])[0]
            return
        for trace in stream:
            yield from self._cuts_of_trace(trace, file)

    def _cuts_of_trace(self, trace: Any, file: Path) -> Iterator[_Cut]:
        stats, table = trace.stats, self.picks
        network, station, location, channel = (
            code.strip() for code in (stats.network, stats.station, stats.location, stats.channel)
        )
        rows = self._rows.get(station.upper(), np.empty(0, int))
        if network:
            rows = rows[(self._network[rows] == "") | (self._network[rows] == network.upper())]
        samples = (table.time[rows] - stats.starttime.timestamp) * stats.sampling_rate
        inside = (samples >= 0) & (samples < stats.npts)
        self.stage[rows] = np.maximum(self.stage[rows], np.where(inside, 2, 1))
        if not picks.is_vertical(channel):
            return
        for row, sample in zip(rows[inside], samples[inside], strict=True):
            self.stage[row] = 3
            if table.file[row] and not file.absolute().match(str(table.file[row])):
                continue
            wanted = ((str(table.channel[row]), channel), (str(table.location[row]), location))
            order = (*(given.upper() not in ("", has.upper()) for given, has in wanted), trace.id, str(file))
            codes = (network or str(table.network[row]), station, location, channel)
            cut = windows.segment(trace.data, stats.sampling_rate, sample, self.settings)
            if isinstance(cut, str):
                self._keep(row, (True, *order), codes, cut)
            else:
                yield _Cut(int(row), order, codes, *cut)

    def _judge(self, cuts: Sequence[_Cut]) -> None:
        """Prepare the segments, ask the model, and keep what is better than before."""
        waveforms = np.stack([cut.segment for cut in cuts])
        first, last = (np.array([getattr(cut, end) for cut in cuts]) for end in ("first", "last"))
        if self.reversed is not None:
            network, station, location, channel = map(np.array, zip(*(cut.codes for cut in cuts), strict=True))
            times = self.picks.time[[cut.row for cut in cuts]]
            signs = reversals.signs(self.reversed, network, station, channel, times, location)
            waveforms *= signs[:, None]
        inputs, columns, reasons = windows.prepare(waveforms, P_INDEX, self.settings, first, last)
        good = reasons == ""
        answers = np.full((len(cuts), 3), np.nan)
        if good.any():
            answers[good] = self.model(np.ascontiguousarray(inputs[good], np.float32))
        for cut, answer, snr_db, reason in zip(cuts, answers, columns["snr_db"], reasons, strict=True):
            if not reason and not np.isfinite(answer).all():
                reason = "the model gave no number"
            self._keep(cut.row, (bool(reason), *cut.order), cut.codes, reason, answer, snr_db)

    def _keep(
        self, row: int, order: tuple, codes: tuple, reason: str, answer: Any = np.nan, snr_db: float = np.nan
    ) -> None:
        """Take an answer (or a reason for none) if its ``order`` comes before that of the one so far."""
        self.usable[row] += not reason
        best = self.best[row]
        if best is None or order < best:
            self.best[row], self.codes[row], self.reason[row] = order, codes, reason
            self.probabilities[row], self.snr_db[row] = (np.nan if reason else answer), snr_db

    def answers(self, threshold: float, model_name: str) -> tuple[outputs.Answers, list[str]]:
        """The final answers, and notes on choices and unreadable files."""
        table = self.picks
        without = [row for row, best in enumerate(self.best) if best is None]
        for row in without:
            self.reason[row] = _UNMATCHED[self.stage[row]]
        for row, why in self._unreadable_of(without).items():
            self.reason[row] += f"; unreadable file {why}"
        for column, name in enumerate(("network", "station", "location", "channel")):
            given = getattr(table, name)
            found = [codes[column] if codes else "" for codes in self.codes]
            setattr(table, name, np.where(given == "", found, given))
        judged = np.isfinite(self.probabilities).all(axis=1)
        polarity = np.where(judged, self.probabilities.argmax(axis=1), 2).astype(np.int8)
        weak = judged & (polarity != 2) & (self.probabilities[:, :2].max(axis=1) < threshold)
        polarity[weak] = 2
        for row in np.flatnonzero(weak).tolist():
            self.reason[row] = f"confidence below {threshold:g}"
        answers = outputs.Answers(table, self.probabilities, polarity, self.snr_db, self.reason, model_name)
        return answers, self._notes()

    def _unreadable_of(self, rows: Sequence[int]) -> dict[int, str]:
        """Row -> name and fault of an unreadable file whose name contains its station code."""
        wanted: dict[str, list[int]] = {}
        for row in rows:
            wanted.setdefault(str(self.picks.station[row]).upper(), []).append(row)
        found: dict[int, str] = {}
        for file, why in self.unreadable.items():
            words = re.split(r"[._\-]", file.name.upper())
            names = {".".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, len(words) + 1)}
            for row in (row for name in names & wanted.keys() for row in wanted[name]):
                pattern = str(self.picks.file[row])
                if not pattern or file.absolute().match(pattern):
                    found.setdefault(row, f"{file.name}: {why}")
        return found

    def _notes(self) -> list[str]:
        notes = []
        if self.unreadable:
            file, why = next(iter(self.unreadable.items()))
            notes.append(f"{len(self.unreadable)} files could not be read as waveforms, such as {file}: {why}")
        several = np.flatnonzero(self.usable > 1)
        if len(several):
            example = ".".join(self.codes[several[0]])
            notes.append(
                f"{len(several)} picks had several vertical traces; used the channel and location of the pick, else "
                f"the first by name (such as {example})"
            )
        return notes

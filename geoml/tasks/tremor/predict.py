"""From a user's continuous seismograms to tremor: a score of every window of 1000 s, and the detections."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml import reading
from geoml.errors import InputError
from geoml.files import atomic
from geoml.logs import progress
from geoml.plotting import COLOURS, GREY, NO_FIGURES, SMALL, available, figure, title
from geoml.tasks.tremor import LENGTH_S, answers, continuous, traces
from geoml.tasks.tremor.continuous import Codes, Window

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BATCH = 64  # windows judged together, as networks are asked
_MOST_OVERLAP = 0.95
_ROWS_DRAWN = 30  # channels; more have no room in a figure
_NAMED = 8  # channels, files or sorts that a line of the summary names
_CODES = ["network", "station", "location", "channel"]
_SECOND = 10**9  # nanoseconds
_TOUCHING = 1000  # nanoseconds that rounding may put between windows that adjoin
_HIGH = 0.8  # of a row of the figure is for scores from 0 to 1


@dataclass
class Detection:
    """Windows at or above the threshold that overlap or adjoin; times in nanoseconds since 1970."""

    codes: Codes
    start: int
    end: int
    scores: list[float]


@dataclass
class Summary:
    """What was done, for the user; ``str()`` gives it as text.

    Attributes:
        windows: every window, and every span that has no score, sorted by channel and time.
        detections: sorted likewise.
        threshold: what a detection's windows reach.
        notes: one line each on what was chosen or could not be read.
        written: the output files.
        source: of the data that the model was trained on.
    """

    windows: list[Window]
    detections: list[Detection]
    threshold: float
    notes: list[str]
    written: list[Path]
    source: str

    def __str__(self) -> str:
        scored = [window for window in self.windows if not window.reason]
        first, last = min(window.start for window in scored), max(window.end for window in scored)
        channels = len({window.codes for window in scored})
        lines = [
            f"{_count(len(scored), 'window')} of {LENGTH_S:g} s scored, {_count(channels, 'channel')}, "
            f"{_iso(first)} to {_iso(last)}"
        ]
        found = Counter(".".join(detection.codes) for detection in self.detections)
        named = ", ".join(f"{name} {n}" for name, n in sorted(found.items())[:_NAMED])
        more = f", and {len(found) - _NAMED} more channels" if len(found) > _NAMED else ""
        hours = sum(detection.end - detection.start for detection in self.detections) / _SECOND / 3600
        words = _count(len(self.detections), "detection")
        lines.append(f"{words} at {self.threshold:.2f} or above" + (f", {hours:.1f} h: {named}{more}" if found else ""))
        lines += [f"  not scored: {text}" for text in _reasons(self.windows)]
        if damaged := [window.damaged_s for window in scored if window.damaged_s > 0]:
            most = max(damaged)
            lines.append(
                f"  scored, but flat or clipped in parts: {_count(len(damaged), 'window')}, {most:.0f} s at most"
            )
        lines += [f"  {note}" for note in self.notes]
        if "synthetic" in self.source:
            lines.append(f"the model was trained on {self.source} data: its answers are a trial, not a finding")
        return "\n".join([*lines, *(f"wrote {path}" for path in self.written)])


@dataclass
class _Batch:
    """Windows that wait for the model, with what it will see of them."""

    probabilities: Callable[[np.ndarray], np.ndarray]
    windows: list[Window] = field(default_factory=list)
    samples: list[np.ndarray] = field(default_factory=list)

    def add(self, window: Window, samples: np.ndarray) -> None:
        self.windows.append(window)
        self.samples.append(samples)
        if len(self.windows) == _BATCH:
            self.judge()

    def judge(self) -> None:
        """Ask the model, and forget the samples."""
        if self.windows:
            scores = self.probabilities(np.stack(self.samples))[:, 1]
            for window, answer in zip(self.windows, scores.tolist(), strict=True):
                if np.isfinite(answer):
                    window.score = answer
                else:
                    window.reason = "the model gave no number"
        self.windows, self.samples = [], []


def from_model(model: Any, inputs: Sequence[Path], out: Path, *, overlap: float = 0.5) -> Summary:
    """:func:`predict` with a model of ours, which knows its preprocessing and its threshold."""
    return predict(
        inputs,
        out,
        probabilities=lambda samples: answers.ask(model, samples),
        settings=model.meta["prepare"],
        threshold=model.meta["detection_threshold"],
        overlap=overlap,
        model_name="/".join(map(str, model.meta["run"].values())),
        source=model.meta["data_source"],
    )


def predict(
    inputs: Sequence[Path],
    out: Path,
    *,
    probabilities: Callable[[np.ndarray], np.ndarray],
    settings: dict[str, Any],
    threshold: float,
    overlap: float = 0.5,
    model_name: str = "",
    source: str = "",
) -> Summary:
    """Score every window of 1000 s of every channel, and write ``detections.csv``.

    Into a folder also ``windows.csv``, every window with its score or the reason for none, and, with Matplotlib, a
    figure, ``overview``.
    Files that follow each other are joined. Windows never hold a gap; what cannot be scored for certain is not.
    Memory holds a part of a file and a batch of windows, however long the record.

    Args:
        inputs: Waveform files (SAC; with obspy miniSEED and all else that it reads) or folders, searched to the bottom.
        out: A ``.csv`` file, or a folder.
        probabilities: (n, 20000) float32 prepared samples -> (n, 2) p(no), p(yes); n is 64 at most.
        settings: How the model's samples were prepared: see :func:`geoml.tasks.tremor.traces.samples`.
        threshold: Of p(yes), for a detection.
        overlap: Of neighbouring windows, share of their length.
        model_name: For the figure.
        source: Of the model's data.

    Raises:
        InputError: an option is wrong, or not one window can be scored. A bad file among others is a row with a reason.
    """
    if not 0 <= overlap <= _MOST_OVERLAP:
        raise InputError("--overlap", "value", f"0 to {_MOST_OVERLAP:g}", overlap)
    pieces, faults = continuous.scan(reading.waveform_files(inputs))
    rows, notes = _scores(pieces, probabilities, settings, overlap)
    rows += [Window(("", "", "", ""), 0, 0, reason=f"unreadable: {file}: {why}") for file, why in faults.items()]
    if all(row.reason for row in rows):
        expected = f"at least one window of {LENGTH_S:g} s that can be scored"
        raise InputError(", ".join(map(str, inputs)), "inputs", expected, "; ".join(_reasons(rows)))
    found = _detections(rows, threshold)
    summary = Summary(rows, found, threshold, notes, [out], source)
    if out.suffix == ".csv":
        _write_detections(out, found)
        return summary
    summary.written = [out / name for name in ("detections.csv", "windows.csv")]
    _write_detections(summary.written[0], found)
    _write_windows(summary.written[1], rows)
    if not available():
        notes.append(NO_FIGURES)
        return summary
    figures = [out / "overview.png", out / "overview.svg"]
    summary.written += figures
    _draw(figures, summary, model_name)
    return summary


def _scores(
    pieces: dict[Codes, list[continuous.Piece]], probabilities: Callable, settings: dict[str, Any], overlap: float
) -> tuple[list[Window], list[str]]:
    """Every window of every channel, and notes on the channels."""
    read = continuous.reader()
    rows: list[Window] = []
    notes: list[str] = []
    batch = _Batch(probabilities)
    for codes, several in progress(pieces.items(), len(pieces), "channels"):
        channel = continuous.plan(codes, several, read)
        notes += _notes(channel)
        for window, data in continuous.windows(channel, overlap, read):
            rows.append(window)
            if data is None:
                continue
            samples = traces.samples(data, window.rate_hz, settings)
            window.damaged_s = traces.flat(data, window.rate_hz) + traces.clipped(data, window.rate_hz)
            if isinstance(samples, str):
                window.reason = samples
            else:
                batch.add(window, samples)
    batch.judge()
    return rows, notes


def _notes(channel: continuous.Channel) -> list[str]:
    name = ".".join(channel.codes)
    notes = []
    rates = list(dict.fromkeys(f"{stretch.rate_hz:g} Hz" for stretch in channel.stretches))
    if len(rates) > 1:
        notes.append(f"{name}: {', '.join(rates)}: windows of each rate on their own")
    if channel.repeated_s:
        notes.append(f"{name}: {channel.repeated_s:.0f} s given twice, with the same samples: used once")
    return notes


def _detections(windows: Iterable[Window], threshold: float) -> list[Detection]:
    found = [window for window in windows if not window.reason and window.score >= threshold]
    return [
        Detection(codes, run[0].start, max(window.end for window in run), [window.score for window in run])
        for codes, own in groupby(found, attrgetter("codes"))
        for run in _runs(own)
    ]


def _write_detections(path: Path, found: Iterable[Detection]) -> None:
    header = [*_CODES, "start_utc", "end_utc", "score", "mean_score", "windows"]
    _write(
        path,
        header,
        (
            [
                *each.codes, _iso(each.start), _iso(each.end),
                f"{max(each.scores):.4f}", f"{np.mean(each.scores):.4f}", len(each.scores),
            ]
            for each in found
        ),
    )  # fmt: skip


def _write_windows(path: Path, windows: Iterable[Window]) -> None:
    header = [*_CODES, "start_utc", "end_utc", "score", "reason", "flat_or_clipped_s"]
    _write(
        path,
        header,
        (
            [
                *row.codes, _iso(row.start) if row.end else "", _iso(row.end) if row.end else "",
                "" if row.reason else f"{row.score:.4f}", row.reason,
                "" if np.isnan(row.damaged_s) else f"{row.damaged_s:.1f}",
            ]
            for row in windows
        ),
    )  # fmt: skip


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _iso(time: int) -> str:
    """UTC in ISO 8601 of nanoseconds since 1970."""
    return f"{np.datetime64(round(time, -6), 'ns').astype('datetime64[ms]')}Z"


def _count(n: int, name: str) -> str:
    return f"{n:,} {name}{'s' * (n != 1)}"


def _reasons(windows: Iterable[Window]) -> list[str]:
    """How many windows and spans have each sort of reason, with an example; the most frequent first."""
    several: dict[str, list[Window]] = {}
    for window in windows:
        if window.reason:
            several.setdefault(window.reason.split(":")[0], []).append(window)
    order = sorted(several.items(), key=lambda item: (-len(item[1]), item[0]))
    return [f"{len(those):,} x {kind}, such as {_where(those[0])}" for kind, those in order]


def _where(window: Window) -> str:
    if not window.end:
        return window.reason
    return f"{'.'.join(window.codes)} {_iso(window.start)} ({window.reason})"


def _draw(paths: Sequence[Path], summary: Summary, model_name: str) -> None:
    """A row a channel: score in time, threshold, detections shaded, spans without a score hatched."""
    timed = [row for row in summary.windows if row.end]
    channels = sorted({row.codes for row in timed})
    drawn = channels[:_ROWS_DRAWN]
    heading = title(
        f"tremor: {model_name}", sum(not row.reason for row in timed), f"trained on {summary.source}", of="windows"
    )
    if len(channels) > len(drawn):
        heading += f"; the first {len(drawn)} of {len(channels)} channels"
    span = min(row.start for row in timed), max(row.end for row in timed)
    with figure(paths, 11, 1.5 + 0.7 * max(len(drawn), 2)) as drawing:
        axes = drawing.subplots()
        for row, codes in enumerate(drawn):
            own = [window for window in timed if window.codes == codes and not window.reason]
            _draw_channel(axes, -row, own, [d for d in summary.detections if d.codes == codes], summary.threshold, span)
        _label(axes, drawn, span, summary.threshold)
        drawing.suptitle(heading.replace("$", r"\$"), x=0.01, ha="left", fontsize=10)


def _draw_channel(
    axes: "Axes",
    base: int,
    scored: list[Window],
    detections: Iterable[Detection],
    threshold: float,
    span: tuple[int, int],
) -> None:
    shaded = [(_days(each.start), _days(each.end) - _days(each.start)) for each in detections]
    axes.broken_barh(shaded, (base, _HIGH), facecolor=COLOURS[1], alpha=0.3, linewidth=0)
    runs = _runs(scored)
    ends = [span[0], *(time for run in runs for time in (run[0].start, run[-1].end)), span[1]]
    empty = [(_days(a), _days(b) - _days(a)) for a, b in zip(ends[::2], ends[1::2], strict=True) if a < b]
    axes.broken_barh(empty, (base, _HIGH), facecolor="#EFEFEF", edgecolor="#B0B0B0", hatch="////", linewidth=0)
    axes.hlines(base + _HIGH * threshold, _days(span[0]), _days(span[1]), GREY, "--", linewidth=0.7)
    for run in runs:
        middles = [(a.start + a.end + b.start + b.end) // 4 for a, b in pairwise(run)]
        edges = [_days(time) for time in (run[0].start, *middles, run[-1].end)]
        scores = [base + _HIGH * window.score for window in run]
        axes.stairs(scores, edges, baseline=None, color=COLOURS[0], linewidth=0.9)


def _runs(scored: Iterable[Window]) -> list[list[Window]]:
    """Windows of a channel that overlap or adjoin, together."""
    runs: list[list[Window]] = []
    for window in scored:
        if runs and window.start <= runs[-1][-1].end + _TOUCHING:
            runs[-1].append(window)
        else:
            runs.append([window])
    return runs


def _label(axes: "Axes", drawn: Sequence[Codes], span: tuple[int, int], threshold: float) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    rows = -np.arange(len(drawn))
    axes.set_yticks(rows + _HIGH / 2, [".".join(codes) for codes in drawn])
    right = axes.secondary_yaxis("right")
    right.set_yticks(np.concatenate([rows, rows + _HIGH]), ["0"] * len(rows) + ["1"] * len(rows), fontsize=SMALL)
    right.set_ylabel("score")
    right.spines[:].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.set(
        xlim=(_days(span[0]), _days(span[1])), ylim=(1 - len(drawn) - 0.1, 1), xlabel=f"UTC, from {_iso(span[0])[:16]}"
    )
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    handles = [
        Line2D([], [], color=COLOURS[0], label="score of a window"),
        Line2D([], [], color=GREY, linestyle="--", linewidth=0.7, label=f"threshold {threshold:.2f}"),
        Patch(facecolor=COLOURS[1], alpha=0.3, label="detection"),
        Patch(facecolor="#EFEFEF", edgecolor="#B0B0B0", hatch="////", linewidth=0, label="no score"),
    ]
    axes.legend(handles=handles, ncols=4, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1))


def _days(time: int) -> float:
    """Matplotlib's date of nanoseconds since 1970."""
    return time / (86400 * _SECOND)

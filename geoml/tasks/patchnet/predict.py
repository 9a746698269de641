"""From a user's seismic lines to bottom-simulating reflections: probability maps, picks, and a figure of each line."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.errors import InputError
from geoml.files import atomic
from geoml.plotting import NO_FIGURES, available, figure, title
from geoml.tasks.patchnet import section, segy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

_SUFFIXES = segy.SUFFIXES | {".npy"}
_HEADER = ["file", "event", "trace", "number", "x", "y", "sample", "time_or_depth", "probability", "model"]
_OURS = "_bsr"  # at the end of the names of our files
_PERCENTILE = 98.5  # of the amplitudes, is the end of their colours (card, section 8: 98 to 99)
_DRAWN = 4000  # samples or traces; of more, only some are drawn
_DEAD = "#9BC7E4"
_Row = dict[str, Any]


@dataclass
class Summary:
    """What was done, for the user; ``str()`` gives it as text.

    Attributes:
        answered: what was found, by line.
        unusable: why a line could not be judged.
        written: the output files.
        source: of the data that the model was trained on.
        figures: whether they could be drawn.
    """

    answered: dict[str, str]
    unusable: dict[str, str]
    written: list[Path]
    source: str
    figures: bool

    def __str__(self) -> str:
        lines = [f"{name}: {words}" for name, words in self.answered.items()]
        lines += [f"  not read: {reason}" for reason in self.unusable.values()]
        if "synthetic" in self.source:
            lines.append(f"the model was trained on {self.source} data: its answers are a trial, not a finding")
        if not self.figures:
            lines.append(NO_FIGURES)
        return "\n".join([*lines, *(f"wrote {path}" for path in self.written)])


def from_model(
    model: Any,
    inputs: Sequence[Path],
    out: Path,
    *,
    engine: str | None = None,
    stride: int = 16,
    threshold: float = 0.5,
    scale: str = "line",
) -> Summary:
    """Probability of a BSR at every pixel of every line, written into a folder.

    Of each line ``<name>_bsr.npy`` (samples, traces; NaN in dead traces), of a SEG-Y line also ``<name>_bsr.sgy`` with
    the line's own headers (0 in dead traces), and ``<name>_bsr.png`` where Matplotlib is installed; of all lines
    together ``picks.csv``: for every connected event and trace the sample of the largest probability. A second run
    writes all files again.

    Args:
        model: As loaded by :func:`geoml.models.load`.
        inputs: Lines (``.sgy``, ``.segy``; ``.npy``, samples by traces), or folders, searched to the bottom.
        out: A folder.
        engine: ``sliding`` or ``convolutional``; by default what :func:`section.engine_for` says.
        stride: Of the windows, network pixels: 16, 8 or 4.
        threshold: Of the probability, for picks.
        scale: Amplitudes by the percentiles of each ``line``, or by those of the ``model``'s patches.

    Raises:
        InputError: an option or every line is unusable. One bad line among others is named in the summary.
    """
    if not 0 < threshold < 1:
        raise InputError("--threshold", "value", "above 0 and below 1", threshold)
    if out.is_file() or out.suffix.lower() in {".csv", ".png", *_SUFFIXES}:
        raise InputError(out, "--out", "a folder, since there are several outputs", "a file")
    files = _files(inputs, out)
    summary = Summary({}, {}, [out / "picks.csv"], model.meta["data_source"], available())
    name_of_model = "/".join(map(str, model.meta["run"].values()))
    engine = engine or section.engine_for(model)
    rows: list[_Row] = []
    errors: list[InputError] = []
    for file in files:
        try:
            line = segy.read(file)
            found = section.probabilities(
                model, line.amplitudes, engine=engine, stride=stride, scale=scale, where=str(file)
            )
        except InputError as error:
            errors.append(error)
            summary.unusable[str(file)] = str(error)
            continue
        picks = picks_of(found.values, threshold)
        rows += [_row(file, line, pick, name_of_model) for pick in picks]
        summary.written += _write_map(file, line, found, out)
        if summary.figures:
            drawing = out / f"{file.stem}{_OURS}.png"
            heading = title(f"{file.name}: {name_of_model}", found.windows, f"trained on {summary.source}", "windows")
            _draw(drawing, heading.replace("$", r"\$"), line, found, picks, threshold)
            summary.written.append(drawing)
        summary.answered[str(file)] = _in_words(found, picks, threshold, scale)
    if len(errors) == len(files):
        raise errors[0]
    with atomic(summary.written[0]) as temporary, open(temporary, "w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, _HEADER, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return summary


def _files(inputs: Sequence[Path], out: Path) -> list[Path]:
    """Lines in the order given, those of a folder by name; not those that an earlier run wrote into ``out``."""
    found: dict[Path, None] = {}
    for path in map(Path, inputs):
        if path.is_dir():
            files = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in _SUFFIXES and file.is_file()]
            found |= dict.fromkeys(
                file
                for file in files
                if not file.name.startswith(".")
                and not (file.parent.resolve() == out.resolve() and file.stem.endswith(_OURS))
            )
        elif not path.is_file():
            raise InputError(path, "input", "a seismic line or a folder", "no such file or folder")
        elif path.suffix.lower() not in _SUFFIXES:
            raise InputError(path, "suffix", ", ".join(sorted(_SUFFIXES)), path.suffix or "none")
        else:
            found[path] = None
    if not found:
        known = ", ".join(sorted(_SUFFIXES))
        raise InputError(", ".join(map(str, inputs)), "inputs", f"at least one of {known}", "none")
    named: dict[str, Path] = {}
    for file in found:
        if (other := named.setdefault(file.stem.lower(), file)) is not file:
            hint = "Give one of them, or each its own --out."
            raise InputError(file, "name", "one of its own, which its outputs are named by", f"that of {other}", hint)
    return list(found)


def picks_of(values: np.ndarray, threshold: float) -> np.ndarray:
    """Event (from 1), trace and sample (from 0) of the largest probability of each event in each trace, and that.

    Args:
        values: (samples, traces) probabilities; NaN is of no event.
        threshold: Events are 8-connected pixels at it or above, numbered by their first pixels, row by row.

    Returns:
        (n, 4) floats, by event and trace; of several largest samples the first.
    """
    start, end, event = _events(values >= threshold)
    if not len(start):
        return np.empty((0, 4))
    row, first = np.divmod(start, values.shape[1] + 1)
    lengths = end - start
    count = event.max()
    left, right = np.full(count, values.shape[1]), np.zeros(count, int)  # traces of each event, the latter exclusive
    np.minimum.at(left, event - 1, first)
    np.maximum.at(right, event - 1, first + lengths)
    place = np.cumsum(right - left) - right  # of a trace of an event among the traces of all, less its number
    best, best_row = np.zeros(place[-1] + right[-1]), np.zeros(place[-1] + right[-1], int)
    ends = np.append(np.flatnonzero(np.diff(row)) + 1, len(row))  # of the runs of each row that has any
    for some in map(slice, [0, *ends[:-1]], ends):
        here = row[some.start]
        there = np.flatnonzero(values[here] >= threshold)
        at = there + np.repeat(place[event[some] - 1], lengths[some])
        found = values[here, there]
        higher = found > best[at]
        best[at[higher]], best_row[at[higher]] = found[higher], here
    events = np.repeat(np.arange(count), right - left)
    picks = np.stack([events + 1, np.arange(len(best)) - place[events], best_row, best], axis=1)
    return picks[best > 0]


def _events(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First and last pixel (exclusive) and event (from 1) of every run of true pixels in a row, row by row.

    Pixels are counted along rows that have one more, so that runs do not go on in the next row.
    """
    height, width = inside.shape[0], inside.shape[1] + 1
    flat = np.zeros(height * width + 1, bool)
    flat[1:].reshape(height, width)[:, :-1] = inside
    start, end = np.flatnonzero(flat[1:] != flat[:-1]).reshape(-1, 2).T
    # Runs of the next row that touch run i, also at a corner: those from low[i] on, below high[i].
    low, high = np.searchsorted(end, start + width), np.searchsorted(start, end + width, side="right")
    upper = np.repeat(np.arange(len(start)), high - low)
    lower = np.arange(len(upper)) + np.repeat(high - np.cumsum(high - low), high - low)
    root = np.arange(len(start))  # the first run that one is known to be joined with
    while (root[upper] != root[lower]).any():
        a, b = root[upper], root[lower]
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while (root != root[root]).any():
            root = root[root]
    return start, end, np.unique(root, return_inverse=True)[1] + 1


def _row(file: Path, line: segy.Section, pick: np.ndarray, model: str) -> _Row:
    event, trace, sample = pick[:3].astype(int)
    x, y = line.x[trace], line.y[trace]
    return {
        "file": str(file),
        "event": event,
        "trace": trace + 1,
        "number": line.trace[trace],
        "x": f"{x:.2f}" if np.isfinite(x) else "",
        "y": f"{y:.2f}" if np.isfinite(y) else "",
        "sample": sample,
        "time_or_depth": "" if line.interval_ms is None else f"{line.first_ms + sample * line.interval_ms:.3f}",
        "probability": f"{pick[3]:.4f}",
        "model": model,
    }


def _write_map(file: Path, line: segy.Section, found: section.Map, out: Path) -> list[Path]:
    """The map as an array and, of a SEG-Y line, as SEG-Y; gives their paths."""
    array, headed = (out / f"{file.stem}{_OURS}{suffix}" for suffix in (".npy", ".sgy"))
    with atomic(array) as temporary:
        np.save(temporary, found.values)
    if file.suffix.lower() not in segy.SUFFIXES:
        return [array]
    segy.write_like(headed, file, found.values)
    return [array, headed]


def _in_words(found: section.Map, picks: np.ndarray, threshold: float, scale: str) -> str:
    samples, traces = found.values.shape
    events = len(np.unique(picks[:, 0]))
    whose = "the line's own 0.5 and 99.5 percentiles" if scale == "line" else "that of the model's patches"
    words = f"{traces:,} traces of {samples:,} samples; {found.windows:,} windows, {found.engine} engine, "
    words += f"{found.windows / found.seconds:,.0f} windows/s; amplitude scale {found.scale[1]:.4g} ({whose}); "
    words += f"{events} event{'s' * (events != 1)} and {len(picks):,} picks at {threshold:g} or above"
    if found.dead.any():
        count = int(found.dead.sum())
        words += f"; {count:,} dead trace{'s' * (count != 1)} without an answer"
    return words


def _draw(
    path: Path, heading: str, line: segy.Section, found: section.Map, picks: np.ndarray, threshold: float
) -> None:
    """Amplitudes with the picks over them, and below them the probabilities."""
    samples, traces = found.values.shape
    step = max(1, -(-samples // _DRAWN)), max(1, -(-traces // _DRAWN))
    interval = line.interval_ms or 1.0
    top = line.first_ms if line.interval_ms else 0.0
    extent = (0.5, traces + 0.5, top + (samples - 0.5) * interval, top - 0.5 * interval)
    with figure([path], 11, 8.5) as drawing:
        above, below = drawing.subplots(2, 1, sharex=True, sharey=True)
        end = float(np.percentile(np.abs(line.amplitudes[:, ~found.dead]), _PERCENTILE)) or 1.0
        shown = np.where(found.dead, np.nan, line.amplitudes)[:: step[0], :: step[1]]
        image = above.imshow(
            shown, cmap=_with_dead("RdBu"), vmin=-end, vmax=end, aspect="auto", extent=extent, interpolation="nearest"
        )
        drawing.colorbar(image, ax=above, pad=0.01, label="amplitude, unit of the file", extend="both")
        above.plot(
            picks[:, 1] + 1, top + picks[:, 2] * interval, ".", color="black", markersize=2.2,
            label=f"picks, {threshold:g} or above",
        )  # fmt: skip
        if len(picks):
            above.legend(loc="lower right", bbox_to_anchor=(1, 1), markerscale=3)
        image = below.imshow(
            found.values[:: step[0], :: step[1]], cmap=_with_dead(colours()), vmin=0, vmax=1, aspect="auto",
            extent=extent, interpolation="nearest",
        )  # fmt: skip
        drawing.colorbar(image, ax=below, pad=0.01, label="probability of a BSR", ticks=[0, 0.25, 0.5, 0.75, 1])
        dead = f"; dead traces ({int(found.dead.sum()):,}) in blue" if found.dead.any() else ""
        above.set_title(f"amplitudes{dead}")
        below.set_title(f"probability, {found.engine} engine")
        for axes in (above, below):
            _label(axes, line)
        above.set_xlabel("")
        drawing.suptitle(heading, x=0.01, ha="left", fontsize=10)


def _label(axes: "Axes", line: segy.Section) -> None:
    axes.grid(False)
    axes.set(xlabel="trace (from 1)", ylabel="time (ms), or depth" if line.interval_ms else "sample")


def colours() -> "Colormap":
    """Colours of probabilities with the published look: greys up to 0.5, then a hard step to yellow, to dark red."""
    from matplotlib.colors import LinearSegmentedColormap, ListedColormap

    low = LinearSegmentedColormap.from_list("low", ["black", "#F2F2F2"], 128)(np.arange(128))
    high = LinearSegmentedColormap.from_list("high", ["#FFE600", "#F28C00", "#7A0000"], 128)(np.arange(128))
    return ListedColormap(np.concatenate([low, high]), "bsr")


def _with_dead(cmap: "str | Colormap") -> "Colormap":
    from matplotlib import colormaps

    return colormaps.get_cmap(cmap).with_extremes(bad=_DEAD)

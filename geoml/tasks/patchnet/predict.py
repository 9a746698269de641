"""From a user's seismic lines to bottom-simulating reflections: probability maps, picks, and a figure of each line."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.errors import InputError
from geoml.files import atomic
from geoml.plotting import figure, title
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
    """

    answered: dict[str, str]
    unusable: dict[str, str]
    written: list[Path]
    source: str

    def __str__(self) -> str:
        lines = [f"{name}: {words}" for name, words in self.answered.items()]
        lines += [f"  not read: {reason}" for reason in self.unusable.values()]
        if "synthetic" in self.source:
            lines.append(f"the model was trained on {self.source} data: its answers are a trial, not a finding")
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
    the line's own headers (0 in dead traces), and ``<name>_bsr.png``; of all lines together ``picks.csv``: for every
    connected event and trace the sample of the largest probability. A second run writes all files again.

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
    summary = Summary({}, {}, [out / "picks.csv"], model.meta["data_source"])
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
        heading = title(f"{file.name}: {name_of_model}", found.windows, f"trained on {summary.source}", of="windows")
        _draw(summary.written[-1], heading.replace("$", r"\$"), line, found, picks, threshold)
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
    """Event (from 1), trace and sample (from 0) of the largest probability of each event in each trace, (n, 3) int."""
    from scipy.ndimage import find_objects, label

    events, _ = label(np.nan_to_num(values) >= threshold, structure=np.ones((3, 3)))
    found = []
    for number, (rows, columns) in enumerate(find_objects(events), start=1):
        inside = events[rows, columns] == number
        highest = np.where(inside, values[rows, columns], -1).argmax(axis=0)
        for i in np.flatnonzero(inside.any(axis=0)):
            found.append((number, columns.start + i, rows.start + highest[i], values[rows, columns][highest[i], i]))
    return np.array(found, float).reshape(-1, 4)


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
    """The map as an array and, of a SEG-Y line, as SEG-Y; gives their paths and last that of the figure to draw."""
    paths = [out / f"{file.stem}{_OURS}{suffix}" for suffix in (".npy", ".sgy", ".png")]
    with atomic(paths[0]) as temporary:
        np.save(temporary, found.values)
    if file.suffix.lower() not in segy.SUFFIXES:
        return [paths[0], paths[2]]
    segy.write_like(paths[1], file, found.values)
    return paths


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
            above.legend(loc="upper right", fontsize=8, markerscale=3, frameon=True)
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

"""From a user's mapped faults or fault maps to kinematic efficiency: a table of windows, and figures along strike."""

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.errors import InputError
from geoml.files import atomic
from geoml.logs import progress
from geoml.plotting import COLOURS, GREY, MAP, NO_FIGURES, available, figure, title
from geoml.runtimes import Exported
from geoml.tasks.slip import HEIGHT, NODES, STRIDE, WIDTH, answers, maps, traces

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BATCH, _SMALL_BATCH = 256, 16  # windows; the latter of exported networks, which are to need little memory
_WINDOWS_NAMED = 12  # more have no room for their values in a figure
_HEADER = [
    "file", "window", "frame", "pixel_m", "line_px", "distance_km", "column", "row", "x", "y", "strike_deg",
    "faults_px", "efficiency", "sigma", "reason", "sense", "model",
]  # fmt: skip
_ALONG_HEADER = [
    "file", "window", "distance_km", "x", "y", "strike_deg", "mean", "spread", "min", "max", "n", "sense", "model"
]  # fmt: skip
_LINE_WIDTHS = (0.5, 0.9, 1.3)  # of thin, middle and thick lines in a figure
_Row = dict[str, Any]


@dataclass
class Summary:
    """What was done, for the user; ``str()`` gives it as text."""

    answered: dict[str, str]
    unusable: dict[str, str]
    notes: dict[str, list[str]]
    written: list[Path]
    source: str
    figures: bool

    def __str__(self) -> str:
        lines = [f"{name}: {words}" for name, words in self.answered.items()]
        lines += [f"  {name}: {note}" for name, several in self.notes.items() for note in several]
        lines += [f"  not read: {reason}" for reason in self.unusable.values()]
        if "synthetic" in self.source:
            lines.append(f"the model was trained on {self.source} data: its answers are a trial, not a finding")
        if not self.figures:
            lines.append(NO_FIGURES)
        return "\n".join([*lines, *(f"wrote {path}" for path in self.written)])


@dataclass
class _Options:
    pixel_m: tuple[float, ...]
    line_px: tuple[int, ...]
    sense: str


@dataclass
class _Answers:
    """Rows of one file, and what its figure needs."""

    rows: list[_Row]
    lines: list[np.ndarray] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    frames: np.ndarray | None = None


def from_model(
    model: Any,
    inputs: Sequence[Path],
    out: Path,
    *,
    pixel_m: Sequence[float] | None = None,
    line_px: Sequence[int] | None = None,
    sense: str | None = None,
) -> Summary:
    """Efficiency in windows along every fault, written as ``efficiency.csv``.

    Into a folder also ``windows.csv`` (mean and spread over pixel sizes and thicknesses, of vector files) and a figure
    of each file. Pictures and arrays are taken as drawn: strike along the columns, windows of 64 columns every 50.

    Args:
        model: As loaded by :func:`geoml.models.load`.
        inputs: Vector files of fault traces, pictures or arrays of fault maps, or folders, searched to the bottom.
        out: A ``.csv`` file, or a folder.
        pixel_m: Sizes of a pixel, m, that traces are drawn at; by default those of crust of 10, 15 and 20 km.
        line_px: Thicknesses that traces are drawn with, pixels; by default 2, 3 and 4.
        sense: ``dextral`` (default) or ``sinistral``: such maps are mirrored for the model, which learned dextral ones.

    Raises:
        InputError: an option or every file is unusable. One bad file among others is a row with a reason.
    """
    options = _checked(pixel_m, line_px, sense)
    files = _files(inputs, out)
    if (pixel_m or line_px) and not any(_is_vector(file) for file in files):
        got = "only pictures and arrays"
        raise InputError("--pixel_m, --line_px", "inputs", "a vector file, which has to be drawn", got)
    table = out if out.suffix == ".csv" else out / "efficiency.csv"
    summary = Summary({}, {}, {}, [table], model.meta["data_source"], available() or out.suffix == ".csv")
    name_of_model = "/".join(map(str, model.meta["run"].values()))
    rows: list[_Row] = []
    along: list[_Row] = []
    errors: list[InputError] = []
    taken: set[str] = set()
    for file in progress(files, len(files), "file"):
        name = os.fsencode(file).decode("utf-8", "replace")
        try:
            found = (_of_traces if _is_vector(file) else _of_maps)(model, file, name, options)
        except InputError as error:
            errors.append(error)
            summary.unusable[name] = str(error)
            rows.append({"file": name, "reason": str(error)})
            continue
        rows += found.rows
        summary.notes[name] = found.notes
        means = _means(found.rows) if _is_vector(file) else []
        along += means
        summary.answered[name] = _in_words(found.rows, means)
        if out.suffix != ".csv" and summary.figures and any(not row["reason"] for row in found.rows):
            path = out / f"map_{_unique(Path(name).stem, taken)}.png"
            heading = title(f"{Path(name).name}: {name_of_model}", None, f"trained on {summary.source}")
            _draw(path, heading.replace("$", r"\$"), found, means)
            summary.written.append(path)
    if len(errors) == len(files):
        raise errors[0]
    common = {"sense": options.sense, "model": name_of_model}
    _write(table, _HEADER, rows, common)
    if along and out.suffix != ".csv":
        _write(out / "windows.csv", _ALONG_HEADER, along, common)
        summary.written.insert(1, out / "windows.csv")
    return summary


def _checked(pixel_m: Sequence[float] | None, line_px: Sequence[int] | None, sense: str | None) -> _Options:
    sizes = tuple(float(size) for size in pixel_m or traces.PIXEL_M)
    thicknesses = tuple(line_px or traces.LINE_PX)
    if not all(0 < size < float("inf") for size in sizes):
        raise InputError("--pixel_m", "sizes", "metres above 0", list(sizes))
    if not all(1 <= thickness <= 16 for thickness in thicknesses):
        raise InputError("--line_px", "thicknesses", "1 to 16 pixels", list(thicknesses))
    if sense not in (None, *traces.SENSES):
        raise InputError("--sense", "value", " or ".join(traces.SENSES), repr(sense))
    return _Options(tuple(sorted(set(sizes))), tuple(sorted(set(thicknesses))), sense or "dextral")


def _is_vector(path: Path) -> bool:
    return path.suffix.lower() in traces.SUFFIXES


def _files(inputs: Sequence[Path], out: Path) -> list[Path]:
    """Files in the order given, those of a folder by name; not those that an earlier run wrote into ``out``."""
    known = traces.SUFFIXES | maps.SUFFIXES
    found: dict[Path, None] = {}
    for path in map(Path, inputs):
        if path.is_dir():
            files = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in known and file.is_file()]
            found |= dict.fromkeys(
                file for file in files if not file.name.startswith(".") and not _ours(file, out, path)
            )
        elif not path.is_file():
            raise InputError(path, "input", "a file or a folder", "no such file or folder")
        elif path.suffix.lower() not in known:
            raise InputError(path, "suffix", ", ".join(sorted(known)), path.suffix or "none")
        else:
            found[path] = None
    if not found:
        raise InputError(", ".join(map(str, inputs)), "inputs", f"at least one of {', '.join(sorted(known))}", "none")
    return list(found)


def _ours(file: Path, out: Path, searched: Path) -> bool:
    if out in (searched, *searched.parents):
        return file.parent == out and file.name.startswith("map_") and file.suffix == ".png"
    return out in file.parents


def _of_traces(model: Any, file: Path, name: str, options: _Options) -> _Answers:
    read = traces.read(file)
    drawn = traces.windows(read.lines, options.pixel_m, options.line_px, options.sense)
    windows = (
        (
            {
                "file": name,
                "window": window.number,
                "pixel_m": f"{window.pixel_m:g}",
                "line_px": window.line_px,
                "distance_km": f"{window.distance_m / 1000:.3f}",
                "x": f"{window.x:.1f}",
                "y": f"{window.y:.1f}",
                "strike_deg": f"{window.strike_deg:.1f}",
            },
            window.map,
        )
        for window in drawn
    )
    return _Answers(_answered(model, windows), read.lines, read.notes + traces.advice(read.lines, options.pixel_m))


def _of_maps(model: Any, file: Path, name: str, options: _Options) -> _Answers:
    frames = maps.read(file)
    if frames.shape[2] < WIDTH:
        raise InputError(file, "columns", f"at least {WIDTH}, along strike", frames.shape[2])
    windows = (
        ({"file": name, "frame": number} | place, cut)
        for number, frame in enumerate(frames)
        for place, cut in _windows(frame, options.sense)
    )
    return _Answers(_answered(model, windows), frames=frames)


def _windows(frame: np.ndarray, sense: str) -> Iterator[tuple[_Row, np.ndarray]]:
    """Place and map (128, 64) uint8 of every window of a map (h, w).

    A map of the published grid's height is cut as that is; of another, the rows around the mean row of the faults are
    taken. Rows outside the map are empty.
    """
    height, width = frame.shape
    for number, column in enumerate(range(0, width - WIDTH + 1, STRIDE)):
        strip = frame[:, column : column + WIDTH]
        row = 0
        if not HEIGHT <= height <= NODES[0]:
            middle = np.nonzero(strip)[0].mean() if strip.any() else height / 2
            row = round(float(middle)) - HEIGHT // 2
        cut = np.pad(strip[max(row, 0) : row + HEIGHT], ((max(-row, 0), max(row + HEIGHT - height, 0)), (0, 0)))
        yield {"window": number, "column": column, "row": row}, cut[::-1] if sense == "sinistral" else cut


def _answered(model: Any, windows: Iterable[tuple[_Row, np.ndarray]]) -> list[_Row]:
    """Rows with the model's answer, or the reason why there is none."""
    rows: list[_Row] = []
    each = iter(windows)
    while part := list(islice(each, _SMALL_BATCH if isinstance(model, Exported) else _BATCH)):
        asked = [(row, cut) for row, cut in part if cut.any()]
        if asked:
            given = answers.ask(model, np.stack([cut for _, cut in asked]))
            for (row, cut), (efficiency, sigma) in zip(asked, given, strict=True):
                row |= {"faults_px": int(cut.sum()), "efficiency": f"{efficiency:.4f}", "reason": ""}
                row["sigma"] = f"{sigma:.4f}" if np.isfinite(sigma) else ""
        rows += [row if cut.any() else row | {"faults_px": 0, "reason": "no fault in this window"} for row, cut in part]
    return rows


def _means(rows: list[_Row]) -> list[_Row]:
    """Of each place along strike with an answer: mean, spread (standard deviation) and range over all drawings.

    Centre and strike are those of the smallest window, since larger ones may have to keep off the ends of the traces.
    """
    places: dict[int, list[_Row]] = {}
    for row in rows:
        if not row["reason"]:
            places.setdefault(row["window"], []).append(row)
    found = []
    for number, here in places.items():
        values = _column(here, "efficiency")
        smallest = {name: here[0][name] for name in ("file", "distance_km", "x", "y", "strike_deg")}
        found.append(
            smallest
            | {"window": number, "n": len(values)}
            | {"mean": f"{values.mean():.4f}", "spread": f"{values.std():.4f}"}
            | {"min": f"{values.min():.4f}", "max": f"{values.max():.4f}"}
        )
    return found


def _column(rows: Iterable[_Row], name: str) -> np.ndarray:
    """A column as numbers, NaN where it is empty."""
    return np.array([float("nan" if row.get(name, "") == "" else row[name]) for row in rows])


def _in_words(rows: list[_Row], means: list[_Row]) -> str:
    values = _column(means, "mean") if means else _column((row for row in rows if not row["reason"]), "efficiency")
    if not len(values):
        return f"no fault in any of {len(rows)} windows"
    words = f"{len(values)} window{'s' * (len(values) > 1)}, efficiency {values.mean():.2f}"
    words += f" ({values.min():.2f} to {values.max():.2f})"
    if means:
        words += f", spread over pixel sizes and thicknesses {_column(means, 'spread').mean():.2f}"
    return words


def _write(path: Path, header: list[str], rows: list[_Row], common: _Row) -> None:
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | common for row in rows)


def _unique(stem: str, taken: set[str]) -> str:
    """A name that no figure of this run has yet."""
    stem, number = stem[:100], 2
    name = stem
    while name.lower() in taken:
        name, number = f"{stem}_{number}", number + 1
    taken.add(name.lower())
    return name


def _draw(path: Path, heading: str, found: _Answers, means: list[_Row]) -> None:
    if found.frames is None:
        with figure([path], 11, 4.6) as drawing:
            left, right = drawing.subplots(1, 2, width_ratios=(1, 1.2))
            _draw_map_view(left, found.lines, means)
            _draw_along(right, found.rows, means)
            drawing.suptitle(heading, x=0.01, ha="left", fontsize=10)
        return
    last = found.frames[-1]
    shown = [row for row in found.rows if row["frame"] == len(found.frames) - 1]
    with figure([path], 8, 6.4) as drawing:
        top, below = drawing.subplots(2, 1, height_ratios=(1.3, 1))
        _draw_windows(top, last, shown)
        if len(found.frames) > 1:
            top.set_title(f"last frame ({len(found.frames) - 1})", fontsize=9)
            _draw_evolution(below, found.rows)
        else:
            _draw_columns(below, shown, last.shape[1])
        drawing.suptitle(heading, x=0.01, ha="left", fontsize=10)


def _draw_map_view(axes: "Axes", lines: list[np.ndarray], means: list[_Row]) -> None:
    """Traces, each place in the colour of the window whose centre is nearest; ends of the strike axis marked."""
    from matplotlib.collections import LineCollection
    from scipy.spatial import cKDTree
    from shapely import get_coordinates, linestrings, segmentize

    centres = np.column_stack([_column(means, "x"), _column(means, "y")])
    extent = np.ptp(np.concatenate(lines), axis=0).max()
    fine = [get_coordinates(segmentize(linestrings(line), extent / 400)) for line in lines]
    pieces = np.concatenate([np.stack([line[:-1], line[1:]], 1) for line in fine])
    nearest = cKDTree(centres).query(pieces.mean(axis=1))[1]
    axes.add_collection(LineCollection(list(pieces / 1000), colors="black", linewidths=4.2, capstyle="round"))
    coloured = LineCollection(list(pieces / 1000), cmap=MAP, linewidths=3, capstyle="round")
    coloured.set_array(_column(means, "mean")[nearest])
    coloured.set_clim(0, 1)
    axes.add_collection(coloured)
    axes.plot(*(centres / 1000).T, "o", color="white", markeredgecolor=GREY, markersize=4, label="window centres")
    falling = float(means[0]["strike_deg"]) > 90  # to the right; then there is room on the right above it
    for row, centre in ((means[0], centres[0]), (means[-1], centres[-1])):
        axes.annotate(
            f"{float(row['distance_km']):.0f} km", centre / 1000, (7 if falling else -7, 6),
            textcoords="offset points", ha="left" if falling else "right", fontsize=8,
        )  # fmt: skip
    axes.autoscale_view()
    axes.margins(0.08)
    axes.set_aspect("equal", adjustable="datalim")
    axes.ticklabel_format(useOffset=False, style="plain")
    axes.locator_params(nbins=5)
    axes.set(xlabel="east (km)", ylabel="north (km)", title="map view")
    axes.figure.colorbar(coloured, ax=axes, label="mean kinematic efficiency")


def _draw_along(axes: "Axes", rows: list[_Row], means: list[_Row]) -> None:
    """Efficiency against distance: every pixel size (colour) and thickness (line width), mean, and spread."""
    good = [row for row in rows if not row["reason"]]
    sizes = sorted({row["pixel_m"] for row in good}, key=float)
    thicknesses = sorted({row["line_px"] for row in good})
    for i, size in enumerate(sizes):
        for j, thickness in enumerate(thicknesses):
            some = [row for row in good if (row["pixel_m"], row["line_px"]) == (size, thickness)]
            axes.plot(
                _column(some, "distance_km"), _column(some, "efficiency"), color=_hue(i + 1),
                linewidth=_LINE_WIDTHS[min(j, 2)], marker=".", markersize=3, alpha=0.8,
                label=f"{float(size):.0f} m a pixel" if j == len(thicknesses) - 1 else None,
            )  # fmt: skip
    place, mean, spread = (_column(means, name) for name in ("distance_km", "mean", "spread"))
    axes.fill_between(place, mean - spread, mean + spread, color=COLOURS[0], alpha=0.2, linewidth=0, label="± spread")
    axes.errorbar(place, mean, spread, fmt="o-", color=COLOURS[0], linewidth=2.2, elinewidth=0.9, label="mean")
    ends = _column(rows, "distance_km")
    axes.set_xlim(0, ends.min() + ends.max())  # places are symmetrical along the traces
    drawn = ", ".join(map(str, thicknesses))
    axes.set(xlabel="distance along strike (km)", ylabel="kinematic efficiency")
    axes.set_title(f"along strike; traces {drawn} px thick" + (" (thin to thick)" if len(thicknesses) > 1 else ""))
    _limit(axes)
    axes.legend(fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.14))


def _draw_windows(axes: "Axes", frame: np.ndarray, rows: list[_Row]) -> None:
    """A map with its windows, their values above them."""
    from matplotlib.patches import Rectangle

    axes.imshow(frame, cmap="Greys", vmin=0, vmax=1.2, aspect="equal")
    for i, row in enumerate(rows):
        hue = _hue(i)
        corner = row["column"] - 0.5, row["row"] - 0.5
        axes.add_patch(Rectangle(corner, WIDTH, HEIGHT, fill=False, edgecolor=hue, linewidth=1.4))
        if len(rows) <= _WINDOWS_NAMED:
            value = f"{float(row['efficiency']):.2f}" if not row["reason"] else "none"
            place = row["column"] + WIDTH / 2, row["row"] + 0.04 * HEIGHT
            axes.text(*place, value, color=hue, ha="center", va="top", fontsize=9, weight="bold")
    top = min(0, *(row["row"] for row in rows))
    bottom = max(frame.shape[0], *(row["row"] + HEIGHT for row in rows))
    axes.set(xlim=(-3, frame.shape[1] + 2), ylim=(bottom + 2, top - 3))
    axes.set(xlabel="column (pixels along strike)", ylabel="row (pixels)")
    axes.grid(False)


def _draw_evolution(axes: "Axes", rows: list[_Row]) -> None:
    """Efficiency against frame, a line for every window."""
    from matplotlib.ticker import MaxNLocator

    numbers = sorted({row["window"] for row in rows})
    for number in numbers:
        some = [row for row in rows if row["window"] == number]
        column = some[0]["column"]
        label = f"columns {column} to {column + WIDTH - 1}" if len(numbers) <= _WINDOWS_NAMED else None
        axes.plot(_column(some, "frame"), _column(some, "efficiency"), color=_hue(number), label=label)
    axes.set(xlabel="frame", ylabel="kinematic efficiency")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _limit(axes)
    if len(numbers) <= _WINDOWS_NAMED:
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _draw_columns(axes: "Axes", rows: list[_Row], width: int) -> None:
    """Efficiency against the middle column of the windows, with the model's standard deviation."""
    place = _column(rows, "column") + WIDTH / 2
    axes.errorbar(
        place, _column(rows, "efficiency"), yerr=np.nan_to_num(_column(rows, "sigma")), fmt="o-", color=COLOURS[0],
        capsize=3, label="window, ± standard deviation where the model gives one",
    )  # fmt: skip
    axes.set(xlim=(-3, width + 2), xlabel="middle column of the window (pixels)", ylabel="kinematic efficiency")
    _limit(axes)
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.2))


def _limit(axes: "Axes") -> None:
    """From 0 to 1, and further where a model answers so."""
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -0.02), max(high, 1.02))


def _hue(number: int) -> str:
    return COLOURS[number % 6]  # the last, yellow, is not for text on white

"""One look for all figures: colour-blind safe, a model keeps its colour, titles say sample size and source."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from geoml.files import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito, colour universal design: all eight can be told apart with any colour vision. Grey is for axes; yellow is
# the last, because it is faint on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
GREY = "#767676"
MAP = "cividis"  # of heat maps; even in lightness for all eyes
WRONG = "#C00000"  # what a model got wrong; always with another sign beside the colour
SMALL = 8  # points; no text of a figure is smaller
PAGE_IN, PRINT_DPI = 7.0, 300  # width between the margins of a page, and what print wants on it
SPLITS = {"train": "training", "val": "validation", "test": "test"}  # in words
NO_FIGURES = "no figures: Matplotlib is not installed"  # for summaries

_ACCURACY = ("accuracy", "accuracy")
_DOTS = 30  # epochs, up to which each is a dot
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "legend.fontsize": SMALL,
    "axes.axisbelow": True,
    "grid.color": "#E2E2E2",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "svg.fonttype": "path",
    "svg.hashsalt": "geoml",  # the same figure gives the same file
}


def available() -> bool:
    """Whether figures can be drawn here: whether Matplotlib is installed."""
    return find_spec("matplotlib") is not None


def png_and_svg(folder: Path, stem: str) -> list[Path]:
    """Paths of a figure of the workflow: for the screen, and for print."""
    return [Path(folder) / f"{stem}.png", Path(folder) / f"{stem}.svg"]


@contextmanager
def figure(paths: Sequence[Path], width: float, height: float) -> Iterator["Figure"]:
    """A figure of this size in inches, drawn in the house style and saved to every path (PNG or SVG) at the end.

    A PNG has 300 dots an inch when it is printed as wide as drawn, or as a page where it is wider than that.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        drawing = Figure(figsize=(width, height))
        yield drawing
        for path in paths:
            with atomic(path) as temporary:
                drawing.savefig(
                    temporary,
                    dpi=round(PRINT_DPI * min(1.0, PAGE_IN / width)),
                    metadata={"Date": None} if path.suffix == ".svg" else None,
                )
            drawing.set_layout_engine("none")  # what is laid out stays so, in half the time


def colour(name: str, known: Sequence[str] = ()) -> str:
    """Colour of a model: by its place among the ``known`` models, else by its name; the same in every figure."""
    return COLOURS[_place(name, known) % len(COLOURS)]


def marker(name: str, known: Sequence[str] = ()) -> str:
    """Marker of a model: colour is not all that tells models apart, and 64 have a pair of their own."""
    turn, place = divmod(_place(name, known), len(COLOURS))
    return MARKERS[(place + turn) % len(MARKERS)]


def _place(name: str, known: Sequence[str]) -> int:
    if name in known:
        return list(known).index(name)
    pairs = len(COLOURS) * len(MARKERS)
    return len(known) + crc32(name.encode()) % max(pairs - len(known), 1)


def legend_below(axes: "Axes", columns: int = 1) -> None:
    """A legend under the label of the x axis, where it covers no data."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=4.5, ncols=columns)


def title(text: str, n: int | None, source: str | None, of: str = "samples") -> str:
    """``text``, and in the next line sample size, and the word synthetic where the data are."""
    size = "" if n is None else f"n = {n:,} {of}"
    return text + "\n" + ", ".join(part for part in (size, f"{source} data" if source else "") if part)


def heat_map(
    axes: "Axes",
    values: Any,
    columns: Sequence[str],
    rows: Sequence[str],
    texts: Sequence[Sequence[str]],
    limits: tuple[float, float] = (0.0, 1.0),
) -> Any:
    """A matrix (rows, columns) as coloured cells with a text in each; NaN stays white."""
    import numpy as np

    values = np.asarray(values, float)
    image = axes.imshow(values, cmap=MAP, vmin=limits[0], vmax=limits[1])
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    middle = sum(limits) / 2
    for (i, j), value in np.ndenumerate(values):
        axes.text(j, i, texts[i][j], ha="center", va="center", color="white" if value < middle else "black",
                  fontsize=SMALL)  # fmt: skip
    return image


def draw_confusion(axes: "Axes", counts: Any, classes: Sequence[str]) -> None:
    """Confusion matrix (K, K), rows the truth: shares of the row in colour, with the counts."""
    import numpy as np

    counts = np.asarray(counts, int)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    texts = [[f"{s:.2f}\n({c:,})" for s, c in zip(*row, strict=True)] for row in zip(share, counts, strict=True)]
    image = heat_map(axes, share, classes, classes, texts)
    axes.figure.colorbar(image, ax=axes, label="share of the true class")


def draw_calibration(axes: "Axes", calibration: dict[str, Any], hue: str) -> None:
    """Accuracy against confidence before and after temperature scaling: what ``calibration.calibration`` gives."""
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
    scaled = f"scaled (temperature {calibration['temperature']:.2f})"
    for state, shade, mark, words in (("before", GREY, "s", "as trained"), ("after", hue, "o", scaled)):
        bins = calibration[f"bins_{state}"]
        label = f"{words}, calibration error {calibration[f'ece_{state}']:.3f}" if bins else words
        places = [b["confidence"] for b in bins], [b["accuracy"] for b in bins]
        axes.plot(*places, mark, linestyle="-", color=shade, label=label)
    axes.set(xlabel="largest probability", ylabel="accuracy", xlim=(0.3, 1.01), ylim=(-0.02, 1.03))
    axes.set_title("calibration (line: perfect)")
    legend_below(axes)


def draw_history(
    paths: Sequence[Path], history: dict[str, list[float]], heading: str, hue: str, score: tuple[str, str] = _ACCURACY
) -> None:
    """Loss and a score of training and validation, and the learning rate, by epoch.

    Args:
        paths: PNG and SVG to write.
        history: A value an epoch of each quantity: ``loss``, ``accuracy``, the same with ``val_``, ``learning_rate``;
            two outputs have names such as ``po_accuracy``. Other quantities are not drawn.
        heading: Title.
        hue: Colour of the model.
        score: Name, or its end, of the score, and what it is called.
    """
    panels = {
        kind: list(dict.fromkeys(name.removeprefix("val_") for name in history if name.endswith(kind)))
        for kind in ("loss", score[0], "learning_rate")
    }
    hues = [hue, *(other for other in COLOURS if other != hue)]
    epochs = range(1, 1 + len(next(iter(history.values()), [])))
    dot = "." if len(epochs) <= _DOTS else ""
    with figure(paths, 11, 3.6) as drawing:
        for axes, (kind, names) in zip(drawing.subplots(1, 3), panels.items(), strict=True):
            rate = kind == "learning_rate"
            for name, shade in zip(names, hues, strict=False):
                of = name.removesuffix(kind).strip("_") or ("all outputs" if len(names) > 1 else "")
                for key, style, words in (
                    (name, "-" if rate else "--", "training"),
                    (f"val_{name}", "-", "validation"),
                ):
                    if key in history:
                        label = f"{of}, {words}" if of else words
                        axes.plot(epochs, history[key], style, color=GREY if rate else shade, marker=dot, label=label)
            axes.set(xlabel="epoch", ylabel=score[1] if kind == score[0] else kind.replace("_", " "))
            axes.xaxis.get_major_locator().set_params(integer=True)
            lines = [value for line in axes.lines for value in line.get_ydata()]
            if kind == "loss" and lines and min(lines) > 0 and max(lines) > 50 * min(lines):
                axes.set_yscale("log")
            if names and not rate:
                legend_below(axes, 2)
        drawing.suptitle(heading, x=0.01, ha="left", fontsize=10)

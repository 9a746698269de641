"""One look for all figures: colour-blind safe, a model keeps its colour, titles say sample size and source."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from geoml.files import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito, colour universal design: all eight can be told apart with any colour vision. Black and grey are for axes.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#767676"
MAP = "cividis"  # of heat maps; even in lightness for all eyes

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E2E2E2",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 150,
    "svg.fonttype": "path",
    "svg.hashsalt": "geoml",  # the same figure gives the same file
}


@contextmanager
def figure(paths: Sequence[Path], width: float, height: float) -> Iterator["Figure"]:
    """A figure of this size in inches, drawn in the house style and saved to every path (PNG or SVG) at the end."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        drawing = Figure(figsize=(width, height))
        yield drawing
        for path in paths:
            with atomic(path) as temporary:
                drawing.savefig(temporary, metadata={"Date": None} if path.suffix == ".svg" else None)


def colour(name: str, known: Sequence[str] = ()) -> str:
    """Colour of a model: by its place among the ``known`` models, else by its name; the same in every figure."""
    return COLOURS[_place(name, known) % len(COLOURS)]


def marker(name: str, known: Sequence[str] = ()) -> str:
    """Marker of a model, so that colour is not all that tells models apart."""
    return MARKERS[_place(name, known) % len(MARKERS)]


def _place(name: str, known: Sequence[str]) -> int:
    if name in known:
        return list(known).index(name)
    rest = max(len(COLOURS) - len(known), 1)
    return len(known) + crc32(name.encode()) % rest


def title(text: str, n: int | None, source: str | None, of: str = "samples") -> str:
    """``text``, sample size, and the word synthetic where the data are."""
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
        axes.text(j, i, texts[i][j], ha="center", va="center", color="white" if value < middle else "black", fontsize=8)
    return image


def draw_history(path: Path, history: dict[str, list[float]], heading: str) -> None:
    """Loss and accuracy of training and validation by epoch.

    Args:
        path: PNG or SVG to write.
        history: A value an epoch of each quantity: ``loss``, ``accuracy``, the same with ``val_``; two outputs have
            names such as ``po_accuracy``. Losses and accuracies get a panel each, other quantities none.
        heading: Title.
    """
    panels = {
        kind: [name for name in history if name.endswith(kind) and not name.startswith("val_")]
        for kind in ("loss", "accuracy")
    }
    with figure([path], 8, 3.2) as drawing:
        for axes, (kind, names) in zip(drawing.subplots(1, 2), panels.items(), strict=True):
            for i, name in enumerate(names):
                epochs = range(1, len(history[name]) + 1)
                axes.plot(epochs, history[name], "--", color=COLOURS[i], label=f"{name}, training", marker=_dot(epochs))
                if f"val_{name}" in history:
                    values = history[f"val_{name}"]
                    axes.plot(epochs, values, color=COLOURS[i], label=f"{name}, validation", marker=_dot(epochs))
            axes.set(xlabel="epoch", ylabel=kind)
            axes.xaxis.get_major_locator().set_params(integer=True)
            if names:
                axes.legend(fontsize=8)
        drawing.suptitle(heading, x=0.01, ha="left", fontsize=10)


def _dot(epochs: Sequence[int]) -> str:
    return "." if len(epochs) <= 30 else ""

"""Figures of the tremor task: of one run, and of all runs together."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.plotting import (
    COLOURS,
    GREY,
    MAP,
    SMALL,
    WRONG,
    colour,
    draw_calibration,
    draw_confusion,
    draw_history,
    figure,
    legend_below,
    marker,
    png_and_svg,
    title,
)
from geoml.tasks.tremor import LENGTH_S, RATE_HZ
from geoml.tasks.tremor.clustering import draw_embedding, draw_neighbours, draw_tsne
from geoml.tasks.tremor.features import envelope

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

MODELS = (
    "dilated", "encoder", "random_forest", "floor", "convnet", "spectrogram", "envelope", "convnet_published",
    "deep_clustering", "whitened_kmeans", "supervised_contrastive", "boosted_trees", "logistic", "amplitude",
    "constant",
)  # fmt: skip  # in the order of their colours
_CLASSES = ("no tremor", "tremor")
_SPEEDS = (4.4, 3.0)  # km/s, between which the surface waves arrive (card, section 8)
_FRAME, _HOP = 128, 32  # samples of the spectrogram
_LETTERS = 80  # of a name above a trace
_SHARES = {"test traces of events in train": "events", "test traces of stations in train": "stations"}


def draw_run(folder: Path, metrics: dict[str, Any], history: dict[str, list[float]], examples: dict[str, Any]) -> None:
    """Draw curves and calibration, confusion and kinds, traces, training and, of embeddings, what they look like.

    Args:
        folder: Where the PNG and SVG files go.
        metrics: Content of ``metrics.json``, with the result of ``evaluation.evaluate`` under ``details``.
        history: A value an epoch of each training quantity; empty for estimators.
        examples: See :func:`geoml.tasks.tremor.evaluation.evaluate`.
    """
    folder = Path(folder)
    details, source, n = metrics["details"], metrics["data_source"], metrics["n_test"]
    name = f"{metrics['run']['variant']} on {metrics['run']['dataset']}"
    hue = colour(metrics["run"]["variant"], MODELS)
    with figure(png_and_svg(folder, "curves"), 11.5, 4.4) as drawing:
        left, middle, right = drawing.subplots(1, 3)
        _draw_curves(left, middle, examples["truth"], examples["score"], details["threshold"], hue)
        draw_calibration(right, details["calibration"], hue)
        drawing.suptitle(title(name, n, source, "test traces"), x=0.01, ha="left", fontsize=10)
    with figure(png_and_svg(folder, "confusion"), 10.5, 4) as drawing:
        left, right = drawing.subplots(1, 2, width_ratios=(1, 1.3))
        draw_confusion(left, details["confusion"], _CLASSES)
        left.set(xlabel="model", ylabel="label", title="all traces")
        _draw_kinds(right, details, hue)
        drawing.suptitle(title(name, n, source, "test traces"), x=0.01, ha="left", fontsize=10)
    text = f"{name}: traces without (left) and with tremor (right), the best answered on top"
    heading = title(text, len(examples["label"]), source, "test traces")
    _draw_traces(png_and_svg(folder, "traces"), examples, heading)
    if history:
        heading = title(name, metrics["n_train"], source, "training traces")
        draw_history(png_and_svg(folder, "training"), history, heading, hue)
    if "embedding" in examples:
        _draw_embeddings(folder, examples, name, source)


def draw_task(folder: Path, tables: dict[str, "DataFrame"]) -> None:
    """Draw ``compare`` (accuracy on train and test by split) as PNG and SVG."""
    from matplotlib.lines import Line2D

    table = tables["tremor_compare"]
    known = list(dict.fromkeys(table["model"]))
    sets = table.groupby("dataset", sort=False)
    with figure(png_and_svg(folder, "compare"), 3.6 * len(sets) + 1.8, 0.34 * len(known) + 2.4) as drawing:
        panels = drawing.subplots(1, len(sets), squeeze=False, sharex=True, sharey=True)[0]
        for axes, (dataset, rows) in zip(panels, sets, strict=True):
            _draw_compare(axes, rows, known)
            shares = [f"{rows[f'{of}_in_train'].iloc[0]:.0%} of {of}" for of in _SHARES.values()]
            n = f"{rows['n_test'].iloc[0]:,.0f}"
            axes.set_title(f"{dataset}, n = {n} test traces\nseen in training: {' and '.join(shares)}", fontsize=8.5)
        panels[0].set_yticks(range(len(known)), known)
        panels[0].set_ylim(len(known) - 0.5, -0.5)
        signs = [
            Line2D([], [], color=GREY, marker="o", label="test"),
            Line2D([], [], color=GREY, marker="|", markersize=11, markeredgewidth=1.6, linestyle=":", label="training"),
        ]
        drawing.legend(handles=signs, loc="outside lower center", ncols=2)
        source = "+".join(sorted(set(table["data_source"])))
        heading = title("Learnt, or learnt by heart? 95 % intervals over events; line: chance", None, source)
        drawing.suptitle(heading, x=0.01, ha="left", fontsize=10)


def _draw_curves(left: "Axes", right: "Axes", truth: np.ndarray, score: np.ndarray, threshold: float, hue: str) -> None:
    """True against false positives, and precision against recall, by falling probability."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)  # of traces of equal probability
    hit = (truth[order] == 1).cumsum()[last]
    called = np.arange(1, len(order) + 1)[last]
    positive, negative = max((truth == 1).sum(), 1), max((truth == 0).sum(), 1)
    at = int((score >= threshold).sum())
    right_at = int((truth[score >= threshold] == 1).sum())
    left.plot([0, *(called - hit) / negative], [0, *hit / positive], color=hue)
    left.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
    left.plot(
        (at - right_at) / negative,
        right_at / positive,
        "o",
        color="black",
        label=f"at the threshold of the validation traces, {threshold:.2f}",
    )
    left.set(
        xlabel="share of other traces called tremor",
        ylabel="share of tremor found",
        title="hits against false alarms (line: chance)",
        xlim=(-0.02, 1.02),
    )
    right.plot(hit / positive, hit / called, color=hue)
    right.axhline(positive / len(truth), color=GREY, linewidth=0.8)
    if at:
        right.plot(right_at / positive, right_at / at, "o", color="black")
    right.set(
        xlabel="share of tremor found (recall)",
        ylabel="share of calls right (precision)",
        title="precision and recall (line: chance)",
        xlim=(-0.02, 1.02),
        ylim=(0, 1.03),
    )
    left.set_ylim(0, 1.03)
    legend_below(left)


def _draw_kinds(axes: "Axes", details: dict[str, Any], hue: str) -> None:
    """Accuracy by kind of trace."""
    kinds = details["by_kind"]
    names = sorted(kinds, key=lambda kind: kinds[kind]["accuracy"])
    axes.barh(range(len(names)), [kinds[kind]["accuracy"] for kind in names], color=hue, height=0.6)
    axes.set_yticks(range(len(names)), [f"{kind} (n = {kinds[kind]['n']:,})" for kind in names])
    axes.axvline(0.5, color=GREY, linewidth=0.8)
    axes.set(xlabel="accuracy (line: chance)", xlim=(0, 1), title="by kind of trace")


def _draw_traces(paths: list[Path], examples: dict[str, Any], heading: str) -> None:
    """Each trace with its envelope, spectrogram, the predicted surface waves and what the network looks at."""
    columns = [np.flatnonzero(examples["label"] == label) for label in range(len(_CLASSES))]
    rows = max(map(len, columns))
    time = np.arange(examples["waves"].shape[1]) / RATE_HZ
    with figure(paths, 5.2 * 2, 2.5 * rows + 0.8) as drawing:
        grid = drawing.subplots(2 * rows, 2, squeeze=False, sharex=True, height_ratios=[1.3, 1] * rows)
        for axes in grid.flat:
            axes.set_visible(False)
        for row, column, k in [(row, column, k) for column, own in enumerate(columns) for row, k in enumerate(own)]:
            upper, lower = grid[2 * row : 2 * row + 2, column]
            upper.set_visible(True)
            lower.set_visible(True)
            wave = examples["waves"][k]
            upper.plot(time, wave, color=GREY, linewidth=0.25, rasterized=True)
            beat = envelope(wave[None])[0]
            upper.plot(np.arange(len(beat)) * LENGTH_S / len(beat), beat, color=COLOURS[0], linewidth=1)
            if "saliency" in examples:
                _shade(upper, examples["saliency"][k])
            _draw_arrivals(upper, examples["distance_km"][k], examples["after_origin_s"][k])
            said = examples["probability"][k]
            right = (said > 0.5) == (examples["label"][k] == 1)
            kind = examples["kind"][k] or "kind not given"
            upper.set_title(
                f"{_end(str(examples['id'][k]))}\n{kind}; probability of tremor {said:.2f}{'' if right else ': wrong'}",
                fontsize=SMALL,
                color="black" if right else WRONG,
            )
            upper.set(xlim=(0, LENGTH_S), yticks=[])
            _draw_spectrogram(lower, wave)
            lower.set_ylabel("frequency (Hz)", fontsize=SMALL)
        for column, own in enumerate(columns):
            lowest = grid[2 * len(own) - 1, column]
            lowest.tick_params(labelbottom=True)
            lowest.set_xlabel("time (s)")
        words = "blue: envelope; shaded: speaks for (orange) or against (violet) tremor"
        words += "; bar: surface waves pass (4.4 to 3.0 km/s)"
        drawing.suptitle(f"{heading}\n{words}", x=0.01, ha="left", fontsize=10)


def _end(name: str) -> str:
    """A name, or its end where it has no room above a trace."""
    return name if len(name) <= _LETTERS else f"…{name[1 - _LETTERS :]}"


def _shade(axes: "Axes", saliency: np.ndarray) -> None:
    """Slices of a trace, the darker the more they move the answer."""
    most = np.abs(saliency).max() or 1.0
    edges = np.linspace(0, LENGTH_S, len(saliency) + 1)
    for begin, end, value in zip(edges, edges[1:], saliency / most, strict=False):
        hue = COLOURS[4] if value > 0 else COLOURS[3]
        axes.axvspan(begin, end, color=hue, alpha=0.55 * abs(float(value)), linewidth=0)


def _draw_arrivals(axes: "Axes", distance_km: float, after_origin_s: float) -> None:
    """A bar along the top while the surface waves pass, as far as they are in the window."""
    first, last = (distance_km / speed - after_origin_s for speed in _SPEEDS)
    if first < LENGTH_S and last > 0:  # not where either is unknown
        style: Any = {"transform": axes.get_xaxis_transform(), "color": "black", "linewidth": 3}
        axes.hlines(0.97, max(first, 0), min(last, LENGTH_S), **style)


def _draw_spectrogram(axes: "Axes", wave: np.ndarray) -> None:
    wave = wave / (wave.std() or 1)
    frames = np.lib.stride_tricks.sliding_window_view(wave, _FRAME)[::_HOP] * np.hanning(_FRAME)
    power = 10 * np.log10(np.abs(np.fft.rfft(frames, axis=1)).T ** 2 + 1e-12)
    low, high = np.percentile(power, (30, 99.5))
    axes.imshow(
        power, origin="lower", aspect="auto", cmap=MAP, vmin=low, vmax=high, extent=(0, LENGTH_S, 0, RATE_HZ / 2)
    )
    axes.grid(False)


def _draw_embeddings(folder: Path, examples: dict[str, Any], name: str, source: str) -> None:
    validation, test = (
        {"label": np.array(_CLASSES)[examples[f"{split}_label"]]}
        | {of: examples[f"{split}_{of}"] for of in ("event", "station")}
        for split in ("val", "test")
    )
    epochs = {int(epoch): np.asarray(values, float) for epoch, values in examples["by_epoch"].items()}
    heading = f"{name}: what the network puts together, validation traces"
    draw_embedding(png_and_svg(folder, "embedding_pca"), epochs, validation, heading, source)
    draw_tsne(png_and_svg(folder, "embedding_tsne"), epochs, validation, heading, source)
    heading = title(f"{name}: traces and those nearest to them", len(examples["embedding"]), source, "test traces")
    draw_neighbours(png_and_svg(folder, "neighbours"), examples["embedding"], examples["test_waves"], test, heading)


def _draw_compare(axes: "Axes", rows: "DataFrame", known: list[str]) -> None:
    """Accuracy of every model on the test set, and on the training set."""
    axes.axvline(0.5, color=GREY, linewidth=0.8)
    for row in rows.to_dict("records"):
        at, hue = known.index(row["model"]), colour(row["model"], MODELS)
        ends = [[max(row["accuracy"] - row["accuracy_ci_low"], 0)], [max(row["accuracy_ci_high"] - row["accuracy"], 0)]]
        axes.errorbar(row["accuracy"], at, xerr=ends, fmt=marker(row["model"], MODELS), color=hue, capsize=2)
        axes.plot(row["train_accuracy"], at, "|", color=hue, markersize=11, markeredgewidth=1.6)
        axes.plot([row["accuracy"], row["train_accuracy"]], [at, at], ":", color=hue, linewidth=0.9)
    axes.set(xlabel="accuracy", xlim=(0, 1.02))

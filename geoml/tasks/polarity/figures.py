"""Figures of the polarity task: of one run, and of all runs together."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.plotting import (
    COLOURS,
    GREY,
    MAP,
    SMALL,
    colour,
    draw_calibration,
    draw_confusion,
    draw_history,
    figure,
    heat_map,
    legend_below,
    marker,
    png_and_svg,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure
    from pandas import DataFrame

MODELS = ("bulid_pd_model", "bulid_pp_model", "cnn_ross", "pd_model")  # in the order of their colours
_RATE_HZ = 100.0
_P_SAMPLE = 200  # of the 400 of a window
_STEP_S = 0.08  # of the attention: three poolings by 2
_SHOWN = 6  # examples of a kind in the gallery
_FEW = 5  # traces; an SNR bin with fewer is not drawn
_WORDS = ("up", "down", "unreadable")
_SCORES = {"accuracy": "accuracy, three classes", "strict_ud_accuracy": "accuracy, up against down"}
_READABLE = "up against down"


def draw_run(
    folder: Path, metrics: dict[str, Any], history: dict[str, list[float]], examples: dict[str, np.ndarray]
) -> None:
    """Draw confusion, training, SNR, pick error, reliability and example windows of one run.

    Args:
        folder: Where the PNG and SVG files go.
        metrics: Content of ``metrics.json``, with the result of ``evaluation.evaluate`` under ``details``.
        history: A value an epoch of each training quantity.
        examples: ``windows`` (k, 400) as the model sees them, ``truth`` (k,) codes, ``probabilities`` (k, 3) and, where
            the model has it, ``attention`` (k, 50, 50).
    """
    folder = Path(folder)
    details, source, n = metrics["details"], metrics["data_source"], metrics["n_test"]
    name = f"{metrics['run']['variant']} on {metrics['run']['dataset']}"
    hue = colour(metrics["run"]["variant"], MODELS)
    with figure(png_and_svg(folder, "confusion"), 5.2, 3.9) as drawing:
        axes = drawing.subplots()
        draw_confusion(axes, np.array(details["confusion"]), _WORDS)
        axes.set(xlabel="model", ylabel="analyst")
        axes.set_title(title(name, n, source, "test traces"))
    heading = title(name, metrics["n_train"], source, "training traces")
    draw_history(png_and_svg(folder, "training"), history, heading, hue)
    _draw_snr(png_and_svg(folder, "snr"), details, title(name, n, source, "test traces"), hue)
    error = details["pick_error"]
    heading = title(name, error["n"], source, "test traces that are up or down")
    _draw_pick_error(png_and_svg(folder, "pick_error"), error["shifts"], heading, hue)
    _draw_reliability(png_and_svg(folder, "reliability"), details, title(name, n, source, "test traces"), hue)
    heading = title(name, len(examples["truth"]), source, "examples of test traces")
    _draw_gallery(png_and_svg(folder, "gallery"), examples, heading, hue)


def draw_task(folder: Path, tables: dict[str, "DataFrame"]) -> None:
    """Draw ``cross_dataset`` and ``compare`` as PNG and SVG from the tables of the same names."""
    folder = Path(folder)
    _draw_cross(png_and_svg(folder, "cross_dataset"), tables["polarity_cross"])
    _draw_compare(png_and_svg(folder, "compare"), tables["polarity_compare"])


def _draw_snr(paths: list[Path], details: dict[str, Any], heading: str, hue: str) -> None:
    bins, noise = details["by_snr_db"]["bins"], details["added_noise"]
    bins = [b for b in bins if b["n"] >= _FEW]
    with figure(paths, 10, 4.7) as drawing:
        panels = drawing.subplot_mosaic([["scores", "noise"], ["counts", "noise"]], height_ratios=[3, 1])
        left, below, right = panels["scores"], panels["counts"], panels["noise"]
        left.sharex(below)
        centre = np.array([(b["low"] + b["high"]) / 2 for b in bins])
        _with_interval(left, centre - 0.4, bins, "accuracy", GREY, "s", "three classes")
        _with_interval(left, centre + 0.4, bins, "strict_ud_accuracy", hue, "o", _READABLE)
        left.set(ylabel="accuracy", title=f"as recorded, bins of {_FEW} traces or more", ylim=(0, 1.03))
        left.tick_params(labelbottom=False)
        below.bar(centre, [b["n"] for b in bins], 4.2, color="#C8C8C8")
        below.bar(centre, [b["n_ud"] for b in bins], 4.2, color=hue, alpha=0.7)
        below.set(xlabel="signal-to-noise ratio (dB)", ylabel="traces")
        below.legend(*left.get_legend_handles_labels(), loc="upper center", bbox_to_anchor=(0.5, 0),
                     borderaxespad=4.5, ncols=2)  # fmt: skip
        added = [level for level in noise["levels"] if level["snr_db"] is not None]
        at = np.array([level["snr_db"] for level in added])
        _with_interval(right, at, added, "strict_ud_accuracy", hue, "o", _READABLE)
        clean = noise["levels"][0]["strict_ud_accuracy"]
        if clean is not None:
            right.axhline(clean, color=hue, linestyle=":", label=f"no noise added: {clean:.3f}")
        right.axhline(0.5, color=GREY, linewidth=0.8)
        right.set_xlabel("signal-to-noise ratio after noise was added (dB)")
        right.set_title(f"noise added, n = {noise['n']:,} readable traces (line: chance)")
        right.set(ylim=(0, 1.03), ylabel="accuracy")
        legend_below(right, 2)
        drawing.suptitle(heading, x=0.01, ha="left", fontsize=10)


def _with_interval(
    axes: "Axes", at: np.ndarray, rows: list[dict[str, Any]], name: str, hue: str, mark: str, label: str
) -> None:
    """Values with their 95 % intervals; undefined ones are left out."""
    value, low, high = (
        np.array([row[key] for row in rows], float) for key in (name, f"{name}_ci_low", f"{name}_ci_high")
    )
    errors = np.maximum([value - low, high - value], 0)
    axes.errorbar(at, value, errors, color=hue, marker=mark, label=label, capsize=2, elinewidth=0.9)


def _draw_pick_error(paths: list[Path], rows: list[dict[str, Any]], heading: str, hue: str) -> None:
    shift_s = np.array([row["shift_samples"] for row in rows]) / _RATE_HZ
    with figure(paths, 6, 4.4) as drawing:
        axes = drawing.subplots()
        low, high = (np.array([row[f"strict_ud_accuracy_ci_{end}"] for row in rows], float) for end in ("low", "high"))
        axes.fill_between(shift_s, low, high, color=hue, alpha=0.2, linewidth=0, label="95 % interval")
        values = np.array([row["strict_ud_accuracy"] for row in rows], float)
        axes.plot(shift_s, values, color=hue, marker="o", markersize=3.5, label=_READABLE)
        called = np.array([row["called"] for row in rows], float)
        axes.plot(shift_s, called, "--", color=GREY, label="read as up or down at all")
        axes.axhline(0.5, color=GREY, linewidth=0.8)
        axes.set(xlabel="pick error (s), positive: picked too late", ylabel="share of traces (line: chance)")
        axes.set_ylim(0, 1.03)
        axes.set_title(heading)
        legend_below(axes, 2)


def _draw_reliability(paths: list[Path], details: dict[str, Any], heading: str, hue: str) -> None:
    calibration, selective = details["calibration"], details["selective"]
    with figure(paths, 9, 4.6) as drawing:
        left, right = drawing.subplots(1, 2)
        draw_calibration(left, calibration, hue)
        coverage, accuracy = np.array(selective["coverage"], float), np.array(selective["accuracy"], float)
        area = "" if selective["area"] is None else f", area {selective['area']:.3f}"
        right.plot(coverage, accuracy, color=hue, label=f"surest readings first{area}")
        if selective["threshold_for_99"] is not None and selective["accuracy_at_99"] is not None:
            label = f"threshold {selective['threshold_for_99']:.2f}, 99 % right on validation"
            right.plot(selective["coverage_at_99"], selective["accuracy_at_99"], "D", color="black", label=label)
        right.set(xlabel="share of traces read as up or down", ylabel="share of readings right")
        right.set_title("reading only what is sure")
        right.set(xlim=(0, 1.01), ylim=(min(0.5, np.nanmin(accuracy, initial=1.0)), 1.01))
        legend_below(right)
        drawing.suptitle(heading, x=0.01, ha="left", fontsize=10)


def _draw_gallery(paths: list[Path], examples: dict[str, np.ndarray], heading: str, hue: str) -> None:
    """Right readings on the left, wrong ones on the right, each with its attention where the model has it."""
    right = examples["probabilities"].argmax(axis=1) == examples["truth"]
    kinds = {"right": np.flatnonzero(right)[:_SHOWN], "wrong": np.flatnonzero(~right)[:_SHOWN]}
    rows = max(1, *(len(index) for index in kinds.values()))
    with figure(paths, 11, 0.8 + 1.4 * rows) as drawing:
        for half, kind in zip(drawing.subfigures(1, 2, squeeze=False)[0], kinds, strict=True):
            _draw_examples(half, examples, kinds[kind], rows, kind, hue)
        drawing.suptitle(heading, x=0.01, ha="left", fontsize=10)


def _draw_examples(
    half: "SubFigure", examples: dict[str, np.ndarray], index: np.ndarray, rows: int, kind: str, hue: str
) -> None:
    attention = examples.get("attention")
    half.suptitle(kind if len(index) else f"{kind}: none among the examples", fontsize=10)
    ratios = [4, 1] if attention is not None else [1]
    panels = half.subplots(rows, len(ratios), squeeze=False, width_ratios=ratios)
    span = (-_P_SAMPLE / _RATE_HZ, _P_SAMPLE / _RATE_HZ)
    for row, axes in enumerate(panels):
        if row >= len(index):
            for unused in axes:
                unused.set_visible(False)
            continue
        i = index[row]
        wave, last = examples["windows"][i], row == len(index) - 1
        time_s = np.arange(len(wave)) / _RATE_HZ + span[0]
        axes[0].axvline(0, color=COLOURS[1], linewidth=0.9)
        axes[0].plot(time_s, wave, color="black", linewidth=0.8)
        said = ", ".join(f"{word} {p:.2f}" for word, p in zip(_WORDS, examples["probabilities"][i], strict=True))
        axes[0].set_title(f"analyst: {_WORDS[int(examples['truth'][i])]}; model: {said}", fontsize=SMALL, pad=3)
        top = 1.1 * np.abs(wave).max(initial=1e-9)
        axes[0].set(xlim=span, yticks=[], ylim=(-top, top))
        axes[0].tick_params(labelbottom=last)
        if last:
            axes[0].set_xlabel("time after the P pick (s)")
        if attention is not None:
            profile = attention[i].mean(axis=0)
            steps = span[0] + _STEP_S * (np.arange(len(profile)) + 0.5)
            height = top * profile / max(profile.max(initial=0), 1e-9)
            axes[0].fill_between(steps, -top, height - top, color=hue, alpha=0.35, linewidth=0, step="mid", zorder=0)
            axes[1].imshow(attention[i], cmap=MAP, extent=(*span, span[1], span[0]), aspect="equal")
            axes[1].grid(False)
            axes[1].tick_params(labelsize=SMALL, labelbottom=last)
            axes[1].set_ylabel("from (s)", fontsize=SMALL)
            if row == 0:
                axes[1].set_title("attention", fontsize=SMALL, pad=3)
            if last:
                axes[1].set_xlabel("to (s)", fontsize=SMALL)


def _draw_cross(paths: list[Path], table: "DataFrame") -> None:
    """A heat map a model and score: rows trained on, columns tested on."""
    models = list(dict.fromkeys(table["model"]))
    trained, tested = (list(dict.fromkeys(table[name])) for name in ("trained_on", "tested_on"))
    with figure(paths, 1.2 + 2.6 * len(models), 5.8) as drawing:
        panels = drawing.subplots(2, len(models), squeeze=False, sharex=True, sharey=True)
        for row, (score, words) in zip(panels, _SCORES.items(), strict=True):
            lowest = min(0.5, table[score].min())
            for axes, model in zip(row, models, strict=True):
                part = table[table["model"] == model]
                cells = part.pivot(index="trained_on", columns="tested_on", values=score)
                cells = cells.reindex(index=trained, columns=tested)
                texts = [["" if np.isnan(v) else f"{v:.2f}" for v in line] for line in cells.to_numpy(float)]
                image = heat_map(axes, cells, tested, trained, texts, (lowest, 1.0))
                axes.set_title(model if score == "accuracy" else "")
                axes.tick_params(axis="x", labelbottom=score != "accuracy")
            row[0].set_ylabel("trained on")
            drawing.colorbar(image, ax=list(row), label=words, shrink=0.9)
        for axes in panels[-1]:
            axes.set_xlabel("tested on")
        drawing.suptitle(_of_table("Own and other data sets", table, "tested_on"), x=0.01, ha="left", fontsize=10)


def _draw_compare(paths: list[Path], table: "DataFrame") -> None:
    """Accuracy and strict U/D accuracy of each model on its own test events, with intervals."""
    models, datasets = (list(dict.fromkeys(table[name])) for name in ("model", "dataset"))
    shown = {score: words for score, words in _SCORES.items() if score in table}
    with figure(paths, 4.6 * len(shown) + 1.2, 4) as drawing:
        panels = drawing.subplots(1, len(shown), squeeze=False)[0]
        for axes, (score, words) in zip(panels, shown.items(), strict=True):
            for k, model in enumerate(models):
                part = table[table["model"] == model]
                at = np.array([datasets.index(name) for name in part["dataset"]]) + 0.7 * (
                    (k + 0.5) / len(models) - 0.5
                )
                value, low, high = (part[f"{score}{end}"].to_numpy(float) for end in ("", "_ci_low", "_ci_high"))
                errors = np.maximum([value - low, high - value], 0)
                axes.errorbar(at, value, errors, color=colour(model, MODELS), marker=marker(model, MODELS),
                              linestyle="none", capsize=3, label=model)  # fmt: skip
            axes.set_xticks(range(len(datasets)), datasets)
            axes.set(ylabel=words, xlabel="data set", xlim=(-0.5, len(datasets) - 0.5))
            axes.grid(axis="x", visible=False)
        drawing.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
        heading = _of_table("Own test events, 95 % intervals", table, "dataset")
        drawing.suptitle(heading, x=0.01, ha="left", fontsize=10)


def _of_table(text: str, table: "DataFrame", by: str) -> str:
    """Title with the test traces of each data set and where the data come from."""
    sizes = table.drop_duplicates(by).set_index(by)["n_test"]
    sources = " and ".join(sorted({str(source) for source in table["data_source"].dropna()}))
    counts = ", ".join(f"{name} {size:,.0f}" for name, size in sizes.items())
    return f"{text}\nn = {counts} test traces, {sources} data"

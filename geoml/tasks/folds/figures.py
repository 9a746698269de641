"""Figures of the fold task: of one run, and of all runs together."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.plotting import (
    COLOURS,
    GREY,
    MARKERS,
    SMALL,
    SPLITS,
    WRONG,
    draw_calibration,
    draw_confusion,
    draw_history,
    figure,
    legend_below,
    png_and_svg,
    title,
)
from geoml.tasks.folds import CLASSES, pictures
from geoml.tasks.folds.features import planes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

_ACROSS = 8  # images in a row of the gallery
_LEARNING = ("shallow", "deep", "transfer")  # what a colour stands for: there are more models than colours


def draw_run(
    folder: Path, metrics: dict[str, Any], history: dict[str, list[float]], examples: dict[str, np.ndarray]
) -> None:
    """Draw confusion, training, calibration, accuracy by kind of image, gallery, and Grad-CAM or the feature images.

    Args:
        folder: Where the PNG and SVG files go.
        metrics: Content of ``metrics.json``, with the result of ``evaluation.evaluate`` under ``details``.
        history: A value an epoch of each training quantity; empty for estimators.
        examples: See :func:`geoml.tasks.folds.evaluation.evaluate`.
    """
    folder = Path(folder)
    details, source, n = metrics["details"], metrics["data_source"], metrics["n_test"]
    name = f"{metrics['run']['variant']} on {metrics['run']['dataset']}"
    learning = "shallow" if not history else "transfer" if metrics["training"].get("started_from") else "deep"
    hue = COLOURS[_LEARNING.index(learning)]
    with figure(png_and_svg(folder, "confusion"), 9.6, 4) as drawing:
        for axes, (split, counts) in zip(drawing.subplots(1, 2), details["confusion"].items(), strict=True):
            draw_confusion(axes, counts, CLASSES)
            axes.set(xlabel="model", ylabel="label", title=f"{SPLITS[split]}, n = {np.sum(counts):,} images")
        drawing.suptitle(title(name, None, source), x=0.01, ha="left", fontsize=10)
    with figure(png_and_svg(folder, "reliability"), 9.4, 4.3) as drawing:
        left, right = drawing.subplots(1, 2)
        draw_calibration(left, details["calibration"], hue)
        _draw_kinds(right, details, hue)
        drawing.suptitle(title(name, n, source, "test images"), x=0.01, ha="left", fontsize=10)
    if history:
        heading = title(name, metrics["n_train"], source, "training images")
        draw_history(png_and_svg(folder, "training"), history, heading, hue)
    if not len(examples["images"]):
        return
    heading = title(f"{name}: test images and answers; red frame: wrong", len(examples["images"]), source, "images")
    _draw_gallery(png_and_svg(folder, "gallery"), examples, heading)
    if "heat" in examples:
        text = f"{name}: images, and where in them the answer was found (Grad-CAM; bright: much, dark: little)"
        _draw_heat(png_and_svg(folder, "gradcam"), examples, text, source)
    else:
        size = examples["images"].shape[1]
        text = f"What features are made of: grey, Gabor and edge image,\nhere of {size} x {size} pixels"
        _draw_planes(png_and_svg(folder, "features"), examples, text, source)


def draw_task(folder: Path, tables: dict[str, "DataFrame"]) -> None:
    """Draw ``compare`` and, where shares of the training set were used, ``learning_curve``, as PNG and SVG."""
    table = tables["fold_compare"]
    measured = table[(table["status"] == "measured") & (table["domain"] == "all")]
    test = measured[(measured["split"] == "test") & (measured["duplicates"] == "removed")]
    for name, rows in test.groupby("dataset", sort=False):
        _draw_compare(
            png_and_svg(folder, f"compare_{name}"),
            str(name),
            rows,
            table[(table["split"] == "test") & table["published_accuracy"].notna()],
        )
        curves = [part for _, part in rows.groupby(["learning", "model", "training", "colour"], sort=False)]
        curves = [part.sort_values("n_train") for part in curves if part["n_train"].nunique() > 1]
        if curves:
            _draw_learning_curve(png_and_svg(folder, f"learning_curve_{name}"), str(name), curves)


def _draw_kinds(axes: "Axes", details: dict[str, Any], hue: str) -> None:
    """Accuracy by domain, style and whether the label is right, with intervals."""
    rows = [
        (f"{kind} (n = {found['n']:,})", found)
        for of in ("by_domain", "by_style", "by_label")
        for kind, found in details[of].items()
        if kind not in ("not given", "unknown")
    ]
    if not rows:
        axes.set_visible(False)
        return
    value, low, high = (
        np.array([found[f"accuracy{end}"] for _, found in rows], float) for end in ("", "_ci_low", "_ci_high")
    )
    at = np.arange(len(rows))
    axes.errorbar(value, at, xerr=np.maximum([value - low, high - value], 0), color=hue, marker="o", linestyle="none",
                  capsize=2)  # fmt: skip
    axes.set_yticks(at, [name for name, _ in rows])
    axes.invert_yaxis()
    axes.axvline(1 / len(CLASSES), color=GREY, linewidth=0.8)
    axes.set(xlabel="accuracy, 95 % interval (line: chance)", xlim=(-0.02, 1.02), title="by kind of image")


def _draw_gallery(paths: list[Path], examples: dict[str, np.ndarray], heading: str) -> None:
    images, truth, p = examples["images"], examples["truth"], examples["probabilities"]
    down = -(-len(images) // _ACROSS)
    with figure(paths, 1.45 * _ACROSS, 0.6 + 1.85 * down) as drawing:
        panels = drawing.subplots(down, _ACROSS, squeeze=False).ravel()
        for axes in panels:
            axes.set_visible(False)
        for axes, image, label, answer in zip(panels, images, truth, p, strict=False):
            said = int(answer.argmax())
            _show(axes, image, f"label {CLASSES[label]}\nmodel {CLASSES[said]} {answer[said]:.2f}")
            if said != label:
                for side in axes.spines.values():
                    side.set(visible=True, color=WRONG, linewidth=3)
        drawing.suptitle(heading, x=0.01, ha="left", fontsize=10)


def _draw_heat(paths: list[Path], examples: dict[str, np.ndarray], heading: str, source: str) -> None:
    """Two images of each label: as seen, and where the answer was found."""
    places = [np.flatnonzero(examples["truth"] == k) for k in range(len(CLASSES))]
    shown = [i for of in places for i in of[np.linspace(0, len(of) - 1, min(2, len(of))).astype(int)]]
    with figure(paths, max(1.7 * len(shown), 9.0), 4.3) as drawing:
        for column, i in zip(drawing.subplots(2, len(shown), squeeze=False).T, shown, strict=True):
            said = int(examples["probabilities"][i].argmax())
            _show(column[0], examples["images"][i], f"label {CLASSES[examples['truth'][i]]}")
            _show(column[1], examples["images"][i], f"model {CLASSES[said]}")
            column[1].imshow(examples["heat"][i], cmap="inferno", alpha=0.55, vmin=0, vmax=1)
        drawing.suptitle(title(heading, len(shown), source, "test images"), x=0.01, ha="left", fontsize=10)


def _draw_planes(paths: list[Path], examples: dict[str, np.ndarray], heading: str, source: str) -> None:
    """An image of each class: grey, Gabor response, edges."""
    labels = np.unique(examples["truth"])
    with figure(paths, 5.4, 0.8 + 1.75 * len(labels)) as drawing:
        for k, row in zip(labels, drawing.subplots(len(labels), 3, squeeze=False), strict=True):
            image = examples["images"][np.flatnonzero(examples["truth"] == k)[0]]
            for axes, plane, name in zip(row, planes(pictures.grey(image)), ("grey", "Gabor", "edge"), strict=True):
                _show(axes, plane, f"{CLASSES[k]}: {name}")
        drawing.suptitle(title(heading, len(labels), source, "test images"), x=0.01, ha="left", fontsize=10)


def _show(axes: "Axes", image: np.ndarray, heading: str) -> None:
    axes.set_visible(True)
    axes.imshow(image, cmap="gray", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.set_title(heading, fontsize=SMALL, pad=3)


def _draw_compare(paths: list[Path], dataset: str, rows: "DataFrame", published: "DataFrame") -> None:
    """Measured accuracy with its interval beside the published one, the best below its kind."""
    rows = rows[rows["n_train"] == rows["n_train"].max()]  # not the points of a learning curve
    order = rows["learning"].map(_LEARNING.index)
    rows = rows.assign(order=order).sort_values(["order", "accuracy"], ascending=[False, True])
    same = ["learning", "model", "training", "colour"]
    figures = published.drop_duplicates(same).set_index(same)["published_accuracy"]
    at = np.arange(len(rows))
    with figure(paths, 7.2, 1.4 + 0.24 * len(rows)) as drawing:
        axes = drawing.subplots()
        for k, learning in enumerate(_LEARNING):
            mine = (rows["learning"] == learning).to_numpy()
            if not mine.any():
                continue
            part = rows[mine]
            value, low, high = (part[f"accuracy{end}"].to_numpy(float) for end in ("", "_ci_low", "_ci_high"))
            axes.errorbar(value, at[mine], xerr=np.maximum([value - low, high - value], 0), color=COLOURS[k],
                          marker="o", linestyle="none", capsize=2, label=f"{learning}, measured")  # fmt: skip
        known = [figures.get(key, np.nan) for key in rows[same].itertuples(index=False, name=None)]
        axes.plot(known, at, "|", color="black", markersize=10, markeredgewidth=1.6, linestyle="none",
                  label="published")  # fmt: skip
        axes.axvline(1 / len(CLASSES), color=GREY, linewidth=0.8)
        words = rows["model"] + np.where(
            rows["learning"] == "shallow", "", ", " + rows["training"] + ", " + rows["colour"]
        )
        axes.set_yticks(at, words)
        axes.set(
            xlabel="test accuracy, 95 % interval over images (line: chance)", xlim=(0, 1), ylim=(-0.7, len(at) - 0.3)
        )
        drawing.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
        n = int(rows["n_test"].iloc[0])
        axes.set_title(
            title(f"Accuracy on {dataset}", n, rows["data_source"].iloc[0], "test images that are not in training too")
        )


def _draw_learning_curve(paths: list[Path], dataset: str, curves: list["DataFrame"]) -> None:
    with figure(paths, 6, 4.2) as drawing:
        axes = drawing.subplots()
        for part, mark in zip(curves, MARKERS, strict=False):
            hue = COLOURS[_LEARNING.index(part["learning"].iloc[0])]
            value, low, high = (part[f"accuracy{end}"].to_numpy(float) for end in ("", "_ci_low", "_ci_high"))
            axes.errorbar(part["n_train"], value, np.maximum([value - low, high - value], 0), color=hue, marker=mark,
                          capsize=2, label=str(part["model"].iloc[0]))  # fmt: skip
        axes.set_xscale("log")
        sizes = sorted({int(n) for part in curves for n in part["n_train"]})
        axes.set_xticks(sizes, [f"{n:,}" for n in sizes])
        axes.minorticks_off()
        axes.axhline(1 / len(CLASSES), color=GREY, linewidth=0.8)
        axes.set(xlabel="training images", ylabel="test accuracy, 95 % interval (line: chance)")
        legend_below(axes, 2)
        n, source = int(curves[0]["n_test"].iloc[0]), curves[0]["data_source"].iloc[0]
        axes.set_title(title(f"What more training images give, {dataset}", n, source, "test images"))

"""Figures of the slip task: of one run, and of all runs together."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.plotting import (
    GREY,
    SMALL,
    SPLITS,
    WRONG,
    colour,
    draw_history,
    figure,
    legend_below,
    marker,
    png_and_svg,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

MODELS = (
    "ssf_cnn", "constant", "ridge", "boosted_trees", "gaussian", "global_pooling", "ssf_cnn_coded", "ensemble",
    "ssf_cnn_by_accuracy", "ssf_cnn_sense",
)  # fmt: skip  # in the order of their colours
_SHOWN = 6  # experiments in the figure of efficiency against time
_SIGNS = {"train": ("o", "none"), "val": ("s", "white"), "test": ("D", None)}  # marker and its face of a set
_WITHIN = "share within 2 SD of the measured"
_SCORES = {"accuracy_2sd": _WITHIN, "mae": "mean absolute error of the efficiency"}  # compared, if they are columns


def draw_run(
    folder: Path, metrics: dict[str, Any], history: dict[str, list[float]], examples: dict[str, np.ndarray]
) -> None:
    """Draw cross-plots, efficiency against time, intervals, errors by kind, changed maps, training and saliency.

    Args:
        folder: Where the PNG and SVG files go.
        metrics: Content of ``metrics.json``, with the result of ``evaluation.evaluate`` under ``details``.
        history: A value an epoch of each training quantity; empty for baselines.
        examples: See :func:`geoml.tasks.slip.evaluation.evaluate`.
    """
    folder = Path(folder)
    details, source, n = metrics["details"], metrics["data_source"], metrics["n_test"]
    name = f"{metrics['run']['variant']} on {metrics['run']['dataset']}"
    hue = colour(metrics["run"]["variant"], MODELS)
    with figure(png_and_svg(folder, "cross_plot"), 11, 4.4) as drawing:
        for axes, split in zip(drawing.subplots(1, 3), SPLITS, strict=True):
            _draw_cross(axes, examples[split], split, hue)
        drawing.suptitle(title(name, None, source), x=0.01, ha="left", fontsize=10)
    _draw_time(png_and_svg(folder, "efficiency_in_time"), examples, name, source, hue)
    height = max(4.6, 1.6 + 0.17 * sum(len(details[f"by_{of}"]) for of in ("efficiency", "condition", "experiment")))
    with figure(png_and_svg(folder, "intervals"), 10.5, height) as drawing:
        left, right = drawing.subplots(1, 2, width_ratios=(1, 1.3))
        _draw_intervals(left, details["intervals"], hue)
        _draw_errors(right, details, hue)
        drawing.suptitle(title(name, n, source, "test maps"), x=0.01, ha="left", fontsize=10)
    changed = details["robustness"]
    heading = title(f"{name}: the same maps, drawn otherwise", changed["as mapped"]["n"], source, "test maps")
    _draw_robustness(png_and_svg(folder, "robustness"), changed, heading, hue)
    if history:
        heading = title(name, metrics["n_train"], source, "training maps")
        draw_history(png_and_svg(folder, "training"), history, heading, hue, ("accuracy_2sd", _WITHIN))
    if "saliency" in examples:
        _draw_saliency(png_and_svg(folder, "saliency"), examples, name, source)


def draw_task(folder: Path, tables: dict[str, "DataFrame"]) -> None:
    """Draw ``compare``: error and 2SD accuracy of every model under every split; as PNG and SVG."""
    table = tables["slip_compare"]
    for name, rows in table.groupby("dataset", sort=False):
        _draw_compare(png_and_svg(folder, f"compare_{name}"), str(name), rows)
    test = table[table["split"] == "test"]
    if test["dataset"].nunique() > 1 and "mae" in test:
        _draw_leakage(png_and_svg(folder, "leakage"), test)


def _draw_cross(axes: "Axes", points: np.ndarray, split: str, hue: str) -> None:
    truth, said, sd = points.T
    off = np.abs(said - truth) > 2 * sd
    axes.plot([0, 1.1], [0, 1.1], color=GREY, linewidth=0.8)
    style: Any = {"linestyle": "", "markersize": 3, "alpha": 0.6, "rasterized": True}
    axes.plot(truth[~off], said[~off], ".", color=hue, label="within 2 SD", **style)
    axes.plot(truth[off], said[off], "x", color=WRONG, label="beyond 2 SD", **style)
    axes.set(
        xlabel="kinematic efficiency, measured",
        ylabel="kinematic efficiency, predicted",
        xlim=_reach(truth, -0.03, 1.1),
        ylim=_reach(said, -0.08, 1.2),
    )
    axes.set_title(f"{SPLITS[split]}, n = {len(truth):,} maps: {off.mean():.1%} beyond 2 SD")
    legend_below(axes, 2)


def _reach(values: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """Limits of an axis, and further where points lie further out."""
    return min(low, values.min() - 0.03), max(high, values.max() + 0.03)


def _draw_time(paths: list[Path], examples: dict[str, np.ndarray], name: str, source: str, hue: str) -> None:
    """Measured and predicted efficiency of all windows of the first test experiments."""
    names = np.unique(examples["experiment"])[:_SHOWN]
    shown = int(np.isin(examples["experiment"], names).sum())
    truth, said, sd = examples["test"].T
    across = min(3, len(names))
    down = -(-len(names) // across)
    with figure(paths, max(3.6 * across + 0.6, 5.5), 2.7 * down + 1.0) as drawing:
        grid = drawing.subplots(down, across, squeeze=False, sharex=True, sharey=True)
        for axes in grid.ravel()[len(names) :]:
            axes.set_visible(False)
        for axes in grid.ravel()[: len(names)][-across:]:  # the last of each column
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("progress of the experiment (share)")
        for axes, experiment in zip(grid.ravel(), names, strict=False):
            own = np.flatnonzero(examples["experiment"] == experiment)
            own = own[np.argsort(examples["progress"][own], kind="stable")]
            time = examples["progress"][own]
            axes.errorbar(time, truth[own], 2 * sd[own], fmt=".", color=GREY, elinewidth=0.5, alpha=0.5, markersize=3,
                          label="measured, with 2 SD")  # fmt: skip
            axes.plot(time, said[own], ".", color=hue, markersize=3.5, label="predicted")
            axes.set(title=str(experiment), ylim=_reach(np.append(truth, said), -0.1, 1.25))
        for axes in grid[:, 0]:
            axes.set_ylabel("kinematic efficiency")
        drawing.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        heading = title(name, shown, source, "test maps")
        drawing.suptitle(heading, x=0.01, ha="left", fontsize=10)


def _draw_intervals(axes: "Axes", found: dict[str, Any], hue: str) -> None:
    """Share of the truth inside the central intervals, against what it should be."""
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
    if found["own"]:
        axes.plot(found["levels"], found["own"], "s-", color=GREY, label="as the network says")
    axes.plot(
        found["levels"], found["scaled"], "o-", color=hue, label=f"scaled by {found['scale']:.2g}, from validation"
    )
    axes.set(xlabel="what an interval of the model should hold", ylabel="share of measured values in it")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), title="intervals (line: as they should be)")
    legend_below(axes)


def _draw_errors(axes: "Axes", details: dict[str, Any], hue: str) -> None:
    """Mean absolute error and bias by efficiency, condition and experiment."""
    rows = [
        (f"{kind} (n = {found['n']:,})", found["mae"], found["bias"])
        for of in ("by_efficiency", "by_condition", "by_experiment")
        for kind, found in details[of].items()
    ]
    places = -np.arange(len(rows))
    axes.barh(places, [row[1] for row in rows], color=hue, height=0.6, label="mean absolute error")
    axes.plot([row[2] for row in rows], places, "D", color="black", markersize=3.5, label="mean error (bias)")
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(places, [row[0] for row in rows], fontsize=SMALL)
    axes.set(xlabel="efficiency, predicted minus measured", title="errors by efficiency, condition and experiment")
    legend_below(axes, 2)


def _draw_robustness(paths: list[Path], found: dict[str, Any], heading: str, hue: str) -> None:
    places = -np.arange(len(found))
    with figure(paths, 9.5, 3.6) as drawing:
        left, right = drawing.subplots(1, 2, sharey=True)
        left.barh(places, [row["mae"] for row in found.values()], color=hue, height=0.6)
        left.set(xlabel="mean absolute error of the efficiency")
        right.barh(places, [row["mean_change"] for row in found.values()], color=hue, height=0.6)
        right.axvline(0, color=GREY, linewidth=0.8)
        right.set(xlabel="mean change of the predicted efficiency")
        left.set_yticks(places, list(found))
        drawing.suptitle(heading, x=0.01, ha="left", fontsize=10)


def _draw_saliency(paths: list[Path], examples: dict[str, np.ndarray], name: str, source: str) -> None:
    """Maps above what each pixel adds to the efficiency, integrated gradients; the same colours in all."""
    shown, heat = examples["maps"], examples["saliency"]
    top = max(float(np.quantile(np.abs(heat[shown > 0]), 0.99)) if (shown > 0).any() else 0.0, 1e-6)
    with figure(paths, max(1.6 * len(shown) + 1.2, 6.0), 4.2) as drawing:
        grid = drawing.subplots(1, len(shown), squeeze=False)[0]
        for axes, map_, values in zip(grid, shown, heat, strict=True):
            axes.imshow(map_, cmap="Greys", vmax=3, interpolation="nearest")
            image = axes.imshow(np.ma.masked_where(map_ == 0, values), cmap="PuOr_r", vmin=-top, vmax=top)
            axes.set(xticks=[], yticks=[], title=f"sum {values.sum():+.2f}")
            axes.grid(False)
            axes.spines[:].set_visible(True)
        drawing.colorbar(image, ax=list(grid), label="what a pixel adds to the efficiency", shrink=0.8, extend="both")
        text = f"{name}: where in a map the answer comes from; sum: efficiency minus that of an empty map"
        drawing.suptitle(title(text, len(shown), source, "maps"), x=0.01, ha="left", fontsize=10)


def _draw_compare(paths: list[Path], dataset: str, rows: "DataFrame") -> None:
    """2SD accuracy and mean absolute error by model and set, with intervals; published figures as crosses."""
    from matplotlib.lines import Line2D

    models = list(dict.fromkeys(rows["model"]))
    if not (scores := [score for score in _SCORES if score in rows]):
        return
    with figure(paths, 10.5, 0.62 * len(models) + 2.1) as drawing:
        crosses = False
        for axes, score in zip(drawing.subplots(1, len(scores), sharey=True, squeeze=False)[0], scores, strict=True):
            published = f"published_{score}"
            for k, split in enumerate(SPLITS):
                part = rows[rows["split"] == split].set_index("model").reindex(models)
                places = -np.arange(len(models)) + 0.22 * (1 - k)
                known = part[score].notna().to_numpy()
                for model, place, value, *ends in zip(
                    part.index[known],
                    places[known],
                    part[score][known],
                    *np.array(_ends(part[known], score)),
                    strict=True,
                ):
                    hue, (mark, face) = colour(model, MODELS), _SIGNS[split]
                    axes.errorbar(value, place, xerr=np.reshape(ends, (2, 1)), fmt=mark, color=hue, mfc=face or hue)
                if published in part and part[published].notna().any():
                    axes.plot(part[published], places, "x", color="black", markersize=6)
                    crosses = True
            axes.set(xlabel=_SCORES[score], ylim=(-len(models) + 0.5, 0.6))
            axes.set_yticks(-np.arange(len(models)), models)
        sizes = rows.drop_duplicates("split").set_index("split")["n_test"]
        signs = [
            Line2D([], [], color=GREY, marker=mark, markerfacecolor=face or GREY, label=f"{SPLITS[split]}, "
                   f"n = {sizes[split]:,.0f}")
            for split, (mark, face) in _SIGNS.items() if split in sizes
        ]  # fmt: skip
        if crosses:
            label = "published (real experiments)"
            signs.append(Line2D([], [], color="black", marker="x", linestyle="none", label=label))
        drawing.legend(handles=signs, loc="outside lower center", ncols=4)
        words = f"{dataset}: maps, with 95 % intervals over experiments"
        drawing.suptitle(title(words, None, rows["data_source"].iloc[0]), x=0.01, ha="left", fontsize=10)


def _ends(part: "DataFrame", score: str) -> list[Any]:
    """Lengths of the error bars of a score, down and up."""
    return [np.abs(part[score] - part[f"{score}_ci_{end}"]) for end in ("low", "high")]


def _draw_leakage(paths: list[Path], test: "DataFrame") -> None:
    """Test error of every model under every split, side by side."""
    first = test.drop_duplicates("dataset").set_index("dataset")
    models = list(dict.fromkeys(test["model"]))
    labels = [
        f"{name}, n = {row['n_test']:,.0f}\n({row['frames_in_train']:.0%} of test frames\nseen in training)"
        for name, row in first.iterrows()
    ]
    with figure(paths, 2.4 * len(first) + 3, 4.4) as drawing:
        axes = drawing.subplots()
        for k, (model, rows) in enumerate(test.groupby("model", sort=False)):
            part = rows.set_index("dataset").reindex(first.index)
            places = np.arange(len(first)) + 0.7 * (k / max(len(models) - 1, 1) - 0.5)
            style: Any = {"fmt": marker(str(model), MODELS), "color": colour(str(model), MODELS), "label": str(model)}
            axes.errorbar(places, part["mae"], yerr=_ends(part, "mae"), **style)
        axes.set_xticks(range(len(first)), labels)
        axes.set_ylabel("mean absolute error of the efficiency")
        words = "What a split hides that shares frames with training: error on test maps, 95 % intervals"
        axes.set_title(title(words, None, test["data_source"].iloc[0]), loc="left")
        axes.set_ylim(bottom=0)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))

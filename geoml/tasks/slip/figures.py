"""Figures of the slip task: of one run, and of all runs together."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.plotting import COLOURS, GREY, colour, draw_history, figure, marker, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

_OFF = "#C00000"  # points beyond 2 SD, red as published
_SHOWN = 6  # experiments in the figure of efficiency against time
_SPLITS = ("train", "val", "test")
_SCORES = {"accuracy_2sd": "share within 2 SD", "mae": "mean absolute error"}  # that are compared, if they are columns


def draw_run(
    folder: Path, metrics: dict[str, Any], history: dict[str, list[float]], examples: dict[str, np.ndarray]
) -> None:
    """Draw cross-plots, efficiency against time, intervals, errors by kind, changed maps, training and saliency.

    Args:
        folder: Where the PNG files go.
        metrics: Content of ``metrics.json``, with the result of ``evaluation.evaluate`` under ``details``.
        history: A value an epoch of each training quantity; empty for baselines.
        examples: See :func:`geoml.tasks.slip.evaluation.evaluate`.
    """
    folder = Path(folder)
    details, source, n = metrics["details"], metrics["data_source"], metrics["n_test"]
    name, hue = f"{metrics['run']['variant']} on {metrics['run']['dataset']}", colour(metrics["run"]["variant"])
    with figure([folder / "cross_plot.png"], 11, 4.1) as drawing:
        for axes, split in zip(drawing.subplots(1, 3), _SPLITS, strict=True):
            _draw_cross(axes, examples[split], split, hue)
        drawing.suptitle(title(name, None, source), x=0.01, ha="left", fontsize=10)
    _draw_time(folder / "efficiency_in_time.png", examples, name, source, hue)
    with figure([folder / "intervals.png"], 10.5, 4.2) as drawing:
        left, right = drawing.subplots(1, 2, width_ratios=(1, 1.3))
        _draw_intervals(left, details["intervals"], hue)
        _draw_errors(right, details, hue)
        drawing.suptitle(title(name, n, source, "test maps"), x=0.01, ha="left", fontsize=10)
    changed = details["robustness"]
    heading = title(f"{name}: the same maps, drawn otherwise", changed["as mapped"]["n"], source, "test maps")
    _draw_robustness(folder / "robustness.png", changed, heading, hue)
    if history:
        heading = title(name, metrics["n_train"], source, "training maps")
        draw_history(folder / "training.png", history, heading, score="accuracy_2sd")
    if "saliency" in examples:
        _draw_saliency(folder / "saliency.png", examples, title(f"What {name} looks at", None, source))


def draw_task(folder: Path, tables: dict[str, "DataFrame"]) -> None:
    """Draw ``compare``: error and 2SD accuracy of every model under every split; as PNG and SVG."""
    table = tables["slip_compare"]
    known = list(dict.fromkeys(table["model"]))
    for name, rows in table.groupby("dataset", sort=False):
        paths = [Path(folder) / f"compare_{name}.{kind}" for kind in ("png", "svg")]
        _draw_compare(paths, str(name), rows)
    test = table[table["split"] == "test"]
    if test["dataset"].nunique() > 1 and "mae" in test:
        _draw_leakage([Path(folder) / f"leakage.{kind}" for kind in ("png", "svg")], test, known)


def _draw_cross(axes: "Axes", points: np.ndarray, split: str, hue: str) -> None:
    truth, said, sd = points.T
    off = np.abs(said - truth) > 2 * sd
    axes.plot([0, 1.1], [0, 1.1], color=GREY, linewidth=0.8)
    style: Any = {"linestyle": "", "marker": ".", "markersize": 3, "alpha": 0.6, "rasterized": True}
    axes.plot(truth[~off], said[~off], color=hue, label="within 2 SD", **style)
    axes.plot(truth[off], said[off], color=_OFF, label="beyond 2 SD", **style)
    axes.set(
        xlabel="kinematic efficiency, measured",
        ylabel="predicted",
        xlim=_reach(truth, -0.03, 1.1),
        ylim=_reach(said, -0.08, 1.2),
    )
    axes.set_title(f"{split}, n = {len(truth):,}: {off.mean():.1%} beyond 2 SD")
    axes.legend(loc="upper left", fontsize=8, markerscale=3)


def _reach(values: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """Limits of an axis, and further where points lie further out."""
    return min(low, values.min() - 0.03), max(high, values.max() + 0.03)


def _draw_time(path: Path, examples: dict[str, np.ndarray], name: str, source: str, hue: str) -> None:
    """Measured and predicted efficiency of all windows of the first test experiments."""
    names = np.unique(examples["experiment"])[:_SHOWN]
    shown = int(np.isin(examples["experiment"], names).sum())
    truth, said, sd = examples["test"].T
    across = min(3, len(names))
    down = -(-len(names) // across)
    with figure([path], 3.6 * across + 0.6, 2.7 * down + 0.7) as drawing:
        grid = drawing.subplots(down, across, squeeze=False, sharex=True, sharey=True)
        for axes in grid.ravel()[len(names) :]:
            axes.set_visible(False)
        for axes in grid.ravel()[: len(names)][-across:]:  # the last of each column
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("progress of the experiment")
        for axes, experiment in zip(grid.ravel(), names, strict=False):
            own = np.flatnonzero(examples["experiment"] == experiment)
            own = own[np.argsort(examples["progress"][own], kind="stable")]
            time = examples["progress"][own]
            axes.errorbar(time, truth[own], 2 * sd[own], fmt=".", color=GREY, elinewidth=0.5, alpha=0.5, markersize=3,
                          label="measured, 2 SD")  # fmt: skip
            axes.plot(time, said[own], ".", color=hue, markersize=3.5, label="predicted")
            axes.set(title=str(experiment), ylim=_reach(np.append(truth, said), -0.1, 1.25))
        for axes in grid[:, 0]:
            axes.set_ylabel("kinematic efficiency")
        grid[0, 0].legend(loc="lower right", fontsize=7)
        heading = title(name, shown, source, "test maps")
        drawing.suptitle(heading, x=0.01, ha="left", fontsize=10)


def _draw_intervals(axes: "Axes", found: dict[str, Any], hue: str) -> None:
    """Share of the truth inside the central intervals, against what it should be."""
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
    if found["own"]:
        axes.plot(found["levels"], found["own"], "s-", color=GREY, label="sigma of the network")
    axes.plot(found["levels"], found["scaled"], "o-", color=hue, label=f"scaled on validation, x {found['scale']:.2g}")
    axes.set(xlabel="interval of the model", ylabel="share of measured values in it", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.set_title("intervals")
    axes.legend(loc="upper left", fontsize=8)


def _draw_errors(axes: "Axes", details: dict[str, Any], hue: str) -> None:
    """Mean absolute error and bias by efficiency, condition and experiment."""
    rows = [
        (f"{kind} (n = {found['n']:,})", found["mae"], found["bias"])
        for of in ("by_efficiency", "by_condition", "by_experiment")
        for kind, found in details[of].items()
    ]
    places = -np.arange(len(rows))
    axes.barh(places, [row[1] for row in rows], color=hue, height=0.6, label="mean absolute error")
    axes.plot([row[2] for row in rows], places, "D", color="black", markersize=3.5, label="bias")
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(places, [row[0] for row in rows], fontsize=7 if len(rows) < 22 else 5)
    axes.set(xlabel="efficiency, predicted minus measured", title="errors")
    axes.legend(fontsize=8, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)


def _draw_robustness(path: Path, found: dict[str, Any], heading: str, hue: str) -> None:
    places = -np.arange(len(found))
    with figure([path], 9.5, 3.6) as drawing:
        left, right = drawing.subplots(1, 2, sharey=True)
        left.barh(places, [row["mae"] for row in found.values()], color=hue, height=0.6)
        left.set(xlabel="mean absolute error")
        right.barh(places, [row["mean_change"] for row in found.values()], color=hue, height=0.6)
        right.axvline(0, color=GREY, linewidth=0.8)
        right.set(xlabel="mean change of the predicted efficiency")
        left.set_yticks(places, list(found))
        drawing.suptitle(heading, x=0.01, ha="left", fontsize=10)


def _draw_saliency(path: Path, examples: dict[str, np.ndarray], heading: str) -> None:
    """Maps above what each pixel adds to the efficiency, integrated gradients; the same colours in all."""
    shown, heat = examples["maps"], examples["saliency"]
    top = max(float(np.quantile(np.abs(heat[shown > 0]), 0.99)) if (shown > 0).any() else 0.0, 1e-6)
    with figure([path], 2.1 * len(shown) + 0.8, 4.4) as drawing:
        grid = drawing.subplots(1, len(shown), squeeze=False)[0]
        for axes, map_, values in zip(grid, shown, heat, strict=True):
            axes.imshow(map_, cmap="Greys", vmax=3, interpolation="nearest")
            image = axes.imshow(np.ma.masked_where(map_ == 0, values), cmap="PuOr_r", vmin=-top, vmax=top)
            axes.set(xticks=[], yticks=[], title=f"{values.sum():+.2f}")
            axes.grid(False)
        drawing.colorbar(image, ax=list(grid), label="adds to the efficiency", shrink=0.8)
        text = heading + "; above each map the sum, its efficiency minus that of an empty map"
        drawing.suptitle(text, x=0.01, ha="left", fontsize=10)


def _draw_compare(paths: list[Path], dataset: str, rows: "DataFrame") -> None:
    """2SD accuracy and mean absolute error by model and set, with intervals; published figures as crosses."""
    models = list(dict.fromkeys(rows["model"]))
    if not (scores := [score for score in _SCORES if score in rows]):
        return
    with figure(paths, 10.5, 0.62 * len(models) + 1.9) as drawing:
        for axes, score in zip(drawing.subplots(1, len(scores), sharey=True, squeeze=False)[0], scores, strict=True):
            for k, split in enumerate(_SPLITS):
                part = rows[rows["split"] == split].set_index("model").reindex(models)
                if not part[score].notna().any():
                    continue
                places = -np.arange(len(models)) + 0.22 * (1 - k)
                axes.errorbar(part[score], places, xerr=_ends(part, score), fmt="osD"[k], color=COLOURS[k], label=split)
                if (published := f"published_{score}") in part and part[published].notna().any():
                    label = "published (real experiments)" if k == 2 else None
                    axes.plot(part[published], places, "x", color="black", markersize=6, label=label)
            axes.set(xlabel=_SCORES[score], ylim=(-len(models) + 0.5, 0.6))
            axes.set_yticks(-np.arange(len(models)), models)
        drawing.axes[0].legend(fontsize=8, loc="best")
        first = rows.iloc[0]
        groups = f"{dataset}; 95 % intervals over experiments"
        drawing.suptitle(title(groups, None, first["data_source"]), x=0.01, ha="left", fontsize=10)


def _ends(part: "DataFrame", score: str) -> list[Any]:
    """Lengths of the error bars of a score, down and up."""
    return [np.abs(part[score] - part[f"{score}_ci_{end}"]) for end in ("low", "high")]


def _draw_leakage(paths: list[Path], test: "DataFrame", known: list[str]) -> None:
    """Test error of every model under every split, side by side."""
    datasets = list(dict.fromkeys(test["dataset"]))
    labels = [f"{name}\n({test.loc[test['dataset'] == name, 'frames_in_train'].iloc[0]:.0%} of test frames\nin train)"
              for name in datasets]  # fmt: skip
    with figure(paths, 2.4 * len(datasets) + 3, 4.2) as drawing:
        axes = drawing.subplots()
        for k, (model, rows) in enumerate(test.groupby("model", sort=False)):
            part = rows.set_index("dataset").reindex(datasets)
            places = np.arange(len(datasets)) + 0.7 * (k / max(len(known) - 1, 1) - 0.5)
            style: Any = {"fmt": marker(str(model), known), "color": colour(str(model), known), "label": str(model)}
            axes.errorbar(places, part["mae"], yerr=_ends(part, "mae"), **style)
        axes.set_xticks(range(len(datasets)), labels)
        axes.set(ylabel="mean absolute error, test maps", title=title(
            "What a split that shares frames with training hides", None, test["data_source"].iloc[0]))  # fmt: skip
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))

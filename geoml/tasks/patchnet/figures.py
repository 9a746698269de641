"""Figures of the patch task: of one run, of all networks together, and of the architecture search."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.plotting import (
    COLOURS,
    GREY,
    MAP,
    MARKERS,
    SMALL,
    SPLITS,
    colour,
    draw_confusion,
    draw_history,
    figure,
    legend_below,
    marker,
    png_and_svg,
    title,
)
from geoml.tasks.patchnet import topology
from geoml.tasks.patchnet.predict import colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame, Series

MODELS = (
    "best_found", "v1_valid", "v1_search", "v1_tf2", "mobilenet_v2", "resnet50", "vgg16", "best_halving",
    "best_convolutional",
)  # fmt: skip  # in the order of their colours
_CLASSES = ("no BSR", "BSR")
_ACROSS = 12  # patches in a row of the gallery
_SEISMIC = "RdBu"
_ERROR = "validation error"


def draw_run(folder: Path, metrics: dict[str, Any], history: dict[str, list[float]], examples: dict[str, Any]) -> None:
    """Draw confusion, accuracy by kind, training, the patches that are furthest off, and the synthetic line.

    Args:
        folder: Where the PNG and SVG files go.
        metrics: Content of ``metrics.json``, with the result of ``evaluation.evaluate`` under ``details``.
        history: A value an epoch of each training quantity.
        examples: See :func:`geoml.tasks.patchnet.evaluation.evaluate`.
    """
    folder = Path(folder)
    details, source = metrics["details"], metrics["data_source"]
    name = f"{metrics['run']['variant']} on {metrics['run']['dataset']}"
    hue = colour(metrics["run"]["variant"], MODELS)
    with figure(png_and_svg(folder, "confusion"), 11.5, 3.7) as drawing:
        *both, right = drawing.subplots(1, 3)
        for axes, (split, counts) in zip(both, details["confusion"].items(), strict=True):
            draw_confusion(axes, counts, _CLASSES)
            axes.set(xlabel="network", ylabel="label", title=f"{SPLITS[split]}, n = {np.sum(counts):,} patches")
        kinds = details["by_kind"]
        right.barh(
            [f"{of.replace('bsr', 'BSR')}\n{kind['accuracy']:.3f} of {kind['n']:,}" for of, kind in kinds.items()],
            [kind["accuracy"] for kind in kinds.values()],
            color=hue,
        )
        right.set(xlim=(0, 1), xlabel="accuracy", title="test, by kind of patch")
        right.grid(axis="y", visible=False)
        drawing.suptitle(title(name, None, source), x=0.01, ha="left", fontsize=10)
    heading = title(name, metrics["n_train"], source, "training patches")
    draw_history(png_and_svg(folder, "training"), history, heading, hue)
    text = f"{name}: patches that are furthest off, worst first; label, and probability of a BSR"
    heading = title(text, len(examples["patches"]), source, "test patches")
    _draw_gallery(png_and_svg(folder, "gallery"), examples, heading)
    if "line" in details:
        _draw_line(png_and_svg(folder, "line"), examples, details["line"], name)


def draw_task(folder: Path, tables: dict[str, "DataFrame"]) -> None:
    """Draw ``compare``, and of the searches on a data set their front, scores, best network and rungs."""
    folder = Path(folder)
    table = tables["patchnet_compare"]
    _draw_compare(png_and_svg(folder, "compare"), table)
    if "patchnet_search" not in tables:
        return
    search = tables["patchnet_search"]
    done = search[search["status"] == "done"]
    for dataset, of_dataset in done.groupby("dataset", sort=False):
        best = of_dataset.sort_values("val_accuracy", ascending=False).iloc[0]
        _draw_front(png_and_svg(folder, f"search_front_{dataset}"), of_dataset)
        _draw_scores(png_and_svg(folder, f"search_scores_{dataset}"), of_dataset)
        _draw_architecture(png_and_svg(folder, f"search_best_{dataset}"), best)
        for name, of_search in of_dataset.groupby("search", sort=False):
            rungs = [column for column in of_search if column.startswith("rung") and of_search[column].notna().any()]
            if len(rungs) > 1:
                _draw_rungs(png_and_svg(folder, f"search_rungs_{name}_{dataset}"), of_search, rungs)


def _draw_gallery(paths: list[Path], examples: dict[str, Any], heading: str) -> None:
    patches = examples["patches"]
    across, down = _ACROSS, -(-len(patches) // _ACROSS)
    end = np.percentile(np.abs(patches), 99) or 1.0
    with figure(paths, 11, 0.7 + 1.2 * down) as drawing:
        panels = np.atleast_1d(drawing.subplots(down, across)).ravel()
        for axes in panels:
            axes.set_axis_off()
        for axes, patch, truth, said in zip(panels, patches, examples["truth"], examples["said"], strict=False):
            axes.imshow(patch, cmap=_SEISMIC, vmin=-end, vmax=end)
            axes.set_title(f"{_CLASSES[truth]}, {said:.2f}", fontsize=SMALL)
        drawing.suptitle(heading, x=0.01, ha="left", fontsize=10)


def _draw_line(paths: list[Path], examples: dict[str, Any], details: dict[str, Any], name: str) -> None:
    """Amplitudes with the true BSR, and the probabilities below them."""
    amplitudes, bsr = examples["amplitudes"], examples["bsr"]
    scores = details[details["default"]]
    extent = (0.5, amplitudes.shape[1] + 0.5, amplitudes.shape[0] - 0.5, -0.5)
    shared: dict[str, Any] = {"aspect": "auto", "extent": extent, "interpolation": "nearest"}
    with figure(paths, 11, 8) as drawing:
        above, below = drawing.subplots(2, 1, sharex=True, sharey=True)
        end = np.percentile(np.abs(amplitudes), 98.5)
        image = above.imshow(amplitudes, cmap=_SEISMIC, vmin=-end, vmax=end, **shared)
        above.figure.colorbar(image, ax=above, label="amplitude, arbitrary unit", extend="both")
        image = below.imshow(examples["probability"], cmap=colours(), vmin=0, vmax=1, **shared)
        below.figure.colorbar(image, ax=below, label="probability of a BSR")
        for axes in (above, below):
            axes.plot(
                np.arange(1, len(bsr) + 1), bsr, color=COLOURS[2], linewidth=1.4, linestyle="--", label="true BSR"
            )
            axes.grid(visible=False)
            axes.set(ylabel="sample from the top")
        legend_below(below)
        above.set_title("synthetic line")
        words = ", ".join(
            f"{key} {scores[key]:.2f}" if scores[key] is not None else f"no {key}" for key in ("precision", "recall")
        )
        below.set(xlabel="trace (from 1)", title=f"{words} of samples at probability 0.5 ({details['default']} window)")
        n = f"{details['traces']:,} traces of {details['samples']:,} samples"
        drawing.suptitle(f"{name}\n{n}, synthetic data", x=0.01, ha="left", fontsize=10)


def _draw_compare(paths: list[Path], table: "DataFrame") -> None:
    """Accuracy against operations, and patches a second at batch 64 and 1."""
    trained = table[table["accuracy"].notna()] if "accuracy" in table else table.iloc[:0]
    with figure(paths, 11, 4.8) as drawing:
        left, right = drawing.subplots(1, 2, width_ratios=(1, 1.1))
        for row in trained.itertuples(index=False):
            spread = [[row.accuracy - row.accuracy_ci_low], [row.accuracy_ci_high - row.accuracy]]
            label = row.model if trained["dataset"].nunique() == 1 else f"{row.model} on {row.dataset}"
            left.errorbar(
                row.macs / 1e6, row.accuracy, spread, marker=marker(row.model, MODELS), capsize=3,
                color=colour(row.model, MODELS), linestyle="none", label=label,
            )  # fmt: skip
        left.set(xlabel="operations for one patch (million multiply-adds)", ylabel="test accuracy")
        left.set_title("accuracy with 95 % interval")
        if len(trained):
            _logarithmic(left, "x", trained["macs"] / 1e6)
            legend_below(left, 3)
        counted = table.drop_duplicates("model").dropna(subset=["patches_per_s"]).sort_values("patches_per_s")
        at = np.arange(len(counted))
        hues = [colour(name, MODELS) for name in counted["model"]]
        for shift, column, alpha, words in (
            (0.2, "patches_per_s", 1.0, "64 patches at once (full colour)"),
            (-0.2, "patches_per_s_batch1", 0.45, "one at a time (pale)"),
        ):
            right.barh(at + shift, counted[column], 0.38, color=hues, alpha=alpha)
            right.barh(0, 0, color=GREY, alpha=alpha, label=words)
            for place, value in zip(at + shift, counted[column], strict=True):
                right.text(value * 1.05, place, f"{value:,.0f}", va="center", fontsize=SMALL)
        right.set_yticks(at, [f"{m}\n{s:.3g} MB" for m, s in zip(counted["model"], counted["size_mb"], strict=True)])
        right.set(xscale="log", xlabel="patches per second (CPU, one thread)", title="speed")
        right.set_xlim(right=counted[["patches_per_s", "patches_per_s_batch1"]].max().max() * 2.5)
        right.grid(axis="y", visible=False)
        legend_below(right, 2)
        source = next(iter(trained["data_source"]), None) if len(trained) else None
        n = int(trained["n_test"].max()) if len(trained) else None
        drawing.suptitle(
            title("Networks on patches of 112 x 112 samples", n, source, "test patches"), x=0.01, ha="left", fontsize=10
        )


def _draw_front(paths: list[Path], done: "DataFrame") -> None:
    """Error against each cost, with the candidates that no other beats in all four."""
    costs = {"parameters": ("parameters, million", 1e-6), "macs": ("operations of one patch, million", 1e-6),
             "latency_ms": ("time of one patch (ms)", 1)}  # fmt: skip
    searches = list(dict.fromkeys(done["search"]))
    with figure(paths, 11.5, 4.3) as drawing:
        panels = drawing.subplots(1, 3, sharey=True)
        for axes, (column, (words, factor)) in zip(panels, costs.items(), strict=True):
            for i, (name, rows) in enumerate(done.groupby("search", sort=False)):
                x, y = rows[column] * factor, 1 - rows["val_accuracy"]
                front = rows["pareto"].astype(bool)
                axes.plot(x, y, MARKERS[i], color=COLOURS[i], alpha=0.3, markersize=3.5, rasterized=True)
                axes.plot(
                    x[front], y[front], MARKERS[i], color=COLOURS[i], markeredgecolor="black", markersize=6,
                    label=f"{name}, beaten by none" if column == "macs" else None,
                )  # fmt: skip
            axes.set_xlabel(words)
            _logarithmic(axes, "x", done[column] * factor)
        panels[0].set_ylabel(_ERROR)
        if done["val_accuracy"].max() < 1:
            _logarithmic(panels[0], "y", 1 - done["val_accuracy"])
        legend_below(panels[1], 2)
        text = "What accuracy costs: outlined candidates are beaten by none in error, size, operations and time at once"
        drawing.suptitle(title(text, len(done), done["data_source"].iloc[0], f"candidates of {', '.join(searches)}"),
                         x=0.01, ha="left", fontsize=10)  # fmt: skip


def _logarithmic(axes: "Axes", name: str, values: "Series") -> None:
    """Make axis x or y logarithmic, with plain numbers that do not overlap: within a decade, those of a linear axis."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

    axes.set(**{f"{name}scale": "log"})
    axis = axes.xaxis if name == "x" else axes.yaxis
    decades = np.log10(values.max() / values.min())
    few = LogLocator(subs=(1, 3)) if decades < 2 else LogLocator()
    axis.set_major_locator(MaxNLocator(4) if decades < 1 else few)
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def _draw_scores(paths: list[Path], done: "DataFrame") -> None:
    """Histogram of the score, and the original's score against ours."""
    from matplotlib.ticker import MaxNLocator

    with figure(paths, 9.5, 4.2) as drawing:
        left, right = drawing.subplots(1, 2)
        edges = np.linspace(min(0.5, done["val_accuracy"].min()), 1, 26)
        for i, (name, rows) in enumerate(done.groupby("search", sort=False)):
            left.hist(
                rows["val_accuracy"],
                edges,
                histtype="step",
                color=COLOURS[i],
                linewidth=1.6,
                label=f"{name}, n = {len(rows):,}",
            )
            right.plot(
                rows["val_accuracy"], rows["mean top5"], MARKERS[i], color=COLOURS[i], markersize=4, rasterized=True
            )
        left.set(xlabel="validation accuracy, mean of the best epoch", ylabel="candidates", title="scores")
        left.yaxis.set_major_locator(MaxNLocator(integer=True))
        legend_below(left, 2)
        ends = [edges[0], 1]
        right.plot(ends, ends, color=GREY, linewidth=0.8)
        right.set(xlabel="validation accuracy, mean of the best epoch", ylabel="mean of the five best validations")
        right.set_title("score as published against ours (line: equal)")
        drawing.suptitle(title("Architecture search", len(done), done["data_source"].iloc[0], "candidates"),
                         x=0.01, ha="left", fontsize=10)  # fmt: skip


def _draw_rungs(paths: list[Path], done: "DataFrame", rungs: list[str]) -> None:
    """How far the order of candidates on a rung tells that on the next."""
    from scipy.stats import spearmanr

    with figure(paths, max(0.6 + 3.6 * (len(rungs) - 1), 5.5), 3.9) as drawing:
        panels = np.atleast_1d(drawing.subplots(1, len(rungs) - 1))
        for axes, before, after in zip(panels, rungs, rungs[1:], strict=False):
            rows = done[done[after].notna()]
            axes.plot(rows[before], rows[after], "o", color=COLOURS[0])
            varied = len(rows) > 2 and rows[before].nunique() > 1 and rows[after].nunique() > 1
            same = f"{spearmanr(rows[before], rows[after]).statistic:.2f}" if varied else "undefined"
            axes.set(xlabel=f"validation accuracy, {_rung(before)}", ylabel=f"validation accuracy, {_rung(after)}")
            axes.set_title(f"n = {len(rows):,}, rank correlation {same}")
        text = "Search in rounds: candidates that went on to more training"
        drawing.suptitle(title(text, None, done["data_source"].iloc[0]), x=0.01, ha="left", fontsize=10)


def _rung(column: str) -> str:
    return f"round {int(column.removeprefix('rung').split('_')[0]) + 1}"


def _draw_architecture(paths: list[Path], row: Any) -> None:
    """The layers of a candidate: height is the side of a layer's output, width its channels, colour its operations."""
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    layers = [layer for layer in topology.layers(document_of(row), padding=row["padding"]) if layer.kind != "crop"]
    columns = _columns(layers)
    most = max(layer.macs for layer in layers)
    with figure(paths, max(0.72 * len(columns), 8.0), 5.2) as drawing:
        axes: Axes = drawing.subplots()
        axes.set_axis_off()
        left, width, tallest = 0.0, 0.9, 0.0
        begins: dict[str, float] = {}
        for stack in columns:
            heights = [0.25 + 0.75 * np.log2(1 + layer.shape_out[2]) / 10 for layer in stack]
            bottom = -sum(heights) / 2 - 0.12 * (len(stack) - 1) / 2
            tallest = max(tallest, -bottom)
            begins.setdefault(stack[0].name.split("_")[0], left)
            for layer, height in zip(stack, heights, strict=True):
                share = (layer.macs / most) ** 0.5
                face = colormaps[MAP](share) if layer.macs else "#E2E2E2"
                axes.add_patch(
                    Rectangle((left, bottom), width, height, facecolor=face, edgecolor="black", linewidth=0.6)
                )
                dark = layer.macs and share < 0.5
                axes.text(left + width / 2, bottom + height / 2, _words(layer), ha="center", va="center",
                          fontsize=SMALL, color="white" if dark else "black")  # fmt: skip
                bottom += height + 0.12
            left += width + 0.25
        for number in topology.BLOCKS:
            axes.text(begins[f"b{number}"], tallest + 0.15, f"fusion block {number}", fontsize=SMALL)
        axes.set_xlim(-0.1, left)
        axes.set_ylim(-tallest - 0.1, tallest + 0.4)
        size = f"{row['parameters'] / 1e6:.3g} M parameters, {row['macs'] / 1e6:.3g} M operations"
        text = f"Best candidate of {row['search']}, {row['job_id']}: {size}, accuracy {row['val_accuracy']:.3f}\n"
        text += "in a box: filter size, and side x channels of what comes out; yellow: most operations, grey: none"
        drawing.suptitle(title(text, None, row["data_source"]), x=0.01, ha="left", fontsize=10)


def _columns(layers: list[topology.Layer]) -> list[list[topology.Layer]]:
    """Layers that stand one above the other: those of a fusion block by how many weighted layers lead to them."""
    depth: dict[str, int] = {"patch": 0}
    for layer in layers:
        depth[layer.name] = 1 + max(depth.get(name, 0) for name in layer.inputs)
    return [[layer for layer in layers if depth[layer.name] == place] for place in sorted(set(depth.values()) - {0})]


def _words(layer: topology.Layer) -> str:
    kind = {"max_pool": "max ", "min_pool": "min ", "average_pool": "mean "}.get(layer.kind, "")
    kernel = (
        "concat"
        if layer.kind == "concatenate"
        else "dense"
        if layer.kind == "dense"
        else f"{kind}{layer.kernel[0]}x{layer.kernel[1]}"
    )
    return f"{kernel}\n{layer.shape_out[0]} x {layer.shape_out[2]}"


def document_of(row: Any) -> topology.Document:
    """The candidate of a row of the search table: what :func:`geoml.tasks.patchnet.topology.flat` made columns of."""
    blocks = []
    for number in topology.BLOCKS:
        of = {key.removeprefix(f"b{number}_"): int(row[key]) for key in row.index if key.startswith(f"b{number}_")}
        units = {key: of.pop(key) for key in sorted(of) if key[0] == "u"}
        blocks.append(of | {"u": list(units.values())})
    return {"n0": int(row["n0"]), "n2": int(row["n2"]), "random_type": bool(row["random_type"]), "blocks": blocks}

"""Embeddings of traces: what clusters in them are made of, a classifier on them, and their figures (card, section 5).

Clusters are compared with the label and with event, station and component as well: clusters that are networks or days
are a failure of the embedding. Embeddings are scaled to unit length everywhere.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.errors import InputError
from geoml.plotting import COLOURS, GREY, MARKERS, SMALL, figure, title
from geoml.tasks.tremor.answers import unit_length

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 8  # clusters that are tried
_JUDGED = 2000  # samples for a silhouette, whose cost is their square
# Variance added to a mixture's. Points of a sphere have next to none across it, and BIC would split clusters for that.
_LEAST_VARIANCE = 1e-3
_FOLDS = 5  # of the cross-validation behind the classifier's probabilities
_SHOWN = 1500  # samples in a figure
_QUERIES, _NEAR = 6, 3  # rows and neighbours in the figure of neighbours


def cluster(embedding: np.ndarray, truths: dict[str, np.ndarray], seed: int) -> list[dict[str, Any]]:
    """Cluster embeddings in four ways, and say how far the clusters are what each of the ``truths`` says.

    k-means with 2 clusters; k-means with the number (2 to 8) of the largest silhouette; Gaussian mixture with the
    number (1 to 8) of the smallest BIC, diagonal because full covariances cost so much that it finds one cluster in
    few samples; HDBSCAN with at least 5 samples, and 2 % of all, in a cluster.

    Args:
        embedding: (n, D).
        truths: Values (n,) by name: label, event, station, component.
        seed: Of k-means, the mixture, and the samples that silhouettes are taken of.

    Returns:
        A row a method: ``method``, ``clusters``, ``noise`` (share of samples in none; HDBSCAN alone knows it),
        ``silhouette`` (noise apart), and ``ari_*``, ``nmi_*``, ``purity_*`` for every truth, with noise as one more
        cluster. NaN where there are not two clusters or not two values of the truth.
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    unit = unit_length(embedding)
    rows = []
    for method, found in _clusterings(unit, seed).items():
        inside = found >= 0
        row = {
            "method": method,
            "clusters": len(np.unique(found[inside])),
            "noise": float(1 - inside.mean()),
            "silhouette": _silhouette(unit[inside], found[inside], seed),
        }
        for name, values in truths.items():
            known = np.unique(values, return_inverse=True)[1]
            compared = len(np.unique(found)) > 1 and known.max() > 0
            row[f"ari_{name}"] = float(adjusted_rand_score(known, found)) if compared else np.nan
            row[f"nmi_{name}"] = float(normalized_mutual_info_score(known, found)) if compared else np.nan
            row[f"purity_{name}"] = _purity(known, found) if compared else np.nan
        rows.append(row)
    return rows


def _clusterings(unit: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Cluster (n,) of every sample by method; -1 in none."""
    from sklearn.cluster import HDBSCAN, KMeans
    from sklearn.mixture import GaussianMixture

    n, distinct = len(unit), len(np.unique(unit, axis=0))
    sizes = range(2, min(_MOST, distinct) + 1)
    means = {k: KMeans(k, n_init=10, random_state=seed).fit_predict(unit) for k in sizes}
    if not means:
        return dict.fromkeys(("kmeans_2", "kmeans", "gaussian_mixture", "hdbscan"), np.zeros(n, int))
    best = max(means, key=lambda k: np.nan_to_num(_silhouette(unit, means[k], seed), nan=-1))
    options: Any = {"reg_covar": _LEAST_VARIANCE, "max_iter": 500, "random_state": seed, "covariance_type": "diag"}
    mixtures = [GaussianMixture(k, **options).fit(unit) for k in (1, *sizes)]
    mixture = min(mixtures, key=lambda m: m.bic(unit))
    dense = HDBSCAN(min_cluster_size=min(max(5, n // 50), n), copy=True)
    return {
        "kmeans_2": means[2],
        "kmeans": means[best],
        "gaussian_mixture": mixture.predict(unit),
        "hdbscan": dense.fit_predict(unit),
    }


def _silhouette(unit: np.ndarray, found: np.ndarray, seed: int) -> float:
    """Mean silhouette of at most 2000 samples, NaN for one cluster, or one of every sample."""
    from sklearn.metrics import silhouette_score

    drawn = _some(len(unit), _JUDGED, seed)
    unit, found = unit[drawn], found[drawn]
    if not 1 < len(np.unique(found)) < len(found):
        return np.nan
    return float(silhouette_score(unit, found))


def _purity(known: np.ndarray, found: np.ndarray) -> float:
    """Share of samples whose truth is the most frequent one of their cluster."""
    table = np.zeros((known.max() + 1, found.max() + 2), int)
    np.add.at(table, (known, found), 1)  # noise, -1, is the last column
    return float(table.max(axis=0).sum() / len(known))


def classifier(embedding: np.ndarray, label: np.ndarray, seed: int) -> dict[str, Any]:
    """Support-vector classifier of embeddings as plain numbers, for JSON: radial kernel, scikit-learn's C and gamma.

    :func:`geoml.tasks.tremor.answers.classify` asks it.

    Its probabilities are a sigmoid of the decision (Platt 1999), fitted to the decisions about training samples that
    were held out in a 5-fold cross-validation.

    Args:
        embedding: (n, D) of the training samples.
        label: (n,) 0 or 1, at least two of each.
        seed: Of the folds.

    Raises:
        InputError: too few samples of a class.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.svm import SVC

    fewest = int(np.bincount(label, minlength=2).min())
    if fewest < 2:
        raise InputError("classifier", "label", "2 or more training samples of each class", f"a class of {fewest}")
    unit = unit_length(embedding)
    gamma = 1 / (unit.shape[1] * (unit.var() or 1))
    folds = StratifiedKFold(min(_FOLDS, fewest), shuffle=True, random_state=seed)
    held_out = cross_val_predict(SVC(gamma=gamma), unit, label, cv=folds, method="decision_function")
    slope, offset = _sigmoid(held_out, label)
    machine = SVC(gamma=gamma).fit(unit, label)
    return {
        "support_vectors": unit[machine.support_].tolist(),
        "dual": machine.dual_coef_[0].tolist(),
        "intercept": float(machine.intercept_[0]),
        "gamma": float(gamma),
        "slope": slope,
        "offset": offset,
    }


def _sigmoid(decided: np.ndarray, label: np.ndarray) -> tuple[float, float]:
    """Slope and offset of Platt's sigmoid: the likeliest one, with targets a little off 0 and 1."""
    from sklearn.linear_model import LogisticRegression

    count = np.bincount(label)
    target = np.where(label == 1, (count[1] + 1) / (count[1] + 2), 1 / (count[0] + 2))
    both = np.repeat([1, 0], len(label))  # every sample as both classes, weighted by its target
    fit = LogisticRegression(C=np.inf).fit(np.tile(decided, 2)[:, None], both, np.concatenate([target, 1 - target]))
    return float(fit.coef_[0, 0]), float(fit.intercept_[0])


def neighbours(embedding: np.ndarray, label: np.ndarray, k: int = 11) -> float:
    """Share of samples that most of their k nearest others agree with in label; NaN for a single sample.

    Args:
        embedding: (n, D).
        label: (n,) 0 or 1; a tie counts as 0.
        k: Neighbours; all others if there are fewer.
    """
    unit, label = unit_length(embedding), np.asarray(label)
    if len(unit) < 2:
        return np.nan
    voted = [label[_nearest(unit, rows, k)].mean(axis=1) > 0.5 for rows in np.array_split(np.arange(len(unit)), 8)]
    return float((np.concatenate(voted) == label).mean())


def _nearest(unit: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """(rows, k) the nearest other samples of ``rows``, the nearest first."""
    cosine = unit[rows] @ unit.T
    cosine[np.arange(len(rows)), rows] = -np.inf
    return np.argsort(-cosine, axis=1, kind="stable")[:, : min(k, len(unit) - 1)]


def draw_embedding(
    paths: Sequence[Path],
    by_epoch: dict[int, np.ndarray],
    truths: dict[str, np.ndarray],
    heading: str,
    source: str,
    seed: int = 0,
) -> None:
    """The two main components of embeddings, a row an epoch, a column a truth.

    Args:
        paths: PNG and SVG to write.
        by_epoch: Embeddings (n, D) of the same samples by epoch, n and D 2 or more.
        truths: Values (n,) by name, which the points are coloured by.
        heading: Title.
        source: Of the data: real or synthetic.
        seed: Of the samples that are drawn, if they are many.
    """
    planes = {}
    for epoch, embedding in by_epoch.items():
        unit = unit_length(embedding)
        left, strength, _ = np.linalg.svd(unit - unit.mean(axis=0), full_matrices=False)
        share = strength**2 / max((strength**2).sum(), 1e-12)
        names = [f"{which} component, {part:.0%}" for which, part in zip(("first", "second"), share, strict=False)]
        planes[f"epoch {epoch}, "] = (left * strength)[:, :2], names
    _draw_planes(paths, planes, truths, heading, source, seed)


def draw_tsne(
    paths: Sequence[Path],
    by_epoch: dict[int, np.ndarray],
    truths: dict[str, np.ndarray],
    heading: str,
    source: str,
    seed: int = 0,
) -> None:
    """Embeddings in the plane of t-SNE, a row an epoch, a column a truth; arguments as of :func:`draw_embedding`."""
    from sklearn.manifold import TSNE

    drawn = _some(len(next(iter(by_epoch.values()))), _SHOWN, seed)
    perplexity = min(30, (len(drawn) - 1) / 3)
    names = [f"t-SNE {k}, perplexity {perplexity:.0f}" for k in (1, 2)]
    planes = {}
    for epoch, embedding in by_epoch.items():
        unit = unit_length(embedding)[drawn]
        start: Any = "pca" if np.ptp(unit, axis=0).any() else "random"  # of equal ones there are no components
        flat = TSNE(perplexity=perplexity, init=start, random_state=seed).fit_transform(unit)
        planes[f"epoch {epoch}, "] = flat, names
    _draw_planes(paths, planes, {k: np.asarray(v)[drawn] for k, v in truths.items()}, heading, source, seed)


def draw_neighbours(
    paths: Sequence[Path], embedding: np.ndarray, waveforms: Any, truths: dict[str, np.ndarray], heading: str
) -> None:
    """Some traces of each label, and the three whose embeddings are nearest: their envelopes.

    Args:
        paths: PNG and SVG to write.
        embedding: (n, D), 2 or more.
        waveforms: (n, 20000), an array or what gives its rows.
        truths: Values (n,) by name, ``label`` among them; each neighbour says which it shares.
        heading: Title.
    """
    from geoml.tasks.tremor.features import envelope

    unit, label = unit_length(embedding), np.asarray(truths["label"])
    known = np.unique(label)
    queries = np.concatenate([_spread(np.flatnonzero(label == value), _QUERIES // len(known)) for value in known])
    near = _nearest(unit, queries, _NEAR)
    with figure(paths, 12, 1.6 * len(queries) + 0.9) as drawing:
        grid = drawing.subplots(len(queries), 1 + near.shape[1], squeeze=False, sharex=True)
        for axes, query, others in zip(grid, queries, near, strict=True):
            for ax, row in zip(axes, (query, *others), strict=True):
                shared = [name for name, values in truths.items() if values[row] == values[query]]
                hue = GREY if row == query else COLOURS[0] if "label" in shared else COLOURS[1]
                beat = envelope(np.asarray(waveforms[int(row)])[None])[0]
                ax.plot(beat / (beat.max() or 1), color=hue, linewidth=0.8)
                ax.set(yticks=[], xlim=(0, len(beat)), ylim=(0, 1.05))
                said = "the trace" if row == query else f"likeness {unit[row] @ unit[query]:.2f}; same "
                said += "" if row == query else ", ".join(shared) or "nothing"
                who = ", ".join(f"{values[row]}" for values in truths.values())
                ax.set_title(f"{who}\n{said}", fontsize=SMALL)
        for ax in grid[-1]:
            ax.set_xlabel("time (s)")
        words = "envelopes, to their maximum; grey: the trace, blue: nearest of the same label, vermilion: of another"
        drawing.suptitle(f"{heading}\n{words}", x=0.01, ha="left", fontsize=10)


def _draw_planes(
    paths: Sequence[Path],
    planes: dict[str, tuple[np.ndarray, list[str]]],
    truths: dict[str, np.ndarray],
    heading: str,
    source: str,
    seed: int,
) -> None:
    """Points (n, 2) with their axes' names by row, coloured by every truth."""
    n = len(next(iter(truths.values())))
    drawn = _some(n, _SHOWN, seed)
    with figure(paths, 3.5 * len(truths) + 0.3, 3.1 * len(planes) + 1.2) as drawing:
        grid = drawing.subplots(len(planes), len(truths), squeeze=False)
        for row, (name, (points, names)) in zip(grid, planes.items(), strict=True):
            for axes, (truth, values) in zip(row, truths.items(), strict=True):
                _draw_points(axes, points[drawn], np.asarray(values)[drawn])
                axes.set_title(f"{name}colour: {truth} ({len(axes.lines)})")
                axes.set(xlabel=names[0], ylabel=names[1], xticks=[], yticks=[])
        for axes in grid[-1]:
            if len(axes.lines) <= len(COLOURS):
                axes.legend(markerscale=1.5, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.09))
        drawing.suptitle(title(heading, len(drawn), source, "traces"), x=0.01, ha="left", fontsize=10)


def _draw_points(axes: "Axes", points: np.ndarray, values: np.ndarray) -> None:
    """Points with a colour and a marker a value; of many, another marker when the colours begin again."""
    known, index = np.unique(values, return_inverse=True)
    for k, value in enumerate(known):
        mark = MARKERS[k % len(MARKERS) if len(known) <= len(COLOURS) else k // len(COLOURS) % len(MARKERS)]
        axes.plot(*points[index == k].T, mark, color=COLOURS[k % len(COLOURS)], markersize=4, alpha=0.7,
                  markeredgewidth=0, label=str(value), rasterized=True)  # fmt: skip


def _some(n: int, most: int, seed: int) -> np.ndarray:
    """Row numbers of at most so many of n, in order."""
    return np.sort(np.random.default_rng(seed).permutation(n)[:most])


def _spread(rows: Sequence[int] | np.ndarray, count: int) -> np.ndarray:
    """At most so many of the rows, at equal distances."""
    rows = np.asarray(rows)
    return rows[np.unique(np.linspace(0, len(rows) - 1, count).round().astype(int))]

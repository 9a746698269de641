"""Confidence intervals that know that samples of one event, experiment or image are not independent.

Whole groups are drawn with replacement, as many as there are. All scores of a row, all its seeds, and all rows with the
same test set see the same draws, so differences between rows are paired.
"""

from collections.abc import Callable, Iterator

import numpy as np

from geoml.predictions import Predictions

DRAWS = 1000
Score = Callable[[Predictions], float]


def resample(
    seeds: list[Predictions], metrics: dict[str, Score], draws: int = DRAWS, seed: int = 0
) -> dict[str, np.ndarray]:
    """Every score, mean over the seeds of a run, on every resample of the groups.

    Args:
        seeds: Predictions of the same samples by the same variant with different seeds.
        metrics: Scores by name.
        draws: Number of resamples.
        seed: Of the resamples; the same seed and groups give the same resamples.

    Returns:
        (draws,) array for each score; NaN where it is undefined on the resample.
    """
    _require_same(seeds)
    values = {name: np.empty(draws) for name in metrics}
    for i, multiplicity in enumerate(_multiplicities(seeds[0].group, draws, seed)):
        drawn = [p.drawn(multiplicity) for p in seeds]
        for name, score in metrics.items():
            values[name][i] = sum(score(p) for p in drawn) / len(drawn)
    return values


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of draws; those on which the score is undefined are left out, (NaN, NaN) if it always is."""
    values = values[np.isfinite(values)]
    low, high = np.quantile(values, [0.025, 0.975]) if len(values) else (np.nan, np.nan)
    return float(low), float(high)


def intervals(
    seeds: list[Predictions], metrics: dict[str, Score], draws: int = DRAWS, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % interval of each score, mean over seeds, over resamples of the groups."""
    return {name: interval(values) for name, values in resample(seeds, metrics, draws, seed).items()}


def paired(
    a: list[Predictions], b: list[Predictions], metric: Score, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float, float]:
    """Score of ``a`` minus score of ``b``, both means over seeds, with its 95 % interval over the same groups."""
    _require_same([*a, *b])
    difference = sum(map(metric, a)) / len(a) - sum(map(metric, b)) / len(b)
    values = [resample(runs, {"": metric}, draws, seed)[""] for runs in (a, b)]
    return difference, *interval(values[0] - values[1])


def wilson(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share of n (Wilson 1927); (NaN, NaN) for n = 0."""
    if not n:
        return np.nan, np.nan
    z = 1.959964
    centre, spread = share + z * z / (2 * n), z * np.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    return max(0.0, (centre - spread) / (1 + z * z / n)), min(1.0, (centre + spread) / (1 + z * z / n))


def same_samples(a: Predictions, b: Predictions) -> bool:
    """Whether two predictions are of the same samples, in the same order and groups."""
    return np.array_equal(a.group, b.group) and np.array_equal(a.truth, b.truth)


def _require_same(runs: list[Predictions]) -> None:
    if not all(same_samples(runs[0], other) for other in runs[1:]):
        raise ValueError("predictions of different samples cannot be compared")


def _multiplicities(group: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each group counts, (groups,) float64, one resample after the other."""
    present = np.unique(group)
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        multiplicity = np.zeros(int(group.max(initial=-1)) + 1)
        multiplicity[present] = np.bincount(rng.integers(0, len(present), len(present)), minlength=len(present))
        yield multiplicity

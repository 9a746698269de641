"""What one score cannot say about efficiencies: where they are off, how far their intervals and maps can be trusted."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.files import plain
from geoml.metrics import find
from geoml.models import Model
from geoml.predictions import Predictions
from geoml.tasks.slip import maps, task

if TYPE_CHECKING:
    from geoml.store import Store

BATCH = 256  # of the archived run, whose history leaves out what does not fill one (card, section 9)
EDGES = (0.2, 0.4, 0.6, 0.8)  # of the bins of efficiency
_BINS = (f"below {EDGES[0]}", *(f"{a} to {b}" for a, b in pairwise(EDGES)), f"from {EDGES[-1]}")
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.683, 0.8, 0.9, 0.954, 0.99)  # of central intervals
TRIED = 240  # test maps that are drawn otherwise
SHOWN = 6  # maps of the saliency figure
_SCORES = ("mae", "rmse", "bias", "r2", "accuracy_2sd", "accuracy_1sd")


def evaluate(
    model: Any, store: "Store", test: Predictions, validation: Predictions, train: Predictions
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Scores by efficiency, experiment and condition, intervals, overlap of the sets, and answers to changed maps.

    Returns:
        Details for ``metrics.json``; ``train``, ``val`` and ``test`` (n, 3): true efficiency, said, SD; ``progress``
        and ``experiment`` (n,) of the test samples; and of a network ``maps`` (k, 128, 64) and ``saliency``, their
        integrated gradients.
    """
    rows = store.rows("test")
    sets = {"train": train, "val": validation, "test": test}
    experiment = store.samples["group"][rows]
    scale = model.meta["sigma_scale"]
    details = {
        "by_efficiency": _by(test, _bins(test.truth), _BINS),
        "by_experiment": _by(test, experiment),
        "by_condition": _by(test, store.samples["condition"][rows]),
        "compat": {name: compat(p) for name, p in sets.items()},
        "overlap": store.meta["audit"],
        "intervals": {
            "levels": LEVELS,
            "own": coverage(test, 1 / scale) if model.meta["has_sigma"] else None,
            "scaled": coverage(test),
            "scale": scale,
        },
        "robustness": _robustness(model, store, rows, test),
    }
    examples = {name: np.column_stack([p.truth, p.output[:, 0], p.strata["sd"]]) for name, p in sets.items()}
    examples |= {"experiment": experiment, "progress": store.samples["progress"][rows]}
    if isinstance(model, Model):
        shown = rows[np.argsort(test.truth)[np.linspace(0, len(rows) - 1, SHOWN).round().astype(int)]]
        examples["maps"] = np.stack([store.inputs[row] for row in shown])
        examples["saliency"] = integrated_gradients(model.network, examples["maps"])
    return plain(details), examples


def compat(p: Predictions) -> dict[str, float]:
    """Figures as the archived history counts them, comparable with it and with nothing else (card, sections 8 and 9).

    Means over batches of 256 in the order of the file; what does not fill one is left out. ``loss`` is the coded one,
    ``mse`` compares the efficiency with both columns of the label, the SD too. Empty if there is no full batch.
    """
    n = len(p) // BATCH * BATCH
    if not n:
        return {}
    truth, said, sd = (x.astype(float)[:n].reshape(-1, BATCH) for x in (p.truth, p.output[:, 0], p.strata["sd"]))
    squared = (said - truth) ** 2
    return {
        "n": n,
        "loss": float((squared.mean(1) * (1 / (sd**2 + 1e-5)).mean(1)).mean()),
        "accuracy_2sd": float((np.sqrt(squared) <= 2 * sd).mean()),
        "mse": float((squared + (said - sd) ** 2).mean() / 2),
    }


def coverage(p: Predictions, factor: float = 1.0) -> list[float]:
    """Share of the samples inside the central normal interval of each of ``LEVELS``, sigma times a factor."""
    from scipy.stats import norm

    error, sigma = np.abs(p.output[:, 0] - p.truth), factor * p.output[:, 1]
    return [float((error <= norm.ppf((1 + level) / 2) * sigma).mean()) for level in LEVELS]


def integrated_gradients(network: Any, of: np.ndarray, steps: int = 16) -> np.ndarray:
    """How much each pixel adds to the efficiency, against the empty map (Sundararajan et al. 2017, equation 1).

    Args:
        network: Keras network of this task; with the TensorFlow backend.
        of: (k, 128, 64) maps.
        steps: Of the sum that stands for the integral.

    Returns:
        (k, 128, 64) float32, which add up to about the efficiency minus that of the empty map.
    """
    import tensorflow as tf

    x = tf.constant(of[..., None], tf.float32)
    total = tf.zeros_like(x)
    for step in range(steps):
        scaled = x * ((step + 0.5) / steps)
        with tf.GradientTape() as tape:
            tape.watch(scaled)
            answer = network(scaled, training=False)
            mean = answer[:, 0] if answer.shape[1] == 1 else tf.reduce_mean(answer[:, 0::2], axis=1)
        total += tape.gradient(mean, scaled)
    return (x * total / steps).numpy()[..., 0]


def _bins(truth: np.ndarray) -> np.ndarray:
    """(n,) name of the bin of each efficiency."""
    return np.array(_BINS)[np.searchsorted(EDGES, truth, side="right")]


def _by(p: Predictions, kind: np.ndarray, order: Sequence[str] = ()) -> dict[str, Any]:
    """Scores for each kind of sample; R2 inside a bin of efficiency is low by construction."""
    scores = {name: find("slip", name, ()) for name in _SCORES}
    found = {}
    there = np.unique(kind).tolist()
    for name in [name for name in order if name in there] or there:
        part = p.take(kind == name)
        found[str(name)] = {"n": len(part)} | {key: score(part) for key, score in scores.items()}
    return found


def _robustness(model: Any, store: "Store", rows: np.ndarray, test: Predictions) -> dict[str, Any]:
    """Scores of the same test maps, drawn otherwise, and how far the answers move in the mean."""
    at = np.linspace(0, len(rows) - 1, min(TRIED, len(rows))).round().astype(int)
    drawn, part = store.inputs[rows[at]], test.take(at)
    rng = np.random.default_rng(0)
    changed = {"as mapped": drawn}
    changed |= {f"redrawn {k} px thick": maps.redrawn(drawn, k) for k in (2, 3, 4)}
    changed |= {f"{share:.0%} noise": maps.noisy(drawn, share, rng) for share in (0.05, 0.2)}
    changed |= {f"{share:.0%} missing": maps.with_missing(drawn, share, rng) for share in (0.1, 0.3)}
    found = {}
    for name, these in changed.items():
        answer = task.ask(model, these)
        said = Predictions(part.group, part.truth, answer, (), part.id, part.strata)
        found[name] = {"n": len(said), "mean_change": float((answer[:, 0] - part.output[:, 0]).mean())} | {
            key: find("slip", key, ())(said) for key in ("mae", "accuracy_2sd")
        }
    return found

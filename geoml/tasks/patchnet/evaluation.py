"""What one accuracy cannot say about patches: which kinds are confused, and what the network makes of a whole line."""

from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.files import plain
from geoml.models import Model
from geoml.predictions import Predictions
from geoml.tasks.patchnet import SIDE, section
from geoml.tasks.patchnet.line import Line, line, truth
from geoml.tasks.patchnet.predict import picks_of

if TYPE_CHECKING:
    from geoml.store import Store

HALF_HEIGHT = 10  # samples from a BSR at which a patch is positive: in training, two standard deviations (card, 2.1)
_SEED = 1_000_000  # added to the seed of the data, for a line of its own
_SHOWN = 24  # patches of the gallery


def evaluate(
    model: Any, store: "Store", test: Predictions, validation: Predictions
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Confusion, accuracy by kind of patch and, of synthetic data, precision and recall on a line that has a truth.

    Returns:
        Details for ``metrics.json``; test ``patches`` (k, 48, 48), those that are furthest off, with ``truth`` and
        ``said`` (k,); and of a line ``amplitudes``, ``probability`` (samples, traces) and ``bsr`` (traces,).
    """
    details: dict[str, Any] = {
        "confusion": {name: _confusion(p) for name, p in (("val", validation), ("test", test))},
        "by_kind": _by_kind(test),
    }
    rows = store.rows("test")
    off = np.argsort(np.abs(test.output[:, 1] - test.truth), kind="stable")[::-1][:_SHOWN]
    examples: dict[str, Any] = {
        "patches": np.stack([store.inputs[row] for row in rows[off]]).astype(np.float32),
        "truth": test.truth[off],
        "said": test.output[off, 1],
    }
    size = store.meta["entry"].get("generate", {}).get("line")
    if size and isinstance(model, Model):
        entry = store.meta["entry"]
        drawn = line(size[0], size[1], entry["seed"] + _SEED, physics=entry["generate"]["physics"])
        details["line"], found = on_line(model, drawn)
        examples |= {"amplitudes": drawn.amplitudes, "probability": found.values, "bsr": drawn.bsr}
    return plain(details), examples


def on_line(model: Model, drawn: Line) -> tuple[dict[str, Any], section.Map]:
    """How a network does on a whole line, and how far its two engines agree.

    Args:
        model: Of this task.
        drawn: A synthetic line.

    Returns:
        Size of the line, and of each engine that can run the network what :func:`line_scores` says, ``windows`` and
        ``windows_per_s``; ``default``, the engine that prediction takes; ``agreement`` of the two. And the map of that
        engine.
    """
    amplitudes = drawn.amplitudes
    engines = section.engines_of(model)
    if "convolutional" in engines:
        section.probabilities(model, amplitudes, engine="convolutional")  # traced once, which is not timed
    maps = {engine: section.probabilities(model, amplitudes, engine=engine) for engine in engines}
    default = section.engine_for(model)
    found: dict[str, Any] = {"traces": amplitudes.shape[1], "samples": amplitudes.shape[0], "default": default}
    for name, of in maps.items():
        speed = {"windows": of.windows, "windows_per_s": of.windows / of.seconds}
        found[name] = line_scores(of.values, drawn) | speed
    if len(maps) > 1:
        found["agreement"] = section.agreement(maps["sliding"].grid, maps["convolutional"].grid)
    return found, maps[default]


def line_scores(probability: np.ndarray, drawn: Line) -> dict[str, float]:
    """Precision, recall and F1 at a probability of 0.5, of pixels and of picks; NaN where undefined.

    A pixel is true within 10 samples of a BSR. Where a patch would hold a BSR further off its centre than that,
    training does not say what is right, and neither pixels nor picks count. A pick is the highest probability of an
    event in a trace; the recall of picks is the share of the traces with a BSR that have a true one.
    """
    from scipy.ndimage import maximum_filter

    bsr = truth(drawn, HALF_HEIGHT)
    counted = bsr | ~maximum_filter(truth(drawn, 0.5), SIDE)
    said = (probability >= 0.5) & counted
    hits = int((said & bsr).sum())
    picks = picks_of(probability, 0.5)
    trace, sample = picks[:, 1].astype(int), picks[:, 2].astype(int)
    right = bsr[sample, trace]
    return {
        "precision": _share(hits, said.sum()),
        "recall": _share(hits, bsr.sum()),
        "f1": _share(2 * hits, said.sum() + bsr.sum()),
        "picks_precision": _share(right.sum(), counted[sample, trace].sum()),
        "picks_recall": _share(len(np.unique(trace[right])), np.isfinite(drawn.bsr).sum()),
    }


def _share(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else float("nan")


def _confusion(p: Predictions) -> np.ndarray:
    """(2, 2) counts, rows the truth."""
    return np.bincount(2 * p.truth.astype(int) + p.output.argmax(axis=1), minlength=4).reshape(2, 2)


def _by_kind(p: Predictions) -> dict[str, dict[str, float]]:
    right, kind = p.output.argmax(axis=1) == p.truth, p.strata["kind"]
    return {
        str(name) or "unknown": {"n": int((kind == name).sum()), "accuracy": float(right[kind == name].mean())}
        for name in np.unique(kind)
    }

"""What one score cannot say about a polarity reader: where it is right, how sure it may be, what a late pick costs.

All of method card section 8 that is not a column of a table. Accuracy is over three classes; "strict U/D" is over the
traces that are up or down, the model asked only for these two.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.bootstrap import wilson
from geoml.calibration import calibration
from geoml.files import plain
from geoml.metrics import accuracy, precision
from geoml.predictions import Predictions
from geoml.tasks.polarity import augment, task
from geoml.tasks.polarity.metrics import (
    DOWN,
    UNKNOWN,
    UP,
    app_precision,
    selective_area,
    strict_ud_accuracy,
    strict_ud_macro_f1,
    strict_ud_mcc,
)

if TYPE_CHECKING:
    from geoml.store import Store

Probabilities = Callable[[np.ndarray, int, float | None], np.ndarray]

SHIFTS = (-50, -40, -30, -20, -15, -10, *range(-5, 6), 10, 15, 20, 30, 40, 50)  # samples; card section 8
NOISE_DB = (20.0, 10.0, 5.0, 0.0, -5.0)  # the levels of the SOPNet draft, card section 11
MOST_ROWS = 2000  # windows that the curves with many passes are measured on
WANTED_ACCURACY = 0.99  # of readings, card section 8

_SNR_STEP_DB = 5.0
_MAGNITUDE_STEP = 0.5
_DISTANCE_EDGES_KM = (0, 10, 20, 30, 50, 75, 100, 150, 200, 300, 1000)
_LETTERS = ("u", "d", "n")


def evaluate(
    model: Any, store: "Store", test: Predictions, validation: Predictions
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What is not a single score (see :func:`details`), and windows for the gallery.

    Returns:
        Details for ``metrics.json``; ``windows`` (k, 400), ``truth`` (k,), ``probabilities`` (k, 3) and, where the
        network attends, ``attention`` (k, 50, 50).
    """
    rows = store.rows("test")

    def probabilities(at: np.ndarray, shift: int, noise_db: float | None) -> np.ndarray:
        inputs = store.inputs[rows[at]]
        return task.outputs(model, inputs if noise_db is None else augment.with_noise(inputs, noise_db), shift)

    samples = {name: values[rows] for name, values in store.samples.items()}
    right = test.decided == test.truth
    kinds = [(test.truth == k) & (right == hit) for hit in (True, False) for k in range(len(task.CLASSES))]
    shown = np.concatenate([np.flatnonzero(kind)[:2] for kind in kinds])
    wave = task.network_input(store.inputs[rows[shown]], model.meta)
    examples = {"windows": wave[:, :, 0], "truth": test.truth[shown], "probabilities": test.output[shown]}
    if "attention" in {layer.name for layer in model.network.layers}:
        examples["attention"] = attention_map(model, wave)
    return details(samples, probabilities, test, validation), examples


def attention_map(model: Any, wave: np.ndarray) -> np.ndarray:
    """Which step looked at which, (n, 50, 50), rows summing to 1, for windows (n, 400, 1)."""
    import keras

    weights = model.network.get_layer("attention").output[1]
    return np.asarray(keras.Model(model.network.inputs, weights).predict_on_batch(wave))


def details(
    samples: dict[str, np.ndarray], probabilities: Probabilities, test: Predictions, validation: Predictions
) -> dict[str, Any]:
    """Everything about one run that is not a single score.

    Args:
        samples: Store columns of the test rows, (n,) each.
        probabilities: Called with positions among the test rows, a shift of the pick in samples (positive: too late)
            and the SNR in dB down to which noise is added (None: none); gives (m, 3) probabilities.
        test: Predictions of the test rows, in the order of ``samples``.
        validation: Predictions of the validation rows: thresholds and temperature come from these.

    Returns:
        Nested dict of plain numbers; None where something is undefined.
    """
    up_or_down = np.flatnonzero(test.truth != UNKNOWN)
    readable = up_or_down[samples["first_break"][up_or_down] != 0]
    magnitude, distance, snr = samples["magnitude"], samples["distance_km"], samples["snr_db"]
    content = {
        "confusion": test.confusion.astype(int).tolist(),
        "precision": {
            "standard": {letter: precision.score(test, k) for k, letter in enumerate(_LETTERS)},
            "app": {letter: app_precision.score(test, k) for k, letter in enumerate(_LETTERS)},
            "strict_ud": {_LETTERS[k]: precision.score(test.among(UP, DOWN), k) for k in (UP, DOWN)},
        },
        "strict_ud": {
            "accuracy": strict_ud_accuracy.score(test),
            "macro_f1": strict_ud_macro_f1.score(test),
            "mcc": strict_ud_mcc.score(test),
            "n": len(up_or_down),
        },
        "selective": _selective(test, validation),
        "calibration": calibration(test, validation),
        "interval": "95 %, Wilson, traces taken as independent",
        "by_snr_db": _by_value(test, snr, _edges(snr, _SNR_STEP_DB)),
        "by_magnitude": _by_value(test, magnitude, _edges(magnitude, _MAGNITUDE_STEP)),
        "by_distance_km": _by_value(test, distance, np.array(_DISTANCE_EDGES_KM, float)),
        "by_onset": {
            name or "not given": _scores(test.take(samples["onset"] == name)) for name in np.unique(samples["onset"])
        },
        "added_noise": _added_noise(test, probabilities, readable),
        "pick_error": _pick_error(test, probabilities, up_or_down),
    }
    return plain(content)


def _selective(test: Predictions, validation: Predictions) -> dict[str, Any]:
    """Readings by the confidence asked for, and the confidence that gave 99 % right readings on validation."""
    threshold, coverage, right = selective_area.curve(test)
    t_validation, coverage_validation, right_validation = selective_area.curve(validation)
    reached = np.flatnonzero(right_validation >= WANTED_ACCURACY)
    chosen = reached[-1] if len(reached) else None  # the lowest threshold, so the most readings
    return {
        "threshold": threshold,
        "coverage": coverage,
        "accuracy": right,
        "area": selective_area.score(test),
        "threshold_for_99": None if chosen is None else t_validation[chosen],
        "validation_readings_at_99": None if chosen is None else round(coverage_validation[chosen] * len(validation)),
        "coverage_at_99": None if chosen is None else coverage[chosen],
        "accuracy_at_99": None if chosen is None else right[chosen],
    }


def _by_value(p: Predictions, values: np.ndarray, edges: np.ndarray) -> dict[str, Any]:
    """Scores in the bins between ``edges`` that hold traces; values outside go to the outer bins."""
    known = np.isfinite(values)
    cell = np.clip(np.digitize(values, edges) - 1, 0, max(len(edges) - 2, 0))
    used = np.unique(cell[known])
    return {
        "unknown": int((~known).sum()),
        "bins": [{"low": edges[b], "high": edges[b + 1]} | _scores(p.take(known & (cell == b))) for b in used],
    }


def _edges(values: np.ndarray, step: float) -> np.ndarray:
    """Multiples of ``step`` around all finite values."""
    known = values[np.isfinite(values)]
    if not len(known):
        return np.array([0.0, step])
    low, high = np.floor(known.min() / step), np.floor(known.max() / step) + 1
    return np.arange(low, high + 1) * step


def _scores(p: Predictions) -> dict[str, float]:
    """Accuracy over three classes and strict U/D, each with count and interval."""
    return _share("accuracy", accuracy.score(p), len(p)) | _strict(p)


def _strict(p: Predictions) -> dict[str, float]:
    return _share("strict_ud_accuracy", strict_ud_accuracy.score(p), len(p.among(UP, DOWN)))


def _share(name: str, value: float, n: int) -> dict[str, float]:
    low, high = wilson(value, n)
    count = "n" if name == "accuracy" else "n_ud"
    return {count: n, name: value, f"{name}_ci_low": low, f"{name}_ci_high": high}


def _added_noise(test: Predictions, probabilities: Probabilities, readable: np.ndarray) -> dict[str, Any]:
    """Strict U/D accuracy of readable traces with noise added and the label kept.

    By SNR as recorded the curve is nearly flat: what noise makes unreadable is labelled N.
    """
    rows = _some(readable)
    levels: list[dict[str, Any]] = [{"snr_db": None} | _strict(test.take(rows))]
    levels += [{"snr_db": db} | _strict(_again(test, rows, probabilities(rows, 0, db))) for db in NOISE_DB]
    return {"n": len(rows), "of": len(readable), "levels": levels}


def _pick_error(test: Predictions, probabilities: Probabilities, up_or_down: np.ndarray) -> dict[str, Any]:
    """Strict U/D accuracy and coverage with the pick moved."""
    rows = _some(up_or_down)
    curve = []
    for shift in SHIFTS:
        moved = _again(test, rows, probabilities(rows, shift, None)) if shift else test.take(rows)
        called = float((moved.decided != UNKNOWN).mean()) if len(rows) else np.nan
        curve.append({"shift_samples": shift} | _strict(moved) | {"called": called})
    return {"n": len(rows), "of": len(up_or_down), "shifts": curve}


def _some(rows: np.ndarray) -> np.ndarray:
    """At most 2,000 of the rows, always the same, ascending."""
    if len(rows) <= MOST_ROWS:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False))


def _again(test: Predictions, rows: np.ndarray, output: np.ndarray) -> Predictions:
    """The same samples with new probabilities."""
    return Predictions(test.group[rows], test.truth[rows], output, test.classes)

"""What is said of patches and of a whole synthetic line, against maps and answers made by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoml.models import Estimator, Model
from geoml.predictions import Predictions
from geoml.store import Block, Store, StoreWriter
from geoml.tasks.patchnet import CLASSES, evaluation, section, task
from geoml.tasks.patchnet.line import Line, truth

BLOCK = {"w": 10, "kM": 2, "k1": 2, "k2": 3, "p1": 2, "p2": 3, "u": [2] * 5, "r1": 3, "r2": 3, "a1": 1, "a2": 1}
TINY = {"n0": 4, "n2": 4, "random_type": False, "blocks": [BLOCK] * 3}
ABOUT = {"scale": [0.0, 0.5]}
LINE_KEYS = {"precision", "recall", "f1", "picks_precision", "picks_recall", "windows", "windows_per_s"}


@pytest.fixture(scope="module")
def flat() -> Line:
    """240 samples and 60 traces: a level BSR at row 120 under all but the last 20 traces."""
    bsr = np.where(np.arange(60) < 40, 120.0, np.nan)
    amplitudes = np.random.default_rng(0).normal(0, 0.1, (240, 60)).astype(np.float32)
    amplitudes[116:120] -= 1
    amplitudes[120:124] += 1
    return Line(amplitudes, bsr, np.full(60, 20.0))


@pytest.fixture(scope="module")
def tiny(keras_on_cpu: Any, flat: Line) -> Model:
    """A network of the family that pads nothing, and says yes to half of the windows."""
    from geoml.tasks.patchnet.models.searched import build

    keras_on_cpu.utils.set_random_seed(0)
    network = build((112, 112, 1), 2, candidate=TINY, padding="valid")
    model = Model(network, ABOUT)
    p = section.probabilities(model, flat.amplitudes).grid
    odds = float(np.median(np.log(p / (1 - p))))
    logits = network.get_layer("logits")
    logits.set_weights([60 * logits.get_weights()[0], np.array([60 * odds, 0])])
    return model


class Windows:
    """A network that is not of the family: looks for a step upwards near the middle."""

    name, layers = "other", ()

    def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
        bands = x[:, :, 40:72, 0].mean(axis=2)
        step = bands[:, 6:] - bands[:, :-6]
        near = np.abs(step.argmax(axis=1) + 3 - 56) < 12
        p = (near & (step.max(axis=1) > 1)).astype(np.float32)
        return np.stack([1 - p, p], axis=1)


def said(flat: Line, rows: slice) -> np.ndarray:
    """A map that is sure of these rows where the BSR is."""
    p = np.zeros(flat.amplitudes.shape, np.float32)
    p[rows, :40] = 1
    return p


def test_the_perfect_map_has_full_scores(flat: Line):
    p = truth(flat, evaluation.HALF_HEIGHT).astype(np.float32)
    p[120, :40] = 2  # so that picks are in the middle
    assert set(evaluation.line_scores(np.minimum(p / 2 + 0.4 * (p > 0), 1), flat).values()) == {1.0}


def test_a_map_that_says_nothing_has_no_precision(flat: Line):
    found = evaluation.line_scores(np.zeros((240, 60), np.float32), flat)
    assert (found["recall"], found["f1"], found["picks_recall"]) == (0, 0, 0)
    assert np.isnan(found["precision"]) and np.isnan(found["picks_precision"])


def test_a_line_without_a_bsr_has_no_recall():
    bare = Line(np.zeros((240, 60), np.float32), np.full(60, np.nan), np.full(60, 20.0))
    p = np.zeros((240, 60))
    p[100, :] = 1
    found = evaluation.line_scores(p, bare)
    assert (found["precision"], found["picks_precision"]) == (0, 0)
    assert np.isnan(found["recall"]) and np.isnan(found["picks_recall"])


def test_pixels_and_picks_are_right_near_the_bsr_and_wrong_far_from_it(flat: Line):
    for off, right in ((10, 1.0), (-10, 1.0), (25, 0.0), (-25, 0.0)):
        found = evaluation.line_scores(said(flat, slice(120 + off, 121 + off)), flat)
        assert (found["precision"], found["picks_precision"], found["picks_recall"]) == (right, right, right)
        assert found["recall"] == pytest.approx(right / 21)


@pytest.mark.parametrize("off", [11, -11, 23, -23])
def test_where_a_patch_holds_a_bsr_far_off_its_centre_nothing_counts(flat: Line, off: int):
    p = said(flat, slice(120 + off, 121 + off))
    p[120 + off, :60] = 1  # to the right of the BSR's end, too, as far as a patch would hold it
    found = evaluation.line_scores(p, flat)
    assert found["recall"] == found["picks_recall"] == 0
    assert np.isnan(found["precision"]) and np.isnan(found["picks_precision"])


def test_a_map_that_is_right_and_wrong_is_scored_by_the_share(flat: Line):
    """21 rows, from 121 to 141, of which ten are true and the others not counted; and 21 rows far off."""
    p = np.maximum(said(flat, slice(121, 142)), said(flat, slice(180, 201)))
    found = evaluation.line_scores(p, flat)
    assert found["precision"] == pytest.approx(10 / 31) and found["recall"] == pytest.approx(10 / 21)
    assert found["f1"] == pytest.approx(2 * 10 / (31 + 21))


def test_two_right_picks_in_a_trace_find_it_once(flat: Line):
    p = said(flat, slice(112, 114))
    p[126:128, :20] = 1
    found = evaluation.line_scores(p, flat)
    assert (found["picks_precision"], found["picks_recall"]) == (1, 1)


def test_scores_count_pixels_and_picks_of_what_is_said_elsewhere(flat: Line):
    p = said(flat, slice(110, 131))
    p[:, 20:40] = 0
    p[200, :] = 0.5  # a decision is at 0.5, that included
    p[60, :] = 0.49
    found = evaluation.line_scores(p, flat)
    assert found["precision"] == pytest.approx(21 * 20 / (21 * 20 + 60)) and found["recall"] == 0.5
    assert found["picks_precision"] == pytest.approx(20 / 80) and found["picks_recall"] == 0.5


def test_both_engines_agree_on_a_line_for_a_network_that_pads_nothing(tiny: Model, flat: Line):
    found, shown = evaluation.on_line(tiny, flat)
    assert (found["traces"], found["samples"], found["default"]) == (60, 240, "convolutional")
    assert found["agreement"]["decisions"] == 1 and found["agreement"]["max_abs"] < 1e-4
    assert set(found["sliding"]) == set(found["convolutional"]) == LINE_KEYS
    assert found["sliding"]["windows"] == found["convolutional"]["windows"] == shown.windows
    assert shown.engine == "convolutional" and shown.values.shape == (240, 60)
    assert 0.1 < (shown.values >= 0.5).mean() < 0.9  # else they would agree anyhow


def test_other_networks_slide_only(flat: Line):
    found, shown = evaluation.on_line(Model(Windows(), ABOUT), flat)
    assert set(found) == {"traces", "samples", "default", "sliding"} and found["default"] == "sliding"
    assert shown.engine == "sliding" and found["sliding"]["picks_recall"] == 1


def write_store(folder: Path, **entry: Any) -> Store:
    n = 40
    inputs = np.random.default_rng(0).normal(size=(n, 48, 48)).astype(np.float32)
    number = np.arange(n)
    with StoreWriter(folder) as writer:
        columns = {"id": number.astype("U"), "group": number.astype("U"), "label": (number % 2).astype(np.int8)}
        columns |= {"kind": np.array(["", "bsr"])[number % 2], "official_split": np.full(n, "")}
        writer.append(Block(inputs, columns))
        table = writer.columns()
        table["split"] = np.array([0, 0, 1, 2, 2, 2, 1, 2], np.int8)[number // 2 % 8]
        meta = {"task": "patchnet", "dataset": "here", "data_source": "synthetic", "citation": "", "prepare": {}}
        meta |= {"split": {"by": "official"}, "entry": entry, "measured": {"scale": [0.0, 2.5]}}
        writer.finish(table, meta | {"audit": task.audit(table, "here")})
    return Store(folder)


def told(store: Store, split: str, p: np.ndarray | None = None) -> Predictions:
    rows = store.rows(split)
    p = np.linspace(0.05, 0.95, len(rows)) if p is None else p
    label, kind = store.samples["label"][rows], store.samples["kind"][rows].astype("U")
    return Predictions(np.arange(len(rows)), label, np.column_stack([1 - p, p]), CLASSES, strata={"kind": kind})


def test_confusion_kinds_and_the_patches_that_are_furthest_off(tmp_path: Path):
    store = write_store(tmp_path / "data")
    rows = store.rows("test")
    label = store.samples["label"][rows]
    p = np.where(label == 1, 0.8, 0.1) + np.linspace(0, 0.05, len(rows))
    p[4], p[7] = 0.9, 0.2  # a patch without a BSR, and one with
    test = told(store, "test", p)
    details, examples = evaluation.evaluate(Model(None, ABOUT), store, test, told(store, "val"))
    half = len(rows) // 2
    assert details["confusion"]["test"] == [[half - 1, 1], [1, half - 1]]
    assert details["by_kind"] == {
        "unknown": {"n": half, "accuracy": pytest.approx(1 - 1 / half)},
        "bsr": {"n": half, "accuracy": pytest.approx(1 - 1 / half)},
    }
    assert np.array_equal(examples["patches"][:2], store.inputs[rows[[4, 7]]])
    assert examples["truth"][:2].tolist() == [0, 1] and examples["said"][:2] == pytest.approx([0.9, 0.2])
    assert len(examples["patches"]) == min(len(rows), 24)
    assert "line" not in details and set(examples) == {"patches", "truth", "said"}
    assert json.loads(json.dumps(details)) == details


@pytest.mark.parametrize("generate", [None, {"line": None, "physics": False}])
def test_neither_real_data_nor_those_that_want_none_have_a_line(tmp_path: Path, generate: Any, tiny: Model):
    store = write_store(tmp_path / "data", seed=0, **({"generate": generate} if generate else {}))
    details, _ = evaluation.evaluate(tiny, store, told(store, "test"), told(store, "val"))
    assert "line" not in details


def test_synthetic_data_have_a_line_of_their_own_size_and_seed(tmp_path: Path, tiny: Model):
    from geoml.tasks.patchnet.line import line

    store = write_store(tmp_path / "data", seed=3, generate={"line": [50, 240], "physics": True})
    details, examples = evaluation.evaluate(tiny, store, told(store, "test"), told(store, "val"))
    drawn = line(50, 240, 1_000_003, physics=True)
    assert np.array_equal(examples["amplitudes"], drawn.amplitudes)
    assert np.array_equal(examples["bsr"], drawn.bsr, equal_nan=True)
    assert examples["probability"].shape == (240, 50) and details["line"]["traces"] == 50
    estimator = Estimator(None, {})
    assert "line" not in evaluation.evaluate(estimator, store, told(store, "test"), told(store, "val"))[0]

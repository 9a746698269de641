"""Windows and their random changes: odd in the trace, bit for bit, and P where it should be."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from geoml.tasks.polarity import task
from geoml.tasks.polarity.augment import PICK, WINDOW, augment, curve, normalise, windows, with_noise

NONE: dict[str, Any] = {"shift": 0, "flip": 0.0, "stretch": 0.0, "noise": 0.0, "amplitude": 0.0, "glitch": 0.0}
ALL: dict[str, Any] = {"shift": 20, "flip": 0.5, "stretch": 0.4, "noise": 0.4, "amplitude": 0.4, "glitch": 0.0}
P = 300


def samples(n: int = 64, noise: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 600) with a first motion of 100 at P, and their labels U, D, N in turn."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % 3).astype(np.int8)
    t = np.arange(P) / 100
    inputs = noise * rng.normal(size=(n, 600))
    inputs[:, P:] += 100 * np.outer(np.where(labels == 1, -1, 1), np.sin(2 * np.pi * 4 * t) * np.exp(-t))
    return inputs.astype(np.float32), labels


def run(inputs: np.ndarray, labels: np.ndarray, norm: str = "peak", seed: int = 1, **settings: Any):
    rows = np.random.default_rng(5).permutation(len(inputs))
    return augment(inputs, labels, rows, norm, np.random.default_rng(seed), NONE | settings), rows


def test_a_window_has_p_at_its_place():
    inputs = np.tile(np.arange(600, dtype=np.float32), (3, 1))
    cut = windows(inputs, np.array([2, 0, 1]), np.array([0, 20, -100]))
    assert cut.shape == (3, WINDOW)
    assert [cut[i, PICK - shift] for i, shift in enumerate((0, 20, -100))] == [P] * 3
    cut[:] = 0
    assert inputs[0, P] == P, "the store is not written to"


@pytest.mark.parametrize("norm", ["peak", "onset"])
def test_a_negated_trace_gives_the_negated_window_bit_for_bit(norm: str):
    inputs, labels = samples()
    (wave, label, shift), _ = run(inputs, labels, norm, **ALL)
    (negative, same, again), _ = run(-inputs, labels, norm, **ALL)
    assert (negative == -wave).all() and (same == label).all() and (again == shift).all()
    assert len(np.unique(shift)) > 10 and wave.dtype == np.float32 and label.dtype == np.int8


def test_flipping_negates_the_window_and_exchanges_u_and_d_only():
    inputs, labels = samples()
    (plain, before, _), rows = run(inputs, labels)
    (flipped, after, _), _ = run(inputs, labels, flip=1.0)
    assert (before == labels[rows]).all()
    assert (flipped == -plain).all()
    assert (after == np.array([1, 0, 2])[before]).all()
    (some, label, _), _ = run(inputs, labels, flip=0.5)
    turned = (some == flipped).all(axis=1)
    assert ((some == plain).all(axis=1) != turned).all() and 10 < turned.sum() < 54
    assert (label == np.where(turned, after, before)).all()
    assert (labels == np.arange(64) % 3).all(), "the store's labels are not written to"


def test_what_the_network_learns_agrees_with_the_sign_of_the_window():
    """Whatever is done to a clean trace, the first motion and the label go together."""
    inputs, labels = samples(600, noise=0.01)
    (wave, label, shift), _ = run(inputs, labels, **ALL | {"noise": 0.0})
    motion = wave[np.arange(600), PICK - shift + 4]
    assert (motion[label == 0] > 0).all()
    assert (motion[label == 1] < 0).all()


def test_stretching_keeps_p():
    ramp = np.maximum(np.arange(600) - P, 0).astype(np.float32)[None].repeat(40, axis=0)
    (wave, _, shift), _ = run(ramp, np.zeros(40, np.int8), shift=30, stretch=1.0)
    assert ((wave > 0).argmax(axis=1) == PICK - shift + 1).all()
    slopes = wave[np.arange(40), PICK - shift + 20] / wave[np.arange(40), PICK - shift + 10]
    assert np.allclose(slopes, 2, rtol=1e-3), "a straight line stays one"
    pulse = np.zeros((200, 600), np.float32)
    pulse[:, P:] = np.sin(2 * np.pi * 2 * np.arange(300) / 100)
    (wave, _, _), _ = run(pulse, np.zeros(200, np.int8), stretch=1.0)
    first_zero = (wave[:, PICK + 3 :] <= 0).argmax(axis=1) + 3
    assert {round(value / 25, 1) for value in first_zero.tolist()} == {0.5, 0.8, 1.5, 2.0, 3.0}


def test_noise_reaches_its_level_and_a_drowned_onset_becomes_n():
    inputs, labels = samples(300, noise=0.1)
    (wave, label, _), rows = run(inputs, labels, noise=1.0)
    snr_db = 20 * np.log10(wave[:, PICK : PICK + 100].std(axis=1) / wave[:, : PICK - 10].std(axis=1))
    assert snr_db.min() > -2 and snr_db.max() < 22 and np.ptp(snr_db) > 12
    clear = label == labels[rows]
    assert (label[~clear] == 2).all() and clear.mean() > 0.9
    weak = inputs.copy()
    weak[:, P : P + 25] *= 0.001
    (_, label, _), _ = run(weak, labels, noise=1.0)
    assert (label == 2).mean() > 0.9


@pytest.mark.parametrize("snr_db", [20.0, 0.0, -5.0])
def test_added_noise_has_the_asked_ratio(snr_db: float):
    inputs, _ = samples()
    added = with_noise(inputs, snr_db) - inputs
    ratio = inputs[:, P : P + 100].std(axis=1) / added.std(axis=1)
    assert np.allclose(20 * np.log10(ratio), snr_db, atol=0.05)
    assert with_noise(inputs, snr_db).dtype == np.float32
    assert (with_noise(-inputs, snr_db) == -with_noise(inputs, snr_db)).all()


def test_a_glitch_stays_before_p():
    inputs, labels = samples(noise=0.0)
    (plain, _, _), _ = run(inputs, labels, shift=20)
    (wave, _, shift), _ = run(inputs, labels, shift=20, glitch=1.0)
    touched = np.abs(wave[:, : PICK - 20]).max(axis=1) > 1e-3
    assert touched.mean() > 0.9 and (np.abs(plain[:, : PICK - 20]) < 1e-6).all()
    slope = np.diff(wave, axis=1)
    at_p = slope[np.arange(64), PICK - shift]
    assert (np.sign(at_p) == np.where(labels[run(inputs, labels)[1]] == 1, -1, 1)).all()


def test_amplitude_changes_nothing_else():
    inputs, labels = samples()
    (plain, _, _), _ = run(inputs, labels)
    (wave, _, _), _ = run(inputs, labels, amplitude=1.0)
    factor = np.abs(wave).max(axis=1) / np.abs(plain).max(axis=1)
    assert np.allclose(wave, plain * factor[:, None], atol=1e-6)
    assert 0.5 <= factor.min() < 0.7 and 1.5 < factor.max() <= 2


def test_normalisation():
    inputs, _ = samples()
    cut = windows(inputs + 1000, np.arange(64))
    peak, onset = normalise(cut.copy(), "peak"), normalise(cut.copy(), "onset")
    assert np.allclose(np.abs(peak).max(axis=1), 1) and np.abs(peak[:, :100].mean(axis=1)).max() < 1e-4
    late = cut.copy()
    late[:, 350] = 1e6
    assert np.allclose(normalise(late, "onset")[:, : PICK + 100], onset[:, : PICK + 100]) and late.max() == 5
    for norm in ("peak", "onset"):
        assert (normalise(np.zeros((2, WINDOW), np.float32), norm) == 0).all(), "all-zero stays zero"
        assert (normalise(np.full((2, WINDOW), 7, np.float32), norm) == 0).all()


def test_the_p_curve_is_at_the_shifted_p():
    found = curve(np.array([0, 15, -20]), 3)
    assert found.argmax(axis=1).tolist() == [200, 185, 220] and found.dtype == np.float32
    assert found[0, 210] == pytest.approx(np.exp(-0.5))


def store(inputs: np.ndarray, labels: np.ndarray, norm: str = "peak") -> Any:
    table = {"label": labels}
    return SimpleNamespace(inputs=inputs, samples=table, meta={"prepare": {"norm": norm}}, rows=lambda _: np.arange(9))


def test_batches_have_the_targets_of_their_outputs():
    both, rng = store(*samples()), np.random.default_rng(0)
    x, y = task.batch(both, np.arange(8), ["pk", "po"], rng, NONE | {"shift": 20})
    assert x.shape == (8, 400, 1) and y["pk"].shape == (8, 400, 1) and y["po"].shape == (8, 3)
    assert len(set(y["pk"].argmax(axis=1).ravel().tolist())) > 1
    x, y = task.batch(both, np.arange(8), ["po"], rng, NONE)
    assert y.argmax(axis=1).tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    x, y = task.validation(both, ["po"])
    assert x.shape == (9, 400, 1) and list(y) == ["po"]


def test_negating_a_trace_exchanges_the_probabilities_of_u_and_d_exactly():
    weights = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)

    def infer(x: np.ndarray) -> dict[str, np.ndarray]:
        powers = np.exp(np.einsum("ni,ij->nj", x[:, :, 0], weights) + np.array([0.5, 0.1, -0.3]))
        return {"po": powers / powers.sum(axis=1, keepdims=True)}

    model = SimpleNamespace(meta={"prepare": {"norm": "peak"}}, infer=infer)
    inputs, _ = samples()
    up, down = task.outputs(model, inputs), task.outputs(model, -inputs)
    assert (up[:, [1, 0, 2]] == down).all() and np.ptp(up) > 0.1
    assert (task.outputs(model, inputs, shift=10) != up).any()

"""Numbers of hand-made traces, and the classifiers that see only them."""

from pathlib import Path

import numpy as np
import pytest

from geoml import models
from geoml.errors import InputError
from geoml.tasks.tremor import RATE_HZ, SAMPLES
from geoml.tasks.tremor.features import GROUPS, NAMES, envelope, features_of
from geoml.tasks.tremor.models.baseline import CLASSIFIERS, SEES, estimator

TIME = np.arange(SAMPLES) / RATE_HZ


def noise(n: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, SAMPLES)).astype(np.float32)


def beating(period_s: float, depth: float = 5) -> np.ndarray:
    """Noise with a burst every ``period_s``."""
    return noise() * (1 + depth * np.maximum(0, np.cos(2 * np.pi * TIME / period_s)) ** 4)


def told(x: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, features_of(x.reshape(1, -1))[0].tolist(), strict=True))


def test_groups_cover_the_names_by_their_prefix():
    assert [name for group in GROUPS.values() for name in NAMES[group]] == list(NAMES)
    assert {group: NAMES[place][0].split("_")[0] for group, place in GROUPS.items()} == {g: g for g in GROUPS}
    assert len(set(NAMES)) == len(NAMES) and len(NAMES[GROUPS["amplitude"]]) == 6
    assert {"period_45_50_mhz", "period_lag_30_s", "floor_625_1562_mhz"} <= set(NAMES)


def test_the_envelope_is_the_root_mean_square_of_every_second():
    x = np.repeat(np.arange(1000.0), 20)[None] * np.tile([1, -1], SAMPLES // 2)
    assert envelope(x)[0] == pytest.approx(np.arange(1000))


def test_a_sine_has_the_amplitudes_of_a_sine():
    found = told(3 * np.sin(2 * np.pi * 4 * TIME))
    assert found["amplitude_kurtosis"] == pytest.approx(-1.5, abs=1e-3)
    assert found["amplitude_peak"] == pytest.approx(2**0.5 * np.sin(0.4 * np.pi), abs=1e-3)
    names = ("envelope_std", "log_std", "95_50", "early_late")
    assert [found[f"amplitude_{name}"] for name in names] == pytest.approx([0] * 4, abs=1e-3)


def test_a_loud_first_half_is_told_in_amplitudes():
    found = told(np.sign(noise()) * np.where(TIME < 500, 3, 1))
    assert found["amplitude_early_late"] == pytest.approx(np.log(9), abs=1e-3)
    assert found["amplitude_envelope_std"] == pytest.approx(0.5, abs=1e-3)
    assert found["amplitude_log_std"] == pytest.approx(np.log(3) / 2, abs=1e-2)
    short = told(np.sign(noise()) * np.where(TIME < 100, 3, 1))
    assert short["amplitude_95_50"] == pytest.approx(np.log(3), abs=1e-2)
    assert short["amplitude_kurtosis"] == pytest.approx((0.1 * 81 + 0.9) / (0.1 * 9 + 0.9) ** 2 - 3, abs=1e-3)


@pytest.mark.parametrize(("period_s", "band"), [(24, "40_45"), (20.5, "45_50"), (64, "15_20")])
def test_the_period_of_bursts_is_where_the_envelope_has_its_power(period_s: float, band: str):
    found = told(beating(period_s))
    bands = {name: value for name, value in found.items() if name.endswith("mhz") and name.startswith("period")}
    assert max(bands, key=bands.__getitem__) == f"period_{band}_mhz"
    assert found[f"period_{band}_mhz"] > np.log(0.4)


def test_shares_of_the_envelope_spectrum_are_of_its_variance():
    x = np.repeat(2 + np.cos(2 * np.pi * 0.042 * np.arange(1000)), 20) * np.tile([1, -1], SAMPLES // 2)
    found = told(x)
    assert found["period_40_45_mhz"] == pytest.approx(0, abs=1e-3)
    assert found["period_lag_60_s"] == pytest.approx(0.94 * np.cos(2 * np.pi * 0.042 * 60), abs=0.02)


def test_the_autocorrelation_of_bursts_is_high_at_their_period_and_low_at_its_half():
    found = told(beating(30))
    assert found["period_lag_30_s"] > 0.5 > 0 > found["period_lag_15_s"]
    assert found["period_lag_60_s"] > 0.5 > 0 > found["period_lag_35_s"] - found["period_lag_30_s"]


def test_the_floor_knows_the_colour_of_noise_and_nothing_of_bursts():
    colour = noise()[0]
    colour = np.fft.irfft(np.fft.rfft(colour) * np.linspace(1, 0.1, SAMPLES // 2 + 1))
    bursts = colour + 8 * noise(seed=1)[0] * (TIME % 40 < 20)  # white
    white, quiet, loud = (features_of(x.reshape(1, -1))[0, GROUPS["floor"]] for x in (noise(), colour, bursts))
    assert np.abs(quiet - loud).max() < 0.1 * np.abs(quiet - white).max()
    assert quiet[0] - white[0] > 1 > -1 > quiet[-1] - white[-1]
    assert abs(quiet.mean()) < 1e-5
    amplitude = GROUPS["amplitude"]
    assert np.abs(features_of(colour[None]) - features_of(bursts[None]))[0, amplitude].max() > 0.5


def test_gain_and_offset_change_nothing():
    x = np.concatenate([noise(2), beating(20)]).astype(np.float32)
    assert features_of(1e-7 * x) == pytest.approx(features_of(x), abs=2e-3)
    assert features_of(1e4 * x - 300) == pytest.approx(features_of(x), abs=2e-3)


def test_traces_of_a_block_do_not_mix_and_keep_their_order():
    x = np.concatenate([noise(70), beating(20)])
    found = features_of(x)
    assert found.shape == (71, len(NAMES)) and found.dtype == np.float32
    for row in (0, 63, 64, 70):
        assert found[row] == pytest.approx(features_of(x[row : row + 1])[0], abs=1e-5)
    assert found[0] != pytest.approx(found[1], abs=1e-2)
    assert features_of(x[:0]).shape == (0, len(NAMES))


@pytest.mark.parametrize("dead_s", [60, 990, 1000])
def test_dead_traces_have_finite_numbers(dead_s: float):
    assert np.isfinite(features_of(np.where(dead_s > TIME, 0, noise()))).all()


def table(n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of which one in every group but the floor tells the label."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, len(NAMES))).astype(np.float32), np.arange(n) % 2
    for group in ("amplitude", "period"):
        x[:, GROUPS[group].start] += 3 * y
    return x, y


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_a_classifier_learns_what_it_can(classifier: str):
    x, y = table()
    model = estimator(0, classifier=classifier).fit(x[:120], y[:120])
    right = (model.predict(x[120:]) == y[120:]).mean()
    assert right == 0.5 if classifier == "constant" else right > 0.9


@pytest.mark.parametrize("classifier", ["logistic", "boosted_trees"])
@pytest.mark.parametrize("sees", SEES)
def test_a_classifier_sees_its_columns_and_no_others(classifier: str, sees: str):
    x, y = table()
    model = estimator(0, classifier=classifier, sees=sees).fit(x, y)
    seen = {"all": list(GROUPS), "shape": ["amplitude", "period"]}.get(sees, [sees])
    for group, place in GROUPS.items():
        other = x.copy()
        other[:, place] = np.roll(x[:, place], 1, axis=0)
        same = np.array_equal(model.predict_proba(other), model.predict_proba(x))
        assert same == (group not in seen)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
@pytest.mark.parametrize("sees", ["shape", "floor"])
def test_a_classifier_is_the_same_after_its_file(classifier: str, sees: str, tmp_path: Path):
    x, y = table(60)
    model = estimator(3, classifier=classifier, sees=sees).fit(x, y)
    models.save(tmp_path / "model.skops", model, {"classes": ["no", "yes"], "has_probabilities": True})
    assert np.array_equal(models.load(tmp_path / "model.skops").infer(x)["answer"], model.predict_proba(x))


def test_the_forest_depends_on_its_seed_alone():
    x, y = table(60)
    first, again, other = (estimator(seed).fit(x, y).predict_proba(x) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_unknown_names_are_errors_that_name_the_closest():
    with pytest.raises(InputError, match=r"args: classifier: .*Did you mean 'logistic'\? Known: boosted_trees, const"):
        estimator(0, classifier="logistics")
    with pytest.raises(InputError, match=r"args: sees: .*Did you mean 'floor'\? Known: all, amplitude, floor"):
        estimator(0, sees="flor")

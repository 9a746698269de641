"""Both engines over a line: where windows lie, that they agree, and what is refused."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from geoml.errors import InputError
from geoml.models import Model
from geoml.tasks.patchnet import line, patches, section

BLOCK = {"w": 10, "kM": 2, "k1": 2, "k2": 3, "p1": 2, "p2": 3, "u": [2] * 5, "r1": 3, "r2": 3, "a1": 1, "a2": 1}
WIDE = BLOCK | {"k1": 6, "k2": 7, "p1": 4, "p2": 5}  # as far as the family looks


class Fake:
    """A network that answers with a number of each window."""

    name, layers = "fake", ()

    def __init__(self, answer: Callable[[np.ndarray], np.ndarray]) -> None:
        self.answer = answer

    def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
        assert x.shape[1:] == (112, 112, 1)
        return np.stack([1 - self.answer(x[..., 0]), self.answer(x[..., 0])], axis=1)


def middle(x: np.ndarray) -> np.ndarray:
    return x[:, 55:57, 55:57].mean(axis=(1, 2))


def model(network: Any, scale: tuple[float, float] = (0.0, 1.0)) -> Model:
    return Model(network, {"scale": list(scale)})


@pytest.fixture(scope="module")
def network(keras_on_cpu: Any) -> Callable[[str], Any]:
    """Makes small networks of the family whose answers differ from window to window; one of each padding."""
    from geoml.tasks.patchnet.models.searched import build

    @cache
    def make(padding: str) -> Any:
        keras_on_cpu.utils.set_random_seed(0)
        block = BLOCK if padding == "valid" else WIDE
        document = {"n0": 6, "n2": 6, "random_type": False, "blocks": [block] * 3}
        made = build((112, 112, 1), 2, candidate=document, padding=padding)
        logits = made.get_layer("logits")
        logits.set_weights([60 * logits.get_weights()[0], logits.get_weights()[1]])
        return made

    return make


def noise(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (rows, columns)).astype(np.float32)


@pytest.mark.parametrize("stride", [16, 8, 4])
def test_engines_agree_where_nothing_is_padded(network: Callable[[str], Any], stride: int) -> None:
    pixels, small = noise(150, 171), network("valid")
    sliding, convolutional = (section.grids(small, pixels, engine, stride) for engine in section.ENGINES)
    assert sliding.shape == ((150 - 112) // stride + 1, (171 - 112) // stride + 1)
    assert sliding.std() > 0.01
    assert np.abs(sliding - convolutional).max() < 1e-5


def test_where_layers_pad_engines_agree_in_trend_only(network: Callable[[str], Any]) -> None:
    found = [section.grids(network("same"), noise(160, 160), engine) for engine in section.ENGINES]
    assert np.abs(found[0] - found[1]).max() > 1e-3


@pytest.mark.parametrize(("padding", "tile"), [("valid", 3), ("same", 20)])
def test_tiles_do_not_show(
    network: Callable[[str], Any], padding: str, tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, small = noise(112 + 16 * 6, 112 + 16 * 41 + 9), network(padding)
    whole = section.grids(small, pixels, "convolutional")
    monkeypatch.setattr(section, "_TILE", tile)
    assert np.abs(section.grids(small, pixels, "convolutional") - whole).max() < 1e-5
    monkeypatch.setattr(section, "_MARGIN", 0)
    cut = np.abs(section.grids(small, pixels, "convolutional") - whole).max()
    assert (cut < 1e-5) == (padding == "valid")


@pytest.mark.parametrize("windows", [1, 48, 64, 65, 189, 500])
@pytest.mark.parametrize("margin", [0, 8])
def test_tiles_of_one_size_give_every_window_once(windows: int, margin: int) -> None:
    tiles = section._tiles(windows, margin)
    given = np.concatenate([np.arange(windows)[keep] for _, _, keep in tiles])
    np.testing.assert_array_equal(given, np.arange(windows))
    assert len({last - first for first, last, _ in tiles}) == 1 and tiles[0][1] <= 64
    for first, last, keep in tiles:
        assert first >= 0 and last <= windows
        assert first == 0 or keep.start >= first + margin
        assert last == windows or keep.stop <= last - margin


def test_a_patch_is_resized_on_the_line_as_alone() -> None:
    patch = noise(48, 48)
    alone = patches.network_input(patch[None], (0.0, 1.0))[0, ..., 0]
    pixels = section.Resized(patch, (0.0, 1.0), np.zeros(48, bool))
    assert pixels.shape == (224, 224)
    np.testing.assert_allclose(pixels[56:168, 56:168], alone, atol=1e-6)


@pytest.mark.parametrize(("stride", "axis"), [(16, 0), (16, 1), (8, 0), (4, 1)])
def test_probabilities_lie_where_their_windows_look(stride: int, axis: int) -> None:
    ramp = np.linspace(0, 1, 90)[:, None] + 1e-6 * np.arange(70)  # no trace is constant either way
    ramp = ramp if axis == 0 else ramp.T
    found = section.probabilities(model(Fake(middle)), ramp, scale="model", stride=stride, batch=7)
    assert found.engine == "sliding" and found.values.shape == ramp.shape and found.windows == found.grid.size
    inside = (slice(8, -8), slice(8, -8))
    np.testing.assert_allclose(found.values[inside], ramp[inside], atol=1e-4)
    centres = (found.rows, found.columns)[axis]
    assert centres[0] == -0.5 and np.diff(centres) == pytest.approx(stride * 3 / 7)
    assert 90 - stride * 3 / 7 - 1.5 < centres[-1] < 90


def test_the_unit_of_a_line_does_not_matter_unless_the_models_scale_is_asked_for() -> None:
    made = line.line(60, 240).amplitudes
    asked = model(Fake(middle), (0.0, 2.0))
    own, loud = (section.probabilities(asked, factor * made) for factor in (1, 1e6))
    np.testing.assert_allclose(own.values, loud.values, atol=1e-5)
    assert loud.scale[1] == pytest.approx(1e6 * own.scale[1])
    fixed = section.probabilities(asked, made, scale="model")
    assert fixed.scale == (0, 2)
    np.testing.assert_allclose(fixed.grid, own.grid * own.scale[1] / 2, atol=0.3)
    assert np.abs(fixed.grid).max() < 0.6 < np.abs(own.grid).max()


def test_dead_traces_have_no_answer_and_do_not_count_in_the_scale() -> None:
    made = line.line(60, 240).amplitudes
    made[:, 5], made[:, 6], made[3, 7], made[:, 8] = 0, 1e9, np.nan, np.inf
    found = section.probabilities(model(Fake(middle)), made)
    assert list(np.flatnonzero(found.dead)) == [5, 6, 7, 8]
    assert np.isnan(found.values[:, 5:9]).all() and np.isfinite(np.delete(found.values, range(5, 9), axis=1)).all()
    assert found.scale[1] < 2 and np.isfinite(found.grid).all()


def test_the_default_engine_never_gives_other_answers_than_the_network(network: Callable[[str], Any]) -> None:
    assert section.engine_for(model(network("valid"))) == "convolutional"
    assert section.engine_for(model(network("same"))) == "sliding"
    assert section.engine_for(model(Fake(middle))) == "sliding"
    found = section.probabilities(model(network("valid")), noise(60, 60))
    assert found.engine == "convolutional" and found.seconds > 0


def test_a_network_of_another_family_only_slides() -> None:
    with pytest.raises(InputError, match="family"):
        section.probabilities(model(Fake(middle)), noise(60, 60), engine="convolutional")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine": "fast"}, "engine: value: expected convolutional or sliding, got 'fast'"),
        ({"stride": 5}, "stride: value: expected 16, 8 or 4, got 5"),
        ({"scale": "mean"}, "scale: value: expected line or model"),
    ],
)
def test_wrong_options_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        section.probabilities(model(Fake(middle)), noise(60, 60), **settings)


def test_lines_that_cannot_be_judged_are_refused_by_name() -> None:
    asked = model(Fake(middle))
    for shape in ((47, 60), (60, 47)):
        with pytest.raises(InputError, match=r"a\.sgy: shape: expected at least 48 samples and 48 traces"):
            section.probabilities(asked, noise(*shape), where="a.sgy")
    with pytest.raises(InputError, match=r"a\.sgy: traces: .* got 60 dead ones"):
        section.probabilities(asked, np.ones((60, 60), np.float32), where="a.sgy")
    still = np.zeros((100, 60), np.float32)
    still[50, 30] = 1
    with pytest.raises(InputError, match=r"a\.sgy: amplitudes"):
        section.probabilities(asked, still, where="a.sgy")


def test_agreement_counts_decisions_and_differences() -> None:
    a, b = np.array([0.1, 0.6, 0.9, 0.2]), np.array([0.2, 0.4, 0.9, 0.2])
    found = section.agreement(a, b)
    assert found["decisions"] == 0.75 and found["mean_abs"] == pytest.approx(0.075)
    assert found["max_abs"] == pytest.approx(0.2)
    assert found["correlation"] == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert np.isnan(section.agreement(np.zeros(3), a[:3])["correlation"])

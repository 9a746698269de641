"""Networks of the slip task: sizes, the published function in blocks near faults, losses, files."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoml import models, registry

TRAINABLE_AND_ALL = {
    "ssf_cnn": (33_893, 33_933),  # method card, section 7
    "global_pooling": (1_141, 1_197),
    "gaussian": (33_902, 33_942),
    "ensemble": (169_510, 169_710),
}
ANSWERS = {"ssf_cnn": 1, "global_pooling": 1, "gaussian": 2, "ensemble": 10}
SMALL = {"ensemble": {"members": 2, "channels": 2}}
SIZE = (128, 64, 1)


def part(name: str) -> Any:
    return import_module(f"geoml.tasks.slip.models.{name}")


def maps(kind: str, n: int = 6, height: int = 32, width: int = 24) -> np.ndarray:
    """Inputs (n, height, width, 1): noise everywhere, or faults (1, or noise) and nothing else."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (n, height, width, 1)).astype(np.float32)
    if kind == "noise":
        return noise
    faults = np.zeros_like(noise)
    row = rng.integers(height // 4, height - height // 4, n)
    for i in range(n):
        faults[i, row[i] : row[i] + 3, width // 4 * (i % 4) :] = 1
    if kind == "frame":
        faults[0, :2], faults[1, -1], faults[2, :, 0], faults[3, :, -2:], faults[4, -3:, -3:] = 1, 1, 1, 1, 1
        faults[5] = 0
    return faults * noise if kind == "grey faults" else faults


@pytest.fixture(scope="module")
def build(keras_on_cpu: Any) -> Callable[[str], Any]:
    """A network with its default arguments, built once."""
    made: dict[str, Any] = {}

    def one(name: str) -> Any:
        if name not in made:
            keras_on_cpu.utils.set_random_seed(0)
            made[name] = part(name).build(SIZE, 0)
        return made[name]

    return one


def randomised(network: Any) -> Any:
    """The same with every weight drawn, none 0 or 1; variances positive, some gammas not, answers mostly above 0."""
    rng = np.random.default_rng(2)
    for weight in network.weights:
        value = rng.normal(0, np.prod(weight.shape[:-1]) ** -0.5 if len(weight.shape) > 1 else 0.3, weight.shape)
        weight.assign(np.abs(value) + 0.5 if weight.path.endswith("variance") else value)
    network.weights[-1].assign(np.full(network.weights[-1].shape, 3))
    return network


def twin(keras: Any, size: tuple[int, ...], channels: int = 4) -> Any:
    """The table of the method card, layer by layer, in double precision and without dropout."""
    maps = x = keras.Input(size, dtype="float64")
    layers, options = keras.layers, {"dtype": "float64"}
    for filters in (channels, 2 * channels):
        x = layers.Conv2D(filters, 3, padding="same", **options)(x)
        x = layers.Conv2D(filters, 3, padding="same", dilation_rate=2, **options)(x)
        x = layers.BatchNormalization(momentum=0.8, epsilon=1e-3, **options)(x)
        x = layers.ReLU(**options)(x)
        x = layers.MaxPooling2D(2, **options)(x)
    features = x
    x = layers.Dense(2 * channels, **options)(layers.Flatten(**options)(x))
    x = layers.BatchNormalization(momentum=0.8, epsilon=1e-3, **options)(x)
    return keras.Model(maps, [features, layers.Dense(1, activation="relu", **options)(x)])


def pair_of(keras: Any, size: tuple[int, ...], channels: int = 4) -> tuple[Any, Any]:
    """``ssf_cnn`` without dropout, with features and efficiency as outputs, and its twin of the same weights."""
    network = randomised(part("ssf_cnn").build(size, 0, channels=channels))
    for layer in network.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0
    features = next(layer for layer in network.layers if layer.name.startswith("convolutions"))
    plain = twin(keras, size, channels)
    plain.set_weights(network.get_weights())
    return keras.Model(network.inputs, [features.output, network.outputs[0]]), plain


def close(ours: Any, theirs: Any, tolerance: float = 1e-5) -> bool:
    return bool(np.abs(np.asarray(ours) - theirs).max() <= tolerance * max(1, np.abs(theirs).max()))


def test_no_network_is_left_out():
    networks = {name for name in registry.names("slip", "models") if registry.maker("slip", name) == "build"}
    assert networks == set(TRAINABLE_AND_ALL)


@pytest.mark.parametrize("name", TRAINABLE_AND_ALL)
def test_parameters_are_those_of_the_method_card(build: Callable[[str], Any], name: str):
    network = build(name)
    trainable = sum(int(np.prod(weight.shape)) for weight in network.trainable_variables)
    assert (trainable, network.count_params()) == TRAINABLE_AND_ALL[name]
    assert network.name == name and network.output_names == ["efficiency"]
    assert network.output_shape == (None, ANSWERS[name]) and network.inputs[0].name == "map"


def test_weights_are_those_of_the_table_in_its_order(build: Callable[[str], Any], keras_on_cpu: Any):
    ours, theirs = ([tuple(w.shape) for w in n.weights] for n in (build("ssf_cnn"), twin(keras_on_cpu, SIZE)))
    assert ours == theirs and len(ours) == 24


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("size", "channels"), [((32, 24), 4), ((16, 16), 3), (SIZE[:2], 4)], ids=str)
def test_the_function_is_the_published_one(keras_on_cpu: Any, size: tuple[int, int], channels: int, training: bool):
    import tensorflow as tf

    ours, theirs = pair_of(keras_on_cpu, (*size, 1), channels)
    start = ours.get_weights()
    step, plain_step = (tf.function(lambda x, n=n: n(x, training=training)) for n in (ours, theirs))
    for kind in ("noise", "faults", "frame", "grey faults"):
        x = maps(kind, 6, *size)
        ours.set_weights(start)
        theirs.set_weights(start)
        for mine, its in zip(step(x), plain_step(x.astype(np.float64)), strict=True):
            assert close(mine, its), kind
        for mine, its in zip(ours.weights, theirs.weights, strict=True):  # the moving statistics
            assert close(mine, np.asarray(its)), (kind, mine.path)


def test_empty_maps_have_an_answer(keras_on_cpu: Any):
    ours, theirs = pair_of(keras_on_cpu, (32, 24, 1))
    x = np.zeros((2, 32, 24, 1), np.float32)
    for mine, its in zip(ours.predict_on_batch(x), theirs.predict_on_batch(x), strict=True):
        assert close(mine, its)


@pytest.mark.parametrize("kind", ["noise", "grey faults", "frame"])
def test_gradients_are_those_of_the_published_network(keras_on_cpu: Any, kind: str):
    import tensorflow as tf

    x = maps(kind)
    toward = np.random.default_rng(1).normal(size=(6, 8, 6, 8))
    gradients = []
    for network in pair_of(keras_on_cpu, (32, 24, 1)):

        @tf.function
        def gradient(x: Any, network: Any = network) -> Any:
            with tf.GradientTape() as tape:
                features, efficiency = network(x, training=True)
                loss = tf.reduce_sum(features * tf.cast(toward, features.dtype)) + tf.reduce_sum(efficiency)
            return tape.gradient(loss, [weight.value for weight in network.trainable_variables])

        gradients.append(gradient(x.astype(network.compute_dtype)))
    for ours, theirs in zip(*gradients, strict=True):
        assert close(ours, theirs, 2e-5)


def test_a_step_of_training_is_that_of_the_published_network(keras_on_cpu: Any):
    from geoml.tasks.slip.losses import per_sample

    x, y = maps("grey faults"), np.random.default_rng(1).uniform(0.2, 1, (6, 2))
    losses = []
    pair = [keras_on_cpu.Model(n.inputs, n.outputs[1]) for n in pair_of(keras_on_cpu, (32, 24, 1))]
    for network in pair:
        network.compile(keras_on_cpu.optimizers.SGD(0.01), per_sample)
        losses.append(network.train_on_batch(x, y))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5) and losses[0] > 0.1
    for ours, theirs in zip(pair[0].weights, pair[1].weights, strict=True):
        assert close(ours, np.asarray(theirs)), ours.path


def test_blocks_are_used_in_training_and_prediction_and_nowhere_else(
    keras_on_cpu: Any, monkeypatch: pytest.MonkeyPatch
):
    import tensorflow as tf

    from geoml.tasks.slip.losses import per_sample
    from geoml.tasks.slip.models import _blocks

    used = []
    pair = _blocks._pair
    monkeypatch.setattr(_blocks, "_pair", lambda *arguments: used.append(arguments[-1]) or pair(*arguments))
    network = part("ssf_cnn").build((32, 24, 1), 0)
    x = maps("faults")
    network(x, training=False)
    tf.function(network)(x)
    assert used == []
    network.predict_on_batch(x)
    assert used == [False, False]
    network.compile("sgd", per_sample)
    network.train_on_batch(x, np.ones((6, 2), np.float32))
    assert set(used) == {False, True}


def test_sizes_that_blocks_do_not_fit_are_computed_too(keras_on_cpu: Any):
    ours, theirs = pair_of(keras_on_cpu, (28, 20, 1))
    x = maps("faults", 6, 28, 20)
    for mine, its in zip(ours.predict_on_batch(x), theirs.predict_on_batch(x), strict=True):
        assert close(mine, its)


def test_the_map_has_gradients_also_far_from_faults(keras_on_cpu: Any):
    import tensorflow as tf

    ours, theirs = pair_of(keras_on_cpu, (32, 24, 1))
    gradients = []
    for network in (ours, theirs):
        x = tf.constant(maps("faults"), network.compute_dtype)
        with tf.GradientTape() as tape:
            tape.watch(x)
            answer = tf.reduce_sum(network(x)[1] + 0 * network(x)[0][:, 0, 0, :1])
        gradients.append(tape.gradient(answer, x).numpy())
    assert close(*gradients) and (gradients[0][maps("faults") == 0] != 0).any()


def test_frozen_statistics_stay(keras_on_cpu: Any):
    import tensorflow as tf

    ours, theirs = pair_of(keras_on_cpu, (32, 24, 1))
    before = ours.get_weights()
    answers = []
    for network in (ours, theirs):
        network.trainable = False
        answers.append(tf.function(lambda x, n=network: n(x, training=True))(maps("faults"))[0])
    assert close(*answers) and all(np.array_equal(a, b) for a, b in zip(before, ours.get_weights(), strict=True))


@pytest.mark.parametrize("name", TRAINABLE_AND_ALL)
def test_a_network_survives_its_file(build: Callable[[str], Any], name: str, tmp_path: Path):
    network = randomised(build(name))
    models.save(tmp_path / "model.keras", network, {"task": "slip", "model": name})
    loaded = models.load(tmp_path / "model.keras").network
    x = np.concatenate([maps(kind, 2, *SIZE[:2]) for kind in ("faults", "noise")])
    expected = np.asarray(network(x))
    assert np.ptp(expected[:, 0]) > 1e-3 and np.array_equal(np.asarray(loaded(x)), expected)
    assert all(a.momentum == 0.8 for a in loaded._flatten_layers() if hasattr(a, "moving_mean"))


@pytest.mark.parametrize("name", TRAINABLE_AND_ALL)
def test_a_training_step_changes_every_layer(keras_on_cpu: Any, name: str):
    from geoml.tasks.slip.losses import gaussian, per_sample

    keras_on_cpu.utils.set_random_seed(1)
    network = part(name).build((32, 24, 1), 0, **SMALL.get(name, {}))
    before = network.get_weights()
    network.compile(keras_on_cpu.optimizers.SGD(0.01), gaussian if network.output_shape[1] > 1 else per_sample)
    loss = network.train_on_batch(maps("faults"), np.full((6, 2), 0.7, np.float32))
    assert np.isfinite(loss)
    same = [w.path for w, old in zip(network.weights, before, strict=True) if (np.asarray(w) == old).all()]
    assert not [path for path in same if path.endswith(("kernel", "gamma", "moving_mean"))]


def test_members_of_an_ensemble_share_nothing(keras_on_cpu: Any):
    network = part("ensemble").build((32, 24, 1), 0, members=2, channels=2)
    x = maps("faults")
    before = np.asarray(network(x))
    assert np.abs(before[:, :2] - before[:, 2:]).min() > 0
    first = next(weight for weight in network.weights if weight.path.endswith("conv_1/kernel"))
    first.assign(2 * first + 1)
    changed = (np.asarray(network(x)) != before).any(axis=0)
    assert changed.tolist() == [True, True, False, False]


@pytest.mark.parametrize("name", ["gaussian", "ensemble"])
def test_deviations_are_positive_and_means_are_free(build: Callable[[str], Any], name: str):
    network = randomised(build(name))
    network.weights[-1].assign([-1.0, -9.0])
    answer = np.asarray(network(maps("noise", 4, *SIZE[:2])))
    assert (answer[:, 1::2] >= 0.01).all() and (answer[:, 0::2] < 0).any()


def test_one_seed_gives_one_start(keras_on_cpu: Any):
    starts = []
    for _ in range(2):
        keras_on_cpu.utils.set_random_seed(3)
        starts.append(part("ssf_cnn").build((32, 24, 1), 0).get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(*starts, strict=True))


def test_answers_are_float32_under_mixed_precision(keras_on_cpu: Any):
    keras_on_cpu.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        network = part("gaussian").build((32, 24, 1), 0)
    finally:
        keras_on_cpu.mixed_precision.set_global_policy("float32")
    (body,) = [layer for layer in network.layers if layer.name.startswith("convolutions")]
    assert {layer.compute_dtype for layer in (body, *body._flatten_layers(False))} == {"bfloat16"}
    found = network.predict_on_batch(maps("faults"))
    assert found.dtype == np.float32 and np.isfinite(found).all()


# Losses

EXAMPLE = np.array([[0.5, 0.1], [0.6, 0.02], [0.7, 0.05], [0.8, 0.0]])  # method card, section 8
OFF = np.array([[0.05], [0.0], [0.2], [0.1]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_of_the_method_cards_example(keras_on_cpu: Any, dtype: Any):
    from geoml.tasks.slip.losses import LOSSES

    y, p = EXAMPLE.astype(dtype), (EXAMPLE[:, :1] - OFF).astype(np.float32)
    assert np.asarray(LOSSES["coded"](y, p)).shape == () and np.asarray(LOSSES["per_sample"](y, p)).shape == (4,)
    assert float(np.mean(LOSSES["coded"](y, p))) == pytest.approx(337.76, abs=0.005)
    assert float(np.mean(LOSSES["per_sample"](y, p))) == pytest.approx(254.05, abs=0.005)


@pytest.mark.parametrize(("name", "expected"), [("coded", 337.76), ("per_sample", 254.05)])
def test_losses_are_the_same_in_a_compiled_network(keras_on_cpu: Any, name: str, expected: float):
    from geoml.tasks.slip.losses import LOSSES

    inputs = keras_on_cpu.Input((1,))
    network = keras_on_cpu.Model(inputs, keras_on_cpu.layers.Activation("linear")(inputs))
    network.compile(loss=LOSSES[name])
    assert network.test_on_batch(EXAMPLE[:, :1] - OFF, EXAMPLE) == pytest.approx(expected, abs=0.005)


def test_the_gaussian_loss_is_the_likelihood_of_scipy(keras_on_cpu: Any):
    from scipy.stats import norm

    from geoml.tasks.slip.losses import gaussian

    rng = np.random.default_rng(0)
    y, p = rng.uniform(0, 1, (7, 2)), rng.uniform(0.05, 1, (7, 6))
    expected = -np.mean([norm.logpdf(y[:, 0], p[:, i], p[:, i + 1]) for i in (0, 2, 4)], axis=0)
    assert np.allclose(gaussian(y, p), expected - np.log(2 * np.pi) / 2, atol=1e-12)


def test_accuracy_counts_errors_of_exactly_two_deviations(keras_on_cpu: Any):
    from geoml.tasks.slip.losses import accuracy_2sd

    y = np.array([[0.5, 0.125], [0.5, 0.125], [0.5, 0.0]])
    assert np.asarray(accuracy_2sd(y, np.array([[0.75], [0.76], [0.5]]))).tolist() == [1, 0, 1]
    members = np.array([[0.5, 9, 1.0, 9], [0.5, 9, 1.04, 9], [0.0, 1, 1.0, 1]])
    assert np.asarray(accuracy_2sd(y, members)).tolist() == [1, 0, 1]


@pytest.mark.parametrize("name", ["coded", "per_sample", "gaussian"])
@pytest.mark.parametrize(
    ("truth", "answer"), [((4,), (4, 1)), ((4, 1), (4, 1)), ((4, 2), (4,)), ((4, 2), (4, 3)), ((1, 2), (4, 1))], ids=str
)
def test_losses_refuse_shapes_that_would_be_stretched(
    keras_on_cpu: Any, name: str, truth: tuple[int, ...], answer: tuple[int, ...]
):
    from geoml.tasks.slip.losses import LOSSES

    with pytest.raises(ValueError, match="expected"):
        LOSSES[name](np.ones(truth), np.ones(answer))

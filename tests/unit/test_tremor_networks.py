"""Networks of the tremor task: the published tables, the published function computed faster, what each one sees."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from geoml import models, registry
from geoml.errors import InputError

SIZE = (20_000, 1)
SHORT = (4000, 1)  # where the length does not matter
TRAINABLE_AND_ALL = {
    "convnet": (177_738, 178_234),  # method card, section 4
    "encoder": (7_440, 7_760),  # section 5
    "dilated": (11_018, 11_450),
    "envelope": (778, 818),
    "spectrogram": (10_938, 11_130),
}
CHANNELS = (8, 16, 16, 16, 32, 32, 64, 64)
LENGTHS = (10_000, 5000, 2500, 1250, 625, 312, 156, 78)
BLIND_TO_GAIN = ("dilated", "envelope", "spectrogram")


def part(name: str) -> Any:
    return import_module(f"geoml.tasks.tremor.models.{name}")


def waves(n: int = 4, samples: int = SIZE[0], seed: int = 0) -> np.ndarray:
    """Noise that gets louder and quieter, mean 0 and deviation 1: (n, samples, 1)."""
    rng = np.random.default_rng(seed)
    period = rng.uniform(200, 2000, (n, 1))
    x = rng.normal(size=(n, samples)) * (1.2 + np.sin(2 * np.pi * np.arange(samples) / period))
    return ((x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)).astype(np.float32)[:, :, None]


def one_hot(n: int = 4) -> np.ndarray:
    return np.eye(2, dtype=np.float32)[np.arange(n) % 2]


@pytest.fixture(scope="module")
def build(keras_on_cpu: Any) -> Callable[[str], Any]:
    """A network with its default arguments, built once, every weight drawn."""
    made: dict[str, Any] = {}

    def one(name: str) -> Any:
        if name not in made:
            made[name] = randomised(part(name).build(SIZE, 2))
            kernel = next(weight for weight in reversed(made[name].weights) if weight.path.endswith("kernel"))
            kernel.assign(0.03 * kernel)  # or answers would be 0 and 1
        return made[name]

    return one


def randomised(network: Any) -> Any:
    """The same with every weight drawn, none 0 or 1; variances positive, some gammas not; signals stay of one size."""
    rng = np.random.default_rng(2)
    for weight in network.weights:
        value = rng.normal(0, (2 / np.prod(weight.shape[:-1])) ** 0.5 if len(weight.shape) > 1 else 0.3, weight.shape)
        if weight.path.endswith(("gamma", "variance")):
            value = rng.uniform(0.6, 1.6, weight.shape)
        if weight.path.endswith("gamma"):
            value *= rng.choice([-1, 1], value.shape, p=[0.2, 0.8])
        weight.assign(value)
    return network


def twin(keras: Any, samples: int, channels: tuple[int, ...] = CHANNELS) -> Any:
    """The table of the method card, layer by layer, in double precision."""
    layers, options = keras.layers, {"dtype": "float64"}
    wave = x = keras.Input((samples, 1), **options)
    for filters in channels:
        x = layers.ZeroPadding1D(1, **options)(x)
        x = layers.Conv1D(filters, 2, strides=2, **options)(x)
        x = layers.AveragePooling1D(2, strides=1, padding="valid", **options)(x)
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, **options)(x)
        x = layers.ReLU(**options)(x)
    x = layers.Flatten(**options)(x)
    x = layers.Dense(32, activation="relu", **options)(x)
    x = layers.Dense(16, activation="relu", **options)(x)
    return keras.Model(wave, layers.Dense(2, activation="softmax", **options)(x))


def pair_of(keras: Any, samples: int) -> tuple[Any, Any]:
    """``convnet`` and its twin of the same weights, which are drawn; the first blocks only where the trace is short."""
    channels = CHANNELS[: 8 if samples > 500 else 4]
    network = randomised(part("convnet").build((samples, 1), 2, num_layers=len(channels), hidden_dims=channels))
    plain = twin(keras, samples, channels)
    plain.set_weights(network.get_weights())
    return network, plain


def close(ours: Any, theirs: Any, tolerance: float = 1e-5) -> bool:
    return bool(np.abs(np.asarray(ours) - theirs).max() <= tolerance * max(1, np.abs(theirs).max()))


def adaptive(x: np.ndarray, length: int) -> np.ndarray:
    """Adaptive average pooling, window by window: (b, m, c) to (b, length, c)."""
    m = x.shape[1]
    windows = [slice(int(np.floor(i * m / length)), int(np.ceil((i + 1) * m / length))) for i in range(length)]
    return np.stack([x[:, window].mean(axis=1) for window in windows], axis=1)


def test_no_network_is_left_out():
    networks = {name for name in registry.names("tremor", "models") if registry.maker("tremor", name) == "build"}
    assert networks == set(TRAINABLE_AND_ALL)


@pytest.mark.parametrize("name", TRAINABLE_AND_ALL)
def test_parameters_are_those_of_the_method_card(build: Callable[[str], Any], name: str):
    network = build(name)
    trainable = sum(int(np.prod(weight.shape)) for weight in network.trainable_variables)
    assert (trainable, network.count_params()) == TRAINABLE_AND_ALL[name]
    assert f"{trainable:,} of them trained" in part(name).build.__doc__
    assert network.name == name and network.inputs[0].name == "waveform" and network.input_shape == (None, *SIZE)
    output = ("embedding", 10) if name == "encoder" else ("tremor", 2)
    assert network.output_names == [output[0]] and network.output_shape == (None, output[1])


@pytest.mark.parametrize("name", TRAINABLE_AND_ALL)
def test_answers_are_probabilities_or_bounded_embeddings(build: Callable[[str], Any], name: str):
    answer = np.asarray(build(name)(waves()))
    assert answer.dtype == np.float32 and np.ptp(answer[:, 0]) > 1e-4
    if name == "encoder":
        assert np.abs(answer).max() < 1 and answer.min() < 0
    else:
        assert np.allclose(answer.sum(axis=1), 1, atol=1e-6) and answer.min() >= 0


@pytest.mark.parametrize("name", TRAINABLE_AND_ALL)
def test_a_network_survives_its_file(build: Callable[[str], Any], name: str, tmp_path: Any):
    network = build(name)
    models.save(tmp_path / "model.keras", network, {"task": "tremor", "model": name})
    loaded = models.load(tmp_path / "model.keras").network
    x = waves()
    assert np.array_equal(loaded(x), network(x))
    norms = [layer for layer in loaded._flatten_layers() if hasattr(layer, "moving_mean")]
    assert norms and all((layer.momentum, layer.epsilon) == (0.9, 1e-5) for layer in norms)


@pytest.mark.parametrize("name", TRAINABLE_AND_ALL)
def test_a_training_step_changes_every_layer(keras_on_cpu: Any, name: str):
    keras_on_cpu.utils.set_random_seed(1)
    network = part(name).build(SHORT, 2)
    before = network.get_weights()
    embeds = name == "encoder"
    loss = "mse" if embeds else "categorical_crossentropy"
    network.compile(keras_on_cpu.optimizers.SGD(0.1), loss, run_eagerly=True)
    loss = network.train_on_batch(waves(4, SHORT[0]), np.full((4, 10), 0.5) if embeds else one_hot())
    assert np.isfinite(loss)
    same = [w.path for w, old in zip(network.weights, before, strict=True) if (np.asarray(w) == old).all()]
    assert not [path for path in same if path.endswith(("kernel", "gamma", "moving_mean"))]


def test_one_seed_gives_one_start(keras_on_cpu: Any):
    starts = []
    for seed in (3, 3, 4):
        keras_on_cpu.utils.set_random_seed(seed)
        starts.append(np.concatenate([w.ravel() for w in part("convnet").build(SIZE, 2).get_weights()]))
    assert np.array_equal(starts[0], starts[1]) and not np.array_equal(starts[0], starts[2])


@pytest.mark.parametrize("name", TRAINABLE_AND_ALL)
def test_answers_are_float32_under_mixed_precision(keras_on_cpu: Any, name: str):
    x = waves(2, SHORT[0])
    keras_on_cpu.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        network = part(name).build(SHORT, 2)
        half = {layer.compute_dtype for layer in network._flatten_layers(False) if hasattr(layer, "moving_mean")}
        found = np.asarray(network(x))
    finally:
        keras_on_cpu.mixed_precision.set_global_policy("float32")
    full = part(name).build(SHORT, 2)
    full.set_weights(network.get_weights())
    assert half == {"bfloat16"} and found.dtype == np.float32
    assert np.allclose(found, full(x), atol=0.1)


# ConvNet


def test_the_layers_are_those_of_the_published_table(build: Callable[[str], Any]):
    blocks = [layer for layer in build("convnet").layers if layer.name.startswith("block")]
    samples = [SIZE[0], *LENGTHS]
    assert [block.lengths(n) for block, n in zip(blocks, samples[:-1], strict=True)] == [
        (n // 2 + 1, pooled) for n, pooled in zip(samples[:-1], LENGTHS, strict=True)
    ]
    assert [tuple(block.output.shape[1:]) for block in blocks] == list(zip(LENGTHS, CHANNELS, strict=True))
    assert [block.conv.count_params() for block in blocks] == [24, 272, 528, 528, 1056, 2080, 4160, 8256]
    assert [block.norm.count_params() // 2 for block in blocks] == [16, 32, 32, 32, 64, 64, 128, 128]
    dense = [layer.count_params() for layer in build("convnet").layers if hasattr(layer, "units")]
    assert dense == [159_776, 528, 34]


def test_weights_are_those_of_the_table_in_its_order(build: Callable[[str], Any], keras_on_cpu: Any):
    ours, theirs = ([tuple(w.shape) for w in n.weights] for n in (build("convnet"), twin(keras_on_cpu, SIZE[0])))
    assert ours == theirs and len(ours) == 54


@pytest.mark.parametrize("samples", [999, 200])
@pytest.mark.parametrize("training", [False, True])
def test_the_function_is_the_published_one(keras_on_cpu: Any, samples: int, training: bool):
    pair = pair_of(keras_on_cpu, samples)
    x = 3 * waves(6, samples) + 0.5
    ours, theirs = (np.asarray(network(x.astype(network.compute_dtype), training=training)) for network in pair)
    assert close(ours, theirs) and np.ptp(ours) > 0.01
    for mine, its in zip(pair[0].weights, pair[1].weights, strict=True):  # the moving statistics
        assert close(mine, np.asarray(its)), mine.path


def test_the_function_is_the_published_one_at_full_length(build: Callable[[str], Any], keras_on_cpu: Any):
    plain, x = twin(keras_on_cpu, SIZE[0]), waves()
    plain.set_weights(build("convnet").get_weights())
    assert close(build("convnet")(x), np.asarray(plain(x.astype(float))))


def test_a_training_step_is_that_of_the_published_network(keras_on_cpu: Any):
    pair = pair_of(keras_on_cpu, 999)
    losses = []
    for network in pair:
        network.compile(keras_on_cpu.optimizers.SGD(0.1), "categorical_crossentropy")
        losses.append(network.train_on_batch(waves(8, 999).astype(network.compute_dtype), one_hot(8)))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for ours, theirs in zip(pair[0].weights, pair[1].weights, strict=True):
        assert close(ours, np.asarray(theirs)), ours.path


def test_gradients_with_respect_to_the_trace_are_those_of_the_published_network(keras_on_cpu: Any):
    import tensorflow as tf

    gradients = []
    for network in pair_of(keras_on_cpu, 999):
        x = tf.constant(waves(3, 999).astype(network.compute_dtype))
        with tf.GradientTape() as tape:
            tape.watch(x)
            answer = network(x)[:, 1]
        gradients.append(tape.gradient(answer, x).numpy())
    assert np.abs(gradients[0] - gradients[1]).max() <= 1e-5 * np.abs(gradients[1]).max() and gradients[0].any()


def test_frozen_statistics_stay(keras_on_cpu: Any):
    pair = pair_of(keras_on_cpu, 999)
    before = pair[0].get_weights()
    x, answers = waves(3, 999), []
    for network in pair:
        network.trainable = False
        answers.append(np.asarray(network(x.astype(network.compute_dtype), training=True)))
    assert close(*answers) and all(np.array_equal(a, b) for a, b in zip(before, pair[0].get_weights(), strict=True))


@pytest.mark.parametrize("n", [SIZE[0], *LENGTHS[:-1]])
def test_pooling_of_neighbours_is_the_adaptive_one_in_every_block(keras_on_cpu: Any, n: int):
    x = np.random.default_rng(0).normal(size=(2, n // 2 + 1, 3)).astype(np.float32)
    found = np.asarray(part("convnet").adaptive_average(keras_on_cpu.ops.convert_to_tensor(x), n // 2))
    assert close(found, adaptive(x, n // 2), 1e-6)


@pytest.mark.parametrize(("m", "length"), [(12, 12), (13, 12), (12, 5), (29, 9), (10, 3), (7, 11), (9, 1)], ids=str)
def test_adaptive_means_have_the_windows_of_the_original(keras_on_cpu: Any, m: int, length: int):
    x = np.random.default_rng(0).normal(size=(2, m, 3)).astype(np.float32)
    found = np.asarray(part("convnet").adaptive_average(keras_on_cpu.ops.convert_to_tensor(x), length))
    assert close(found, adaptive(x, length), 1e-6)


@pytest.mark.parametrize(
    ("kernel", "stride", "pool_factor", "padding"),
    [(2, 2, 2, 1), (2, 2, 2, 0), (2, 2, 4, 1), (3, 1, 2, 1), (5, 3, 2, 2), (4, 2, 2, 1), (1, 2, 2, 2), (2, 2, 1, 1)],
)
def test_blocks_of_any_size_are_the_literal_layers(
    keras_on_cpu: Any, kernel: int, stride: int, pool_factor: int, padding: int
):
    block = part("convnet").Block(3, kernel, stride, pool_factor, padding)
    x = np.random.default_rng(0).normal(size=(2, 45, 2)).astype(np.float32)
    block.build(x.shape)
    randomised(block)
    weights, bias, gamma, beta, mean, variance = (np.asarray(w, float) for w in block.weights)
    padded = np.pad(x.astype(float), ((0, 0), (padding, padding), (0, 0)))
    starts = range(0, padded.shape[1] - kernel + 1, stride)
    convolved = np.stack([np.einsum("bkc,kcf->bf", padded[:, i : i + kernel], weights) for i in starts], axis=1) + bias
    pooled = adaptive(convolved, 45 // pool_factor)
    assert block.lengths(45) == (convolved.shape[1], pooled.shape[1])
    assert block.compute_output_shape((None, 45, 2)) == (None, pooled.shape[1], 3)
    expected = np.maximum((pooled - mean) / np.sqrt(variance + 1e-5) * gamma + beta, 0)
    assert close(block(x), expected) and expected.any()
    mean, variance = pooled.mean(axis=(0, 1)), pooled.var(axis=(0, 1))
    trained = np.maximum((pooled - mean) / np.sqrt(variance + 1e-5) * gamma + beta, 0)
    assert close(block(x, training=True), trained) and not np.allclose(trained, expected)


def test_configurations_are_one_number_or_one_for_each_layer(keras_on_cpu: Any, tmp_path: Any):
    args: dict[str, Any] = {"num_layers": 3, "hidden_dims": [4, 6, 8], "conv_kernel": [4, 2, 2], "stride": (2, 2, 1)}
    network = part("convnet").build((400, 1), 2, **args, pool_factor=2, padding=1)
    blocks = [layer for layer in network.layers if layer.name.startswith("block")]
    assert [tuple(block.output.shape[1:]) for block in blocks] == [(200, 4), (100, 6), (50, 8)]
    assert [list(block.sizes.values()) for block in blocks] == [[4, 2, 2, 1], [2, 2, 2, 1], [2, 1, 2, 1]]
    randomised(network).save(tmp_path / "model.keras")
    loaded = keras_on_cpu.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    x = waves(2, 400)
    assert np.array_equal(loaded(x), network(x))
    five = part("convnet").build((400, 1), 2, num_layers=5, hidden_dims=4)
    assert [layer.conv.filters for layer in five.layers if layer.name.startswith("block")] == [4] * 5


@pytest.mark.parametrize(
    ("args", "field", "got"),
    [
        ({"num_layers": 5}, "hidden_dims", "8, 16, 16"),
        ({"hidden_dims": [8] * 7}, "hidden_dims", "8, 8"),
        ({"stride": (2, 2)}, "stride", "2, 2"),
        ({"conv_kernel": 0}, "conv_kernel", "0"),
        ({"padding": -1}, "padding", "-1"),
        ({"pool_factor": [2, 2, 2, 2, 2, 2, 2, 0.5]}, "pool_factor", "0.5"),
        ({"pool_factor": 8}, "num_layers", "nothing after 5"),
        ({"num_layers": 15, "hidden_dims": 2}, "num_layers", "nothing after 15"),
        ({"conv_kernel": 200, "padding": 0}, "num_layers", "nothing after 8"),
    ],
    ids=str,
)
def test_configurations_that_do_not_fit_are_refused(keras_on_cpu: Any, args: dict[str, Any], field: str, got: str):
    with pytest.raises(InputError) as error:
        part("convnet").build(SIZE, 2, **args)
    assert error.value.field == field and got in str(error.value)


# The other networks


def test_the_encoder_has_the_lengths_of_the_method_card(build: Callable[[str], Any]):
    network = build("encoder")
    convolved = [layer.output.shape[1] for layer in network.layers if layer.name.startswith("conv1d")]
    pooled = [layer.output.shape[1] for layer in network.layers if layer.name.startswith("max_pooling")]
    assert convolved[0] == 19_998 and pooled == [9998, 4998, 2498, 1248, 623, 310, 154, 76, 37]
    assert [2 * n for n in pooled] == [n - n % 2 for n in convolved[1:]]


def test_the_encoders_front_leaves_an_eighth_of_the_samples(keras_on_cpu: Any):
    network = part("encoder").build(SIZE, 2, front=True, num_layers=4, embedding=3)
    pooled = [layer.output.shape[1] for layer in network.layers if layer.name.startswith("max_pooling")]
    assert pooled[:3] == [9999, 4999, 2499] and network.output_shape == (None, 3)
    assert network.count_params() == 3 * (2 + 4) + 48 + 3 * 768 + 4 * 64 + 48


def test_the_maximum_before_the_relu_is_the_maximum_after_it(keras_on_cpu: Any):
    network = randomised(part("encoder").build((500, 1), 2, num_layers=3))
    layers = keras_on_cpu.layers
    published = x = keras_on_cpu.Input((500, 1))
    for number in range(3):
        x = layers.Conv1D(16, 3, use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))
        x = layers.MaxPooling1D(2)(x) if number else x
    x = layers.Dense(10, use_bias=False, activation="tanh")(layers.GlobalMaxPooling1D()(x))
    plain = keras_on_cpu.Model(published, x)
    plain.set_weights(network.get_weights())
    assert close(network(waves(4, 500)), np.asarray(plain(waves(4, 500))), 1e-6)


def test_the_dilated_network_sees_what_it_says(build: Callable[[str], Any], keras_on_cpu: Any):
    network, reach = build("dilated"), part("dilated").receptive_field()
    assert reach == 3220 and reach >= 2000
    last = f"dilation_{part('dilated').DILATIONS[-1]}"
    features = keras_on_cpu.Model(network.get_layer("first").input, network.get_layer(last).output)
    x = np.random.default_rng(0).normal(size=(16, 1000, 1)).astype(np.float32)
    pushed = x.copy()
    pushed[:, 500] += 3
    changed = (np.asarray(features(x)) != np.asarray(features(pushed))).any(axis=(0, 2))
    assert np.flatnonzero(changed)[[0, -1]].tolist() == [500 - reach // 40, 500 + reach // 40]


@pytest.mark.parametrize("dilation", [1, 5, 40])
def test_columns_are_a_dilated_convolution(keras_on_cpu: Any, dilation: int):
    layers = keras_on_cpu.layers
    inputs = keras_on_cpu.Input((200, 3))
    network = randomised(keras_on_cpu.Model(inputs, part("dilated")._dilated(inputs, dilation)))
    x = layers.Conv1D(3, 3, padding="same", dilation_rate=dilation, use_bias=False)(inputs)
    plain = keras_on_cpu.Model(inputs, layers.ReLU()(layers.BatchNormalization(epsilon=1e-5)(x)))
    kernel, *others = network.get_weights()
    plain.set_weights([kernel[:, 0], *others])
    series = np.random.default_rng(0).normal(size=(2, 200, 3)).astype(np.float32)
    assert close(network(series), np.asarray(plain(series))) and np.asarray(plain(series)).any()


def test_the_dilated_network_has_a_tenth_of_the_parameters_and_no_place_for_positions(build: Callable[[str], Any]):
    assert TRAINABLE_AND_ALL["dilated"][0] <= TRAINABLE_AND_ALL["convnet"][0] / 10
    shorter = part("dilated").build((4000, 1), 2)
    assert [w.shape for w in shorter.weights] == [w.shape for w in build("dilated").weights]


@pytest.mark.parametrize("name", BLIND_TO_GAIN)
@pytest.mark.parametrize("gain", [1e-8, 1e6])
def test_the_gain_of_a_trace_does_not_matter(build: Callable[[str], Any], name: str, gain: float):
    x = waves()
    assert close(build(name)(np.float32(gain) * x), np.asarray(build(name)(x)), 1e-4)


@pytest.mark.parametrize("name", TRAINABLE_AND_ALL)
def test_a_silent_trace_has_an_answer(build: Callable[[str], Any], name: str):
    assert np.isfinite(build(name)(np.zeros((2, *SIZE), np.float32))).all()


@pytest.mark.parametrize(("window", "hop", "first", "last"), [(128, 32, 7, 62), (100, 50, 1, 10), (64, 64, 0, 31)])
def test_the_spectrum_is_that_of_a_fourier_transform(keras_on_cpu: Any, window: int, hop: int, first: int, last: int):
    layer = part("_layers").Spectrum(window, hop, first, last)
    x = np.random.default_rng(0).normal(size=(3, 32 * hop)).astype(np.float32)
    taper = np.hanning(window + 1)[:-1]
    pieces = np.lib.stride_tricks.sliding_window_view(x, window, axis=1)[:, ::hop] * taper
    expected = np.abs(np.fft.rfft(pieces)[:, :, first : last + 1]) ** 2 / (taper**2).sum()
    found = np.asarray(layer(x))
    assert found.shape == layer.compute_output_shape(x.shape) == expected.shape
    assert close(found, expected) and expected[..., 1:].mean() == pytest.approx(1, abs=0.15)


def test_the_power_is_that_of_every_second(keras_on_cpu: Any):
    x = waves(2)
    found = np.asarray(part("_layers").power(keras_on_cpu.ops.convert_to_tensor(x), 20))
    assert found.shape == (2, 1000) and np.allclose(found.mean(axis=1), 1, rtol=1e-5)
    assert np.allclose(found[:, 7], (x[:, 140:160, 0] ** 2).mean(axis=1), rtol=1e-3)  # the traces have 1 as a whole

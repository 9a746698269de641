"""Losses of embeddings: against NumPy, against the figures of the method card, and that they can see the labels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

EMBEDDING = ("deep_clustering", "whitened_kmeans", "supervised_contrastive")
GROUPED = ("deep_clustering", "whitened_kmeans")
FREE = {"deep_clustering": lambda v: np.mean((np.sum(v**2, axis=1) - 1) ** 2), "whitened_kmeans": lambda v: 11.5}


def one_hot(*counts: int) -> np.ndarray:
    return np.repeat(np.eye(len(counts), dtype=np.float32), counts, axis=0)


def drawn(n: int = 64, d: int = 10, seed: int = 0) -> np.ndarray:
    return np.tanh(np.random.default_rng(seed).normal(size=(n, d))).astype(np.float32)


def loss(name: str, y: np.ndarray, v: np.ndarray, **options: Any) -> np.ndarray:
    from geoml.tasks.tremor import losses

    return np.asarray(getattr(losses, name)(y, v, **options))


def affinities(y: np.ndarray, v: np.ndarray) -> float:
    """What deep clustering is, from the b x b affinities that it never makes."""
    return float(np.mean((v @ v.T - y @ y.T) ** 2))


def whitened(y: np.ndarray, v: np.ndarray) -> float:
    v = v / np.linalg.norm(v, axis=1, keepdims=True)
    inverse = [np.linalg.inv(a.T @ a + np.eye(a.shape[1])) for a in (v, y)]
    return v.shape[1] + y.shape[1] - 2 * np.trace(inverse[0] @ v.T @ y @ inverse[1] @ y.T @ v)


def contrastive(y: np.ndarray, v: np.ndarray, temperature: float = 0.1) -> np.ndarray:
    z, label = v / np.linalg.norm(v, axis=1, keepdims=True), y.argmax(axis=1)
    found = np.zeros(len(v))
    for i in range(len(v)):
        others = [a for a in range(len(v)) if a != i]
        total = sum(np.exp(z[i] @ z[a] / temperature) for a in others)
        found[i] = np.mean([-np.log(np.exp(z[i] @ z[p] / temperature) / total) for p in others if label[p] == label[i]])
    return found


TWINS: dict[str, Callable[..., Any]] = {
    "deep_clustering": affinities,
    "whitened_kmeans": whitened,
    "supervised_contrastive": contrastive,
}


@pytest.mark.parametrize("name", EMBEDDING)
def test_a_loss_is_what_numpy_says(keras_on_cpu: Any, name: str):
    y, v = one_hot(20, 12), drawn(32)
    assert loss(name, y, v) == pytest.approx(TWINS[name](y.astype(float), v.astype(float)), rel=1e-4)


def test_the_temperature_of_the_contrastive_loss_is_the_softmax_temperature(keras_on_cpu: Any):
    y, v = one_hot(5, 7), drawn(12)
    found = loss("supervised_contrastive", y, v, temperature=0.7)
    assert found == pytest.approx(contrastive(y.astype(float), v.astype(float), 0.7), rel=1e-4)


def test_deep_clustering_is_zero_where_the_embedding_is_the_label(keras_on_cpu: Any):
    y = one_hot(27, 37)
    assert loss("deep_clustering", y, y) == 0
    assert loss("deep_clustering", y, y[:, ::-1]) == 0  # which axis stands for which class is free
    assert loss("deep_clustering", y, 0.9 * y) > 0


@pytest.mark.parametrize(("counts", "minimum"), [((32, 32), 0.2388), ((27, 37), 0.2442)])
def test_the_whitened_loss_of_the_label_itself_is_the_smallest(
    keras_on_cpu: Any, counts: tuple[int, int], minimum: float
):
    y = one_hot(*counts)
    assert loss("whitened_kmeans", y, 3 * y) == pytest.approx(minimum, abs=1e-4)
    assert loss("whitened_kmeans", y, y + 0.1 * drawn(64, 2)) > minimum
    assert loss("whitened_kmeans", y, drawn()) > 10


@pytest.mark.parametrize("name", GROUPED)
def test_sets_of_one_sample_are_blind_to_the_label(keras_on_cpu: Any, name: str):
    y, v = one_hot(32, 32), drawn()
    other = np.random.default_rng(1).permutation(y)
    alone = loss(name, y, v, grouping="per_item")
    assert alone == loss(name, other, v, grouping="per_item")
    assert alone == pytest.approx(FREE[name](v.astype(float)), rel=1e-5)


@pytest.mark.parametrize("name", EMBEDDING)
def test_with_the_batch_as_one_set_labels_matter_and_the_order_does_not(keras_on_cpu: Any, name: str):
    y, v = one_hot(32, 32), drawn()
    order = np.random.default_rng(1).permutation(64)
    assert abs(loss(name, y, v).mean() - loss(name, y[order], v).mean()) > 1e-3
    assert loss(name, y[order], v[order]).mean() == pytest.approx(loss(name, y, v).mean(), rel=1e-5)


@pytest.mark.parametrize("name", EMBEDDING)
def test_an_embedding_with_the_classes_apart_is_better_than_a_drawn_one(keras_on_cpu: Any, name: str):
    y = one_hot(32, 32)
    apart = y @ drawn(2, 10, seed=3) + 0.1 * drawn(64, 10)
    assert loss(name, y, apart / np.linalg.norm(apart, axis=1, keepdims=True)).mean() < loss(name, y, drawn()).mean()


@pytest.mark.parametrize("counts", [(8, 0), (7, 1), (1, 0)])
@pytest.mark.parametrize("name", EMBEDDING)
def test_batches_without_pairs_give_a_finite_loss(keras_on_cpu: Any, name: str, counts: tuple[int, int]):
    assert np.isfinite(loss(name, one_hot(*counts), drawn(sum(counts)))).all()


def test_a_sample_alone_in_its_class_has_no_contrastive_loss(keras_on_cpu: Any):
    found = loss("supervised_contrastive", one_hot(7, 1), drawn(8))
    assert found[7] == 0 and (found[:7] > 0).all()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", EMBEDDING)
def test_gradients_are_finite_and_lead_down_from_drawn_equal_and_zero_embeddings(
    keras_on_cpu: Any, name: str, compiled: bool
):
    import tensorflow as tf

    from geoml.tasks.tremor.losses import LOSSES

    @tf.function(jit_compile=compiled, input_signature=[tf.TensorSpec((None, 10))])
    def gradient(v: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(v)
            value = tf.reduce_mean(LOSSES[name](tf.constant(y), v))
        return tape.gradient(value, v)

    y, v = one_hot(10, 6), drawn(16)
    steepest = np.asarray(gradient(tf.constant(v)))
    assert np.abs(steepest).max() > 1e-6
    assert loss(name, y, v - 1e-2 * steepest / np.linalg.norm(steepest)).mean() < loss(name, y, v).mean()
    for flat in (np.ones((16, 10), np.float32), np.zeros((16, 10), np.float32)):
        assert np.isfinite(np.asarray(gradient(tf.constant(flat)))).all()


@pytest.mark.parametrize("name", EMBEDDING)
def test_a_network_learns_from_a_loss_by_its_name(keras_on_cpu: Any, name: str):
    import keras

    from geoml.tasks.tremor.losses import LOSSES

    keras.utils.set_random_seed(0)
    y = one_hot(16, 16)
    x = y @ drawn(2, 6) + drawn(32, 6, seed=1)
    network = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, activation="tanh")])
    network.compile(optimizer=keras.optimizers.Adam(0.05), loss=LOSSES[name])
    steps = [network.train_on_batch(x, y) for _ in range(20)]
    assert steps[-1] < steps[0]


@pytest.mark.parametrize("name", EMBEDDING)
def test_labels_and_embeddings_of_other_lengths_are_an_error(keras_on_cpu: Any, name: str):
    with pytest.raises(ValueError, match=r"one-hot labels \(b, C\) and embeddings \(b, D\)"):
        loss(name, one_hot(3, 3), drawn(5))

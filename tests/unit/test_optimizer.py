"""Our Adam is Keras' Adam, with an L2 term in the gradient."""

from typing import Any

import numpy as np
import pytest

STEPS = 30


def trained(keras: Any, optimizer: Any) -> list[np.ndarray]:
    """Weights and moments of a small network after some steps, from the same start."""
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.layers.Input((5,)), keras.layers.Dense(7, "tanh"), keras.layers.Dense(2)])
    network.compile(optimizer, "mse")
    rng = np.random.default_rng(2)
    for step in range(STEPS):
        if step == STEPS // 2:
            network.optimizer.learning_rate = 0.003
        network.train_on_batch(rng.normal(0, 1, (16, 5)), rng.normal(0, 1, (16, 2)))
    return [np.array(value) for value in (*network.weights, *network.optimizer.variables)]


@pytest.mark.parametrize("clip", [None, 0.05])
def test_without_l2_it_does_what_keras_does(keras_on_cpu: Any, clip: float | None):
    from geoml.optimizer import Adam

    ours, theirs = (trained(keras_on_cpu, kind(0.01, clipvalue=clip)) for kind in (Adam, keras_on_cpu.optimizers.Adam))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)


def test_l2_is_a_part_of_the_gradient(keras_on_cpu: Any):
    from geoml.optimizer import Adam

    class InGradient(keras_on_cpu.optimizers.Adam):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            super().update_step(gradient + 0.3 * variable, variable, learning_rate)

    ours, theirs = trained(keras_on_cpu, Adam(0.01, l2=0.3)), trained(keras_on_cpu, InGradient(0.01))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)
    assert not np.allclose(ours[0], trained(keras_on_cpu, Adam(0.01))[0], atol=1e-3)


def test_half_precision_trains_on_full_weights(keras_on_cpu: Any):
    from geoml.optimizer import Adam

    keras_on_cpu.config.set_dtype_policy("mixed_float16")
    try:
        ours, theirs = trained(keras_on_cpu, Adam(0.01)), trained(keras_on_cpu, keras_on_cpu.optimizers.Adam(0.01))
    finally:
        keras_on_cpu.config.set_dtype_policy("float32")
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-3)

"""The attention layer scores only pairs within its width: the numbers, gradients and files of the package."""

from typing import Any

import numpy as np
import pytest

CASES = [
    {"attention_width": 20},
    {"attention_width": 20, "attention_activation": "relu"},
    {"attention_width": 7},
    {"attention_width": 1},
    {"attention_width": 200},
    {"attention_width": None},
    {"attention_width": 9, "history_only": True},
    {"attention_width": 9, "use_additive_bias": False, "use_attention_bias": False},
    {"attention_width": 9, "use_attention_bias": False},
]


@pytest.mark.parametrize("settings", CASES, ids=str)
@pytest.mark.parametrize("steps", [50, 13, 3])
def test_same_function_as_all_pairs(
    keras_on_cpu: Any, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], steps: int
):
    import tensorflow as tf

    from geoml.layers import attention

    x = tf.constant(np.random.default_rng(steps).normal(size=(4, steps, 6)).astype(np.float32))
    layer = attention.SeqSelfAttention(units=5, return_attention=True, **settings)
    layer.build(x.shape)
    layer.set_weights([np.random.default_rng(1).normal(size=w.shape) for w in layer.weights])

    def results() -> list[np.ndarray]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            value, weights = layer(x)
            loss = tf.reduce_sum(value**2) + tf.reduce_sum(weights * tf.range(steps, dtype=tf.float32))
        gradients = tape.gradient(loss, [x, *(weight.value for weight in layer.weights)])
        return [np.asarray(v) for v in (value, weights, *(g for g in gradients if g is not None))]

    found = results()
    monkeypatch.setattr(attention.SeqSelfAttention, "_call_additive_emission", attention._ALL_PAIRS)
    expected = results()
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert np.allclose(ours, theirs, rtol=1e-4, atol=1e-5 * max(1, np.abs(theirs).max()))


def test_far_pairs_have_no_weight_at_all(keras_on_cpu: Any):
    from geoml.layers.attention import SeqSelfAttention

    x = np.random.default_rng(0).normal(size=(2, 50, 6)).astype(np.float32)
    _, weights = SeqSelfAttention(units=5, attention_width=20, return_attention=True)(x)
    step = np.arange(50)
    apart = step[None, :] - step[:, None]  # which step (column) the step of a row looks at
    near = (apart >= -10) & (apart <= 9)
    assert (np.asarray(weights)[:, ~near] == 0).all() and (np.asarray(weights)[:, near] > 0).all()


def test_the_layer_in_a_file_is_the_packages_own(keras_on_cpu: Any):
    import keras_self_attention

    from geoml import models
    from geoml.layers.attention import SeqSelfAttention

    assert SeqSelfAttention is keras_self_attention.SeqSelfAttention
    layer = models.build("polarity", "bulid_pd_model", {}, (400, 1)).get_layer("attention")
    assert keras_on_cpu.saving.serialize_keras_object(layer)["module"].startswith("keras_self_attention")

"""Losses of the tremor task: of class probabilities, and of embeddings in which the classes shall lie apart.

A loss of embeddings compares the samples of a batch with each other. The published run took every sample for a set of
its own, and such a loss contains no label (method card, section 5); here the whole batch is one set.
"""

from typing import Any

import keras
from keras import ops

_AXIS = {"batch": 0, "per_item": 1}  # where the axis of sets goes
_SHORT = 1e-6  # squared length below which an embedding is not scaled up to unit length: keeps gradients finite


def deep_clustering(y: Any, v: Any, *, grouping: str = "batch") -> Any:
    """(|v'v|^2 - 2 |v'y|^2 + |y'y|^2) / b^2: the mean squared difference of the affinities vv' and yy'.

    Wang, Le Roux & Hershey 2018, equation 7, with row weights of 1; zero for v = y.

    Args:
        y: (b, C) one-hot labels.
        v: (b, D) embeddings.
        grouping: ``batch``, or ``per_item`` for sets of one sample as published, which is blind to y.

    Returns:
        A scalar, the mean over sets.
    """
    y, v = _sets(y, v, grouping)
    loss = _square(_product(v, v)) - 2 * _square(_product(v, y)) + _square(_product(y, y))
    return ops.mean(loss) / ops.cast(ops.shape(y)[1], v.dtype) ** 2


def whitened_kmeans(y: Any, v: Any, *, grouping: str = "batch") -> Any:
    """(D + C) - 2 tr[(v'v + I)^-1 v'y (y'y + I)^-1 y'v], the rows of v scaled to unit length.

    Wang, Le Roux & Hershey 2018, equation 6, with row weights of 1. For v = y it is 2 C - 2 sum_c (n_c / (n_c + 1))^2:
    0.239 for 32 samples of each of two classes, 0.244 for 27 and 37.

    Args:
        y: (b, C) one-hot labels.
        v: (b, D) embeddings.
        grouping: See :func:`deep_clustering`.

    Returns:
        A scalar, the mean over sets.
    """
    y, v = _sets(y, v, grouping)
    v = _unit(v)
    both = _product(v, y)
    left = ops.solve(_product(v, v) + ops.eye(v.shape[-1]), both)
    right = ops.solve(_product(y, y) + ops.eye(y.shape[-1]), _turned(both))
    return v.shape[-1] + y.shape[-1] - 2 * ops.mean(ops.sum(left * _turned(right), axis=(1, 2)))


def supervised_contrastive(y: Any, v: Any, *, temperature: float = 0.1) -> Any:
    """Mean over a sample's class of -log of the softmax of cosines over temperature, among all other samples.

    Khosla et al. 2020, equation 2 (L_out), but with the mean over samples where the equation has the sum.

    Args:
        y: (b, C) one-hot labels.
        v: (b, D) embeddings, of any length.
        temperature: Of the softmax.

    Returns:
        (b,) losses; 0 for a sample without another of its class.
    """
    y, v = _tensors(y, v)
    v = _unit(v)
    itself = ops.eye(ops.shape(v)[0])
    cosine = ops.matmul(v, ops.transpose(v)) / temperature - 1e9 * itself
    log_share = cosine - ops.logsumexp(cosine, axis=1, keepdims=True)
    same = ops.matmul(y, ops.transpose(y)) * (1 - itself)
    return -ops.sum(same * log_share, axis=1) / ops.maximum(ops.sum(same, axis=1), 1)


def _sets(y: Any, v: Any, grouping: str) -> tuple[Any, Any]:
    """(sets, samples, C) and (sets, samples, D)."""
    y, v = _tensors(y, v)
    return ops.expand_dims(y, _AXIS[grouping]), ops.expand_dims(v, _AXIS[grouping])


def _tensors(y: Any, v: Any) -> tuple[Any, Any]:
    y, v = ops.cast(y, "float32"), ops.cast(v, "float32")
    if len(y.shape) != 2 or len(v.shape) != 2 or len({y.shape[0], v.shape[0]} - {None}) > 1:
        raise ValueError(f"expected one-hot labels (b, C) and embeddings (b, D), got {y.shape} and {v.shape}")
    return y, v


def _unit(v: Any) -> Any:
    return v * ops.rsqrt(ops.maximum(ops.sum(v**2, axis=-1, keepdims=True), _SHORT))


def _product(a: Any, b: Any) -> Any:
    """a'b of every set."""
    return ops.matmul(_turned(a), b)


def _turned(a: Any) -> Any:
    return ops.transpose(a, (0, 2, 1))


def _square(a: Any) -> Any:
    return ops.sum(a**2, axis=(1, 2))


LOSSES = {
    "categorical_crossentropy": keras.losses.categorical_crossentropy,
    "deep_clustering": deep_clustering,
    "whitened_kmeans": whitened_kmeans,
    "supervised_contrastive": supervised_contrastive,
}

"""Losses of the slip task: how far efficiencies are off, weighted by the spread along the window.

Each takes y (b, 2), the efficiency KE and its standard deviation SD, and the network's answer p.
"""

from typing import Any

from keras import ops

from geoml.errors import InputError

_FLOOR = 1e-5  # of SD squared (method card, section 8)


def coded(y: Any, p: Any) -> Any:
    """What the original computes: mean squared error of the batch times its mean of 1 / (SD^2 + 1e-5).

    Args:
        y: (b, 2) KE and SD.
        p: (b, 1) efficiency.

    Returns:
        A scalar.
    """
    error, spread = _parts(y, p)
    return ops.mean(error**2) * ops.mean(1 / (spread**2 + _FLOOR))


def per_sample(y: Any, p: Any) -> Any:
    """The published formula (p - KE)^2 / (SD^2 + 1e-5), sample by sample.

    Args:
        y: (b, 2) KE and SD.
        p: (b, 1) efficiency.

    Returns:
        (b,) losses.
    """
    error, spread = _parts(y, p)
    return error**2 / (spread**2 + _FLOOR)


def gaussian(y: Any, p: Any) -> Any:
    """Negative log-likelihood of KE under each member's normal distribution, mean over members; SD is not used.

    The constant log(2 pi) / 2 is left out.

    Args:
        y: (b, 2) KE and SD.
        p: (b, 2 m) mean_1, sigma_1, mean_2, sigma_2, ... of m members.

    Returns:
        (b,) losses.
    """
    y, p = _tensors(y, p)
    if p.shape[1] % 2:
        got = f"answers {tuple(p.shape)}"
        raise InputError("fit", "loss: gaussian", "a network that gives a mean and a sigma a member, (b, 2 m)", got)
    mean, sigma = p[:, 0::2], p[:, 1::2]
    return ops.mean(((y[:, :1] - mean) / sigma) ** 2 / 2 + ops.log(sigma), axis=1)


def accuracy_2sd(y: Any, p: Any) -> Any:
    """Whether the efficiency, the mean of all members, is at most 2 SD off (method card, section 8).

    Args:
        y: (b, 2) KE and SD.
        p: (b, 1) efficiency, or (b, 2 m) as in :func:`gaussian`.

    Returns:
        (b,) 1 or 0.
    """
    y, p = _tensors(y, p)
    mean = ops.mean(p if p.shape[1] == 1 else p[:, 0::2], axis=1)
    return ops.cast(ops.abs(mean - y[:, 0]) <= 2 * y[:, 1], p.dtype)


def _parts(y: Any, p: Any) -> tuple[Any, Any]:
    y, p = _tensors(y, p)
    if p.shape[1] != 1:
        hint = "Networks with a standard deviation take `loss: gaussian`."
        raise InputError("fit", "loss", "a network that gives the efficiency alone, (b, 1)", f"{tuple(p.shape)}", hint)
    return p[:, 0] - y[:, 0], y[:, 1]


def _tensors(y: Any, p: Any) -> tuple[Any, Any]:
    p = ops.convert_to_tensor(p)
    y = ops.cast(y, p.dtype)
    if len(p.shape) != 2 or tuple(y.shape[1:]) != (2,) or len({y.shape[0], p.shape[0]} - {None}) > 1:
        raise ValueError(f"expected truth (b, 2), KE and SD, and answers (b, k), got {y.shape} and {p.shape}")
    return y, p


LOSSES = {"coded": coded, "per_sample": per_sample, "gaussian": gaussian}

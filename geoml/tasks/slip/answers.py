"""What a model of this task answers; all that prediction needs of it."""

from typing import Any

import numpy as np

from geoml.models import Estimator


def outputs(model: Any, inputs: np.ndarray) -> np.ndarray:
    """Efficiency and its standard deviation (n, 2), for maps (n, 128, 64) or, of an estimator, features (n, k).

    The deviation is the model's own, or 1, times the scale that ``calibrate`` of the task found; NaN without that.
    """
    mean, sigma = distribution(answer(model, inputs))
    return np.column_stack([mean, sigma * model.meta.get("sigma_scale", np.nan)])


def ask(model: Any, maps: np.ndarray) -> np.ndarray:
    """Efficiency and its standard deviation (n, 2) of maps (n, 128, 64), whatever the model looks at."""
    if isinstance(model, Estimator):
        from geoml.tasks.slip.features import features_of

        return outputs(model, features_of(maps))
    return outputs(model, maps)


def distribution(given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (n,) of an answer: (n, 1) values, or (n, 2 m) means and deviations of m members.

    Of several members it is that of their equal mixture (Lakshminarayanan et al. 2017, section 2.4); without a
    deviation it is 1.
    """
    if given.shape[1] == 1:
        return given[:, 0], np.ones(len(given))
    mean, sigma = given[:, 0::2], given[:, 1::2]
    centre = mean.mean(axis=1)
    return centre, np.sqrt((sigma**2).mean(axis=1) + mean.var(axis=1))


def answer(model: Any, inputs: np.ndarray) -> np.ndarray:
    """(n, 1) or (n, 2 m), as the model gives it."""
    return next(iter(model.infer(inputs[..., None] if inputs.ndim == 3 else inputs).values()))

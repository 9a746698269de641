"""Regressors that see a few numbers of a map and not the map: what a network has to beat (card, section 10.11)."""

from typing import Any

LEARNING = "baseline"
REGRESSORS = ("constant", "ridge", "boosted_trees")


def estimator(seed: int, *, regressor: str = "ridge") -> Any:
    """A regressor of the efficiency on the numbers of :data:`geoml.tasks.slip.features.NAMES`.

    Args:
        seed: ``random_state`` of the boosted trees; the others have no chance in them.
        regressor: ``constant`` (the mean of the training set), ``ridge`` (linear, with the penalty that leave-one-out
            chooses, after standardisation) or ``boosted_trees`` (LightGBM's defaults).

    Raises:
        InputError: another regressor.
    """
    from geoml.errors import InputError
    from geoml.registry import closest

    if regressor == "constant":
        from sklearn.dummy import DummyRegressor

        return DummyRegressor()
    if regressor == "ridge":
        from sklearn.linear_model import RidgeCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(StandardScaler(), RidgeCV())
    if regressor == "boosted_trees":
        from lightgbm import LGBMRegressor

        return LGBMRegressor(random_state=seed, n_jobs=1, verbose=-1)
    raise InputError("args", "regressor", "a baseline", repr(regressor), closest(regressor, REGRESSORS))

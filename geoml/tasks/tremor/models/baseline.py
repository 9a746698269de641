"""Classifiers that see a few numbers of a trace and not the trace: what a network has to beat (card, section 7)."""

from typing import Any

LEARNING = "baseline"
CLASSIFIERS = ("constant", "logistic", "random_forest", "boosted_trees")
SEES = ("all", "shape", "amplitude", "period", "floor")


def estimator(seed: int, *, classifier: str = "random_forest", sees: str = "all") -> Any:
    """A classifier on some of the columns of :data:`geoml.tasks.tremor.features.NAMES`.

    Args:
        seed: ``random_state`` of the forest and the boosted trees; the others have no chance in them.
        classifier: ``constant`` (shares of the training set), ``logistic`` (after standardisation), ``random_forest``
            or ``boosted_trees`` (LightGBM), each with its library's defaults.
        sees: ``all``, ``shape`` (``amplitude`` and ``period``), or one group of columns. ``floor`` is a control: what
            it gets right is known from the noise alone, without tremor.

    Raises:
        InputError: another classifier or group of columns.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline

    from geoml.errors import InputError
    from geoml.registry import closest
    from geoml.tasks.tremor.features import GROUPS

    if sees not in SEES:
        raise InputError("args", "sees", "columns of a baseline", repr(sees), closest(sees, SEES))
    groups = {"all": tuple(GROUPS), "shape": ("amplitude", "period")}.get(sees, (sees,))
    columns = ColumnTransformer([(group, "passthrough", GROUPS[group]) for group in groups])
    return make_pipeline(columns, *_steps(classifier, seed))


def _steps(classifier: str, seed: int) -> list[Any]:
    from geoml.errors import InputError
    from geoml.registry import closest

    if classifier == "constant":
        from sklearn.dummy import DummyClassifier

        return [DummyClassifier()]
    if classifier == "logistic":
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        return [StandardScaler(), LogisticRegression(max_iter=1000)]
    if classifier == "random_forest":
        from sklearn.ensemble import RandomForestClassifier

        return [RandomForestClassifier(random_state=seed, n_jobs=1)]
    if classifier == "boosted_trees":
        from lightgbm import LGBMClassifier

        return [LGBMClassifier(random_state=seed, n_jobs=1, verbose=-1)]
    raise InputError("args", "classifier", "a baseline", repr(classifier), closest(classifier, CLASSIFIERS))

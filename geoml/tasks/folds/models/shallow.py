"""The 27 classifiers of the published table, on standardised features (method card, sections 5.2 and 5.3)."""

from importlib import import_module
from typing import Any

LEARNING = "shallow"
NOTES = {
    "AdaBoostClassifier": "the published algorithm SAMME.R is no longer in scikit-learn",
    "QuadraticDiscriminantAnalysis": "class covariances are singular: reg_param 0.001, published without",
}
_WHERE = {
    "RandomForestClassifier": "sklearn.ensemble",
    "ExtraTreesClassifier": "sklearn.ensemble",
    "LabelSpreading": "sklearn.semi_supervised",
    "LabelPropagation": "sklearn.semi_supervised",
    "LGBMClassifier": "lightgbm",
    "BaggingClassifier": "sklearn.ensemble",
    "XGBClassifier": "xgboost",
    "ExtraTreeClassifier": "sklearn.tree",
    "KNeighborsClassifier": "sklearn.neighbors",
    "SGDClassifier": "sklearn.linear_model",
    "DecisionTreeClassifier": "sklearn.tree",
    "NuSVC": "sklearn.svm",
    "CalibratedClassifierCV": "sklearn.calibration",
    "SVC": "sklearn.svm",
    "Perceptron": "sklearn.linear_model",
    "RidgeClassifier": "sklearn.linear_model",
    "LinearDiscriminantAnalysis": "sklearn.discriminant_analysis",
    "RidgeClassifierCV": "sklearn.linear_model",
    "LinearSVC": "sklearn.svm",
    "LogisticRegression": "sklearn.linear_model",
    "AdaBoostClassifier": "sklearn.ensemble",
    "QuadraticDiscriminantAnalysis": "sklearn.discriminant_analysis",
    "PassiveAggressiveClassifier": "sklearn.linear_model",
    "GaussianNB": "sklearn.naive_bayes",
    "NearestCentroid": "sklearn.neighbors",
    "BernoulliNB": "sklearn.naive_bayes",
    "DummyClassifier": "sklearn.dummy",
}
CLASSIFIERS = tuple(_WHERE)
_OPTIONS: dict[str, dict[str, Any]] = {
    "LGBMClassifier": {"n_jobs": 1, "verbose": -1},
    "XGBClassifier": {"n_jobs": 1},
    "QuadraticDiscriminantAnalysis": {"reg_param": 1e-3},
    "DummyClassifier": {"strategy": "stratified"},  # the default when the table was made
    # scikit-learn retires the class; this is what it was
    "PassiveAggressiveClassifier": {"loss": "hinge", "penalty": None, "learning_rate": "pa1", "eta0": 1.0},
}


def estimator(seed: int, *, classifier: str = "RandomForestClassifier") -> Any:
    """A classifier with the library's defaults, after standardisation with the training set's mean and deviation.

    Args:
        seed: ``random_state`` where the classifier has one; published with 42.
        classifier: Name in scikit-learn, LightGBM or XGBoost.

    Raises:
        InputError: a name that is not in the published table.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from geoml.errors import InputError
    from geoml.registry import closest

    if classifier not in _WHERE:
        raise InputError("args", "classifier", "one of the published table", repr(classifier),
                         closest(classifier, CLASSIFIERS))  # fmt: skip
    kind = "SGDClassifier" if classifier == "PassiveAggressiveClassifier" else classifier
    model = getattr(import_module(_WHERE[classifier]), kind)(**_OPTIONS.get(classifier, {}))
    if "random_state" in model.get_params():
        model.set_params(random_state=seed)
    return make_pipeline(StandardScaler(), model)

"""Models on disk: a Keras or skops file that also carries what prediction needs.

The file is an ordinary ``.keras`` (a network) or ``.skops`` (an estimator) archive with one more member,
``geoml.json``: task, model, preprocessing, class names, shapes, thresholds, data fingerprint. Both libraries ignore
the member; nothing in the file is ever executed.
"""

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoml import registry
from geoml.errors import InputError
from geoml.files import atomic

if TYPE_CHECKING:
    import keras

_MEMBER = "geoml.json"
# Plain data of the libraries that we use: skops asks to be told that they may be made.
_TRUSTED = [
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
]


@dataclass
class Model:
    """A network and what it was made for."""

    network: "keras.Model"
    meta: dict[str, Any]

    def infer(self, x: np.ndarray, batch_size: int = 128) -> dict[str, np.ndarray]:
        """Outputs by name for inputs (n, ...); see :func:`infer`."""
        return infer(self.network, x, batch_size)


@dataclass
class Estimator:
    """A fitted scikit-learn estimator and what it was made for."""

    estimator: Any
    meta: dict[str, Any]

    def infer(self, x: np.ndarray, batch_size: int = 128) -> dict[str, np.ndarray]:
        """Output ``answer`` for features (n, k): values (n, 1), or probabilities (n, K), or 1 for the class said."""
        classes = len(self.meta["classes"])
        if not classes:
            return {"answer": self.estimator.predict(x)[:, None]}
        if not self.meta["has_probabilities"]:
            return {"answer": np.eye(classes)[self.estimator.predict(x)]}
        with np.errstate(invalid="ignore"):  # label propagation knows nothing of samples far from all others
            return {"answer": np.nan_to_num(self.estimator.predict_proba(x), nan=1 / classes)}


def build(task: str, model: str, args: dict[str, Any], input_shape: tuple[int, ...]) -> "keras.Model":
    """A fresh network of a task, by the model's name."""
    part = registry.load_task(task)
    return registry.load(task, "models", model).build(input_shape, len(part.CLASSES), **args)


def describe(run: dict[str, Any], variant: dict[str, Any], part: Any, data: dict[str, Any]) -> dict[str, Any]:
    """What every model file says: task, run, model, classes and the data it was made from.

    Args:
        run: ``task``, ``dataset``, ``variant`` and ``seed``.
        variant: Resolved configuration.
        part: The task's module, which adds its own.
        data: Metadata of the prepared set.
    """
    return part.model_meta(data) | {
        "run": run,
        "task": run["task"],
        "model": variant["model"],
        "args": variant["args"],
        "classes": list(part.CLASSES),
        "data_source": data["data_source"],
        "data_fingerprint": data["fingerprint"],
        "split_hash": data["split_hash"],
        "citation": data["citation"],
    }


def infer(network: "keras.Model", x: np.ndarray, batch_size: int = 128) -> dict[str, np.ndarray]:
    """Outputs of a network by output name, (n, ...) each, in inference mode.

    Every call of the network has the same batch size (the last is filled up and cut), so it is traced once.
    """
    pieces: list[dict[str, np.ndarray]] = []
    for start in range(0, max(len(x), 1), batch_size):
        part = x[start : start + batch_size]
        full = np.resize(part, (batch_size, *part.shape[1:])) if len(part) < batch_size else part
        full = full.astype(network.inputs[0].dtype, copy=False)  # here, and not all samples at once
        pieces.append({name: y[: len(part)] for name, y in by_name(network, network.predict_on_batch(full)).items()})
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def by_name(network: "keras.Model", outputs: Any) -> dict[str, Any]:
    """Outputs as a dictionary, also where the network has only one."""
    return outputs if isinstance(outputs, dict) else {network.output_names[0]: outputs}


def save(path: str | Path, model: Any, meta: dict[str, Any]) -> None:
    """Write a network or estimator and its ``meta`` as one file, whole or not at all."""
    with atomic(path) as temporary:
        if Path(path).suffix == ".skops":
            from skops import io

            io.dump(model, temporary, compression=zipfile.ZIP_DEFLATED)
        else:
            with _without_optimizer(model):
                model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(zipfile.ZipInfo(_MEMBER), json.dumps(meta, indent=2))


@contextmanager
def _without_optimizer(network: "keras.Model") -> Iterator[None]:
    """Keras would write its state too, whatever ``include_optimizer`` says, which triples the file."""
    optimizer = getattr(network, "optimizer", None)
    network.optimizer = None
    try:
        yield
    finally:
        network.optimizer = optimizer


def read_meta(path: str | Path) -> dict[str, Any]:
    """What a model file says of itself, without loading the network."""
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read(_MEMBER))
    except FileNotFoundError:
        raise InputError(path, "file", "a geoml model (.keras, .skops)", "no such file") from None
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise InputError(path, "content", "a geoml model (an archive with geoml.json)", error) from None


def load(path: str | Path) -> Any:
    """:class:`Model` or :class:`Estimator` of a file; only what libraries or geoml define is made, no code is run."""
    meta = read_meta(path)
    if Path(path).suffix == ".skops":
        return Estimator(_load_estimator(path), meta)
    import keras

    try:
        registry.load(meta["task"], "models", meta["model"])  # makes the model's own layers known to Keras
        return Model(keras.models.load_model(path, compile=False, safe_mode=True), meta)
    except Exception as error:
        raise InputError(path, "content", "a network that Keras can load safely", error) from error


def _load_estimator(path: str | Path) -> Any:
    from skops import io

    try:
        return io.load(path, trusted=_TRUSTED)
    except Exception as error:
        raise InputError(path, "content", "an estimator that skops can load safely", error) from error

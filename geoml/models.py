"""Networks on disk: a Keras file that also carries what prediction needs.

The file is an ordinary ``.keras`` archive with one more member, ``geoml.json``: task, model, preprocessing, class
names, shapes, thresholds, data fingerprint. Keras ignores the member; nothing in the file is ever executed.
"""

import json
import zipfile
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


@dataclass
class Model:
    """A network and what it was made for."""

    network: "keras.Model"
    meta: dict[str, Any]

    def infer(self, x: np.ndarray, batch_size: int = 128) -> dict[str, np.ndarray]:
        """Outputs by name for inputs (n, ...); see :func:`infer`."""
        return infer(self.network, x, batch_size)


def build(task: str, model: str, args: dict[str, Any], input_shape: tuple[int, ...]) -> "keras.Model":
    """A fresh network of a task, by the model's name."""
    part = registry.load_task(task)
    return registry.load(task, "models", model).build(input_shape, len(part.CLASSES), **args)


def infer(network: "keras.Model", x: np.ndarray, batch_size: int = 128) -> dict[str, np.ndarray]:
    """Outputs of a network by output name, (n, ...) each, in inference mode.

    Every call of the network has the same batch size (the last is filled up and cut), so it is traced once.
    """
    pieces: list[dict[str, np.ndarray]] = []
    for start in range(0, max(len(x), 1), batch_size):
        part = x[start : start + batch_size]
        full = np.resize(part, (batch_size, *part.shape[1:])) if len(part) < batch_size else part
        pieces.append({name: y[: len(part)] for name, y in by_name(network, network.predict_on_batch(full)).items()})
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def by_name(network: "keras.Model", outputs: Any) -> dict[str, Any]:
    """Outputs as a dictionary, also where the network has only one."""
    return outputs if isinstance(outputs, dict) else {network.output_names[0]: outputs}


def save(path: str | Path, network: "keras.Model", meta: dict[str, Any]) -> None:
    """Write the network and its ``meta`` as one file, whole or not at all."""
    with atomic(path) as temporary:
        network.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(zipfile.ZipInfo(_MEMBER), json.dumps(meta, indent=2))


def read_meta(path: str | Path) -> dict[str, Any]:
    """What a model file says of itself, without loading the network."""
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read(_MEMBER))
    except FileNotFoundError:
        raise InputError(path, "file", "a geoml model (.keras)", "no such file") from None
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise InputError(path, "content", "a geoml model (.keras with geoml.json)", error) from None


def load(path: str | Path) -> Model:
    """Read a model file; only layers that Keras or geoml define are made, never code from the file."""
    import keras

    meta = read_meta(path)
    try:
        registry.load(meta["task"], "models", meta["model"])  # makes the model's own layers known to Keras
        return Model(keras.models.load_model(path, compile=False, safe_mode=True), meta)
    except Exception as error:
        raise InputError(path, "content", "a network that Keras can load safely", error) from error

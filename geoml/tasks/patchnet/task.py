"""Does a seismic patch hold a bottom-simulating reflection? What the generic rooms ask of this task.

Prepared patches hold amplitudes as they came; a network sees them scaled by what the training patches need, and larger
(method card, section 2.6).
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from geoml.errors import InputError
from geoml.tasks.patchnet import CLASSES, SIDE, SIZE
from geoml.tasks.patchnet.patches import network_input, scale_of

if TYPE_CHECKING:
    import keras

    from geoml.store import Store

__all__ = ["CLASSES"]
METHOD = "Geng & Wang 2020, Nature Communications 11:3311"
STRATA = ("kind",)
_ONE_HOT = np.eye(len(CLASSES), dtype=np.float32)
_MEASURED = 5_000  # patches that the scale is taken from, at most, evenly spread
_PIECE = 512  # patches that are made larger at a time


def input_shape(meta: dict[str, Any]) -> tuple[int, ...]:
    """What a network of this task takes: (112, 112, 1)."""
    if meta["input_shape"] != [SIDE, SIDE]:
        raise InputError(meta["dataset"], "input_shape", f"patches of {SIDE} x {SIDE}", meta["input_shape"])
    return SIZE, SIZE, 1


def losses(outputs: list[str], loss: str) -> dict[str, str]:
    """Loss by output."""
    return dict.fromkeys(outputs, loss)


def metrics(outputs: list[str]) -> dict[str, list[str]]:
    """Keras metrics that training shows."""
    return {name: ["accuracy"] for name in outputs}


def batch(
    store: "Store", rows: np.ndarray, outputs: list[str], rng: np.random.Generator, settings: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Training batch: (b, 112, 112, 1) float32 of -1..1, half of them mirrored if asked for, and one-hot (b, 2)."""
    patches = store.inputs[np.sort(rows)]
    if settings["mirror"]:
        mirrored = rng.random(len(rows)) < 0.5
        patches[mirrored] = patches[mirrored, :, ::-1]
    return network_input(patches, store.meta["measured"]["scale"]), _ONE_HOT[truth(store, np.sort(rows))]


def validation(store: "Store", outputs: list[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Validation patches (n, 112, 112, 1), not changed, and their targets by output."""
    rows = store.rows("val")
    scale = store.meta["measured"]["scale"]
    return network_input(store.inputs[rows], scale), {outputs[0]: _ONE_HOT[truth(store, rows)]}


def outputs(model: Any, inputs: np.ndarray) -> np.ndarray:
    """Probabilities (n, 2) for patches (n, 48, 48) of amplitudes as they came."""
    pieces = [inputs[start : start + _PIECE] for start in range(0, max(len(inputs), 1), _PIECE)]
    return np.concatenate(
        [
            # an exported network that takes any height and width gives (n, 1, 1, 2)
            next(iter(model.infer(network_input(piece, model.meta["scale"])).values())).reshape(-1, len(CLASSES))
            for piece in pieces
        ]
    )


def exported(network: "keras.Model") -> "keras.Model":
    """What is exported in place of a network: the same function, in the form that predicts a line fastest.

    A network whose convolutional form is exact takes any height and width, (b, h, w, 1), and answers every 16 pixels,
    (b, rows, columns, 2), so (b, 1, 1, 2) for patches.
    """
    from geoml.models import Model
    from geoml.tasks.patchnet.models._blocks import aligned, fully_convolutional
    from geoml.tasks.patchnet.section import engine_for, engines_of

    model = Model(network, {})
    if "convolutional" not in engines_of(model):
        return network
    return aligned(fully_convolutional(network) if engine_for(model) == "convolutional" else network)


def truth(store: "Store", rows: np.ndarray) -> np.ndarray:
    """(n,) int8 labels of rows of a prepared set."""
    return store.samples["label"][rows]


def monitor(y: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> dict[str, float]:
    """Scores on validation data that a training can be chosen by."""
    return {"accuracy": float(np.mean([(y[name].argmax(1) == outputs[name].argmax(1)).mean() for name in y]))}


def measure(inputs: np.ndarray, train: np.ndarray) -> dict[str, Any]:
    """The scale of the training patches, which all others are scaled by too (method card, section 10, 3)."""
    rows = train[:: -(-len(train) // _MEASURED)]
    return {"scale": list(scale_of(inputs[rows]))}


def model_meta(meta: dict[str, Any]) -> dict[str, Any]:
    """What a model file must say beside the generic facts, for prediction anywhere."""
    return {"prepare": meta["prepare"], "sample_shape": meta["input_shape"], "size": SIZE, "method": METHOD}


def calibrate(model: Any, store: "Store") -> dict[str, Any]:
    """The scale of the training patches goes with the model."""
    return {"scale": store.meta["measured"]["scale"]}


def audit(columns: dict[str, np.ndarray], where: str) -> dict[str, Any]:
    """Patches of each kind, and how balanced the classes are."""
    kinds, counts = np.unique(columns["kind"].astype("U"), return_counts=True)
    share = {"share with a BSR": round(float((columns["label"] == 1).mean()), 4)}
    return share | {f"{name or 'unknown'} patches": int(n) for name, n in zip(kinds, counts, strict=True)}

"""Weights of the published network's own training run, as a model of ours (method card, section 7)."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geoml import models
from geoml.errors import InputError
from geoml.files import checksum
from geoml.tasks.slip import HEIGHT, WIDTH

if TYPE_CHECKING:
    import h5py

CITATION = "Chaipornkaew, Elston, Cooke, Mukerji & Graham 2022, Geophysical Research Letters"
_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
_LINEAR = ("kernel", "bias")
_LAYERS = {
    "conv2d": _LINEAR,
    "conv2d_1": _LINEAR,
    "batch_normalization": _NORM,
    "conv2d_2": _LINEAR,
    "conv2d_3": _LINEAR,
    "batch_normalization_1": _NORM,
    "dense": _LINEAR,
    "batch_normalization_2": _NORM,
    "dense_1": _LINEAR,
}  # in the order of the network's weights
_NAMES = [f"{layer}/{layer}/{weight}:0" for layer, weights in _LAYERS.items() for weight in weights]


def read(path: Path) -> list[np.ndarray]:
    """Weights of an archived Keras HDF5 file, in the order in which ``ssf_cnn`` has them.

    Only arrays are read: what the file says of the network, its optimiser or its classes is not looked at.

    Args:
        path: File with the layers in the group ``model_weights`` (a saved model) or at its root (saved weights).

    Returns:
        24 arrays float32 of a network of any width.

    Raises:
        InputError: the file is not HDF5, or its layers, shapes or values are not those of the network.
    """
    import h5py

    path = Path(path)
    if not path.exists():
        raise InputError(path, "file", "a Keras HDF5 file", "no such file")
    try:
        with h5py.File(path) as file:
            root = file.get("model_weights", file)
            found: list[str] = []
            root.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
            for name in (*_NAMES, *found):
                if name not in found or name not in _NAMES:
                    what = "no such data set" if name not in found else "a weight that the network does not have"
                    raise InputError(path, name, "the weights of SSF-CNN, no more and no fewer", what)
            channels = (root[_NAMES[1]].shape or (0,))[0]
            shapes = zip(_NAMES, _shapes(channels), strict=True)
            return [_weight(path, root[name], name, shape) for name, shape in shapes]
    except (OSError, AttributeError) as error:
        raise InputError(path, "content", "a Keras HDF5 file", error) from None


def import_weights(path: Path, out: Path) -> str:
    """Make a model file of archived weights.

    Args:
        path: See :func:`read`.
        out: Where the model goes (.keras).

    Returns:
        What was done, for the user.

    Raises:
        InputError: see :func:`read`; or ``out`` is not a ``.keras`` file.
    """
    from geoml.tasks.slip import task
    from geoml.tasks.slip.models import ssf_cnn

    path, out = Path(path), Path(out)
    if out.suffix != ".keras":
        raise InputError(out, "file name", "one that ends in .keras", repr(out.name))
    weights = read(path)
    args = {"channels": weights[0].shape[-1]}
    network = ssf_cnn.build((HEIGHT, WIDTH, 1), 0, **args)
    network.set_weights(weights)
    meta = task.model_meta({"input_shape": [HEIGHT, WIDTH]}) | {
        "run": {"task": "slip", "dataset": "imported", "variant": "ssf_cnn", "seed": 0},
        "task": "slip",
        "model": "ssf_cnn",
        "args": args,
        "classes": [],
        "data_source": "real",
        "data_fingerprint": None,
        "split_hash": None,
        "citation": CITATION,
        "input_shape": [HEIGHT, WIDTH, 1],
        "outputs": list(network.output_names),
        "has_sigma": False,
        "weights": {"file": path.name, "sha256": checksum(path)},
    }
    models.save(out, network, meta)
    return f"{out}: SSF-CNN with {network.count_params():,} parameters from {path}"


def _shapes(c: int) -> list[tuple[int, ...]]:
    """Shapes of the weights of a network whose first convolution has ``c`` filters."""
    flat = HEIGHT // 4 * (WIDTH // 4) * 2 * c
    first = [(3, 3, 1, c), (c,), (3, 3, c, c), *[(c,)] * 5]
    second = [(3, 3, c, 2 * c), (2 * c,), (3, 3, 2 * c, 2 * c), *[(2 * c,)] * 5]
    return [*first, *second, (flat, 2 * c), *[(2 * c,)] * 5, (2 * c, 1), (1,)]


def _weight(path: Path, data: "h5py.Dataset", name: str, shape: tuple[int, ...]) -> np.ndarray:
    if data.shape != shape or data.dtype.kind != "f":
        raise InputError(path, name, f"numbers of shape {shape}", f"{data.dtype} of shape {data.shape}")
    values = data[()].astype(np.float32)
    if not np.isfinite(values).all():
        raise InputError(path, name, "finite numbers", f"{np.count_nonzero(~np.isfinite(values))} that are not")
    return values

"""A trained network as an ONNX file that says all that prediction needs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoml import __version__, models, registry
from geoml.errors import InputError
from geoml.export.canonical import canonical
from geoml.export.folding import move_squeezes
from geoml.files import atomic, checksum
from geoml.logs import log
from geoml.runtimes import KEY

if TYPE_CHECKING:
    import keras
    import onnx

LICENCE = "BSD-3-Clause (the file; what the network was trained on has the licence of its data, see the citation)"
_OPSET = 18


def to_onnx(model: Path, out: Path) -> dict[str, Any]:
    """Write a network as ONNX, float32, of any batch size, under the names that it gives its input and outputs.

    What is written is the network itself or, where the task has a hook ``exported``, what that makes of it.

    Args:
        model: ``.keras`` file.
        out: ``.onnx`` file; the same model gives the same bytes.

    Returns:
        What the file says of itself (:func:`exported_meta`).

    Raises:
        InputError: the model is not a network of ours.
    """
    from geoml.backend import use_device

    if model.suffix != ".keras":
        raise InputError(model, "model", "a trained network (.keras)", model.suffix or "no suffix")
    meta = exported_meta(model)
    use_device("cpu")
    trained = models.load(model)
    hook = getattr(registry.load_task(meta["task"]), "exported", None)
    network = hook(trained.network) if hook else trained.network
    graph = _converted(network)
    _name_sizes(graph, network)
    _describe(graph, meta | {"inputs": _tensors(graph.graph.input), "outputs": _tensors(graph.graph.output)})
    with atomic(out) as temporary:
        temporary.write_bytes(graph.SerializeToString(deterministic=True))
    log.info("%s: %d operations, %d bytes", out, len(graph.graph.node), out.stat().st_size)
    return meta


def exported_meta(model: Path) -> dict[str, Any]:
    """What an exported file says of itself: what the model file says, its checksum, and the licence."""
    usual = {"prepare": {}, "method": ""}  # which not every task says
    return usual | models.read_meta(model) | {"model_sha256": checksum(model), "licence": LICENCE, "geoml": __version__}


def _converted(network: "keras.Model") -> "onnx.ModelProto":
    import tensorflow as tf
    import tf2onnx

    names = network.output_names

    # Not by `from_keras`: it says `training=False`, at which layers that train otherwise are drawn by more operations.
    @tf.function
    def call(x: "tf.Tensor") -> list["tf.Tensor"]:
        found = models.by_name(network, network(x))
        return [found[name] for name in names]

    (given,) = network.inputs
    graph, _ = tf2onnx.convert.from_function(call, [tf.TensorSpec(given.shape, given.dtype, given.name)], opset=_OPSET)
    move_squeezes(graph)
    canonical(graph, {value.name: name for value, name in zip(graph.graph.output, names, strict=True)})
    return graph


def _name_sizes(graph: "onnx.ModelProto", network: "keras.Model") -> None:
    """Say which sizes are free, in place of the converter's ``unk__12``: batch, then those of the input by number."""
    for value in (*graph.graph.input, *graph.graph.output):
        for place, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.dim_value:
                dim.dim_param = "batch" if place == 0 else f"{value.name}_size{place}"


def _tensors(values: Any) -> dict[str, list[Any]]:
    return {
        value.name: [dim.dim_value or dim.dim_param for dim in value.type.tensor_type.shape.dim] for value in values
    }


def _describe(graph: "onnx.ModelProto", meta: dict[str, Any]) -> None:
    """Metadata: all of it as JSON for programs, and what people look for by itself."""
    import onnx

    readable = {
        "task": meta["task"],
        "run": "/".join(map(str, meta["run"].values())),
        "inputs": meta["inputs"],
        "outputs": meta["outputs"],
        "preprocessing": meta["prepare"],
        "labels": meta["classes"],
        "thresholds": {name: value for name, value in meta.items() if "threshold" in name or name == "temperature"},
        "data_source": meta["data_source"],
        "data_fingerprint": meta["data_fingerprint"],
        "licence": meta["licence"],
        "citation": meta["citation"],
        KEY: dict(sorted(meta.items())),
    }
    graph.producer_name, graph.producer_version = "geoml", __version__
    graph.doc_string = f"{readable['run']}, trained on {meta['data_source']} data. Method: {meta['method']}"
    graph.graph.name = meta["model"]
    graph.graph.doc_string = ""  # the converter counts the functions of its process there
    onnx.helper.set_model_props(
        graph, {name: value if isinstance(value, str) else json.dumps(value) for name, value in readable.items()}
    )

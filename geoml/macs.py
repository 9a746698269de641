"""How many multiply-accumulates a network needs for one sample: its cost, whatever the machine."""

from math import prod
from typing import TYPE_CHECKING, Any

from geoml.errors import InputError

if TYPE_CHECKING:
    import keras


def macs(network: "keras.Model") -> int:
    """Multiply-accumulates of one sample in the convolutions and dense layers of a network.

    Counted are ``Conv1D``, ``Conv2D``, ``DepthwiseConv1D``, ``DepthwiseConv2D``, ``SeparableConv1D``,
    ``SeparableConv2D`` and ``Dense``, every time that they are used, in the network and in networks that are layers of
    it. Products with what pads count too. Not counted: biases, activations, normalisation, pooling, additions.

    Args:
        network: Made of layers (functional or sequential), for inputs whose size is fixed.

    Raises:
        InputError: an open size, or another layer with matrices, whose operations nobody here knows.
    """
    functional = getattr(network, "_functional", network)  # which a sequential network keeps inside
    if not hasattr(functional, "_nodes_by_depth"):
        raise InputError(network.name, "network", "a network made of layers, for a known input", "none")
    nodes = [node for depth in functional._nodes_by_depth.values() for node in depth if not node.is_input]
    return sum(_of_use(node.operation, node.arguments.keras_tensors[0].shape, node.outputs[0].shape) for node in nodes)


def _of_use(layer: Any, shape_in: tuple[int | None, ...], shape_out: tuple[int | None, ...]) -> int:
    """One layer, used once between tensors of these shapes."""
    import keras
    from keras import layers

    if isinstance(layer, keras.Model):
        return macs(layer)
    matrices = [weight.shape for weight in getattr(layer, "weights", ()) if len(weight.shape) > 1]
    if not matrices:
        return 0
    where = f"layer {layer.name}"
    known = (
        layers.Conv1D, layers.Conv2D, layers.DepthwiseConv1D, layers.DepthwiseConv2D,
        layers.SeparableConv1D, layers.SeparableConv2D, layers.Dense,
    )  # fmt: skip
    if not isinstance(layer, known):
        raise InputError(where, "kind", "a convolution or a dense layer", type(layer).__name__)
    if None in shape_in[1:] or None in shape_out[1:]:
        raise InputError(where, "shape", "a fixed size", f"{shape_in[1:]} to {shape_out[1:]}")
    places = prod(size for size in shape_out[1:-1] if size)
    return places * sum(prod(shape) for shape in matrices)

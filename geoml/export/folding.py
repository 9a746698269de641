"""What a converter leaves between convolutions along traces, taken away, so that a runtime can fuse what follows them.

ONNX has convolutions along one axis; the converter writes them with two all the same, between ``Unsqueeze`` and
``Squeeze``. Behind the ``Squeeze`` runtimes no longer see that a normalisation or an activation follows a convolution.
"""

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

_AXIS = 2  # the one that the converter adds to (batch, channels, samples)
_EACH = ("Relu", "Add", "Mul")  # by themselves or with a constant: the same on either side of a Squeeze


def move_squeezes(model: "onnx.ModelProto") -> None:
    """Move every ``Squeeze`` behind a convolution down until it meets its ``Unsqueeze``, with which it goes; in place.

    Nodes are left in an order that needs sorting, and those that nothing needs are left there.
    """
    from onnx import numpy_helper

    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    users = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            users[name].append(node)
    kept = {value.name for value in graph.output}
    # Outputs known to be (batch, channels, 1, samples), whose Squeezes are to move.
    flat = [name for node in graph.node if node.op_type in ("Conv", "MaxPool") for name in node.output[:1]]
    while flat:
        wide = flat.pop()
        for squeeze in [node for node in users[wide] if _is(node, "Squeeze", constants)]:
            (narrow,) = squeeze.output
            for back in [node for node in users[narrow] if _is(node, "Unsqueeze", constants)]:
                for user in users.pop(back.output[0], []):
                    user.input[:] = [wide if name == back.output[0] else name for name in user.input]
                    users[wide].append(user)
                users[narrow].remove(back)
            if len(users[narrow]) != 1 or narrow in kept:
                continue
            (node,) = users[narrow]
            others = [name for name in node.input if name != narrow]
            if node.op_type not in _EACH or any(name not in constants or constants[name].ndim != 3 for name in others):
                continue
            for name in others:
                constants[f"{name}/wide"] = np.expand_dims(constants[name], _AXIS)
                graph.initializer.append(numpy_helper.from_array(constants[f"{name}/wide"], f"{name}/wide"))
            result = node.output[0]
            node.input[:] = [wide if name == narrow else f"{name}/wide" for name in node.input]
            node.output[0] = f"{result}/wide"
            squeeze.input[0], squeeze.output[0] = node.output[0], result
            users[wide].remove(squeeze)
            users[wide].append(node)
            users[node.output[0]] = [squeeze]
            flat.append(node.output[0])


def _is(node: "onnx.NodeProto", kind: str, constants: dict[str, np.ndarray]) -> bool:
    return node.op_type == kind and constants[node.input[1]].tolist() == [_AXIS]

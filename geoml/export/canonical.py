"""One form of an ONNX graph, whatever order and names a converter gave it: the same network is the same bytes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def canonical(model: "onnx.ModelProto", outputs: dict[str, str]) -> None:
    """Order the nodes by what they need, drop constants that are there twice, and name all by their place; in place.

    Names of the graph's inputs stay. Those of nodes go: of equal ones the converter keeps any.

    Args:
        model: Without graphs inside nodes (loops, conditions), which the converter makes of none of our layers.
        outputs: What the graph's outputs are to be called.
    """
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    ordered = _ordered([value.name for value in graph.output], makers)
    names = {"": ""} | {value.name: value.name for value in graph.input} | outputs
    content: dict[tuple, str] = {}  # name of a constant by what it is
    tensors = []
    for number, node in enumerate(ordered):
        node.name = f"{node.op_type}_{number}"
        for place, name in enumerate(node.input):
            if name not in names:  # what nodes make was named before
                tensor = constants[name]
                what = tensor.data_type, tuple(tensor.dims), _bytes(tensor)
                if what not in content:
                    content[what] = f"{node.name}.{place}"
                    tensors.append((tensor, content[what]))
                names[name] = content[what]
            node.input[place] = names[name]
        for place, name in enumerate(node.output):
            node.output[place] = names.setdefault(name, f"{node.name}:{place}")
    for tensor, name in tensors:
        tensor.name = name
    for value in graph.output:
        value.name = outputs[value.name]
    constants_left = [tensor for tensor, _ in tensors]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(ordered)
    graph.initializer.extend(constants_left)


def _ordered(wanted: list[str], makers: "dict[str, onnx.NodeProto]") -> "list[onnx.NodeProto]":
    """Nodes that the wanted tensors need, each after what it needs itself."""
    found: list[onnx.NodeProto] = []
    done: set[str] = set()
    waiting = [(name, False) for name in reversed(wanted)]
    while waiting:
        name, ready = waiting.pop()
        if name in done or name not in makers:
            continue
        node = makers[name]
        if ready:
            found.append(node)
            done.update(node.output)
        else:
            waiting.append((name, True))
            waiting += [(other, False) for other in reversed(node.input)]
    return found


def _bytes(tensor: "onnx.TensorProto") -> bytes:
    from onnx import numpy_helper

    return numpy_helper.to_array(tensor).tobytes()

"""The family of networks "topology V1, patch 2" as plain documents, counted without building one (card, section 3).

A document holds what the family leaves open: ``n0`` filters of the first two convolutions and ``n2`` of the third,
``random_type`` (whether the blocks have kernels of their own) and three ``blocks``, which the card numbers 3, 4 and 5.
A block has the units M, C1, C2, P1, P2 with ``u`` channels each, ``w`` in all; ``kM``, ``k1``, ``k2`` are kernels and
``p1``, ``p2`` pools; ``r1``, ``r2`` are the filters in front of C1 and C2; ``a1``, ``a2`` of the channels of P1 and P2
see maxima, the others minima. ``w``, ``a1`` and ``a2`` follow from ``u``; they are there because tables list them.
"""

from math import prod
from typing import Any, NamedTuple

from geoml.errors import InputError
from geoml.tasks.patchnet import CLASSES, SIZE

BLOCKS = (3, 4, 5)  # numbers of the fusion blocks
UNITS = 5  # in each of them
Document = dict[str, Any]

_OWN = ("kM", "k1", "k2", "p1", "p2")  # of each block where random_type is true, else of all blocks
_NUMBERS = ("w", *_OWN, "r1", "r2", "a1", "a2")


def _block(kernels: tuple[int, ...], u: list[int], r1: int, r2: int) -> Document:
    numbers = {"w": sum(u), **dict(zip(_OWN, kernels, strict=True)), "u": u, "r1": r1, "r2": r2}
    return numbers | {"a1": round(u[3] / 2), "a2": round(u[4] / 2)}


V1: Document = {
    "n0": 137,
    "n2": 144,
    "random_type": True,
    "blocks": [
        _block((2, 3, 7, 2, 3), [83, 2, 16, 23, 9], 104, 112),
        _block((2, 5, 7, 2, 5), [75, 5, 7, 41, 23], 280, 382),
        _block((2, 3, 5, 4, 5), [14, 25, 116, 214, 90], 46, 170),
    ],
}
"""SeismicPatchNet_v1 (card, section 7)."""

V1_VALID: Document = V1 | {
    "random_type": False,
    "blocks": [block | {"k1": 2, "k2": 3, "p1": 2, "p2": 3} for block in V1["blocks"]],
}
"""The widths of v1 with kernels and pools so small that nothing has to be padded."""


class Layer(NamedTuple):
    """One layer of a network: what it is, what it reads, what comes out.

    Attributes:
        name: Of the layer, as in the Keras network.
        kind: ``conv``, ``max_pool``, ``min_pool``, ``average_pool``, ``crop``, ``concatenate`` or ``dense``.
        inputs: Names of the layers it reads; ``patch`` is the input.
        kernel: Rows and columns.
        stride: Along both.
        shape_in, shape_out: (rows, columns, channels); of a concatenation, the first input.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    kernel: tuple[int, int]
    stride: int
    shape_in: tuple[int, int, int]
    shape_out: tuple[int, int, int]

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self._weights + self.shape_out[2] if self._weights else 0

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one sample; those of convolutions and of the dense layer."""
        return self._weights * self.shape_out[0] * self.shape_out[1]

    @property
    def _weights(self) -> int:
        return prod(self.kernel) * self.shape_in[2] * self.shape_out[2] if self.kind in ("conv", "dense") else 0


def check(document: Any, where: object) -> None:
    """Refuse what is not a document of the family.

    Args:
        document: What should be one; plain Python numbers, as read from JSON.
        where: File or configuration path, for the message.

    Raises:
        InputError: names the field, as in ``blocks[1].k2``.
    """
    _keys(document, ("n0", "n2", "random_type", "blocks"), where, "")
    _positive(document, ("n0", "n2"), where, "")
    if not isinstance(document["random_type"], bool):
        raise InputError(where, "random_type", "true or false", repr(document["random_type"]))
    blocks = document["blocks"]
    if not isinstance(blocks, list) or len(blocks) != len(BLOCKS):
        raise InputError(where, "blocks", f"a list of {len(BLOCKS)}", repr(blocks)[:80])
    for number, block in enumerate(blocks):
        _check_block(block, where, f"blocks[{number}]")
    if document["random_type"]:
        return
    for number, block in enumerate(blocks):
        for key in _OWN:
            if block[key] != blocks[0][key]:
                raise InputError(
                    where, f"blocks[{number}].{key}", f"{blocks[0][key]} as in blocks[0], random_type being false",
                    block[key],
                )  # fmt: skip


def layers(document: Document, size: int = SIZE, *, padding: str = "same", early: bool = False) -> list[Layer]:
    """All layers of a network with weights, pools and what joins them, in an order in which they can be computed.

    Dropout, between ``pool3`` and ``logits``, and the softmax are left out.

    Args:
        document: A document that :func:`check` lets pass.
        size: Rows and columns of the input.
        padding: ``same`` as published. With ``valid`` no layer pads: pools 1 and 2 are 2 x 2, and what goes into the
            units of a block is cropped at the centre, so that all are left with what the largest kernel leaves.
        early: As in the authors' later file (card, section 7.1): conv1 has the stride 2 and pool2 is not there.

    Raises:
        InputError: another padding, or no padding and a kernel larger than what it would see.
    """
    if padding not in ("same", "valid"):
        raise InputError("network", "padding", "same or valid", repr(padding))
    rows = _Rows(size, padding)
    pool = 3 if padding == "same" else 2
    x = rows.add("conv0", "conv", "patch", document["n0"], 7, stride=2)
    x = rows.add("pool0", "max_pool", x, kernel=3, stride=2)
    x = rows.add("conv1", "conv", x, document["n0"], stride=2 if early else 1)
    x = rows.add("conv2", "conv", x, document["n2"], 3)
    x = rows.add("pool1", "max_pool", x, kernel=pool, stride=2)
    for number, block in zip(BLOCKS, document["blocks"], strict=True):
        if number == BLOCKS[-1] and not early:
            x = rows.add("pool2", "max_pool", x, kernel=pool, stride=2)
        x = _fusion(rows, x, f"b{number}", block)
    x = rows.add("pool3", "average_pool", x, kernel=rows.side(x), valid=True)
    rows.add("logits", "dense", x, len(CLASSES))
    return rows.done


def parameters(document: Document) -> int:
    """Trainable parameters; neither the input's size nor padding nor ``early`` changes them."""
    return sum(layer.parameters for layer in layers(document))


def macs(document: Document, size: int = SIZE, *, padding: str = "same", early: bool = False) -> int:
    """Multiply-accumulates for one patch, of convolutions and the dense layer; arguments as of :func:`layers`."""
    return sum(layer.macs for layer in layers(document, size, padding=padding, early=early))


def flat(document: Document) -> dict[str, int | bool]:
    """The document as columns of a table: ``n0``, ``n2``, ``random_type``, ``b3_w``, ``b3_kM``, ..., ``b5_u4``."""
    columns = {key: document[key] for key in ("n0", "n2", "random_type")}
    for number, block in zip(BLOCKS, document["blocks"], strict=True):
        columns |= {f"b{number}_{key}": block[key] for key in _NUMBERS}
        columns |= {f"b{number}_u{unit}": channels for unit, channels in enumerate(block["u"])}
    return columns


class _Rows:
    """Layers so far, and the shapes that they leave."""

    def __init__(self, size: int, padding: str) -> None:
        self.done: list[Layer] = []
        self.shapes = {"patch": (size, size, 1)}
        self.padding = padding

    def side(self, name: str) -> int:
        """Rows, and columns, of what a layer gives."""
        return self.shapes[name][0]

    def add(
        self, name: str, kind: str, source: str, channels: int = 0, kernel: int | tuple[int, int] = 1,
        stride: int = 1, valid: bool = False,
    ) -> str:  # fmt: skip
        """Append a layer; ``channels`` 0: as many as it reads. Its name is given back."""
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        height, width = (
            _side(n, k, stride, valid or self.padding == "valid", name)
            for n, k in zip(self.shapes[source][:2], kernel, strict=True)
        )
        return self._append(name, kind, (source,), kernel, stride, (height, width, channels or self.shapes[source][2]))

    def crop(self, name: str, source: str, less: int) -> str:
        """Append a crop at the centre by ``less`` rows and columns, if there are any to crop."""
        height, width, channels = self.shapes[source]
        if not less:
            return source
        return self._append(name, "crop", (source,), (1, 1), 1, (height - less, width - less, channels))

    def join(self, name: str, sources: list[str]) -> str:
        """Append a concatenation of channels."""
        shape = (*self.shapes[sources[0]][:2], sum(self.shapes[source][2] for source in sources))
        return self._append(name, "concatenate", tuple(sources), (1, 1), 1, shape)

    def _append(
        self, name: str, kind: str, inputs: tuple[str, ...], kernel: tuple[int, int], stride: int,
        shape: tuple[int, int, int],
    ) -> str:  # fmt: skip
        self.done.append(Layer(name, kind, inputs, kernel, stride, self.shapes[inputs[0]], shape))
        self.shapes[name] = shape
        return name


def _side(size: int, kernel: int, stride: int, valid: bool, name: str) -> int:
    if not valid:
        return -(-size // stride)
    if size < kernel:
        raise _too_large(name, kernel, size)
    return (size - kernel) // stride + 1


def _too_large(name: str, kernel: int, size: int) -> InputError:
    return InputError(
        "network", name, f"kernels of at most {size}, which is what unpadded layers leave of the patch", kernel,
        "Take smaller kernels and pools, or padding: same.",
    )  # fmt: skip


def _fusion(rows: _Rows, x: str, name: str, block: Document) -> str:
    """Append a fusion block (card, section 3)."""
    u = block["u"]
    largest = max(block[key] for key in _OWN)
    crops = rows.padding == "valid"
    if crops and rows.side(x) < largest:
        raise _too_large(name, largest, rows.side(x))

    def seen(unit: str, kernel: int) -> str:
        return rows.crop(f"{name}_{unit}_crop", x, largest - kernel if crops else 0)

    parts = [rows.add(f"{name}_m", "conv", seen("m", block["kM"]), u[0], block["kM"])]
    for unit in (1, 2):
        k, branch = block[f"k{unit}"], f"{name}_c{unit}"
        y = rows.add(f"{branch}_1x1", "conv", seen(f"c{unit}", k), block[f"r{unit}"])
        y = rows.add(f"{branch}_kx1", "conv", y, u[unit], (k, 1))
        parts.append(rows.add(f"{branch}_1xk", "conv", y, u[unit], (1, k)))
    for unit in (1, 2):
        p, branch = block[f"p{unit}"], f"{name}_p{unit}"
        source, maxima, channels = seen(f"p{unit}", p), block[f"a{unit}"], u[unit + 2]
        for extreme, filters in (("max", maxima), ("min", channels - maxima)):
            y = rows.add(f"{branch}_{extreme}_pool", f"{extreme}_pool", source, kernel=p)
            parts.append(rows.add(f"{branch}_{extreme}", "conv", y, filters))
    return rows.join(name, parts)


def _check_block(block: Any, where: object, path: str) -> None:
    _keys(block, (*_NUMBERS, "u"), where, path)
    _positive(block, _NUMBERS, where, f"{path}.")
    u = block["u"]
    if not isinstance(u, list) or len(u) != UNITS or not all(type(n) is int and n >= 2 for n in u):
        raise InputError(where, f"{path}.u", f"{UNITS} whole numbers of at least 2", u)
    for low, high in (("k1", "k2"), ("p1", "p2")):  # else one network would have two documents
        if block[low] >= block[high]:
            raise InputError(where, f"{path}.{high}", f"more than {low}, which is {block[low]}", block[high])
    for key, expected in (("w", sum(u)), ("a1", round(u[3] / 2)), ("a2", round(u[4] / 2))):
        if block[key] != expected:
            raise InputError(where, f"{path}.{key}", f"{expected}, which follows from u", block[key])


def _keys(document: Any, known: tuple[str, ...], where: object, path: str) -> None:
    if not isinstance(document, dict):
        raise InputError(where, path or "candidate", f"a mapping with {', '.join(known)}", repr(document)[:80])
    dot = f"{path}." if path else ""
    for key in document:
        if key not in known:
            raise InputError(where, f"{dot}{key}", f"one of {', '.join(known)}", "an unknown key")
    for key in known:
        if key not in document:
            raise InputError(where, f"{dot}{key}", "a value", "nothing")


def _positive(document: Document, keys: tuple[str, ...], where: object, path: str) -> None:
    for key in keys:
        if type(document[key]) is not int or document[key] < 1:
            raise InputError(where, f"{path}{key}", "a whole number of at least 1", repr(document[key]))

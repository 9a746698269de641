"""The search space as data, and candidates drawn from it (card, section 4).

Ranges include both ends. ``k`` and ``p`` are sets: of each, two different values are drawn, the smaller one first.
``random_type`` is the probability that the three blocks have kernels and pools of their own.
"""

from math import log1p
from typing import TYPE_CHECKING, Any

from geoml.errors import InputError
from geoml.tasks.patchnet import topology
from geoml.tasks.patchnet.topology import BLOCKS, UNITS, Document

if TYPE_CHECKING:
    from collections.abc import Iterator

Space = dict[str, Any]

DEFAULT: Space = {
    "n0": [32, 255],
    "n2": [32, 255],
    "w": [128, 639],
    "r": [16, 383],
    "kM": [1, 2],
    "k": [3, 4, 5, 6, 7],
    "p": [2, 3, 4, 5],
    "random_type": 0.5,
}
"""The published space."""

_RANGES = {"n0": 1, "n2": 1, "w": 2 * UNITS, "r": 1, "kM": 1}  # and the least that each can be
_SETS = ("k", "p")
_LEAST_UNIT = 2  # channels
_NUMBERS = 3 + len(BLOCKS) * (3 + 3 + UNITS)


def check(space: Any, where: object) -> None:
    """Refuse a search space that nothing, or nothing sensible, can be drawn from.

    Args:
        space: With all keys of :data:`DEFAULT`.
        where: File or configuration path, for the message.

    Raises:
        InputError: names the key: unknown or missing, an empty or reversed range, fewer than two values, ...
    """
    if not isinstance(space, dict):
        raise InputError(where, "space", f"a mapping with {', '.join(DEFAULT)}", repr(space)[:80])
    for key in [*space, *DEFAULT]:
        if key not in DEFAULT:
            raise InputError(where, key, f"one of {', '.join(DEFAULT)}", "an unknown key")
        if key not in space:
            raise InputError(where, key, "a value", "nothing")
    for key, least in _RANGES.items():
        ends = space[key]
        if not _whole(ends, least) or len(ends) != 2 or ends[0] > ends[1]:
            raise InputError(where, key, f"[smallest, largest], whole numbers of at least {least}", ends)
    for key in _SETS:
        values = space[key]
        if not _whole(values, 1) or len(values) < 2 or len(set(values)) < len(values):
            raise InputError(where, key, "two or more different whole numbers of at least 1", values)
    chance = space["random_type"]
    if isinstance(chance, bool) or not isinstance(chance, int | float) or not 0 <= chance <= 1:
        raise InputError(where, "random_type", "a probability, 0 to 1", repr(chance))


def draw(space: Space, seed: int, index: int) -> Document:
    """Candidate ``index`` of a search; it depends on nothing but the arguments.

    Args:
        space: A search space that :func:`check` lets pass.
        seed: Of the search, at least 0.
        index: Of the candidate, at least 0.

    Returns:
        A document of :mod:`geoml.tasks.patchnet.topology`.
    """
    import numpy as np

    # One call for all that is ever needed: a number has its place whatever the others are, and calls are slow.
    uniform = iter(np.random.default_rng([seed, index]).random(_NUMBERS).tolist())
    n0, n2 = _within(space["n0"], next(uniform)), _within(space["n2"], next(uniform))
    random_type = next(uniform) < space["random_type"]
    blocks: list[Document] = []
    for _ in BLOCKS:
        kernels = _kernels(space, uniform)
        if blocks and not random_type:
            kernels = {key: blocks[0][key] for key in kernels}
        w = _within(space["w"], next(uniform))
        r1, r2 = _within(space["r"], next(uniform)), _within(space["r"], next(uniform))
        u = units(w, [-log1p(-next(uniform)) for _ in range(UNITS)])
        blocks.append({"w": w, **kernels, "u": u, "r1": r1, "r2": r2, "a1": round(u[3] / 2), "a2": round(u[4] / 2)})
    return {"n0": n0, "n2": n2, "random_type": random_type, "blocks": blocks}


def size(document: Document, **args: Any) -> dict[str, int]:
    """``parameters`` and ``macs`` of a candidate's network; ``args`` are those of ``models/searched.py``.

    Raises:
        InputError: without padding, a kernel is larger than what it would see.
    """
    padding = args.get("padding", "same")
    return {"parameters": topology.parameters(document), "macs": topology.macs(document, padding=padding)}


def columns(row: dict[str, Any]) -> dict[str, Any]:
    """Columns of the search table that are this task's own: hyper-parameters, and the original's (card, section 6).

    Args:
        row: A result of a search: ``document``, ``args``, ``parameters``, ``records``, ``samples_per_s``.
    """
    scores = sorted((score for _, _, _, score in row["records"]), reverse=True)
    best = {f"mean top{n}": sum(scores[:n]) / len(scores[:n]) if scores else None for n in (5, 3)}
    return topology.flat(row["document"]) | {"padding": row["args"].get("padding", "same")} | best | {
        "largest accuracy": scores[0] if scores else None,
        "trainable para. (M)": row["parameters"] / 1e6,
        "ramdom scales of perception layer": "Yes" if row["document"]["random_type"] else "No",  # as it was spelt
        "Speed": row.get("samples_per_s"),
    }  # fmt: skip


def units(w: int, shares: list[float]) -> list[int]:
    """Channels of the units: ``w`` in the proportion of ``shares``, rounded, with the sum set right (card, section 4).

    Args:
        w: Channels of the block, at least 10.
        shares: Not negative; with independent exponential ones, their proportion is Dirichlet(1, 1, 1, 1, 1).
    """
    total = sum(shares)
    u = [round(w * share / total) for share in shares]
    missing = w - sum(u)
    u[u.index(min(u) if missing > 0 else max(u))] += missing
    while (least := min(u)) < _LEAST_UNIT:
        u[u.index(least)] = _LEAST_UNIT
        u[u.index(max(u))] -= _LEAST_UNIT - least
    return u


def _kernels(space: Space, uniform: "Iterator[float]") -> dict[str, int]:
    (k1, k2), (p1, p2) = _pair(space["k"], next(uniform)), _pair(space["p"], next(uniform))
    return {"kM": _within(space["kM"], next(uniform)), "k1": k1, "k2": k2, "p1": p1, "p2": p2}


def _within(ends: list[int], uniform: float) -> int:
    low, high = ends
    return low + int(uniform * (high - low + 1))


def _pair(values: list[int], uniform: float) -> tuple[int, int]:
    """Each of the pairs with the same chance."""
    ordered = sorted(values)
    pairs = [(low, high) for i, low in enumerate(ordered) for high in ordered[i + 1 :]]
    return pairs[int(uniform * len(pairs))]


def _whole(values: Any, least: int) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= least for value in values)

"""Train, validation and test sets by group (event, experiment, source image), independent of the order of rows."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from geoml.errors import InputError
from geoml.store import SPLITS

TRAIN, VAL, TEST = range(3)
UNUSED = -1


def assign(
    columns: dict[str, np.ndarray],
    *,
    by: str | Sequence[str],
    val: float,
    test: float,
    seed: int,
    where: object,
    fold: tuple[int, int] | None = None,
    linked: Mapping[str, Sequence[tuple[Any, Any]]] | None = None,
) -> np.ndarray:
    """A split code (0 train, 1 val, 2 test, -1 unused) for every sample, whole groups only.

    A group's place is a hash of ``seed:group``, so it does not depend on the other groups or on their order. Groups
    that are ``linked`` (they share an identical input) go together. With ``by="time"`` the newest groups are the test
    set and the ones before them the validation set. Samples whose ``official_split`` is ``test`` are the test set; the
    others are then divided into train and validation only. With ``by="official"`` the column says all three, and only
    that: what it divides is for the caller to report. With ``fold``, the groups of each class are dealt out to k equal
    parts, one of which is the test set, and the official one does not count.

    With several columns the first divides as above; of each other column only the test part is taken, with the same
    rule. Tested are the samples that are in all test parts, trained on and validated with those in none; the rest is
    unused. So what is tested is new in every respect.

    Args:
        columns: The table; ``group``, the column named by ``by``, and ``official_split`` where there is one.
        by: Column whose values must not be divided (``group``, ``station``), several, ``time`` or ``official``.
        val, test: Shares of the groups.
        seed: Another seed gives another split.
        where: What to name in an error.
        fold: Number of the test part, from 0, and number of parts.
        linked: Pairs of values by column (of ``group`` with ``time``).

    Returns:
        (n,) int8.
    """
    if by == "official":
        return _official(columns, where)
    keys = [by] if isinstance(by, str) else list(by)
    split, *held_out = (
        _divided(columns, key, val, test, seed, where, fold, (linked or {}).get(key, ())) for key in keys
    )
    for other in held_out:
        apart = (split == TEST) != (other == TEST)
        split = np.where(apart, UNUSED, split).astype(np.int8)
    _filled(split, {key: columns["group" if key == "time" else key] for key in keys}, where)
    return split


def _divided(
    columns: dict[str, np.ndarray],
    by: str,
    val: float,
    test: float,
    seed: int,
    where: object,
    fold: tuple[int, int] | None,
    linked: Sequence[tuple[Any, Any]],
) -> np.ndarray:
    """Split code of every sample, no value of one column divided."""
    key = "group" if by == "time" else by
    if key not in columns or by not in columns:
        raise InputError(where, "split.by", f"a column of the table: {', '.join(sorted(columns))}", repr(by))
    names, groups = np.unique(columns[key], return_inverse=True)
    if linked:
        joined = _joined(names, linked)
        names, groups = names[np.unique(joined, return_index=True)[1]], joined[groups]
    if fold is not None and fold[1] > len(names):  # said of every fold, so before anything is trained on the first
        raise InputError(where, "folds", f"at most {len(names)}, the different values of {key}", fold[1])
    place = _by_time(groups, columns["time"], where) if by == "time" else places(names, seed)
    told = columns.get("official_split", np.zeros(len(groups), "S1"))
    official = told == (b"test" if told.dtype.kind == "S" else "test")
    if fold is not None:
        code = _parts(groups, columns.get("label"), place, val / (1 - 1 / fold[1]), *fold)
    elif official.any():
        mixed = np.intersect1d(groups[official], groups[~official])
        if len(mixed):
            raise InputError(
                where, key, "no value in both the official test set and the rest",
                f"{len(mixed)} in both, such as {_text(names[mixed[0]])!r}", "Use `by: official` for these sets.",
            )  # fmt: skip
        place = np.where(np.isin(np.arange(len(names)), groups[official]), 2.0, place)
        code = np.where(place > 1, TEST, np.where(place < val, VAL, TRAIN))
    else:
        code = np.where(place < 1 - val - test, TRAIN, np.where(place < 1 - test, VAL, TEST))
    return code.astype(np.int8)[groups]


def places(names: np.ndarray, seed: int | str) -> np.ndarray:
    """(n,) number in 0..1 of each name, from the name and the seed alone."""
    digests = [hashlib.blake2b(f"{seed}:{_text(name)}".encode(), digest_size=8).digest() for name in names.tolist()]
    return np.frombuffer(b"".join(digests), ">u8") / 2.0**64


def _official(columns: dict[str, np.ndarray], where: object) -> np.ndarray:
    told = columns.get("official_split", np.zeros(len(columns["id"]), "S1")).astype("U")
    split = np.full(len(told), -1, np.int8)
    for code, name in enumerate(SPLITS):
        split[told == name] = code
        if not (split == code).any():
            raise InputError(where, "split.by: official", f"samples that the data put into {name}", "none",
                             "Use `by: group`, or ask the reader in `prepare` for its sets.")  # fmt: skip
    if (split < 0).any():
        first = _text(columns["id"][split < 0][0])
        raise InputError(
            where, "split.by: official", "a set for every sample", f"{(split < 0).sum()} without ({first})"
        )
    return split


def _parts(
    groups: np.ndarray, label: np.ndarray | None, place: np.ndarray, val: float, fold: int, folds: int
) -> np.ndarray:
    """Set of each group: part ``fold`` of ``folds`` is the test set, a share ``val`` of the others for validation."""
    first = np.unique(groups, return_index=True)[1]
    kind = np.zeros(len(first), int) if label is None else label[first]
    order = np.lexsort((place, kind))
    tested = np.arange(len(first)) % folds == fold
    turn = np.cumsum(~tested)  # of the others; every 1/val-th is for validation, so every class gives its share
    code = np.empty(len(first), np.int8)
    code[order] = np.where(tested, TEST, np.where(np.floor(turn * val) > np.floor((turn - 1) * val), VAL, TRAIN))
    return code


def check(groups: np.ndarray, split: np.ndarray, where: object) -> None:
    """Fail if a split is empty or a group is in more than one; unused samples do not count."""
    used = split != UNUSED
    names, index = np.unique(groups[used], return_inverse=True)
    low, high = np.full(len(names), 9), np.full(len(names), -1)
    np.minimum.at(low, index, split[used])
    np.maximum.at(high, index, split[used])
    if (low != high).any():
        raise InputError(where, "split", "every group in one set", f"{_text(names[low != high][0])!r} in two")
    _filled(split, {"group": groups}, where)


def _filled(split: np.ndarray, divided: Mapping[str, np.ndarray], where: object) -> None:
    for code, name in enumerate(SPLITS):
        if not (split == code).any():
            groups = ", ".join(f"{name}: {len(np.unique(values))}" for name, values in divided.items())
            raise InputError(
                where, "split", f"samples in the {name} set", f"none (different values of {groups})",
                "Use more data, another split.seed, other shares, or folds (fewer, if there are some).",
            )  # fmt: skip


def _joined(names: np.ndarray, linked: Sequence[tuple[Any, Any]]) -> np.ndarray:
    """Codes (from 0) of sorted names, the same for those that are linked, directly or through others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = np.array(linked, names.dtype)
    pairs = np.searchsorted(names, pairs[np.isin(pairs, names).all(axis=1)])
    edges = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(len(names), len(names)))
    return connected_components(edges, directed=False)[1]


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _by_time(groups: np.ndarray, time: np.ndarray, where: object) -> np.ndarray:
    if np.isnan(time).any():
        raise InputError(where, "split.by", "a time for every sample", f"{np.isnan(time).sum()} without one")
    start = np.full(groups.max() + 1, np.inf)
    np.minimum.at(start, groups, time)
    return (np.argsort(np.argsort(start, kind="stable"), kind="stable") + 0.5) / len(start)

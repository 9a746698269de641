"""Train, validation and test sets by group (event, experiment, source image), independent of the order of rows."""

import hashlib

import numpy as np

from geoml.errors import InputError
from geoml.store import SPLITS

TRAIN, VAL, TEST = range(3)


def assign(columns: dict[str, np.ndarray], *, by: str, val: float, test: float, seed: int, where: object) -> np.ndarray:
    """A split code (0 train, 1 val, 2 test) for every sample, whole groups only.

    A group's place is a hash of ``seed:group``, so it does not depend on the other groups or on their order. Groups
    that share an identical input (``hash``) go together. With ``by="time"`` the newest groups are the test set and
    the ones before them the validation set. Samples whose ``official_split`` is ``test`` are the test set; the
    others are then divided into train and validation only.

    Args:
        columns: The table; ``group``, ``hash``, the column named by ``by``, and ``official_split`` where there is one.
        by: Column whose values must not be divided (``group``, ``station``), or ``time``.
        val, test: Shares of the groups.
        seed: Another seed gives another split.
        where: What to name in an error.

    Returns:
        (n,) int8.
    """
    key = "group" if by == "time" else by
    if key not in columns or by not in columns:
        raise InputError(where, "split.by", f"a column of the table: {', '.join(sorted(columns))}", repr(by))
    groups = _linked(np.unique(columns[key], return_inverse=True)[1], columns["hash"])
    names = columns[key][np.unique(groups, return_index=True)[1]]
    if by == "time":
        place = _by_time(groups, columns["time"], where)
    else:
        digests = [hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest() for name in names.tolist()]
        place = np.frombuffer(b"".join(digests), ">u8") / 2.0**64
    official = columns.get("official_split", np.zeros(len(groups), "U1")) == "test"
    if official.any():
        mixed = np.intersect1d(groups[official], groups[~official])
        if len(mixed):
            raise InputError(
                where, key, "no value in both the official test set and the rest",
                f"{len(mixed)} in both, such as {str(names[mixed[0]])!r}",
            )  # fmt: skip
        place = np.where(np.isin(np.arange(len(names)), groups[official]), 2.0, place)
        code = np.where(place > 1, TEST, np.where(place < val, VAL, TRAIN))
    else:
        code = np.where(place < 1 - val - test, TRAIN, np.where(place < 1 - test, VAL, TEST))
    split = code[groups].astype(np.int8)
    check(columns[key], split, where)
    return split


def check(groups: np.ndarray, split: np.ndarray, where: object) -> None:
    """Fail if a split is empty or a group is in more than one."""
    names, index = np.unique(groups, return_inverse=True)
    low, high = np.full(len(names), 9), np.full(len(names), -1)
    np.minimum.at(low, index, split)
    np.maximum.at(high, index, split)
    if (low != high).any():
        raise InputError(where, "split", "every group in one set", f"{str(names[low != high][0])!r} in two")
    for code, name in enumerate(SPLITS):
        if not (split == code).any():
            raise InputError(
                where, "split", f"samples in the {name} set", f"none ({len(names)} groups)",
                "Use more data, another split.seed or other shares.",
            )  # fmt: skip


def _linked(groups: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """Group codes with those that share an identical input joined; consecutive from 0."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, twin = np.unique(hashes, return_inverse=True)
    n, m = groups.max() + 1, twin.max() + 1
    edges = coo_array((np.ones(len(groups), np.int8), (groups, n + twin)), shape=(n + m, n + m))
    return np.unique(connected_components(edges, directed=False)[1][groups], return_inverse=True)[1]


def _by_time(groups: np.ndarray, time: np.ndarray, where: object) -> np.ndarray:
    if np.isnan(time).any():
        raise InputError(where, "split.by", "a time for every sample", f"{np.isnan(time).sum()} without one")
    start = np.full(groups.max() + 1, np.inf)
    np.minimum.at(start, groups, time)
    return (np.argsort(np.argsort(start, kind="stable"), kind="stable") + 0.5) / len(start)

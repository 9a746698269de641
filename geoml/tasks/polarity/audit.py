"""Do the labels of a data set agree with what the traces show? (method card, section 9)"""

import logging
from typing import Any

import numpy as np

from geoml.errors import InputError
from geoml.tasks.polarity.pieces import LABELS

WARN, STOP = 0.6, 0.4  # agreement below which we warn (U or D) or stop (both); card, section 9
ENOUGH = 10  # readable traces of a label before its agreement can stop anything


def audit(labels: np.ndarray, first_break: np.ndarray) -> dict[str, Any]:
    """Tabulate the sign of the first break against the label.

    Args:
        labels: (n,) int: 0 U, 1 D, 2 N.
        first_break: (n,) int: +1, -1, or 0 unreadable.

    Returns:
        For ``U``, ``D`` and ``N``: ``count``, ``readable`` and ``agreement`` (fraction of the readable first breaks
        with the sign of the label; None for N and where none is readable); and ``verdict``: ``ok``, ``warn`` or
        ``inverted``.
    """
    table: dict[str, Any] = {}
    for code, name in enumerate(LABELS):
        breaks = first_break[labels == code]
        readable = breaks[breaks != 0]
        sign = {"U": 1, "D": -1}.get(name)
        agreement = float(np.mean(readable == sign)) if sign and len(readable) else None
        table[name] = {"count": len(breaks), "readable": len(readable), "agreement": agreement}
    judged = [table[name] for name in "UD" if table[name]["agreement"] is not None]
    table["verdict"] = "ok"
    if any(row["agreement"] < WARN for row in judged):
        table["verdict"] = "warn"
    if len(judged) == 2 and all(row["agreement"] < STOP and row["readable"] >= ENOUGH for row in judged):
        table["verdict"] = "inverted"
    return table


def check(table: dict[str, Any], name: str) -> None:
    """Warn about, or refuse, a data set whose labels contradict its traces.

    Args:
        table: From :func:`audit`.
        name: Name of the data set, for the message.

    Raises:
        InputError: the verdict is ``inverted``.
    """
    if table["verdict"] == "ok":
        return
    found = ", ".join(
        f"{label}: {table[label]['agreement']:.0%} of {table[label]['readable']} readable"
        for label in "UD"
        if table[label]["agreement"] is not None
    )
    if table["verdict"] == "inverted":
        raise InputError(
            name,
            "labels",
            "first breaks with the sign of the label",
            found,
            'The label code or the component looks inverted: set labels: in the data set\'s settings, such as {"0": D, '
            '"1": U}, or check the component order.',
        )
    logging.getLogger(__name__).warning("%s: first breaks seldom have the sign of the label (%s)", name, found)

"""Reader of ``dots.npy``: a row a sample, group, label and eight numbers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from geoml.store import Block

CITATION = "Nobody, 2000"


def read(source: Path, settings: dict[str, Any]) -> Iterator[Block]:
    """All samples in one block."""
    table = np.load(source / "dots.npy")
    group, label = table[:, 0].astype(int).astype(str), table[:, 1].astype(np.int8)
    names = np.char.add("dot", np.arange(len(table)).astype(str))
    yield Block((table[:, 2:] * settings["scale"]).astype(np.float32), {"id": names, "group": group, "label": label})

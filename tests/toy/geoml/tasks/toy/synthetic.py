"""Synthetic dots."""

from pathlib import Path

import numpy as np


def generate(folder: Path, rows: int, seed: int, reader: str) -> None:
    """Write ``dots.npy``: samples of both sides in turn, two a group."""
    rng = np.random.default_rng(seed)
    label = np.arange(rows) % 2
    dots = rng.normal(2.0 * label[:, None] - 1, 1, (rows, 8))
    np.save(folder / f"{reader}.npy", np.column_stack([np.arange(rows) // 2, label, dots]))

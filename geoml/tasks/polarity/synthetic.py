"""Synthetic first-motion data in the on-disk formats of the real sets, read by the same readers."""

import zlib
from pathlib import Path

import numpy as np

from geoml.errors import InputError
from geoml.tasks.polarity.synthetic_files import WRITERS
from geoml.tasks.polarity.synthetic_flavours import FLAVOURS
from geoml.tasks.polarity.synthetic_records import chunks, make_stations


def generate(folder: Path, rows: int, seed: int, flavour: str) -> None:
    """Write a synthetic data set in the on-disk format of a real one.

    Args:
        folder: New or empty folder; besides the data it gets ``truth.npz`` (``id``, ``sign`` +1/-1 of the true first
            motion, ``p_sample`` of the true P in the source trace, ``snr_db``, ``y`` dB of the first half-cycle over
            the noise), meant for tests only.
        rows: Good records; a few bad ones, which readers must skip, come on top.
        seed: Equal seeds give equal files.
        flavour: ``ins``, ``hinet``, ``scsn`` or ``pnw``.

    Raises:
        InputError: unknown flavour, no rows, or a folder with something in it.
    """
    folder = Path(folder)
    if flavour not in FLAVOURS:
        raise InputError("synthetic data", "flavour", f"one of {', '.join(FLAVOURS)}", repr(flavour))
    if rows < 1:
        raise InputError("synthetic data", "rows", "1 or more", rows)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InputError(folder, "folder", "a new or empty folder", "one with files in it", "Choose another folder.")
    rng = np.random.default_rng([seed, zlib.crc32(flavour.encode())])
    stations = make_stations(FLAVOURS[flavour], rng)
    faults = [*FLAVOURS[flavour].faults * 2, *["clipped"] * round(rows * 0.005)]
    if flavour == "hinet":
        faults += ["missing"] * round(rows * 0.15 / 0.85)  # 15 % of the phase rows (12.3)
    if flavour == "pnw":
        faults += ["unlabelled"] * round(rows * 0.05)  # no polarity is not the same as an undecidable one
    truth = WRITERS[flavour](folder, chunks(FLAVOURS[flavour], stations, rows, faults, rng), stations, rng)
    np.savez(folder / "truth.npz", allow_pickle=False, **truth)

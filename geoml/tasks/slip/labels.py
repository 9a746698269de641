"""Kinematic efficiency of windows of an experiment (method card, sections 3 and 4), in full precision."""

import numpy as np

from geoml.tasks.slip import STEP, STRIDE, WIDTH


def starts(width: int) -> list[int]:
    """First columns of the windows of a map of ``width`` columns; 0, 50, 100, 150 and 200 of 313 (card, section 3)."""
    return list(range(0, width - WIDTH + 1, STRIDE))


def velocity(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Plate displacement per frame, from the first and the last row of the whole frames (card, section 4).

    Args:
        u: (T, H, W) displacement along strike in a frame's time, mm; H may be 2, the first and the last row.
        v: The same across strike.

    Returns:
        (T,) float64, mm.
    """
    along, across = (np.median(d[:, 0].astype(float), 1) - np.median(d[:, -1].astype(float), 1) for d in (u, v))
    return np.hypot(along, across)


def efficiency(curl: np.ndarray, fault: np.ndarray, plate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kinematic efficiency of windows and its spread along strike (card, section 4).

    Args:
        curl: (T, h, w) rotation in a frame's time, half the curl of the displacement, mm per grid step of 1.14 mm.
        fault: (T, h, w) maps, 1 on active faults, 0 elsewhere.
        plate: (T,) plate displacement per frame, mm, not 0; see :func:`velocity`.

    Returns:
        KE and SD, (T,) float64 each, without unit: median and population standard deviation over the columns of the
        slip on faults, as shares of the plate displacement.
    """
    slip = 2 * np.trapezoid(curl.astype(float) * fault, dx=STEP, axis=1)
    return np.median(slip, 1) / plate, slip.std(1) / plate

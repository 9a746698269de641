"""The synthetic line: what is in it, where, and its truth."""

from pathlib import Path

import numpy as np
import pytest

from geoml.errors import InputError
from geoml.tasks.patchnet import line, segy


def lobes(made: line.Line, where: np.ndarray) -> tuple[float, float]:
    """Mean amplitude in the two rows above and below a reflection, where it is."""
    columns = np.flatnonzero(np.isfinite(where))
    rows = np.ceil(where[columns]).astype(int)
    above = np.mean([made.amplitudes[rows - i, columns] for i in (1, 2)])
    return float(above), float(np.mean([made.amplitudes[rows + i, columns] for i in (0, 1)]))


@pytest.mark.parametrize("seed", range(4))
def test_the_bsr_has_the_reverse_polarity_of_the_sea_floor(seed: int) -> None:
    made = line.line(400, 300, seed)
    above, below = lobes(made, made.bsr)
    assert above < -0.25 and below > 0.25
    above, below = lobes(made, made.sea_floor)
    assert above > 0.25 and below < -0.25


def test_with_physics_the_polarity_is_that_of_one_coefficient() -> None:
    made = line.line(400, 300, 1, physics=True)
    columns = np.flatnonzero(np.isfinite(made.bsr))
    assert made.amplitudes[np.round(made.bsr[columns]).astype(int), columns].mean() < -0.3
    assert made.amplitudes[np.round(made.sea_floor).astype(int), np.arange(400)].mean() > 0.3
    assert not np.array_equal(made.amplitudes, line.line(400, 300, 1).amplitudes)


@pytest.mark.parametrize("seed", range(4))
def test_the_bsr_follows_the_sea_floor_and_is_absent_in_places(seed: int) -> None:
    made = line.line(seed=seed)
    assert made.amplitudes.shape == (600, 1290) and made.amplitudes.dtype == np.float32
    there = np.isfinite(made.bsr)
    assert 0.4 < there.mean() < 0.9
    below = (made.bsr - made.sea_floor)[there]
    assert below.min() > 150 and np.ptp(below) < 30 and made.bsr[there].max() < 550
    together = there[1:] & there[:-1]
    assert np.abs(np.diff(made.bsr)[together]).max() < np.tan(np.radians(20))


def test_water_is_quiet_and_layers_are_not() -> None:
    made = line.line(200, 300)
    rows = np.arange(300)[:, None]
    assert made.amplitudes[rows < made.sea_floor - 15].std() < 0.03
    assert made.amplitudes[rows > made.sea_floor + 15].std() > 0.1


def test_the_same_seed_gives_the_same_line_and_another_another() -> None:
    first, again, other = line.line(100, 240, 3), line.line(100, 240, 3), line.line(100, 240, 4)
    np.testing.assert_array_equal(first.amplitudes, again.amplitudes)
    np.testing.assert_array_equal(first.bsr, again.bsr)
    assert not np.array_equal(first.amplitudes, other.amplitudes)


def test_truth_is_what_is_near_the_bsr() -> None:
    made = line.Line(np.zeros((30, 3), np.float32), np.array([10.0, np.nan, 20.5]), np.zeros(3))
    marked = line.truth(made, 2)
    assert list(np.flatnonzero(marked[:, 0])) == [8, 9, 10, 11, 12]
    assert not marked[:, 1].any()
    assert list(np.flatnonzero(marked[:, 2])) == [19, 20, 21, 22]


def test_written_lines_and_their_truth_come_back(tmp_path: Path) -> None:
    made = line.line(60, 240)
    line.write(made, tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["line.npy", "line.sgy", "truth.npz"]
    np.testing.assert_array_equal(segy.read(tmp_path / "new/line.npy").amplitudes, made.amplitudes)
    read = segy.read(tmp_path / "new/line.sgy")
    np.testing.assert_allclose(read.amplitudes, made.amplitudes, atol=1e-6)
    assert read.interval_ms == line.INTERVAL_MS
    with np.load(tmp_path / "new/truth.npz") as truth:
        np.testing.assert_array_equal(truth["bsr"], made.bsr)
        np.testing.assert_array_equal(truth["sea_floor"], made.sea_floor)


def test_a_line_needs_room() -> None:
    with pytest.raises(InputError, match="at least 48 and 240, got 47 and 600"):
        line.line(47)
    with pytest.raises(InputError, match="got 1290 and 239"):
        line.line(samples=239)

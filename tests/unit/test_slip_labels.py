"""Kinematic efficiency of hand-made fields, with known answers."""

import numpy as np
import pytest

from geoml.tasks.slip import STEP
from geoml.tasks.slip.labels import efficiency, starts, velocity

ROWS, COLUMNS, STEP_AT = 135, 313, 60


def field(on_fault: float, plate: float = 2.5):
    """(2, H, W) u of a step between two rows, the rest of the plate motion spread evenly over the height; its map."""
    y = np.arange(ROWS)
    profile = on_fault * (y < STEP_AT) + (1 - on_fault) * (1 - y / (ROWS - 1))
    u = np.broadcast_to(plate * profile[:, None], (2, ROWS, COLUMNS))
    curl = -np.gradient(u, STEP, axis=1) / 2
    fault = np.zeros(u.shape, np.uint8)
    fault[:, STEP_AT - 2 : STEP_AT + 2] = 1
    return u, curl, fault


def window(values, start=50):
    return values[:, :128, start : start + 64]


def test_a_step_that_takes_the_whole_plate_motion_has_efficiency_one_and_no_spread():
    u, curl, fault = field(on_fault=1)
    ke, sd = efficiency(window(curl), window(fault), velocity(u, 0 * u))
    assert ke == pytest.approx([1, 1], abs=1e-12)
    assert sd == pytest.approx([0, 0], abs=1e-12)


def test_half_of_the_motion_spread_out_gives_half_and_the_share_of_it_under_the_map():
    u, curl, fault = field(on_fault=0.5)
    ke, sd = efficiency(window(curl), window(fault), velocity(u, 0 * u))
    assert ke == pytest.approx(0.5 + 0.5 * 4 / (ROWS - 1), abs=1e-12)
    assert sd == pytest.approx(0, abs=1e-12)


def test_efficiency_is_the_median_and_sd_the_population_deviation_over_columns():
    curl, fault = np.zeros((1, 128, 64)), np.ones((1, 128, 64), np.uint8)
    curl[0, 30, :10] = 1 / STEP  # slip 2 in ten columns, 0 in 54
    ke, sd = efficiency(curl, fault, np.array([4.0]))
    assert ke[0] == 0
    assert sd[0] == pytest.approx(0.5 * np.sqrt(10 / 64 * 54 / 64))


def test_plate_velocity_has_both_components_and_medians_of_the_first_and_last_row():
    u, v = np.zeros((1, ROWS, COLUMNS), np.float32), np.zeros((1, ROWS, COLUMNS), np.float32)
    u[0, 0], u[0, -1], v[0, 0], v[0, -1] = 4, 1, -1, 3
    u[0, 0, :100] = 1e6  # fewer than half of the columns
    u[0, 1:-1] = 50
    assert velocity(u, v) == pytest.approx([5])


def test_labels_do_not_change_with_the_unit_of_displacement():
    u, curl, fault = field(on_fault=0.7)
    one = efficiency(window(curl), window(fault), velocity(u, 0 * u))
    other = efficiency(window(1000 * curl), window(fault), velocity(1000 * u, 0 * u))
    assert np.allclose(one, other, rtol=1e-12)


def test_windows_start_every_fifty_columns_as_long_as_they_fit():
    assert starts(313) == [0, 50, 100, 150, 200]
    assert starts(64) == [0]
    assert starts(113) == [0]
    assert starts(114) == [0, 50]
    assert starts(63) == []


def test_labels_of_single_precision_fields_are_worked_out_in_double_precision():
    u, curl, fault = field(on_fault=0.7)
    ke, sd = efficiency(window(curl).astype(np.float32), window(fault), velocity(u.astype(np.float32), 0 * u))
    assert ke.dtype == sd.dtype == np.float64
    assert ke == pytest.approx(efficiency(window(curl), window(fault), velocity(u, 0 * u))[0], abs=1e-6)

"""Synthetic experiments: their layout, what repeats, and the efficiencies that follow from the fields."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat
from scipy.ndimage import label

from geoml.errors import InputError
from geoml.tasks.slip import EXPERIMENTS, VARIABLES
from geoml.tasks.slip.labels import efficiency, starts, velocity
from geoml.tasks.slip.synthetic import Setting, experiment, fields, generate


def labelled(variables):
    """(5, T) KE, SD and mean fault rows per column, NaN in windows without a fault."""
    c, f, u, v = (np.moveaxis(variables[name], 2, 0) for name in VARIABLES)
    plate = velocity(u, v)
    crops = [(c[:, :128, x : x + 64], f[:, :128, x : x + 64]) for x in starts(c.shape[2])]
    ke, sd = np.swapaxes([efficiency(*crop, plate) for crop in crops], 0, 1)
    rows = np.array([crop[1].sum((1, 2)) / 64 for crop in crops])
    return np.where(rows > 0, [ke, sd, rows], np.nan)


def test_efficiency_rises_with_time_as_in_the_card():
    runs = [fields(Setting(), 60, np.random.default_rng(seed)) for seed in (0, 1)]
    ke, sd, rows = np.concatenate([labelled(run) for run in runs], 1)
    s = np.linspace(0, 1, 60)
    for low, high, median, deviation, thick in (
        (0.2, 0.33, 0.48, 0.11, 2.7),
        (0.33, 0.5, 0.67, 0.07, 4.0),
        (0.5, 0.75, 0.90, 0.04, 4.1),
        (0.75, 1.01, 0.94, 0.035, 3.7),
    ):
        part = (s >= low) & (s < high)
        assert np.nanmedian(ke[:, part]) == pytest.approx(median, abs=0.04)
        assert np.nanmedian(sd[:, part]) == pytest.approx(deviation, abs=0.04)
        assert np.nanmean(rows[:, part]) == pytest.approx(thick, abs=0.4)
    assert np.nanmedian(ke[:, s < 0.1]) < 0.05
    assert 0.05 < np.nanmedian(ke[:, (s >= 0.1) & (s < 0.2)]) < 0.4
    assert np.isfinite(ke).mean() == pytest.approx(827 / 900, abs=0.04)
    assert np.nanmax(ke) < 1


def test_an_experiment_has_the_published_variables_shapes_and_types():
    made = experiment("EB_050_1", 4, 0)
    assert list(made) == list(VARIABLES)
    assert {values.shape for values in made.values()} == {(135, 313, 4)}
    assert [str(values.dtype) for values in made.values()] == ["float32", "uint8", "float32", "float32"]
    assert set(np.unique(made["altBW_filt"])) == {0, 1}


def test_row_0_moves_with_the_plate_and_slip_is_dextral():
    made = experiment("PP_050_1", 4, 0)
    plate = velocity(*(np.moveaxis(made[name], 2, 0) for name in ("store_u", "store_v")))
    assert plate == pytest.approx(1, abs=0.02)
    assert np.median(made["store_u"][0]) == pytest.approx(1, abs=0.02)
    assert np.median(made["store_u"][-1]) == pytest.approx(0, abs=0.02)
    assert made["curl_map"][made["altBW_filt"] == 1].mean() > 0.05


def test_fault_maps_have_no_piece_smaller_than_fourteen_pixels():
    faults = np.moveaxis(experiment("EB_025_2", 6, 0)["altBW_filt"], 2, 0)
    for frame in faults:
        labels, _ = label(frame, np.ones((3, 3)))
        assert (np.bincount(labels.ravel())[1:] >= 14).all()


def test_an_elastic_band_ends_less_efficient_than_a_plate():
    final = {}
    for base in ("EB", "PP"):
        ends = [labelled(experiment(f"{base}_025_{k}", 3, 0))[0, :, -1] for k in (1, 2)]
        final[base] = np.median(ends)
    assert 0.74 < final["EB"] < 0.93
    assert 0.86 < final["PP"] < 0.98
    assert final["EB"] < final["PP"]


def test_draws_follow_from_name_and_seed():
    one, again = experiment("EB_050_1", 3, 0), experiment("EB_050_1", 3, 0)
    assert all(np.array_equal(one[name], again[name]) for name in VARIABLES)
    for other in (experiment("EB_050_2", 3, 0), experiment("EB_050_1", 3, 1)):
        assert not np.array_equal(one["store_u"], other["store_u"])


def test_all_sixteen_experiments_are_written_in_the_published_layout(tmp_path):
    generate(tmp_path, 400, 0, "experiments")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.mat" for name in EXPERIMENTS)
    frames = [loadmat(tmp_path / f"{name}.mat", variable_names=["altBW_filt"])["altBW_filt"].shape[2]
              for name in EXPERIMENTS]  # fmt: skip
    assert sum(frames) * 5 == pytest.approx(400, abs=40)
    assert 4 <= min(frames) < max(frames)
    first = loadmat(tmp_path / "EB_025_1.mat")
    made = experiment("EB_025_1", frames[0], 0)
    assert all(np.array_equal(first[name], made[name]) for name in VARIABLES)


def test_equal_seeds_give_equal_files_of_at_least_four_frames(tmp_path, monkeypatch):
    monkeypatch.setattr("geoml.tasks.slip.synthetic.EXPERIMENTS", ("EB_025_1",))
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        generate(tmp_path / folder, 1, seed, "experiments")
    a, b, c = ((tmp_path / folder / "EB_025_1.mat").read_bytes() for folder in "abc")
    assert a == b != c
    assert loadmat(tmp_path / "a" / "EB_025_1.mat")["store_u"].shape == (135, 313, 4)


def test_another_layout_is_an_error(tmp_path):
    with pytest.raises(InputError, match="reader: expected experiments, got 'original'"):
        generate(Path(tmp_path), 400, 0, "original")

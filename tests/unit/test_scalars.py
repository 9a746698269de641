"""What TensorBoard shows of a training: the original's names, every step once, also after an interruption."""

from pathlib import Path

import pytest
from conftest import scalars_in

from geoml.scalars import Scalars

EPOCH = {"epoch": 1, "learning_rate": 0.1, "loss": 0.7, "accuracy": 0.5, "val_loss": 0.8, "val_accuracy": 0.4,
         "wall_s": 3.0, "cpu_s": 2.0}  # fmt: skip


def test_the_names_are_the_original_ones(tmp_path: Path):
    scalars = Scalars(tmp_path, 0)
    scalars.epoch(EPOCH, [0.9, 0.5])
    scalars.close()
    assert scalars_in(tmp_path) == {
        "Iter/train_loss": [(1, 0.9), (2, 0.5)],
        "Learning rate": [(1, 0.1)],
        "Loss/train": [(1, 0.7)],
        "Accuracy/train": [(1, 0.5)],
        "Loss/test": [(1, 0.8)],
        "Accuracy/test": [(1, 0.4)],
    }


def test_an_epoch_can_be_seen_before_the_training_ends(tmp_path: Path):
    scalars = Scalars(tmp_path, 0)
    scalars.epoch(EPOCH, [0.9])
    assert scalars_in(tmp_path)["Loss/train"] == [(1, 0.7)]
    scalars.close()


@pytest.mark.parametrize(("steps_done", "steps"), [(0, [1]), (1, [1, 2])])
def test_a_training_that_goes_on_adds_and_a_new_one_begins_anew(tmp_path: Path, steps_done: int, steps: list[int]):
    first = Scalars(tmp_path, 0)
    first.epoch(EPOCH, [0.9])
    first.close()
    second = Scalars(tmp_path, steps_done)
    second.epoch(EPOCH | {"epoch": 2}, [0.8])
    second.close()
    assert sorted(step for step, _ in scalars_in(tmp_path)["Iter/train_loss"]) == steps

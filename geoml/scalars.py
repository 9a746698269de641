"""Scalars of a training for TensorBoard, under the names that the scripts of seisml use."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_NOT_SHOWN = ("epoch", "wall_s", "cpu_s")


class Scalars:
    """A folder of events: ``tensorboard --logdir`` of it, or of any folder above, shows them while a training runs.

    Args:
        folder: Of the run. What an earlier training left there goes away, unless this one goes on with it.
        steps_done: Steps of the training before now.
    """

    def __init__(self, folder: Path, steps_done: int) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        if not steps_done:
            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
        self._writer, self._step = EventFileWriter(str(folder)), steps_done

    def epoch(self, scores: Mapping[str, float], losses: Sequence[float]) -> None:
        """Write an epoch: ``Iter/train_loss`` of every step, ``Loss/train``, ``Loss/test`` and so on at its number.

        ``test`` is what those scripts call the set that each epoch is scored on; here it is the validation set, and
        the test set is never looked at.
        """
        for loss in losses:
            self._step += 1
            self._write(self._step, {"Iter/train_loss": loss})
        self._write(int(scores["epoch"]), {_tag(name): v for name, v in scores.items() if name not in _NOT_SHOWN})
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()

    def _write(self, step: int, values: Mapping[str, float]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        content: Any = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=content)))


def _tag(name: str) -> str:
    """``Loss/train`` of ``loss``, ``Loss/test`` of ``val_loss``, ``Learning rate`` of ``learning_rate``."""
    base = name.removeprefix("val_").replace("_", " ").capitalize()
    return base if name == "learning_rate" else f"{base}/{'test' if name.startswith('val_') else 'train'}"

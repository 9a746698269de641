"""The state of a training on disk, so that a killed one goes on: weights, optimizer, and what the training counts."""

import json
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from geoml.errors import InputError
from geoml.files import atomic
from geoml.logs import log

if TYPE_CHECKING:
    import keras


class Claim:
    """Says which process works on a training: the one that came last.

    A cluster that has lost sight of a node starts its jobs again elsewhere, while their first processes may still run.

    Args:
        path: Of the checkpoint; the claim is beside it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_suffix(".claim")
        self._mine = f"process {os.getpid()} on {socket.gethostname()}, since {time.time()}"
        with atomic(self.path) as temporary:
            temporary.write_text(self._mine, encoding="utf-8")

    def check(self) -> None:
        """Raise :class:`InputError` if another process has taken over, or has come to the end."""
        try:
            found = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            found = "no process: another one came to the end"
        if found != self._mine:
            raise InputError(self.path, "process", self._mine, found, "This one stops and writes nothing.")

    def release(self) -> None:
        """Nothing is left to do."""
        self.path.unlink(missing_ok=True)


def keep(path: Path, key: str, network: "keras.Model", state: dict[str, Any], best: list[np.ndarray]) -> None:
    """Write a checkpoint, one array in memory at a time: a large network has four times its size here.

    Args:
        path: File (.npz).
        key: What the state belongs to; with another key it is not taken up again.
        network: Compiled network.
        state: What JSON can hold.
        best: Weights of the best epoch, or none.
    """
    arrays: list[tuple[str, Any]] = [("key", key), ("state", json.dumps(state))]
    arrays += [(f"variable_{i}", v) for i, v in enumerate(network.variables)]
    arrays += [(f"optimizer_{i}", v) for i, v in enumerate(network.optimizer.variables)]
    arrays += [(f"best_{i}", v) for i, v in enumerate(best)]
    with atomic(path) as temporary, ZipFile(temporary, "w") as archive:
        for name, value in arrays:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(value), allow_pickle=False)


def resume(path: Path, key: str, network: "keras.Model") -> tuple[dict[str, Any] | None, list[np.ndarray]]:
    """Give a compiled network its state back; the rest of the state and the best weights.

    Returns:
        None and no weights if there is no checkpoint, or one of another key.

    Raises:
        InputError: the file is not a whole checkpoint.
    """
    if not path.exists():
        return None, []
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as saved:
            if str(saved["key"]) != key:
                log.info("%s is of other settings or data: starting from the first epoch", path)
                return None, []
            for i, variable in enumerate(network.variables):
                variable.assign(saved[f"variable_{i}"])
            for i, variable in enumerate(network.optimizer.variables):
                variable.assign(saved[f"optimizer_{i}"])
            best = [saved[f"best_{i}"] for i in range(len(network.variables)) if "best_0" in saved]
            return json.loads(str(saved["state"])), best
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(path, "content", "a checkpoint", error, "Delete it to start from the first epoch.") from None


def remove(path: Path) -> None:
    """Remove a checkpoint, with what a kill in the middle of writing one left behind."""
    for left in (path, *path.parent.glob(f".{path.stem}.*{path.suffix}")):
        left.unlink(missing_ok=True)

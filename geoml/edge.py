"""``geoml-pi``: the program of a bundle. One task's exported network on files, or on a folder as files come in.

It runs from the unpacked bundle, with NumPy and the network's runtime; what a task can do with more packages it does
where they are installed.
"""

import argparse
import errno
import json
import os
import shutil
import signal
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from geoml import options, runtimes
from geoml.errors import InputError
from geoml.files import read_json, write_json
from geoml.predict import answer, check

HOME = Path(__file__).resolve().parents[1]  # of the unpacked bundle
RECORD = "input.json"  # in every folder of answers: what they are the answers to
FAILURE = "error.txt"  # in its place: why there are none
_PART = ".part-"  # begins the names of folders that are not whole yet
_WAIT_S = 60.0  # until a disk that was full is tried again


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 when all went well, 2 when something that was given cannot be used."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        card = read_json(HOME / "card.json")
        given = _parser(card).parse_args(arguments)
        model = runtimes.load(given.model)
        if model.meta["task"] != card["task"]:
            raise InputError(given.model, "task", card["task"], model.meta["task"])
        if given.task == "selftest":
            _selftest(model, given.model)
            return 0
        part = import_module(f"{__package__}.tasks.{card['task']}.predict")
        settings = options.settings(given)
        check(part, settings)
        if given.watch is None:
            print(answer(model, part, given.inputs, given.out, settings))
        else:
            _watch(given, lambda file, out: str(answer(model, part, [file], out, settings)))
    except (InputError, OSError) as error:
        print(f"geoml-pi: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("geoml-pi: stopped", file=sys.stderr)
        return 130
    return 0


def _parser(card: dict[str, Any]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="geoml-pi", description=f"{card['task']}: {card['method']}")
    commands = parser.add_subparsers(dest="task", required=True, metavar="COMMAND")
    task = commands.add_parser(card["task"], help="use the network on your own files")
    options.of_prediction(task)
    task.add_argument(
        "--watch", type=float, metavar="SECONDS",
        help="go on: look into the folder INPUT so often, and answer for each new file into OUT",
    )  # fmt: skip
    test = commands.add_parser("selftest", help="compare this machine's answers with those of the one that made this")
    default, *others = card["bundle"]
    known = f"default: {default}" + (f"; also here: {', '.join(others)}" if others else "")
    for command in (task, test):
        command.add_argument("--model", type=Path, metavar="FILE", default=HOME / default, help=f"model file ({known})")
    return parser


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def _selftest(model: runtimes.Exported, path: Path) -> None:
    """Ask the network what it was asked where the bundle was made."""
    try:
        asked = np.load(HOME / "selftest.npz", allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(HOME / "selftest.npz", "content", "answers to compare with", error) from None
    with asked as known:
        if path.name not in known:
            raise InputError(path, "model", "one of this bundle", "another")
        tolerance, x = float(known[path.name]), known["inputs"]
        apart = max(
            float(np.abs(value - known[f"{path.name}:{name}"]).max()) for name, value in model.infer(x, 1).items()
        )
    if not apart <= tolerance:
        raise InputError(path, "answers", f"those of the machine that made it, within {tolerance:g}", f"{apart:g} off")
    print(f"{path.name}, {model.runtime}: as where it was made, to {apart:.1e} ({len(x)} random inputs)")


def _watch(given: argparse.Namespace, predict: Callable[[Path, Path], str]) -> None:
    """Answer for every file of a folder, those that are there and those that come, until stopped.

    The answers to a file are a folder of its name; it appears when it is whole and on the disk, so whatever happens in
    between, the file is done again. A file is taken when its size and time have not changed between two looks.
    """
    if len(given.inputs) != 1 or not given.inputs[0].is_dir():
        raise InputError(" ".join(map(str, given.inputs)), "INPUT", "one folder to watch", "others")
    if not given.watch > 0:
        raise InputError("--watch", "seconds", "more than 0", given.watch)
    if given.out.suffix == ".csv" or given.out.is_file():
        raise InputError(given.out, "--out", "a folder, which gets one of each file", "a file")
    folder, out = given.inputs[0], given.out
    out.mkdir(parents=True, exist_ok=True)
    for left in out.glob(f"{_PART}*"):
        shutil.rmtree(left)
    print(f"watching {folder} every {given.watch:g} s; answers go to {out}", flush=True)
    before: dict[Path, list[int]] = {}
    while True:
        now = {file: _state(file) for file in sorted(folder.rglob("*")) if _is_input(file, folder, out)}
        for file, state in now.items():
            done = out / file.relative_to(folder)
            if before.get(file) == state and not _done(done, state):
                _answer(file, state, out, done, predict)
        before = now
        time.sleep(given.watch)


def _is_input(file: Path, folder: Path, out: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return not hidden and file.is_file() and out.resolve() not in file.resolve().parents


def _state(file: Path) -> list[int]:
    try:
        found = file.stat()
    except FileNotFoundError:  # gone since the folder was listed
        return []
    return [found.st_size, found.st_mtime_ns]


def _done(folder: Path, state: list[int]) -> bool:
    try:
        return json.loads((folder / RECORD).read_text(encoding="utf-8"))["state"] == state
    except (OSError, ValueError, KeyError):
        return False


def _answer(file: Path, state: list[int], out: Path, done: Path, predict: Callable[[Path, Path], str]) -> None:
    """Answers of a file, or the reason why there are none, as the folder ``done``, which appears at once."""
    part, old = out / f"{_PART}new", out / f"{_PART}old"
    for left in (part, old):
        shutil.rmtree(left, ignore_errors=True)
    try:
        done.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir()
        try:
            words = predict(file, part).replace(str(part), str(done))
        except Exception as error:  # whatever a file does to its reader, the others are still to be answered for
            if _is_full(error):
                raise
            reason = str(error) if isinstance(error, InputError | OSError) else f"{type(error).__name__}: {error}"
            words = f"no answer: {reason}"
            shutil.rmtree(part)
            part.mkdir()
            (part / FAILURE).write_text(f"{reason}\n", encoding="utf-8")
        write_json(part / RECORD, {"file": str(file), "state": state})
        _to_disk(part)
        if done.exists():
            done.rename(old)
        part.rename(done)
        _sync(done.parent)
    except (OSError, InputError) as error:
        shutil.rmtree(part, ignore_errors=True)
        print(f"{file}: not written: {error} Trying again in {_WAIT_S:g} s.", file=sys.stderr, flush=True)
        time.sleep(_WAIT_S)
        return
    shutil.rmtree(old, ignore_errors=True)
    print(f"{file}\n{words}", flush=True)


def _is_full(error: Exception) -> bool:
    """Whether it is the disk that has no room, which is no fault of the file."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return full or (isinstance(error, InputError) and error.field == "disk space")


def _to_disk(folder: Path) -> None:
    """Have all of a folder written before its name says that it is whole, in case that the power fails."""
    for path in [*folder.rglob("*"), folder]:
        _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


if __name__ == "__main__":
    sys.exit(main())

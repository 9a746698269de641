"""Logs of jobs: plain lines with the time, progress bars only on a terminal."""

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from geoml.errors import InputError

T = TypeVar("T")
log = logging.getLogger("geoml")


@contextmanager
def log_to(path: str | Path | None) -> Iterator[None]:
    """Send all that a job says, and what the libraries below say, to ``path``; with None, to the terminal as it is.

    An :class:`InputError` ends the process with its message alone, in the log and on the terminal; other errors leave
    their trace in the log.
    """
    with ExitStack() as stack:
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_redirected(Path(path)))
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", force=True)
        logging.captureWarnings(True)
        try:
            yield
        except InputError as error:
            if path is None:
                raise
            log.error("%s", error)
            stack.close()
            sys.exit(f"Error: {error}")
        except Exception:
            log.exception("This job failed.")
            raise


@contextmanager
def _redirected(path: Path) -> Iterator[None]:
    """Standard output and error of the process into a file, also where compiled code writes them."""
    saved = [os.dup(1), os.dup(2)]
    with open(path, "w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in enumerate(saved, start=1):
            os.dup2(copy, number)
            os.close(copy)


@contextmanager
def quiet() -> Iterator[None]:
    """Without what compiled libraries write to standard error while they start."""
    saved = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def progress(items: Iterable[T], total: int, unit: str) -> Iterable[T]:
    """The items, with a bar on a terminal; silent in a log."""
    if not sys.stderr.isatty():
        return items
    try:
        from tqdm import tqdm
    except ImportError:
        return _counted(items, total, unit)
    return tqdm(items, total=total, unit=f" {unit}", leave=False)


def _counted(items: Iterable[T], total: int, unit: str) -> Iterator[T]:
    for done, item in enumerate(items):
        print(f"\r{unit}: {done} of {total}", end="", file=sys.stderr, flush=True)
        yield item
    print("\r\033[K", end="", file=sys.stderr, flush=True)

"""Logs of jobs: plain lines with the time, progress bars only on a terminal."""

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from geoml.errors import InputError

T = TypeVar("T")
log = logging.getLogger("geoml")


@contextmanager
def log_to(path: str | Path | None) -> Iterator[None]:
    """Send the job's log, warnings and errors to ``path`` (or the terminal if None).

    An :class:`InputError` ends the process with its message alone, in the log and on the terminal; other errors keep
    their trace.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        handlers = [logging.FileHandler(path, mode="w", encoding="utf-8")]
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", handlers=handlers, force=True
    )
    logging.captureWarnings(True)
    try:
        yield
    except InputError as error:
        if path is not None:
            log.error("%s", error)
        sys.exit(f"Error: {error}")
    except Exception:
        if path is not None:
            log.exception("This job failed.")
        raise


def progress(items: Iterable[T], total: int, unit: str) -> Iterable[T]:
    """The items, with a bar on a terminal; silent in a log."""
    if not sys.stderr.isatty():
        return items
    from tqdm import tqdm

    return tqdm(items, total=total, unit=f" {unit}", leave=False)

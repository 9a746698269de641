"""Whole files or none: everything is written under a temporary name and renamed when it is complete."""

import errno
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geoml.errors import InputError


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it to ``path`` if the block succeeds, remove it if not.

    The temporary name keeps the suffix (libraries choose formats by it) and is unique, so that a job that runs
    twice at once leaves one whole file. A full disk becomes an :class:`InputError` that says which file and how much
    room is left.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = os.statvfs(path.parent).f_bavail * os.statvfs(path.parent).f_frsize
            raise InputError(
                path, "disk space", "room for this file", f"{free / 1e6:.0f} MB left", "Free some space and run again."
            ) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: str | Path, content: Any) -> None:
    """Write ``content`` as indented JSON, whole or not at all; NaN is refused, since JSON has none."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def plain(content: Any) -> Any:
    """Dicts, lists and numbers, also of NumPy, as JSON knows them; NaN becomes None."""
    if isinstance(content, dict):
        return {name: plain(value) for name, value in content.items()}
    if hasattr(content, "tolist"):
        content = content.tolist()
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def read_json(path: str | Path) -> Any:
    """Content of a JSON file; :class:`InputError` if it is missing or broken."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(path, "file", "a JSON file", "no such file") from None
    except ValueError as error:
        raise InputError(path, "content", "JSON", str(error)) from None


def checksum(path: str | Path, kind: str = "sha256") -> str:
    """Hexadecimal checksum (``sha256``, ``md5``) of a file, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()

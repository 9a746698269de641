"""Source files of a data set: made, downloaded, or a folder of the user's."""

import os
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from geoml import registry
from geoml.errors import InputError
from geoml.files import checksum, read_json, write_json
from geoml.logs import log, progress

_PIECE = 1 << 20


def generate(task: str, entry: dict[str, Any], marker: Path) -> None:
    """Make synthetic source files in the format of the entry's reader, beside ``marker``."""
    folder = marker.parent
    _empty(folder)
    make = registry.load_task(task, "synthetic").generate
    make(folder, entry["rows"], entry["seed"], entry["reader"], **entry["generate"])
    write_json(marker, contents(entry, marker))
    log.info("made %d %s samples in %s", entry["rows"], entry["reader"], folder)


def link(entry: dict[str, Any], marker: Path) -> None:
    """Note which files a user's folder holds, so that a change of them is seen."""
    write_json(marker, contents(entry, marker))


def contents(entry: dict[str, Any], marker: Path) -> dict[str, Any]:
    """What the marker of an entry's source says: where the files are, and all that makes them what they are."""
    if entry.get("path"):
        folder = Path(entry["path"]).expanduser()
        return {"folder": str(folder), "files": listing(folder, marker.parent)}
    if entry.get("files"):
        return {"folder": str(marker.parent), "files": {file["url"]: _checksum(file)[1] for file in entry["files"]}}
    return {"folder": str(marker.parent)} | {key: entry[key] for key in ("reader", "rows", "seed", "generate")}


def listing(folder: Path, where: object) -> dict[str, list[int]]:
    """Size and time of every file in a folder.

    Raises:
        InputError: there is no such folder, or it is empty.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    if not files:
        raise InputError(folder, "path", "a folder with the source files", "nothing there", f"Set it for {where}.")
    stats = {str(path.relative_to(folder)): path.stat() for path in files}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}


def fetch(entry: dict[str, Any], marker: Path) -> None:
    """Download files beside ``marker``; what is there already is kept, an interrupted download goes on.

    Raises:
        InputError: no room, no answer, or another checksum than the configuration's.
    """
    folder = marker.parent
    folder.mkdir(parents=True, exist_ok=True)
    needed = sum(file.get("bytes", 0) for file in entry["files"])
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(folder, "disk space", f"{needed / 1e9:.1f} GB", f"{free / 1e9:.1f} GB free")
    for file in entry["files"]:
        path = folder / file_name(file["url"])
        kind, expected = _checksum(file)
        if not path.exists():
            _download(file["url"], path.with_suffix(path.suffix + ".part"))
            found = checksum(path.with_suffix(path.suffix + ".part"), kind)
            if found != expected:
                path.with_suffix(path.suffix + ".part").unlink()
                raise InputError(file["url"], kind, expected, found, "The download was deleted; check the address.")
            os.replace(path.with_suffix(path.suffix + ".part"), path)
        log.info("have %s", path)
    write_json(marker, contents(entry, marker))


def weights_file(start: str | Sequence[str]) -> Path | None:
    """The file of weights to start from: given itself, by the marker of its download, or none."""
    if not start:
        return None
    path = Path(start if isinstance(start, str) else start[0])
    if path.name != "fetched.json":
        return path
    found = read_json(path)
    return Path(found["folder"]) / file_name(next(iter(found["files"])))


def file_name(url: str) -> str:
    """Name of the file that a download becomes."""
    return Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path)).name


def _checksum(file: dict[str, Any]) -> tuple[str, str]:
    kind = "sha256" if "sha256" in file else "md5"
    return kind, file[kind]


def _download(url: str, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            goes_on = answer.status == 206
            length = int(answer.headers.get("Content-Length", 0))
            with open(part, "ab" if goes_on else "wb") as out:
                for piece in progress(iter(lambda: answer.read(_PIECE), b""), length // _PIECE + 1, "MB"):
                    out.write(piece)
        whole = length + (have if goes_on else 0)
        if part.stat().st_size < whole:  # the connection was closed: no error of its own
            raise OSError(f"{part.stat().st_size} of {whole} bytes")
    except urllib.error.HTTPError as error:
        if error.code != 416:  # 416: there is nothing after what we have
            raise InputError(url, "download", "an answer", f"HTTP {error.code} {error.reason}") from None
    except OSError as error:
        raise InputError(url, "download", "an answer", error, "Run again: it goes on where it stopped.") from None


def _empty(folder: Path) -> None:
    """Remove what an earlier, other generation left; synthetic folders hold nothing of the user's."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)

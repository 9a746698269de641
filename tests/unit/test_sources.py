"""Where source files come from: made, a folder of the user's, or a download that can be interrupted."""

import hashlib
import json
import shutil
import threading
from collections import namedtuple
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoml import sources
from geoml.errors import InputError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT; ``stop_after`` cuts the connection after that many bytes, ``asked`` are the ranges asked for."""

    stop_after: int | None = None
    ranges = True
    asked: list[str | None]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        if not self.path.split("?")[0].endswith("waves.bin"):
            return self.send_error(404)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.ranges else 0
        if start >= len(CONTENT):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : self.server.stop_after])
        return None

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def entry(server: Server, name: str = "waves.bin", sha256: str = SHA256, **more: Any) -> dict[str, Any]:
    return {"files": [{"url": f"http://127.0.0.1:{server.server_port}/data/{name}", "sha256": sha256, **more}]}


def test_a_download_is_checked_and_noted(server: Server, tmp_path: Path):
    marker = tmp_path / "ins/fetched.json"
    sources.fetch(entry(server, bytes=len(CONTENT)), marker)
    assert (marker.parent / "waves.bin").read_bytes() == CONTENT
    note = json.loads(marker.read_text())
    assert note["folder"] == str(marker.parent) and list(note["files"].values()) == [SHA256]
    assert sorted(path.name for path in marker.parent.iterdir()) == ["fetched.json", "waves.bin"]
    sources.fetch(entry(server), marker)
    assert server.asked == [None], "what is there is not asked for again"


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_download_goes_on(server: Server, tmp_path: Path, ranges: bool):
    marker = tmp_path / "fetched.json"
    server.stop_after = 2_000_000
    with pytest.raises(InputError):
        sources.fetch(entry(server), marker)
    part = tmp_path / "waves.bin.part"
    assert part.exists() and not marker.exists()
    have = part.stat().st_size
    assert have > 0
    server.stop_after, server.ranges = None, ranges
    sources.fetch(entry(server), marker)
    assert (tmp_path / "waves.bin").read_bytes() == CONTENT and not part.exists()
    assert server.asked == [None, f"bytes={have}-"]


def test_a_download_that_was_complete_but_not_renamed(server: Server, tmp_path: Path):
    (tmp_path / "waves.bin.part").write_bytes(CONTENT)
    sources.fetch(entry(server), tmp_path / "fetched.json")
    assert (tmp_path / "waves.bin").read_bytes() == CONTENT


def test_the_name_is_the_last_part_of_the_address(server: Server, tmp_path: Path):
    sources.fetch(entry(server, "my%20waves.bin?download=1"), tmp_path / "fetched.json")
    assert (tmp_path / "my waves.bin").exists()


def test_another_checksum_is_refused_and_the_file_deleted(server: Server, tmp_path: Path):
    with pytest.raises(InputError, match=f"sha256: expected {'0' * 64}, got {SHA256}"):
        sources.fetch(entry(server, sha256="0" * 64), tmp_path / "fetched.json")
    assert list(tmp_path.iterdir()) == []


def test_no_such_file_and_no_server(server: Server, tmp_path: Path):
    with pytest.raises(InputError, match="HTTP 404"):
        sources.fetch(entry(server, "other.bin"), tmp_path / "fetched.json")
    wrong = {"files": [{"url": "http://127.0.0.1:9/waves.bin", "sha256": SHA256}]}
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:9/waves\.bin: download: expected an answer"):
        sources.fetch(wrong, tmp_path / "fetched.json")
    assert not (tmp_path / "fetched.json").exists()


def test_no_room_is_said_before_anything_is_asked_for(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 1e9))
    with pytest.raises(InputError, match=r"disk space: expected 5\.0 GB, got 1\.0 GB free"):
        sources.fetch(entry(server, bytes=5_000_000_000), tmp_path / "fetched.json")
    assert server.asked == []


def test_a_file_address_works(tmp_path: Path):
    (tmp_path / "source.bin").write_bytes(CONTENT)
    url = (tmp_path / "source.bin").as_uri()
    sources.fetch({"files": [{"url": url, "sha256": SHA256}]}, tmp_path / "set/fetched.json")
    assert (tmp_path / "set/source.bin").read_bytes() == CONTENT


def test_generating_replaces_what_was_there(toy: str, tmp_path: Path):
    marker = tmp_path / "dots/generated.json"
    for rows in (20, 10):
        sources.generate(toy, {"rows": rows, "seed": 3, "reader": "dots", "generate": {}}, marker)
        (marker.parent / "left_over").touch()
        assert len(np.load(marker.parent / "dots.npy")) == rows
    sources.generate(toy, {"rows": 10, "seed": 3, "reader": "dots", "generate": {}}, marker)
    assert not (marker.parent / "left_over").exists()
    assert json.loads(marker.read_text()) == {
        "folder": str(marker.parent),
        "reader": "dots",
        "rows": 10,
        "seed": 3,
        "generate": {},
    }


def test_a_folder_is_listed(tmp_path: Path):
    (tmp_path / "mine/deep").mkdir(parents=True)
    (tmp_path / "mine/deep/a.sac").write_bytes(b"123")
    sources.link({"path": str(tmp_path / "mine")}, tmp_path / "linked.json")
    note = json.loads((tmp_path / "linked.json").read_text())
    assert note["folder"] == str(tmp_path / "mine") and note["files"]["deep/a.sac"][0] == 3
    for folder in (tmp_path / "none", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(InputError, match="a folder with the source files, got nothing there"):
            sources.link({"path": str(folder)}, tmp_path / "linked.json")

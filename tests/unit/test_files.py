"""Whole files or none."""

import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from geoml.errors import InputError
from geoml.files import atomic, checksum, read_json, write_json


def test_a_file_appears_whole_with_the_usual_rights(tmp_path: Path):
    path = tmp_path / "new" / "table.csv"
    with atomic(path) as temporary:
        temporary.write_text("half")
        assert not path.exists() and temporary.suffix == ".csv" and temporary.parent == path.parent
    plain = tmp_path / "plain"
    plain.touch()
    assert path.read_text() == "half" and path.stat().st_mode == plain.stat().st_mode
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_keeps_the_old_file_and_leaves_nothing(tmp_path: Path):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    with pytest.raises(ZeroDivisionError), atomic(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    with pytest.raises(ValueError):
        write_json(path, {"bad": float("nan")})
    assert read_json(path) == {"old": 1} and list(tmp_path.iterdir()) == [path]


def test_two_at_once_leave_one_whole_file(tmp_path: Path):
    path = tmp_path / "a.txt"
    with atomic(path) as first:
        first.write_text("first" * 100)
        with atomic(path) as second:
            assert second != first
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first" * 100 and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, number: int):
    with (
        pytest.raises(InputError, match=r"disk space.*MB left.*Free some space"),
        atomic(tmp_path / "a.txt") as temporary,
    ):
        temporary.write_text("half")
        raise OSError(number, os.strerror(number))
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_the_system_cuts_off_leaves_nothing(tmp_path: Path):
    """Really: a process that may not write files above 4 kB."""
    code = (
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from geoml.files import atomic\n"
        "with atomic('big.bin') as temporary: temporary.write_bytes(bytes(100_000))"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        [sys.executable, "-B", "-c", code], cwd=tmp_path, capture_output=True, text=True, preexec_fn=limit
    )
    assert done.returncode != 0 and "File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_json_files_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        read_json(tmp_path / "none.json")
    (tmp_path / "cut.json").write_text('{"a": ')
    with pytest.raises(InputError, match=r"cut\.json: content: expected JSON"):
        read_json(tmp_path / "cut.json")


def test_json_and_checksum(tmp_path: Path):
    write_json(tmp_path / "a.json", {"a": [1, 2]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [1, 2]}
    (tmp_path / "empty").touch()
    assert checksum(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

"""Watching a folder on the emulated Raspberry Pi: files that come, bad ones, a power cut, the end of the service."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pi.conftest import Pi, line, wait


@pytest.mark.smoke
def test_files_are_answered_as_they_come_and_again_after_a_power_cut(pi: Callable[[str], Pi], tmp_path: Path) -> None:
    machine, inputs, out = pi("patchnet"), tmp_path / "in", tmp_path / "out"
    command = f"patchnet {inputs} --watch 0.5 -o {out}"
    line(inputs / "first.sgy")
    (inputs / "bad.sgy").write_text("no line")
    process = machine.start(command)
    wait((out / "first.sgy/picks.csv").exists, "answers of a file that was there")
    wait((out / "bad.sgy/error.txt").exists, "the reason why a bad file has none")
    line(inputs / "bad.sgy")
    wait((out / "bad.sgy/picks.csv").exists, "answers when it is a good one")
    line(tmp_path / "long.sgy", 400, 3000).rename(inputs / "long.sgy")
    wait(lambda: list(out.glob(".part-new")), "the beginning of a long one")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert sorted(path.name for path in out.glob("[!.]*")) == ["bad.sgy", "first.sgy"]
    line(tmp_path / "short.sgy").replace(inputs / "long.sgy")
    process = machine.start(command)
    wait((out / "long.sgy/picks.csv").exists, "answers of the file that the power cut interrupted")
    for name in ("bad", "first", "long"):
        files = {path.name for path in (out / f"{name}.sgy").iterdir()}
        assert files == {"input.json", "picks.csv", f"{name}_bsr.npy", f"{name}_bsr.sgy"}
        record = json.loads((out / f"{name}.sgy/input.json").read_text())
        assert record["state"] == [(found := (inputs / f"{name}.sgy").stat()).st_size, found.st_mtime_ns]
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(60) in (130, -signal.SIGTERM), "of the program, or of what emulates the machine"
    said = (tmp_path / "said.txt").read_text()
    assert said.rstrip().endswith("geoml-pi: stopped") and "Traceback" not in said
    assert not list(out.glob(".*"))

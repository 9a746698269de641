"""What results are made with, and how jobs log."""

import json
import logging
import subprocess
import sys
import time
from pathlib import Path

import pytest

from geoml import __version__, provenance
from geoml.errors import InputError
from geoml.logs import log, log_to, progress


def test_a_record_names_versions_machine_and_is_json():
    record = provenance.record(run="a")
    assert record["run"] == "a" and record["cpu"] and record["platform"]
    assert record["versions"]["geoml"] == __version__
    assert {"python", "numpy", "keras", "tensorflow", "snakemake"} <= set(record["versions"])
    json.dumps(record, allow_nan=False)


def test_time_and_memory():
    clock = provenance.Clock()
    time.sleep(0.02)
    read = clock.read()
    assert read["wall_s"] >= 0.02 and read["cpu_s"] >= 0


def test_peak_memory_is_that_of_the_process_alone():
    held = b"x" * 400_000_000
    code = "from geoml.provenance import peak_memory_mb as peak; a = peak(); b = b'x' * 300_000_000; print(a, peak())"
    before, after = map(float, subprocess.check_output([sys.executable, "-c", code]).split())
    assert len(held) and 5 < before < 200 and 285 < after - before < 350


def logged(tmp_path: Path, body: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run a job's body in a process of its own."""
    lines = ["import os, warnings", "from geoml.errors import InputError", "from geoml.logs import log, log_to"]
    lines += ["with log_to('logs/job.log'):", f"    {body}"]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, capture_output=True, text=True)
    return done, (tmp_path / "logs/job.log").read_text()


def test_all_that_a_job_says_is_in_its_log(tmp_path: Path):
    body = "log.info('first'); print('second'); os.write(2, b'third'); warnings.warn('fourth')"
    done, text = logged(tmp_path, body)
    assert done.returncode == 0 and done.stdout + done.stderr == ""
    assert all(word in text for word in ("first", "second", "third", "fourth"))


def test_bad_input_is_one_line_in_log_and_terminal_and_other_errors_leave_a_trace(tmp_path: Path):
    done, text = logged(tmp_path, "raise InputError('a.csv', 'column', 'p_time', 'none')")
    message = "a.csv: column: expected p_time, got none."
    assert done.returncode == 1 and done.stderr == f"Error: {message}\n"
    assert message in text and "Traceback" not in text
    done, text = logged(tmp_path, "1 / 0")
    assert done.returncode == 1 and "Traceback" in text and "ZeroDivisionError" in text


def test_without_a_log_file_errors_pass_through():
    handlers = logging.getLogger().handlers[:]
    with pytest.raises(InputError), log_to(None):
        log.info("to the terminal")
        raise InputError("a", "b", "c", "d")
    logging.captureWarnings(False)
    logging.getLogger().handlers[:] = handlers


def test_progress_is_silent_in_a_log(capsys: pytest.CaptureFixture[str]):
    assert list(progress(range(3), 3, "things")) == [0, 1, 2]
    assert capsys.readouterr().err == ""

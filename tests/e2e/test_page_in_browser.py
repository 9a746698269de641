"""The results page in a browser."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from geoml.page import write

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
TABLE = """dataset,model,accuracy,accuracy_ci_low,accuracy_ci_high,accuracy_vs_best,accuracy_vs_best_ci_high,data_source
one,cnn,0.9,0.8,0.95,,,synthetic
one,ridge,0.5,0.4,0.6,-0.4,-0.3,synthetic
"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on PATH")
def test_the_page_shows_its_tables_and_asks_for_nothing_else(tmp_path: Path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/dots_compare.csv").write_text(TABLE)
    write(tmp_path / "index.html", "Dots", {"dots": {"tables": ["dots_compare"], "about": {"Seeds": "0"}}}, [])
    url, log = (tmp_path / "index.html").as_uri(), tmp_path / "net.json"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--dump-dom"]
    options += [f"--user-data-dir={tmp_path / 'browser'}", f"--log-net-log={log}", "--virtual-time-budget=5000"]
    dom = subprocess.run(
        [str(BROWSER), *options, url], capture_output=True, text=True, timeout=60, check=True
    ).stdout  # fmt: skip
    body = dom[dom.index("<body") : dom.index('<script type="text/plain"')]
    assert 'data-ready="yes"' in dom  # the scripts ran to their end
    assert 'class="dt-container' in body and 'type="search"' in body
    board, whole = re.findall(r"<tbody>.*?</tbody>", body, re.DOTALL)
    assert [board.count("<tr"), whole.count("<tr")] == [2, 2]
    assert "0.800 to 0.950" in board and '<span class="badge good">best</span>' in board
    assert all(source.startswith("data:") for source in re.findall(r'(?:src|srcset)="([^"]*)"', body))
    # The browser's record of its network: what the page asks for comes from the origin "null", being a file.
    events = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    assert events and [event["url"] for event in events if event.get("initiator") == "null"] == []

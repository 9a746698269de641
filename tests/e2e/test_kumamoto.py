"""Trained on synthetic Hi-net records alone, the attention network reads real ones."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("GEOML_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "kumamoto"

CONFIG = """
tasks:
  polarity:
    datasets:
      hinet: {source: synthetic, rows: 2000}
    augment: {shift: 10}
    fit: {epochs: 15, batch_size: 64, schedule: cosine, patience: 0}
    variants:
      bulid_pd_model: {model: bulid_pd_model}
"""


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the Kumamoto records are not in {SHARED}")
def test_reads_at_least_52_of_60_analyst_polarities(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    geoml = str(Path(sys.executable).with_name("geoml"))
    train = "train polarity --config config.yaml --dataset hinet --model_name bulid_pd_model --save_name pd_hinet"
    subprocess.run([geoml, *train.split()], cwd=tmp_path, check=True)
    model, picks = "results/models/manual/pd_hinet.keras", str(SHARED / "Kumamoto_phase.csv")
    predict = ["predict", "polarity", str(SHARED / "waveform"), "--picks", picks, "--model", model, "-o", "out"]
    subprocess.run([geoml, *predict], cwd=tmp_path, check=True)

    with open(tmp_path / "out" / "polarities.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 121
    judged = [row for row in rows if row["p_u"]]
    assert len(judged) == 100
    labelled = [row for row in judged if row["label"] in "UD"]
    hits = [row for row in labelled if (float(row["p_u"]) > float(row["p_d"])) == (row["label"] == "U")]
    assert len(labelled) == 60
    assert len(hits) >= 52

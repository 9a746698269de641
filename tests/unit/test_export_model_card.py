"""The model card: it says what the card and the records say, and where the network must not be used."""

import copy
import re
from pathlib import Path
from typing import Any

import exported
import numpy as np
import pytest

from geoml import registry, texts
from geoml.export import model_card
from geoml.export.card import Card

SUM = "0123456789abcdef" * 4
NAMES = ["polarity", "folds", "slip", "tremor", "patchnet"]
HEADINGS = [
    "What it is", "What it was trained on", "What goes in, what comes out", "How it was scored", "How to use it",
    "Where it must not be used", "Where it comes from",
]  # fmt: skip
SCORED = {
    "status": "checked", "bytes": 26_290_000, "agreement": 0.983, "max_abs_diff": 0.0316, "accuracy": 0.638,
    "accuracy_ci_low": 0.517, "accuracy_ci_high": 0.759, "accuracy_change": -0.017, "accuracy_change_ci_low": -0.052,
    "accuracy_change_ci_high": 0.0,
}  # fmt: skip
CARD: Card = {
    "task": "folds",
    "run": {"task": "folds", "dataset": "generated", "variant": "resnet9", "seed": 42},
    "chosen": {"table": "fold_compare.csv", "by": "val_score", "value": 0.6316, "where": {}, "among": 3, "seeds": 1},
    "score": "accuracy",
    "max_loss": 0.01,
    "formats": {
        "keras": SCORED | {"file": None, "sha256": SUM},
        "onnx": SCORED | {"file": "model.onnx", "sha256": "1" + SUM[1:]},
        "onnx_int8": SCORED | {"file": "model.int8.onnx", "status": "loses 0.0170 of accuracy, more than 0.01"},
        "tflite": {"file": "model.tflite", "status": "not made: a | b"},
    },
    "bundle": ["model.onnx"],
    "thresholds": {"temperature": 0.88883},
    "inputs": {"image": ["batch", "image_size1", "image_size2", 3]},
    "outputs": {"fold": ["batch", 3]},
    "input_shape": [16, 16, 3],
    "prepare": {"size": 16, "features": True},
    "classes": ["box", "chevron", "rounded"],
    "licence": "BSD-3-Clause (the file)",
    "citation": "Somebody (2023): pictures.",
    "method": "A method, 2023",
    "data_source": "synthetic",
    "data_fingerprint": "b318d9c6",
    "split_hash": "a297fe52",
    "model_sha256": SUM,
    "geoml": "0.1.0",
    "n_train": 1384,
    "n_test": 58,
}
TRAINING: dict[str, Any] = {
    "epochs": 20, "stopped_by": "epochs", "started_from": None, "variant": {"fit": {"keep": "best"}},
    "versions": {"geoml": "0.1.0", "keras": "3.15.1"}, "wall_s": 77.7, "cpu": "EPYC", "platform": "Linux-6",
}  # fmt: skip
DATA: dict[str, Any] = {
    "reader": "images", "samples": 1480, "split": {"by": ["group", "station"]}, "fold": None,
    "split_samples": {"train": 1384, "val": 38, "test": 58}, "split_groups": {"train": 700, "val": 19, "test": 29},
}  # fmt: skip


def written(
    card: dict[str, Any] | None = None, training: dict[str, Any] | None = None, data: dict[str, Any] | None = None
) -> str:
    """The card with changes."""
    words = {"TITLE": "Folds", "ABOUT": "Which shape?", "LIMITS": ["Not for maps.", "Not in the dark."]}
    return model_card.text(CARD | (card or {}), words, TRAINING | (training or {}), DATA | (data or {}))


def section(text: str, heading: str) -> str:
    """What stands under a heading."""
    return text.split(f"## {heading}\n")[1].split("\n## ")[0]


def test_the_headings_are_there_in_order():
    assert re.findall("^## (.+)$", written(), re.MULTILINE) == HEADINGS


def test_synthetic_data_are_named_in_the_first_lines_and_among_the_limits():
    text = written()
    assert "synthetic data: its scores say nothing of real records" in "".join(text.splitlines()[:3])
    assert "synthetic data" in section(text, "Where it must not be used")
    partly = written({"data_source": "synthetic and real"})
    assert "synthetic and real data: its scores say nothing of real records" in "".join(partly.splitlines()[:3])


def test_of_real_data_nothing_is_said_to_be_synthetic():
    text = written({"data_source": "real"})
    assert "synthetic" not in text and "real data" in "".join(text.splitlines()[:3])
    assert "- To be cited: Somebody (2023): pictures." in text


def test_every_limit_is_a_line_of_its_own():
    lines = section(written(), "Where it must not be used").splitlines()
    assert "- Not for maps." in lines and "- Not in the dark." in lines


@pytest.mark.parametrize("task", NAMES)
def test_every_task_says_where_its_models_must_not_be_used(task: str):
    words = texts.of(task)
    text = model_card.text(CARD, words, TRAINING, DATA)
    assert all(f"\n- {sentence}\n" in text for sentence in words["LIMITS"]) and len(words["LIMITS"]) >= 5
    assert text.startswith(f"# {words['TITLE']}: ") and words["TITLE"] != task and words["ABOUT"] in text
    assert any(sentence.startswith("Not for ") and "unless" in sentence for sentence in words["LIMITS"])


def test_every_task_is_looked_at():
    assert set(NAMES) == set(registry.tasks())


def test_what_it_was_trained_on_is_what_the_records_say():
    found = section(written(), "What it was trained on")
    assert "1,384 of 1,480; validation 38, test 58 (groups: 700, 19, 29)" in found
    assert "Seed: 42; 20 epochs, all that were asked for" in found and "Licence: BSD-3-Clause (the file)" in found
    assert "no station of the test set is in training" in found and "Started from" not in found


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ({"by": "official"}, "apart: the sets that the data set itself names"),
        ({"by": "id"}, "are on both sides"),
        ({"by": "time"}, "the newest groups are the test set"),
        ({"by": "condition"}, "no condition of the test set is in training"),
        (
            {"members": [{"by": "time"}, {"by": "id"}, {"by": "time"}]},
            "on both sides; the newest groups are the test set",
        ),
    ],
)
def test_the_split_is_said_in_words(split: dict[str, Any], said: str):
    assert said in section(written(data={"split": split}), "What it was trained on")


def test_a_fold_a_start_and_an_early_end_are_said():
    more = {"started_from": {"run": "modelled/resnet9"}, "stopped_by": "patience"}
    found = section(
        written(training=more, data={"fold": {"of": "all", "fold": 1, "folds": 5}}), "What it was trained on"
    )
    assert "part 2 of 5 is the test set" in found and 'Started from: `run` "modelled/resnet9"' in found
    assert "ended when the validation set no longer got better" in found


def test_test_samples_that_training_holds_too_are_said():
    assert "identical" not in written(data={"duplicates": {"test_in_train": 0}})
    found = section(written(data={"duplicates": {"test_in_train": 8}}), "What it was trained on")
    assert "**8 test samples are identical to a training sample**" in found


def test_a_task_without_prediction_or_words_has_only_the_network_to_offer():
    words = {"TITLE": "dots", "ABOUT": "", "LIMITS": []}
    text = model_card.text(CARD | {"task": "dots"}, words, TRAINING, DATA)
    assert "geoml predict dots" not in text and "onnxruntime" in section(text, "How to use it")
    assert "\n\n\n" not in text


def test_what_goes_in_and_comes_out():
    found = section(written(), "What goes in, what comes out")
    assert "`image`: batch x image_size1 x image_size2 x 3" in found and "`fold`: batch x 3" in found
    assert "`size` 16, `features` true" in found and "`temperature` 0.8888" in found
    assert "`box`, `chevron`, `rounded`" in found
    assert "no classes" in section(written({"classes": []}), "What goes in, what comes out")


def test_every_format_has_a_row_with_its_score_change_and_status():
    lines = section(written(), "How it was scored").splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    assert {len(row) for row in rows} == {7} and len(rows) == 2 + 4
    assert rows[2][0] == "the trained network (Keras)" and rows[2][2] == ""
    assert rows[3] == [
        "`model.onnx`", "0.638 (0.517 to 0.759)", "-0.017 (-0.052 to +0.000)", "0.983", "3.2e-02", "26,290",
        "in the bundle",
    ]  # fmt: skip
    assert rows[4][-1] == "loses 0.0170 of accuracy, more than 0.01"
    assert rows[5] == ["`model.tflite`", "", "", "", "", "", "not made: a / b"]


def test_an_undefined_interval_leaves_the_value():
    formats = copy.deepcopy(CARD["formats"])
    formats["onnx"] |= {"accuracy_ci_low": None, "accuracy_ci_high": None, "agreement": None}
    assert "| `model.onnx` | 0.638 | -0.017 (-0.052 to +0.000) |  | 3.2e-02 |" in written({"formats": formats})


def test_only_what_is_bundled_points_to_a_bundle():
    assert "geoml-pi-folds.tar.gz" in written()
    asked = written({"bundle": [], "chosen": {"by": "request"}})
    assert "geoml-pi" not in asked and "asked for by its name" in asked


def test_the_rule_that_chose_it_is_said():
    assert "The best of 3 networks in `fold_compare.csv`, by `val_score` on validation data (0.632)." in written()
    alone = written({"chosen": CARD["chosen"] | {"among": 1, "by": "accuracy"}})
    assert "The only network that counted in `fold_compare.csv`, by `accuracy` (0.632)." in alone


def test_checksums_and_versions_are_there_and_no_time_or_machine():
    text = written()
    found = section(text, "Where it comes from")
    assert f"trained network: `{SUM}`" in found and f"`model.onnx`: `1{SUM[1:]}`" in found
    assert "`b318d9c6`" in found and "`a297fe52`" in found and "keras 3.15.1" in found
    assert not [word for word in ("77.7", "EPYC", "Linux") if word in text]
    assert text == written() and text.endswith("\n")


def test_the_five_lines_run(
    keras_on_cpu: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    exported.make(tmp_path, keras_on_cpu)
    code = written().split("```python\n")[1].split("```")[0]
    assert len(code.strip().splitlines()) <= 5
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    said = capsys.readouterr().out
    assert said.startswith("{'fold'") and np.isfinite([float(n) for n in re.findall(r"-?\d+\.\d+", said)]).all()

"""The results page, from small made-up tables."""

import re
from pathlib import Path
from typing import Any

import pytest

from geoml.page import content, leaderboard, write
from geoml.table_page import read

COLUMNS = (
    "dataset,model,split,accuracy,accuracy_ci_low,accuracy_ci_high,accuracy_vs_best,accuracy_vs_best_ci_low,"
    "accuracy_vs_best_ci_high,parameters,train_cpu_s,train_cpu_basis,data_source,n_test,n_seeds,published_accuracy,"
    "published_source"
)
CLEAR = ["one,cnn,test,0.9,0.8,0.95,,,,1200,3.21,measured,synthetic,50,2,0.97,accuracy: A paper",
         "one,ridge,test,0.5,0.4,0.6,-0.4,-0.5,-0.3,,0.1,extrapolated,synthetic,50,2,,"]  # fmt: skip
TIED = ["two,cnn,test,0.70,0.6,0.8,-0.02,-0.1,0,1200,3,measured,real,50,2,,",
        "two,ridge,test,0.72,0.6,0.8,,,,,0.1,measured,real,50,2,,",
        "two,dummy,test,0.2,0.1,0.3,-0.5,-0.6,-0.4,,0.1,measured,real,50,2,,"]  # fmt: skip


def board(tmp_path: Path, rows: list[str], columns: str = COLUMNS) -> dict:
    path = tmp_path / "dots_compare.csv"
    path.write_text("\n".join([columns, *rows]) + "\n")
    return leaderboard(read(path)[1])


def marks(tmp_path: Path, rows: list[str]) -> dict[str, str]:
    return {row["model"]: row["mark"] for row in board(tmp_path, rows)["rows"]}


def page(folder: Path, others: dict[str, str] | None = None, title: str = "A title", **content: Any) -> str:
    """The page of one task, whose tables are made where they are given with their text."""
    dots = {"title": "Dots", "about": "", "facts": {}, "tables": {}, "figures": {}, "scores": {}} | content
    write(folder / "index.html", title, {"dots": dots}, others or {})
    return (folder / "index.html").read_text()


def put(folder: Path, **files: str | bytes) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def test_the_best_is_named_where_every_paired_interval_lies_below_it(tmp_path):
    assert marks(tmp_path, CLEAR) == {"cnn": "best", "ridge": ""}


def test_rows_that_the_interval_does_not_tell_from_the_leading_one_share_its_place(tmp_path):
    assert marks(tmp_path, TIED) == {"ridge": "not told apart", "cnn": "not told apart", "dummy": ""}


@pytest.mark.parametrize("high", ["", "nan", "broken"])
def test_without_an_interval_nothing_is_best(tmp_path, high):
    rows = [CLEAR[0], CLEAR[1].replace("-0.4,-0.5,-0.3", f"-0.4,-0.5,{high}")]
    assert set(marks(tmp_path, rows).values()) == {"not told apart"}


def test_a_model_alone_and_models_on_their_own_training_samples_are_not_ranked(tmp_path):
    assert marks(tmp_path, CLEAR[:1]) == {"cnn": ""}
    assert marks(tmp_path, [row.replace(",test,", ",train,") for row in CLEAR]) == {"cnn": "", "ridge": ""}


def test_test_samples_are_shown_and_others_only_where_there_are_none(tmp_path):
    other = [row.replace(",test,", ",val,") for row in CLEAR]
    for rows, of_part, numbers in ((other + CLEAR, True, 2), (CLEAR, False, 2), (other, False, 2)):
        found = board(tmp_path, rows)
        assert (found["of_part"], len(found["rows"]), found["parts"]) == (of_part, numbers, [])


def test_each_part_of_a_data_set_has_its_own_best_and_a_line_before_it(tmp_path):
    columns = COLUMNS.replace("split", "domain")
    found = board(tmp_path, [row.replace(",test,", f",{of},") for of in ("rock", "model") for row in CLEAR], columns)
    assert found["parts"] == ["domain"]
    assert [(row["parts"], row["model"], row["mark"], row["first"]) for row in found["rows"]] == [
        (["rock"], "cnn", "best", False),
        (["rock"], "ridge", "", False),
        (["model"], "cnn", "best", True),
        (["model"], "ridge", "", False),
    ]


def test_what_is_the_same_for_all_models_is_said_of_the_data_set(tmp_path):
    columns = COLUMNS.replace("split", "kind,seen,split")
    rows = ["one,cnn,deep,0.976,test,0.9,0.8,0.95,,,,,,,,50,1,,",
            "one,ridge,ridge,0.976,test,0.5,0.4,0.6,,,,,,,,50,1,,",
            "two,cnn,deep,0,test,0.9,0.8,0.95,,,,,,,,50,1,,"]  # fmt: skip
    found = board(tmp_path, rows, columns)["rows"]
    assert [(row["model"], row["said"], row["of_data"]) for row in found] == [
        ("cnn", ["deep"], ["seen 0.976"]),
        ("ridge", [], ["seen 0.976"]),
        ("cnn", ["deep"], ["seen 0"]),
    ]


def test_a_row_says_score_interval_cost_and_what_was_published(tmp_path):
    found = board(tmp_path, CLEAR)
    first, second = found["rows"]
    assert (first["score"], first["interval"]) == ("0.900", ["0.800", "0.950"])
    assert (first["published"], first["parameters"], first["seconds"]) == ("0.97", "1200", {"cpu": "3.21", "gpu": ""})
    assert second["seconds"]["cpu"] == "0.1 (extrapolated)"
    assert (first["synthetic"], found["devices"], found["sources"]) == (True, ["cpu"], ["accuracy: A paper"])


def test_a_published_figure_that_nothing_was_measured_for_is_kept_and_an_empty_row_is_not(tmp_path):
    none = ",cnn,test,,,,,,,1200,,,,,,,"
    published = "paper,svm,test,,,,,,,,,,,,,0.6,accuracy: A paper"
    assert [row["model"] for row in board(tmp_path, [none, published, *CLEAR])["rows"]] == ["cnn", "ridge", "svm"]


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00", b"dataset,model\n", b"dataset,model\na,b\n"])
def test_whatever_a_table_lacks_the_page_is_made_and_says_what_it_left_out(tmp_path, content):
    if content is not None:
        put(tmp_path, **{"tables/dots_compare.csv": content})
    html = page(tmp_path, {"devices": ""}, tables={"dots_compare": ""})
    assert "Left out: the leaderboard" in html and "table devices, which has not been made" in html
    assert ("Left out: table dots_compare" in html) == (content != b"dataset,model\na,b\n")


def test_links_are_relative_figures_are_inside_and_text_is_escaped(tmp_path):
    names = ["figures/dots/compare.png", "export/dots/card.json", "export/dots/model.onnx"]
    names += ["export/pi/geoml-pi-dots.tar.gz", "evaluation/dots/one/cnn/seed0/figures/cross_plot.png"]
    put(tmp_path, **dict.fromkeys(names, b"x"), **{"predictions/dots/field/a.csv": b"x"})
    put(tmp_path, **{"tables/dots_more.csv": "name\n<b>bold</b>\n"})
    html = page(tmp_path, title="A <i>title</i>", tables={"dots_more": "Less is <i>more</i>."})
    assert re.findall(r'<a href="([^"]+)"', html) == [
        "#dots",
        "figures/dots/compare.png",
        "export/pi/geoml-pi-dots.tar.gz",
        "predictions/dots/field/",
        "export/dots/card.json",
        "export/dots/model.onnx",
        "evaluation/dots/one/cnn/seed0/figures/cross_plot.png",
        "tables/dots_more.csv",
    ]
    assert 'src="data:image/png;base64,eA=="' in html and "model.onnx (1 kB)" in html
    assert "&lt;b&gt;bold" in html and "<i>title" not in html and "Less is &lt;i&gt;more" in html


def test_the_words_of_the_task_stand_where_they_belong(tmp_path):
    put(tmp_path, **{"tables/dots_compare.csv": "\n".join([COLUMNS, *CLEAR]), "figures/dots/compare_one.png": b"x"})
    html = page(
        tmp_path,
        title="All of it",
        about="What is a dot?",
        tables={"dots_compare": "A row a model."},
        figures={"compare": "Dots by model."},
        scores={"accuracy": "Share of right dots."},
    )
    assert '<p class="about">What is a dot?</p>' in html and "A row a model.</p>" in html
    assert "<figcaption>Dots by model." in html and "Share of right dots, on test samples" in html


def test_a_model_card_is_shown_below_the_headings_of_the_page_and_its_html_is_text(tmp_path):
    card = "# Dots\n\n## Where not\n\n- never\n\n<script>alert(1)</script>\n\n| a | b |\n| - | - |\n| 1 | 2 |\n"
    record = '{"run": {"task": "dots", "dataset": "one", "variant": "cnn", "seed": 3}}'
    put(tmp_path, **{"export/dots/MODEL_CARD.md": card, "export/dots/card.json": record})
    put(tmp_path, **{"export/dots/one/cnn/seed4/card.json": "broken"})
    html = page(tmp_path)
    assert (
        "<h4>Dots</h4>" in html and "<h5>Where not</h5>" in html and "<li>never</li>" in html and "<td>2</td>" in html
    )
    assert "alert(1)" in html and "<script>alert" not in html
    assert "cnn trained on one, seed 3, the best network" in html and "Exported model: one/cnn/seed4" in html


def test_what_is_said_of_a_task_is_of_its_configuration_and_its_texts():
    settings = {
        "datasets": {
            "whole": {"source": "path"},
            "cut_0": {"source": "synthetic", "base": "cut", "fold": [0, 2]},
            "cut_1": {"source": "synthetic", "base": "cut", "fold": [1, 2]},
        },
        "variants": {"cnn": {}, "ridge": {}},
        "seeds": [0, 1],
        "columns": ["accuracy", "f1_bsr"],
        "searches": {"random": {}},
    }
    said = content("patchnet", settings)
    facts = {"Data sets": "whole (path), cut (synthetic)", "Models": "cnn, ridge", "Seeds": "0, 1"}
    assert said["facts"] == facts
    assert list(said["tables"]) == ["patchnet_compare", "patchnet_cross", "patchnet_search", "patchnet_search_pairs"]
    assert said["scores"] == {"accuracy": "Share of samples with the right class.", "f1_bsr": ""}
    assert "patchnet_search_pairs" not in content("patchnet", settings | {"searches": {}})["tables"]

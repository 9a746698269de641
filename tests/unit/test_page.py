"""The results page, from small made-up tables."""

import re
from pathlib import Path

import pytest

from geoml.page import leaderboard, read, write

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


def board(tmp_path: Path, rows: list[str]) -> dict:
    path = tmp_path / "dots_compare.csv"
    path.write_text("\n".join([COLUMNS, *rows]) + "\n")
    return leaderboard(read(path)[1])


def marks(tmp_path: Path, rows: list[str]) -> dict[str, str]:
    return {row["model"]: row["mark"] for row in board(tmp_path, rows)["rows"]}


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


def test_each_part_of_a_data_set_has_its_own_best_and_test_samples_come_first(tmp_path):
    other = [row.replace(",test,", ",val,") for row in CLEAR]
    found = board(tmp_path, other + CLEAR)
    assert found["parts"] == ["split"]
    assert [(row["parts"], row["model"], row["mark"]) for row in found["rows"]] == [
        (["test"], "cnn", "best"),
        (["test"], "ridge", ""),
        (["val"], "cnn", "best"),
        (["val"], "ridge", ""),
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
    path = tmp_path / "tables" / "dots_compare.csv"
    path.parent.mkdir()
    if content is not None:
        path.write_bytes(content)
    write(tmp_path / "index.html", "A title", {"dots": {"tables": ["dots_compare"], "about": {}}}, ["devices"])
    html = (tmp_path / "index.html").read_text()
    assert "Left out: the leaderboard" in html and "table devices, which has not been made" in html
    assert ("Left out: table dots_compare" in html) == (content != b"dataset,model\na,b\n")


def test_links_are_relative_figures_are_inside_and_text_is_escaped(tmp_path):
    for name in ("figures/dots/compare.png", "export/dots/card.json", "export/pi/geoml-pi-dots.tar.gz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/dots_more.csv").write_text("name\n<b>bold</b>\n")
    write(tmp_path / "index.html", "A <i>title</i>", {"dots": {"tables": ["dots_more"], "about": {}}}, [])
    html = (tmp_path / "index.html").read_text()
    links = re.findall(r'<a href="([^"]+)"', html)
    assert links == [
        "#dots",
        "export/dots/card.json",
        "export/pi/geoml-pi-dots.tar.gz",
        "figures/dots/compare.png",
        "tables/dots_more.csv",
    ]
    assert 'src="data:image/png;base64,eA=="' in html
    assert "&lt;b&gt;bold" in html and "<i>title" not in html

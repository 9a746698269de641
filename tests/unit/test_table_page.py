"""The page of one table, and the captions of the tables that there are."""

from pathlib import Path

import pytest

from geoml import registry, texts
from geoml.table_page import sheet, write_table

TABLE = """dataset,model,accuracy,speed,none,data_source,note
one,cnn,0.912345,12345.678,,synthetic,
one,ridge,0.9,1e-07,,real,<b>bold</b>
one,ridge,,3,,real,
"""


def cells(tmp_path: Path, text: str) -> dict[str, list[tuple[str, str | None]]]:
    (tmp_path / "dots.csv").write_text(text)
    found = sheet(tmp_path / "dots.csv", "")
    columns = zip(*found["rows"], strict=True)
    return {
        name: [(cell["text"], cell["order"]) for cell in of] for name, of in zip(found["columns"], columns, strict=True)
    }


def test_numbers_are_rounded_for_reading_and_kept_whole_for_sorting(tmp_path):
    found = cells(tmp_path, TABLE)
    assert found["accuracy"] == [("0.9123", "0.912345"), ("0.9000", "0.9"), ("", "")]
    assert found["speed"] == [("12,346", "12345.678"), ("1.000e-07", "1e-07"), ("3", "3")]
    assert found["model"] == [("cnn", None), ("ridge", None), ("ridge", None)]


@pytest.mark.parametrize(
    ("text", "shown"), [("999.96", "1000"), ("0", "0"), ("-0.05", "-0.05000"), ("1e6", "1,000,000")]
)
def test_a_number_keeps_four_digits_that_count(tmp_path, text, shown):
    assert cells(tmp_path, f"a\n{text}\n") == {"a": [(shown, text)]}


@pytest.mark.parametrize("text", ["717e", "nan", "1 2"])
def test_a_column_with_anything_else_than_numbers_is_text(tmp_path, text):
    assert cells(tmp_path, f"a\n1\n{text}\n") == {"a": [("1", None), (text, None)]}


def test_the_columns_that_name_a_row_stay_and_empty_ones_are_named(tmp_path):
    (tmp_path / "dots.csv").write_text(TABLE)
    found = sheet(tmp_path / "dots.csv", "")
    assert (found["fixed"], found["empty"]) == (2, ["none"])
    (tmp_path / "dots.csv").write_text("a,b,c,d,e\nw,x,y,z,1\n")
    assert sheet(tmp_path / "dots.csv", "")["fixed"] == 3


@pytest.mark.parametrize(
    ("sources", "said"),
    [("synthetic,synthetic", "The data were made by geoml"), ("synthetic,real", "Some of the data"), ("real,", "")],
)
def test_synthetic_data_are_said_to_be(tmp_path, sources, said):
    (tmp_path / "dots.csv").write_text("a,data_source\n" + "".join(f"1,{one}\n" for one in sources.split(",")))
    write_table(tmp_path / "dots.csv", tmp_path / "dots.html", "")
    html = (tmp_path / "dots.html").read_text()
    assert ('<span class="badge warn">synthetic</span>' in html) == bool(said) and said in html


def test_the_page_escapes_what_is_in_the_table_and_needs_no_other_file(tmp_path):
    (tmp_path / "dots.csv").write_text(TABLE)
    write_table(tmp_path / "dots.csv", tmp_path / "dots.html", "Dots & <i>more</i>.")
    html = (tmp_path / "dots.html").read_text()
    assert "&lt;b&gt;bold" in html and "Dots &amp; &lt;i&gt;more&lt;/i&gt;." in html
    assert 'title="0.912345">0.9123</td>' in html and "An empty cell was not measured." in html
    assert "src=" not in html and 'href="data:,"' in html and html.count("href=") == 1
    assert len(html) < 300_000  # the library is packed: there are many of these pages


@pytest.mark.parametrize("content", ["", "dataset,model\n"])
def test_a_table_without_rows_says_so(tmp_path, content):
    (tmp_path / "dots.csv").write_text(content)
    write_table(tmp_path / "dots.csv", tmp_path / "dots.html", "")
    assert "This table has no rows." in (tmp_path / "dots.html").read_text()


TABLES = [(name, task) for task in registry.tasks() for name in registry.names(task, "tables")]

SHARED = [("patchnet_search", "patchnet"), ("patchnet_search_pairs", "patchnet"), ("devices", None), ("export", None)]


@pytest.mark.parametrize(("name", "task"), [*TABLES, *SHARED])
def test_every_table_has_a_caption_of_its_own(name, task):
    caption = texts.table(name, task)
    assert len(caption) > 150 and caption[0].isupper() and caption.endswith(".")
    others = [texts.table(other, of) for other, of in TABLES if other != name]
    assert caption not in others


def test_every_caption_of_a_table_is_of_one_that_there_is():
    for task in registry.tasks():
        assert set(texts.of(task)["TABLES"]) <= set(registry.names(task, "tables"))


def test_a_score_is_said_in_words_where_it_has_a_file():
    assert texts.score("accuracy_2sd", "slip") == "Share of the samples within two SD of the label."
    assert texts.score("accuracy", "tremor") == "Share of samples with the right class."
    assert texts.score("f1_bsr", "patchnet") == ""


def test_a_caption_stands_for_every_data_set_and_the_longest_name_counts():
    captions = {"compare": "All.", "compare_rock": "Rock.", "comp": "Other."}
    assert [texts.find(name, captions) for name in ("compare", "compare_one", "compare_rock_2", "compared")] == [
        "All.",
        "All.",
        "Rock.",
        "",
    ]

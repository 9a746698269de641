"""The results page and the page of a table in a browser."""

import base64
from pathlib import Path

import pytest
from browser import Browser, needs_browser

from geoml.page import write
from geoml.table_page import write_table

ROWS = 30
TABLE = "\n".join(
    ["dataset,model,accuracy,accuracy_ci_low,accuracy_ci_high,accuracy_vs_best,accuracy_vs_best_ci_high,data_source,"
     + ",".join(f"a_rather_long_name_{number}" for number in range(30)),
     "one,cnn,0.9,0.8,0.95,,,synthetic" + ",0.25" * 30,
     *(f"one,ridge_{row},0.{row},0.4,0.6,-0.4,-0.3,synthetic" + ",0.125" * 30 for row in range(11, 10 + ROWS))]
)  # fmt: skip
READY = "document.documentElement.dataset.ready == 'yes'"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory):
    with Browser(tmp_path_factory.mktemp("browser") / "profile") as browser:
        yield browser


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/dots_compare.csv").write_text(TABLE)
    dots = {"title": "Dots", "about": "", "facts": {"Seeds": "0"}, "tables": {"dots_compare": "A caption."}}
    write(tmp_path / "index.html", "Dots", {"dots": dots | {"figures": {}, "scores": {}}}, {})
    write_table(tmp_path / "tables/dots_compare.csv", tmp_path / "tables/dots_compare.html", "A caption.")
    return tmp_path


def requested(browser: Browser) -> list[str]:
    """What was asked for beside the file itself and what is in it."""
    return [url for url in browser.requests if not url.startswith(("file:///", "data:", "blob:"))]


def column(browser: Browser, table: str, number: int) -> list[str]:
    cells = f"[...document.querySelectorAll('{table} tbody tr')].map(row => row.cells[{number}].innerText.trim())"
    return browser.run(cells)


@needs_browser
def test_the_leaderboard_is_shown_and_sorted_and_the_whole_table_on_demand(browser: Browser, results: Path):
    browser.open(results / "index.html")
    browser.wait(READY)
    scores = column(browser, ".leaderboard", 1)
    assert len(scores) == 25 and scores[0] == "0.900"  # a page of it, the best first
    assert browser.run("document.querySelector('.leaderboard .badge.good').innerText") == "best"
    header = "[...document.querySelectorAll('.dt-scroll-head th')].find(th => th.innerText.trim() == 'accuracy')"
    browser.run(f"{header}.click()")
    assert column(browser, ".leaderboard", 1)[:2] == ["0.110", "0.120"]
    assert not browser.run("document.querySelector('.sheet').checkVisibility()")
    browser.run("document.querySelector('summary').click()")
    browser.wait("document.querySelector('.sheet').closest('.dt-container')")
    assert len(column(browser, ".sheet", 0)) == 25
    assert requested(browser) == [] and browser.errors == []


@needs_browser
@pytest.mark.parametrize("page", ["index.html", "tables/dots_compare.html"])
@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("dark", [False, True])
def test_a_page_fits_its_window_in_light_and_dark(browser: Browser, results: Path, page: str, width: int, dark: bool):
    browser.open(results / page, width, 900, dark)
    browser.wait(READY)
    browser.run("document.querySelectorAll('details').forEach(details => details.open = true)")
    browser.wait("[...document.querySelectorAll('table[data-name]')].every(table => table.closest('.dt-container'))")
    assert browser.run(OVERFLOW) == 0
    assert browser.run("document.querySelector('.dt-scroll-body .sheet').scrollWidth") > width  # it scrolls
    luminance = "(text) => text.match(/[\\d.]+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 765"
    for place in ("body", ".sheet tbody td:last-child", ".sheet tbody td:first-child"):
        text = f"getComputedStyle(document.querySelector('{place}')).color"
        assert (browser.run(f"({luminance})({text})") > 0.5) == dark
    back = browser.run(f"({luminance})(getComputedStyle(document.body).backgroundColor)")
    fixed = "getComputedStyle(document.querySelector('.sheet tbody .dtfc-fixed-start')).backgroundColor"
    assert (back < 0.5) == dark and (browser.run(f"({luminance})({fixed})") < 0.5) == dark
    assert requested(browser) == [] and browser.errors == []


@needs_browser
def test_the_page_of_a_table_sorts_by_whole_numbers_searches_and_keeps_its_first_columns(
    browser: Browser, results: Path
):
    browser.open(results / "tables/dots_compare.html")
    browser.wait(READY)
    assert column(browser, ".sheet", 2)[:2] == ["0.9000", "0.1100"]
    browser.run("document.querySelectorAll('.dt-scroll-head th')[2].click()")
    assert column(browser, ".sheet", 2)[:2] == ["0.1100", "0.1200"]
    browser.run(
        "(box => { box.value = 'cnn'; box.dispatchEvent(new Event('input')) })(document.querySelector('[type=search]'))"
    )
    assert column(browser, ".sheet", 1) == ["cnn"]
    place = "document.querySelector('.sheet tbody td:nth-child(2)').getBoundingClientRect().left"
    before = browser.run(place)
    browser.run("document.querySelector('.dt-scroll-body').scrollLeft = 1500")
    assert abs(browser.run(place) - before) < 1
    assert browser.run("document.querySelector('.dt-button').innerText") == "Download CSV"


@needs_browser
def test_the_page_of_a_table_works_in_a_frame_as_in_the_report(browser: Browser, results: Path):
    content = base64.b64encode((results / "tables/dots_compare.html").read_bytes()).decode()
    (results / "frame.html").write_text(f"<iframe src='data:text/html;base64,{content}'></iframe>")
    browser.open(results / "frame.html")
    browser.wait(READY, inside=True)
    assert browser.run("document.querySelectorAll('.dt-scroll-body .sheet tbody tr').length", inside=True) == 25
    assert requested(browser) == [] and browser.errors == []

"""The report in a browser: of the toy project, and of the file that GEOML_REPORT names."""

import os
import shutil
from pathlib import Path

import pytest
from browser import Browser, needs_browser
from conftest import Project

from geoml.plotting import figure

# A list of what the report holds, by the page's own data, and a click as a reader does it.
CATEGORIES = "Object.entries(categories).map(([name, kinds]) => [name, Object.keys(kinds)])"
LINK = "[...document.querySelectorAll('a')].find(link => link.innerText.trim() == {!r})"
IMAGE = "document.querySelector('.grow img')"
TABLE = "document.querySelector('.dt-container tbody tr') || document.body?.innerText.includes('no rows')"
DECODED = "(image => (image.src = results[{!r}].data_uri, image.decode().then(() => image.naturalWidth)))(new Image())"
HOME = "document.querySelector('nav ol a')"
ENTRIES = "[...document.querySelectorAll('tbody tr')].map(row => row.querySelector('a'))"


@pytest.fixture(scope="module")
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if named := os.environ.get("GEOML_REPORT"):
        return Path(named)
    path = tmp_path_factory.mktemp("report") / "report.html"
    project = request.getfixturevalue("toy_project").copy(path.with_name("project"))
    # The toy task draws nothing.
    for drawn in ("figures/toy/compare.png", "evaluation/toy/dots/curved/seed0/figures/confusion.png"):
        file = project.folder / "results" / drawn
        file.parent.mkdir(parents=True, exist_ok=True)
        with figure([file], 3, 2) as drawing:
            drawing.subplots().plot([0, 1])
    project.snakemake("--report", path)
    return path


@needs_browser
def test_every_figure_and_table_is_shown_and_nothing_is_requested(report: Path, tmp_path: Path):
    with Browser(tmp_path / "profile") as browser:
        browser.open(report)
        browser.wait("document.querySelector('h1')")
        top = browser.run("document.querySelector('h1').getBoundingClientRect().top")
        assert top >= 0  # not above the window, where nothing scrolls to
        methods = browser.run("document.querySelector('.prose').innerText")
        for said in ("Data.", "Models.", "Seeds:", "Intervals are 95 %", "Software: geoml"):
            assert said in methods
        figures, tables = set(), set()
        for category, kinds in browser.run(CATEGORIES):
            for kind in kinds:
                for name in [category, kind] if len(kinds) > 1 else [category]:
                    browser.wait(LINK.format(name))
                    browser.run(f"{LINK.format(name)}.click()")
                browser.wait(f"{ENTRIES}.length")
                for number in range(browser.run(f"{ENTRIES}.length")):
                    browser.run(f"{ENTRIES}[{number}].click()")
                    if kind == "Tables":
                        browser.wait("document.querySelector('iframe')")
                        browser.wait(TABLE, inside=True)
                        tables.add(browser.run("app.state.resultPath"))
                    else:
                        browser.wait(f"{IMAGE}?.src == app.state.contentPath && {IMAGE}.naturalWidth > 100")
                        figures.add(browser.run("app.state.resultPath"))
                browser.run(f"{HOME}.click()")
        assert len(figures) >= 2 and len(tables) >= 3
        # The list shows one position of its switches; what is behind the others can be shown too.
        images = [path for path in browser.run("Object.keys(results)") if path.endswith(".png")]
        assert figures <= set(images)
        for path in images:
            assert browser.run(DECODED.format(path)) > 100
        captions = browser.run("Object.values(results).map(result => result.caption)")
        assert all(len(caption) > 20 for caption in captions) and any("ynthetic" in caption for caption in captions)
        assert browser.errors == []
        assert [url for url in browser.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def test_what_has_not_been_run_is_left_out_with_a_line_that_says_so(toy_project: Project, tmp_path: Path):
    project = toy_project.copy(tmp_path / "part")
    results = project.folder / "results"
    shutil.rmtree(results / "models/toy/dots/curved")
    shutil.rmtree(results / "evaluation/toy/dots/straight/seed0")
    (results / "tables/toy_compare.html").rename(results / "tables/other_compare.html")  # of another configuration
    project.snakemake("--report", "report.html")
    html = (project.folder / "report.html").read_text()
    assert "Left out of toy, not run: 1 of 2 trainings (dots/curved/seed0)" in html
    assert "Left out, trained but not tested: toy/dots/straight/seed0" in html
    assert "results/tables/devices.html" in html and "other_compare" not in html
    assert "Left out, not made: the tables toy_compare" in html


def test_before_the_first_run_there_is_a_report_of_the_plan(toy_project: Project, tmp_path: Path):
    project = toy_project.copy(tmp_path / "new")
    for path in ("results", ".snakemake"):
        shutil.rmtree(project.folder / path)
    project.snakemake("--report", "report.zip")
    assert (project.folder / "report.zip").stat().st_size > 10_000

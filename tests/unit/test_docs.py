"""The documents: what they point to is there, and what they say of a task's parts is so."""

import ast
import re
from pathlib import Path

import pytest

from geoml import registry

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(
        path
        for folder in ("benchmarks", "config", "containers", "docs", "profiles")
        for path in (ROOT / folder).glob("*.md")
    ),
]
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


def slugs(page: Path) -> set[str]:
    """Anchors of the headings of a page, as they are made of them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_what_is_there(page: Path):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in slugs(target), link


@pytest.mark.parametrize("task", registry.tasks())
def test_every_task_has_what_the_manual_says_must_be_there(task: str):
    text = (ROOT / "docs/adding_a_task.md").read_text(encoding="utf-8")
    must = text[text.index("`task.py`, all with") : text.index("## What may be there")]
    names = {name for cell in re.findall(r"^\| (`.+?) \|", must, re.MULTILINE) for name in re.findall(r"`(\w+)", cell)}
    tree = ast.parse((ROOT / f"geoml/tasks/{task}/task.py").read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    defined |= {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    defined |= {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert len(names) >= 12
    assert names <= defined, names - defined


def test_the_tests_and_tables_that_the_reproduction_page_names_are_there():
    text = (ROOT / "docs/reproduction.md").read_text(encoding="utf-8")
    named = re.findall(r"`(?:tests/\w+/)?(test_\w+\.py)(?: -k (\w+))?`", text)
    assert len(named) >= 12
    for name, word in named:
        (path,) = (ROOT / "tests").glob(f"*/{name}")
        assert any(word in found for found in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)), (
            name,
            word,
        )
    made = {f"{name}.csv" for task in registry.tasks() for name in [*registry.names(task, "tables"), f"{task}_search"]}
    assert set(re.findall(r"(\w+_(?:compare|cross|clusters|search)\.csv)", text)) <= made


@pytest.mark.parametrize("task", registry.tasks())
def test_every_task_has_a_part_on_the_reproduction_page(task: str):
    text = (ROOT / "docs/reproduction.md").read_text(encoding="utf-8")
    parts = {"polarity": "First-motion polarity", "folds": "Shapes of folds", "slip": "Kinematic efficiency",
             "tremor": "Triggered tremor", "patchnet": "Bottom-simulating reflections"}  # fmt: skip
    part = text.split(f"## {parts[task]}\n")[1].split("\n## ")[0]
    assert "| claim | published | ours | on what data | command |" in part and "synthetic" in part

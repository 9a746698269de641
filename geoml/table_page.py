"""A table as an HTML page of its own: to be sorted and searched, in one file that needs nothing else and no network."""

import base64
import csv
import gzip
import math
from importlib import resources
from pathlib import Path
from typing import Any

from geoml import __version__
from geoml.files import atomic

Row = dict[str, str]

_FOLDER = Path(__file__).parent
TEMPLATES = [_FOLDER / "page_parts.html", _FOLDER / "table_page.html"]
_LONG = 60  # letters of a text that is shown in several lines
_MOST_FIXED = 3  # columns that stay while a wide table moves


def write_table(path: str | Path, page: str | Path, caption: str) -> None:
    """Write the page of a table.

    Args:
        path: CSV file of the table.
        page: HTML file to write.
        caption: What the rows are and what to look for; may be empty.
    """
    path = Path(path)
    write_page(page, "table_page.html", title=path.stem, table=sheet(path, caption))


def write_page(path: str | Path, template: str, **content: Any) -> None:
    """Fill a template of this folder, whole or not at all; text in ``content`` is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    library = {kind: _library(kind) for kind in ("js", "css")}
    html = environment.get_template(template).render(version=__version__, library=library, **content)
    with atomic(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


def _library(kind: str) -> str:
    """DataTables as shipped, packed: of its size a third, in each of many pages."""
    content = resources.files("itables").joinpath("html", f"dt_bundle.{kind}").read_bytes()
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def read(path: Path) -> tuple[list[str], list[Row]]:
    """Columns and rows of a table; none of a file that is missing, empty or no text."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            lines = csv.DictReader(file, restval="", restkey="")
            return [*(lines.fieldnames or ())], list(lines)
    except (OSError, UnicodeDecodeError, csv.Error):
        return [], []


def sheet(path: Path, caption: str) -> dict[str, Any]:
    """What is shown of a table: columns with something in them, numbers rounded; no rows where it is not there."""
    columns, rows = read(path)
    shown = [name for name in columns if any(row[name] for row in rows)]
    cells = {name: _cells([row[name] for row in rows]) for name in shown}
    words = next((place for place, name in enumerate(shown) if cells[name][0]["kind"] == "number"), len(shown))
    sources = {row.get("data_source") for row in rows if row.get("data_source")}
    return {
        "name": path.stem,
        "caption": caption,
        "columns": shown,
        "empty": [name for name in columns if name not in shown],
        "rows": list(zip(*cells.values(), strict=True)),
        "rounded": any(cell["order"] and cell["order"] != cell["text"] for of in cells.values() for cell in of),
        "fixed": max(1, min(words, _MOST_FIXED)),
        "synthetic": ("all" if sources == {"synthetic"} else "some") if "synthetic" in sources else "",
    }


def _cells(texts: list[str]) -> list[dict[str, Any]]:
    """Cells of a column; ``order`` is the whole number in columns of numbers, by which they are sorted."""
    if all(math.isfinite(value(text)) for text in texts if text):
        return [{"text": _rounded(text), "order": text, "kind": "number"} for text in texts]
    return [{"text": text, "order": None, "kind": "words" if len(text) > _LONG else ""} for text in texts]


def value(text: str | None) -> float:
    """The number in a cell; NaN, which nothing is above or below, where there is none."""
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _rounded(text: str) -> str:
    """Four digits that count, all of a whole number."""
    if not text:
        return ""
    number = float(text)
    if number.is_integer() or abs(number) >= 1000:
        return f"{number:,.0f}"
    return f"{number:#.4g}".removesuffix(".")

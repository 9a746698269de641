"""The results page: tables, figures and links of all tasks in one HTML file that needs nothing else and no network."""

import base64
import csv
import math
import re
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from geoml import __version__
from geoml.devices import DEVICES
from geoml.files import atomic

Row = dict[str, str]

TEMPLATE = Path(__file__).with_suffix(".html")
_SCORE = re.compile(r"(.+)_ci_low")


def write(path: str | Path, title: str, tasks: dict[str, dict[str, Any]], others: list[str]) -> None:
    """Write the page beside the folders ``tables``, ``figures`` and ``export``, whatever of these there is.

    Args:
        path: Of the page; links on it are relative to its folder.
        title: Heading.
        tasks: By name: ``tables`` (their names) and ``about``, what is said of the task by heading.
        others: Names of the tables that are of no single task.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    results = Path(path).parent
    html = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=title,
        version=__version__,
        tasks=[_task(results, name, **content) for name, content in tasks.items()],
        others=[_table(results, name) for name in others],
        datatables=_library("js"),
        style=_library("css"),
    )
    with atomic(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


def _library(kind: str) -> str:
    """DataTables as shipped, so that it can stand inside an HTML element."""
    text = resources.files("itables").joinpath("html", f"dt_bundle.{kind}").read_text(encoding="utf-8")
    return re.sub(r"<(?=!--|/?script|/style)", r"\\x3C", text, flags=re.IGNORECASE)


def _task(results: Path, name: str, tables: list[str], about: dict[str, str]) -> dict[str, Any]:
    shown = [_table(results, table) for table in tables]
    return {
        "name": name,
        "about": about,
        "tables": shown,
        "boards": [
            {"name": table["name"], **board}
            for table in shown
            if table["name"].endswith("_compare") and (board := leaderboard(table["rows"]))
        ],
        "figures": _figures(results, name),
        "links": _links(results, name),
    }


def _table(results: Path, name: str) -> dict[str, Any]:
    """A table whole; without columns and rows where it is not there."""
    path = results / "tables" / f"{name}.csv"
    columns, rows = read(path)
    return {
        "name": name,
        "columns": columns,
        "rows": rows,
        "href": _href(results, path) if path.is_file() else None,
        "synthetic": any(row.get("data_source") == "synthetic" for row in rows),
    }


def read(path: Path) -> tuple[list[str], list[Row]]:
    """Columns and rows of a table; none of a file that is missing, empty or no text."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            lines = csv.DictReader(file, restval="", restkey="")
            return [*(lines.fieldnames or ())], list(lines)
    except (OSError, UnicodeDecodeError, csv.Error):
        return [], []


def _figures(results: Path, task: str) -> list[dict[str, Any]]:
    """Figures of a task with their content, so that the page can be sent alone."""
    files: dict[str, list[Path]] = {}
    for path in sorted((results / "figures" / task).glob("*")):
        if path.suffix in (".png", ".svg"):
            files.setdefault(path.stem, []).insert(0, path)
    kinds = {".png": "image/png", ".svg": "image/svg+xml"}
    return [
        {
            "name": stem.replace("_", " "),
            "files": {path.suffix[1:]: _href(results, path) for path in paths},
            "source": f"data:{kinds[paths[0].suffix]};base64,{base64.b64encode(paths[0].read_bytes()).decode()}",
        }
        for stem, paths in files.items()
    ]


def _links(results: Path, task: str) -> dict[str, str]:
    """What can be taken away from a task: cards of exported models, the bundle."""
    cards = sorted((results / "export" / task).glob("**/card.json"))
    names = {path: path.parent.relative_to(results / "export" / task).as_posix() for path in cards}
    links = {
        "Model card" if name == "." else f"Model card of {name}": _href(results, path) for path, name in names.items()
    }
    bundle = results / "export" / "pi" / f"geoml-pi-{task}.tar.gz"
    return links | ({"Bundle for a Raspberry Pi": _href(results, bundle)} if bundle.is_file() else {})


def _href(results: Path, path: Path) -> str:
    return quote(path.relative_to(results).as_posix())


def leaderboard(rows: list[Row]) -> dict[str, Any] | None:
    """What a comparison table says by its first score; None without a score.

    Rows are ranked among those of the same data set and part. ``best`` is said only where the paired interval of every
    other row lies below it; else it and the rows whose interval does not are ``not told apart``. Scores on what the
    models were fitted to rank nothing.
    """
    columns = [*rows[0]] if rows else []
    score = next((match[1] for name in columns if (match := _SCORE.fullmatch(name)) and match[1] in columns), None)
    if score is None:
        return None
    rows = [row for row in rows if _rank(row, score) > -math.inf]
    labels = [name for name in columns[: columns.index(score)] if name not in ("dataset", "model", "variant", "status")]
    parts = _parts(rows, labels, score)
    said = [name for name in labels if name not in parts and len({row[name] for row in rows}) > 1]
    blocks: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        blocks.setdefault((row.get("dataset", ""), *(row[name] for name in parts)), []).append(row)
    # A leaderboard is read from the top: what counts stands there.
    ordered = sorted(blocks.values(), key=lambda block: (not block[0][score], block[0].get("split", "test") != "test"))
    lines: list[dict[str, Any]] = []
    for block in ordered:
        marked = zip(block, _marks(block, score), strict=True)
        for row, mark in sorted(marked, key=lambda pair: -_rank(pair[0], score)):
            lines.append(_line(row, score) | {"mark": mark})
            lines[-1]["parts"] = [row[name] for name in parts]
            lines[-1]["said"] = [_said(name, row[name]) for name in said if row[name]]
    if not lines:
        return None
    return {
        "score": score,
        "parts": parts,
        "devices": [device for device in DEVICES if any(line["seconds"][device] for line in lines)],
        "has_published": any(line["published"] for line in lines),
        "sources": sorted({part for row in rows for part in row.get("published_source", "").split(" | ") if part}),
        "rows": lines,
    }


def _line(row: Row, score: str) -> dict[str, Any]:
    """What is shown of a row."""
    return {
        "dataset": row.get("dataset", ""),
        "synthetic": row.get("data_source") == "synthetic",
        "model": _model(row),
        "score": _number(row[score]),
        "interval": [_number(row.get(f"{score}_ci_{end}", "")) for end in ("low", "high")],
        "published": _published(row, score),
        "parameters": row.get("parameters", ""),
        "seconds": {device: _seconds(row, device) for device in DEVICES},
        "seeds": row.get("n_seeds", ""),
        "n_test": row.get("n_test", ""),
    }


def _model(row: Row) -> str:
    return row.get("variant") or row.get("model", "")


def _parts(rows: list[Row], labels: list[str], score: str) -> list[str]:
    """Labels that differ between rows of the same model on the same data set: they say what it was tested on."""
    seen: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row[score]:
            seen.setdefault((row.get("dataset", ""), _model(row)), []).append(row)
    return [name for name in labels if any(len({row[name] for row in of_model}) > 1 for of_model in seen.values())]


def _marks(block: list[Row], score: str) -> list[str]:
    """Of each row of a block: ``best``, ``not told apart`` or nothing."""
    against = f"{score}_vs_best"
    measured = [row for row in block if row[score]]
    leading = [row for row in measured if not row.get(against)]
    if len(leading) != 1 or len(measured) == 1 or block[0].get("split") == "train":
        return [""] * len(block)
    near = [row for row in measured if row is not leading[0] and not _value(row.get(f"{against}_ci_high")) < 0]
    tied = [*leading, *near] if near else []
    return [
        "not told apart" if any(row is one for one in tied) else "best" if row is leading[0] else "" for row in block
    ]


def _rank(row: Row, score: str) -> float:
    """By what a row is ordered; minus infinity where nothing was measured or published."""
    known = [_value(row.get(name)) for name in (score, f"published_{score}")]
    return next((value for value in known if math.isfinite(value)), -math.inf)


def _value(text: str | None) -> float:
    """The number in a cell; NaN, which nothing is above or below, where there is none."""
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _number(text: str) -> str:
    return f"{float(text):.3f}" if math.isfinite(_value(text)) else ""


def _said(name: str, text: str) -> str:
    """A label that can stand alone: a number says what it is."""
    return f"{name.replace('_', ' ')} {text}" if math.isfinite(_value(text)) else text


def _published(row: Row, score: str) -> str:
    """The published figure of the score, or those of others, each with its name."""
    figures = {
        name.removeprefix("published_").replace("_", " "): text
        for name, text in row.items()
        if name.startswith("published_") and math.isfinite(_value(text))
    }
    return figures.get(score.replace("_", " ")) or ", ".join(f"{name} {text}" for name, text in figures.items())


def _seconds(row: Row, device: str) -> str:
    """Training time, with what it rests on where it was not measured whole."""
    kind = next((kind for kind in ("train", "time") if math.isfinite(_value(row.get(f"{kind}_{device}_s")))), None)
    if kind is None:
        return ""
    basis = row.get(f"{kind}_{device}_basis", "")
    return f"{float(row[f'{kind}_{device}_s']):.3g}" + (f" ({basis})" if basis not in ("", "measured") else "")

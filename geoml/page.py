"""The results page: tables, figures and links of all tasks in one HTML file that needs nothing else and no network."""

import base64
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from geoml import texts
from geoml.config import table_names
from geoml.devices import DEVICES
from geoml.files import read_json
from geoml.table_page import TEMPLATES as PARTS
from geoml.table_page import Row, read, sheet, value, write_page

TEMPLATES = [Path(__file__).with_suffix(".html"), *PARTS]
_SCORE = re.compile(r"(.+)_ci_low")
_KINDS = {".png": "image/png", ".svg": "image/svg+xml"}


def content(task: str, settings: dict[str, Any]) -> dict[str, Any]:
    """What the page says of a task beside its results, from the task's part of the resolved configuration."""
    words = texts.of(task)
    sources = {entry.get("base", name): entry["source"] for name, entry in settings["datasets"].items()}
    return {
        "title": words["TITLE"],
        "about": words["ABOUT"],
        "facts": {
            "Data sets": ", ".join(f"{name} ({source})" for name, source in sources.items()),
            "Models": ", ".join(settings["variants"]),
            "Seeds": ", ".join(map(str, settings["seeds"])),
        },
        "tables": {name: texts.table(name, task) for name in table_names(task, settings)},
        "figures": texts.FIGURES | words["FIGURES"],
        "scores": {name: texts.score(name, task) for name in settings["columns"]},
    }


def write(path: str | Path, title: str, tasks: dict[str, dict[str, Any]], others: dict[str, str]) -> None:
    """Write the page beside the folders ``tables``, ``figures``, ``export`` and others, whatever of these there is.

    Args:
        path: Of the page; links on it are relative to its folder.
        title: Heading.
        tasks: What is said of each (:func:`content`), by name.
        others: Captions of the tables that are of no single task, by name.
    """
    results = Path(path).parent
    write_page(
        path,
        "page.html",
        title=title,
        tasks=[_task(results, name, **said) for name, said in tasks.items()],
        others=[_table(results, name, caption) for name, caption in others.items()],
    )


def _task(
    results: Path,
    name: str,
    *,
    title: str,
    about: str,
    facts: dict[str, str],
    tables: dict[str, str],
    figures: dict[str, str],
    scores: dict[str, str],
) -> dict[str, Any]:
    boards = {
        table: leaderboard(read(results / "tables" / f"{table}.csv")[1])
        for table in tables
        if table.endswith("_compare")
    }
    return {
        "name": name,
        "title": title,
        "about": about,
        "facts": facts,
        "boards": [
            {"name": table, "about": scores.get(board["score"], "").rstrip("."), **board}
            for table, board in boards.items()
            if board
        ],
        "tables": [_table(results, table, caption) for table, caption in tables.items()],
        "figures": _figures(results, name, figures),
        "exports": _exports(results, name),
        "more": _more(results, name),
        "runs": _runs(results, name),
    }


def _table(results: Path, name: str, caption: str) -> dict[str, Any]:
    path = results / "tables" / f"{name}.csv"
    return sheet(path, caption) | {"href": _href(results, path) if path.is_file() else None}


def _figures(results: Path, task: str, captions: dict[str, str]) -> list[dict[str, Any]]:
    """Figures of a task with their content, so that the page can be sent alone."""
    files: dict[str, list[Path]] = {}
    for path in sorted((results / "figures" / task).glob("*")):
        if path.suffix in _KINDS:
            files.setdefault(path.stem, []).insert(0, path)
    return [
        {
            "name": stem.replace("_", " "),
            "caption": texts.find(stem, captions),
            "files": {path.suffix[1:]: _href(results, path) for path in paths},
            "source": f"data:{_KINDS[paths[0].suffix]};base64,{base64.b64encode(paths[0].read_bytes()).decode()}",
        }
        for stem, paths in files.items()
    ]


def _exports(results: Path, task: str) -> list[dict[str, Any]]:
    """Exported models of a task: their files, and the card where there is one."""
    folder = results / "export" / task
    found = []
    for record in sorted(folder.glob("**/card.json")):
        card, name = record.with_name("MODEL_CARD.md"), record.parent.relative_to(folder).as_posix()
        found.append(
            {
                "name": f"{_run(record)}, the best network" if name == "." else name,
                "card": _html(card.read_text(encoding="utf-8")) if card.is_file() else None,
                "files": _sizes(
                    results, [*filter(Path.is_file, [card]), record, *sorted(record.parent.glob("model.*"))]
                ),
            }
        )
    return found


def _run(card: Path) -> str:
    """Which run an export is of; nothing more than its folder where the card is broken."""
    try:
        run = read_json(card)["run"]
        return f"{run['variant']} trained on {run['dataset']}, seed {run['seed']}"
    except (ValueError, LookupError, TypeError):
        return card.parent.name


def _html(markdown: str) -> str:
    """HTML of a text in Markdown; HTML in it stays text, and its headings stand below those of the page."""
    from markdown_it import MarkdownIt

    tokens = (reader := MarkdownIt("commonmark", {"html": False}).enable("table")).parse(markdown)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 3)}"
    return str(reader.renderer.render(tokens, reader.options, {}))


def _more(results: Path, task: str) -> dict[str, str]:
    """Links to what else can be taken away from a task: its bundle, the pictures and tables of its predictions."""
    bundle = results / "export" / "pi" / f"geoml-pi-{task}.tar.gz"
    links = _sizes(results, [bundle]) if bundle.is_file() else {}
    links = {f"Bundle for a Raspberry Pi: {text}": href for text, href in links.items()}
    predictions = sorted(path for path in (results / "predictions" / task).glob("*") if path.is_dir())
    return links | {f"Predictions: {path.name}": f"{_href(results, path)}/" for path in predictions}


def _runs(results: Path, task: str) -> dict[str, dict[str, str]]:
    """Links to the figures of every run."""
    found: dict[str, dict[str, str]] = {}
    folder = results / "evaluation" / task
    for path in sorted(folder.glob("*/*/*/figures/*.png")):
        run = path.parent.parent.relative_to(folder).as_posix()
        found.setdefault(run, {})[path.stem.replace("_", " ")] = _href(results, path)
    return found


def _sizes(results: Path, paths: Iterable[Path]) -> dict[str, str]:
    """Links to files by name and size."""
    return {f"{path.name} ({_size(path.stat().st_size)})": _href(results, path) for path in paths}


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{math.ceil(n_bytes / 1e3)} kB"


def _href(results: Path, path: Path) -> str:
    return quote(path.relative_to(results).as_posix())


def leaderboard(rows: list[Row]) -> dict[str, Any] | None:
    """What a comparison table says by its first score; None without a score.

    Rows are ranked among those of the same data set and part. ``best`` is said only where the paired interval of every
    other row lies below it; else it and the rows whose interval does not are ``not told apart``. Scores on what the
    models were fitted to rank nothing; where there are test samples, only these are shown.
    """
    columns = [*rows[0]] if rows else []
    score = next((match[1] for name in columns if (match := _SCORE.fullmatch(name)) and match[1] in columns), None)
    if score is None:
        return None
    known = [row for row in rows if _rank(row, score) > -math.inf]
    rows = [row for row in known if row.get("split", "test") == "test"] or known
    labels = [name for name in columns[: columns.index(score)] if name not in ("dataset", "model", "variant", "status")]
    parts = _parts(rows, labels, score)
    said = [name for name in labels if name not in parts and len({row[name] for row in rows}) > 1]
    blocks: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        blocks.setdefault((row.get("dataset", ""), *(row[name] for name in parts)), []).append(row)
    of_data = [name for name in said if all(len({row[name] for row in block}) == 1 for block in blocks.values())]
    # A leaderboard is read from the top: what was measured stands there.
    ordered = sorted(blocks.values(), key=lambda block: not any(row[score] for row in block))
    lines: list[dict[str, Any]] = []
    for number, block in enumerate(ordered):
        marked = zip(block, _marks(block, score), strict=True)
        for place, (row, mark) in enumerate(sorted(marked, key=lambda pair: -_rank(pair[0], score))):
            lines.append(_line(row, score) | {"mark": mark, "first": number > 0 and place == 0})
            lines[-1]["parts"] = [row[name] for name in parts]
            lines[-1]["said"] = _said(row, [name for name in said if name not in of_data])
            lines[-1]["of_data"] = _said(row, of_data)
    if not lines:
        return None
    return {
        "score": score,
        "parts": parts,
        "of_part": len(rows) < len(known),
        "has_parameters": any(line["parameters"] for line in lines),
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
    near = [row for row in measured if row is not leading[0] and not value(row.get(f"{against}_ci_high")) < 0]
    tied = [*leading, *near] if near else []
    return [
        "not told apart" if any(row is one for one in tied) else "best" if row is leading[0] else "" for row in block
    ]


def _rank(row: Row, score: str) -> float:
    """By what a row is ordered; minus infinity where nothing was measured or published."""
    known = [value(row.get(name)) for name in (score, f"published_{score}")]
    return next((number for number in known if math.isfinite(number)), -math.inf)


def _number(text: str) -> str:
    return f"{float(text):.3f}" if math.isfinite(value(text)) else ""


def _said(row: Row, names: list[str]) -> list[str]:
    """Labels that can stand alone: a number says what it is, and nothing repeats the name of the model."""
    shown = {name: row[name] for name in names if row[name] not in ("", _model(row))}
    return [
        f"{name.replace('_', ' ')} {value(text):.3g}" if math.isfinite(value(text)) else text
        for name, text in shown.items()
    ]


def _published(row: Row, score: str) -> str:
    """The published figure of the score, or those of others, each with its name."""
    figures = {
        name.removeprefix("published_").replace("_", " "): text
        for name, text in row.items()
        if name.startswith("published_") and math.isfinite(value(text))
    }
    return figures.get(score.replace("_", " ")) or ", ".join(f"{name} {text}" for name, text in figures.items())


def _seconds(row: Row, device: str) -> str:
    """Training time, with what it rests on where it was not measured whole."""
    kind = next((kind for kind in ("train", "time") if math.isfinite(value(row.get(f"{kind}_{device}_s")))), None)
    if kind is None:
        return ""
    basis = row.get(f"{kind}_{device}_basis", "")
    return f"{float(row[f'{kind}_{device}_s']):.3g}" + (f" ({basis})" if basis not in ("", "measured") else "")

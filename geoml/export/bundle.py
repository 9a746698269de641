"""A bundle for a Raspberry Pi: exported files, the program around them, and what it takes to install them off-line."""

import ast
import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from importlib.metadata import metadata, requires, version
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from packaging.requirements import Requirement

from geoml import __version__, registry, runtimes
from geoml.errors import InputError
from geoml.export import model_card
from geoml.files import atomic, read_json
from geoml.logs import log

PACKAGE = "geoml_pi"  # in a bundle, what geoml is called there
TOLERANCE = {"onnx": 1e-4, "int8": 0.05}  # of the self-test; integers are rounded otherwise on other processors
_ROOT = Path(__file__).parents[2]
_TEMPLATES = Path(__file__).parent / "pi"
_IMPORT = re.compile(r"^(\s*(?:from|import) )geoml\b", re.MULTILINE)
_RUNTIMES = {".onnx": "onnxruntime", ".tflite": "ai-edge-litert"}
_PI = {"extra": "", "sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64"}
_RANDOM_INPUTS = 4


def bundle(card_path: Path, out: Path) -> None:
    """Write the bundle of an export; the same inputs give the same bytes.

    Args:
        card_path: ``card.json``, with the exported files and the model card beside it.
        out: ``geoml-pi-{task}.tar.gz``, with one folder of that name.

    Raises:
        InputError: no format may be bundled, or a file is not the one that was checked.
    """
    card = read_json(card_path)
    task, folder = card["task"], card_path.parent
    if not card["bundle"]:
        reasons = "; ".join(f"{name}: {found['status']}" for name, found in card["formats"].items() if found["file"])
        raise InputError(card_path, "bundle", "a format that may be used", reasons)
    checked = {found["file"]: found.get("sha256") for found in card["formats"].values()}
    files = {name: _unchanged(folder / name, checked[name]) for name in card["bundle"]}
    wanted = registry.constants(task, ".", "predict").get("EDGE_PACKAGES", ())
    packages = _with_dependencies({"numpy", *wanted, *(_RUNTIMES[Path(name).suffix] for name in card["bundle"])})
    files["card.json"] = (json.dumps(card, indent=2) + "\n").encode()
    files[model_card.NAME] = (folder / model_card.NAME).read_bytes()
    files["selftest.npz"] = _selftest(folder, card)
    files["requirements.txt"] = _pinned(packages).encode()
    files["LICENSE"] = (_ROOT / "LICENSE").read_bytes()
    files["LICENCES.md"] = _licences(packages).encode()
    files |= {f"{PACKAGE}/{name}": text.encode() for name, text in _program(task)}
    words = _words(card, packages)
    for path in sorted(_TEMPLATES.iterdir()):
        files[path.name] = Template(path.read_text(encoding="utf-8")).substitute(words).encode()
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    files["SHA256SUMS"] = sums.encode()
    _pack(files, out)
    log.info("%s: %d files, %d bytes", out, len(files), out.stat().st_size)


def _unchanged(path: Path, known: str) -> bytes:
    """Content of a file that was checked."""
    if not path.is_file():
        raise InputError(path, "file", "the exported model that was checked", "no such file", "Export it again.")
    content = path.read_bytes()
    if (got := hashlib.sha256(content).hexdigest()) != known:
        raise InputError(path, "sha256", known, got, "Check the export again.")
    return content


def modules(task: str) -> list[str]:
    """Names of the geoml modules that a task's program is made of: what it imports at the top, and so on."""
    found: set[str] = set()
    waiting = ["geoml.edge", f"geoml.tasks.{task}.predict"]
    while waiting:
        name = waiting.pop()
        if name not in found and (path := _source(name)) is not None:
            found.add(name)
            waiting += [name.rpartition(".")[0], *_imported(ast.parse(path.read_text(encoding="utf-8")))]
    return sorted(found)


def _source(module: str) -> Path | None:
    base = _ROOT.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:  # imports in functions, or for type checkers, are not of the edge
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _program(task: str) -> Iterator[tuple[str, str]]:
    """Path and text of every module, under the name that the package has in a bundle."""
    for module in modules(task):
        path = _source(module)
        assert path is not None
        text = _IMPORT.sub(rf"\g<1>{PACKAGE}", path.read_text(encoding="utf-8"))
        yield path.relative_to(_ROOT / "geoml").as_posix(), text


def _selftest(folder: Path, card: dict[str, Any]) -> bytes:
    """Random inputs, what every bundled file answers here, and how far another machine may be off, as ``.npz``."""
    models = {name: runtimes.load(folder / name) for name in card["bundle"]}
    shape = next(iter(models.values())).meta["input_shape"]
    x = np.random.default_rng(0).normal(size=(_RANDOM_INPUTS, *shape)).astype(np.float32)
    arrays: dict[str, Any] = {"inputs": x}
    for name, model in models.items():
        arrays[name] = TOLERANCE["int8" if "int8" in name else "onnx"]
        arrays |= {f"{name}:{output}": values for output, values in model.infer(x, 1).items()}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _with_dependencies(packages: Iterable[str]) -> list[str]:
    """Names of packages and of all that they require, sorted."""
    found: set[str] = set()
    waiting = list(packages)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name not in found:
            found.add(name)
            for needed in map(Requirement, requires(name) or []):
                if needed.marker is None or needed.marker.evaluate(_PI):
                    waiting.append(needed.name)
    return sorted(found)


def _pinned(packages: Iterable[str]) -> str:
    """The lock file's lines of these packages: versions and checksums."""
    entries = re.split(r"\n(?=\S)", (_ROOT / "requirements" / "cpu.lock").read_text(encoding="utf-8"))
    by_name = {entry.partition("==")[0].lower(): entry.rstrip() for entry in entries}
    return "\n".join(by_name[name] for name in packages) + "\n"


def _licences(packages: Iterable[str]) -> str:
    lines = [
        "# Licences", "",
        "The program (`geoml_pi/`): BSD-3-Clause, see LICENSE. The network: see `licence` and `citation` in card.json.",
        "Packages that `install.sh` installs, each with its own licence text inside:", "",
    ]  # fmt: skip
    for name in packages:
        about: Any = metadata(name)
        said = about.get("License-Expression") or (about.get("License") or "").split("\n")[0]
        of_classes = [text.rpartition(" :: ")[2] for text in about.get_all("Classifier", []) if "License ::" in text]
        lines.append(f"- {name} {version(name)}: {said or ', '.join(of_classes) or 'not said'}")
    return "\n".join(lines) + "\n"


def _words(card: dict[str, Any], packages: list[str]) -> dict[str, str]:
    """What the templates leave open."""
    found = next(entry for entry in card["formats"].values() if entry["file"] == card["bundle"][0])
    score = card["score"]
    low, high = found[f"{score}_ci_low"], found[f"{score}_ci_high"]
    return {
        "task": card["task"],
        "run": "/".join(map(str, card["run"].values())),
        "model": card["bundle"][0],
        "models": ", ".join(f"`{name}`" for name in card["bundle"]),
        "score": f"{score} {found[score]:.3f} (95 % interval {low:.3f} to {high:.3f}, {card['n_test']:,} test samples)",
        "data": f"{card['data_source']} data",
        "method": card["method"],
        "citation": card["citation"],
        "packages": ", ".join(f"{name} {version(name)}" for name in packages),
        "version": __version__,
    }


def _pack(files: dict[str, bytes], out: Path) -> None:
    with (
        atomic(out) as temporary,
        open(temporary, "wb") as raw,
        gzip.GzipFile("", "wb", 9, raw, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(f"{out.name.removesuffix('.tar.gz')}/{name}")
            entry.size, entry.mode = len(content), 0o755 if content.startswith(b"#!") else 0o644
            archive.addfile(entry, io.BytesIO(content))

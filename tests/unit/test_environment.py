"""One environment: what conda users, pip users and the package itself are told is the same."""

import re
import tomllib

import pytest
import yaml
from conftest import ROOT
from packaging.specifiers import SpecifierSet

from geoml import __version__

RECIPES = ["containers/Dockerfile", "containers/geoml.def"]


def pins(name: str) -> dict[str, str]:
    """Versions in a lock file."""
    text = (ROOT / "requirements" / name).read_text()
    return dict(re.findall(r"^([a-z0-9_.-]+)==([^\s;\\]+)", text, re.MULTILINE | re.IGNORECASE))


def wanted(name: str) -> list[str]:
    """Requirements that people wrote."""
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return [line.partition(";")[0] for line in lines if line and not line.startswith(("#", "-"))]


def test_environment_and_lock_file_name_the_same_versions():
    content = yaml.safe_load((ROOT / "environment.yml").read_text())
    packages = next(entry["pip"] for entry in content["dependencies"] if isinstance(entry, dict))
    named = dict(package.partition(";")[0].split("==") for package in packages)
    lock = pins("cpu.lock")
    assert {name: lock.get(name) for name in named} == named
    assert set(named) == {re.split("[=<>~]", line)[0] for line in wanted("cpu.in")}


def test_the_lock_file_is_hashed_complete_and_names_no_registry():
    text = (ROOT / "requirements/cpu.lock").read_text()
    entries = re.findall(r"^\S+==.*(?:\n    .*)*", text, re.MULTILINE)
    assert len(entries) >= len(pins("cpu.lock")) > 50
    assert all("--hash=sha256:" in entry for entry in entries)
    for name in ("cpu.lock", "gpu.lock"):
        assert not re.search(r"https?://|--(extra-)?index-url|--find-links", (ROOT / "requirements" / name).read_text())


def test_the_lock_file_keeps_what_was_asked_for():
    lock = pins("cpu.lock")
    for line in wanted("cpu.in"):
        name, version = line.split("==")
        assert re.fullmatch(re.escape(version).replace(r"\*", ".+"), lock[name]), line


def test_python_versions_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11,<3.13"
    content = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert "python=3.11" in content["dependencies"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_container_has_a_python_of_ours_and_the_packages_of_the_lock_file(recipe: str):
    text = (ROOT / recipe).read_text()
    (python,) = re.findall(r"^F(?:ROM |rom: )python:(\d+\.\d+\.\d+)-slim-\w+$", text, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert python in SpecifierSet(project["requires-python"])
    installed = re.findall(r"pip install (.+?)(?: \\)?$", text, re.MULTILINE)
    assert len(installed) == 2 and installed[0].endswith("--require-hashes -r requirements/cpu.lock")
    assert "--no-deps" in installed[1] and "--no-build-isolation" in installed[1]


def test_both_containers_start_from_the_same_image():
    images = {re.findall(r"^F(?:ROM |rom: )(.+)$", (ROOT / recipe).read_text(), re.MULTILINE)[0] for recipe in RECIPES}
    assert len(images) == 1


def test_both_containers_hold_the_same_files_and_all_that_the_workflow_names():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    files = (ROOT / "containers/geoml.def").read_text().split("%files\n")[1].split("\n\n")[0]
    copied = dict(line.split() for line in files.splitlines())
    assert set(copied) == kept and all(target == f"/opt/geoml/{name}" for name, target in copied.items())
    assert all((ROOT / name).exists() for name in kept)
    named = re.findall(r'"(?:\.\./)?(\w[\w.]*)[/"]', (ROOT / "Snakefile").read_text())
    named += [
        path.split("/")[0]
        for rules in (ROOT / "rules").glob("*.smk")
        for path in re.findall(r'"\.\./([^"]+)"', rules.read_text())
    ]
    there = {name for name in named if (ROOT / name).exists()} - {"results"}
    assert {"rules", "config", "environment.yml", "workflow_scripts"} <= there <= kept


def test_the_container_does_not_run_as_root():
    lines = (ROOT / "containers/Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users and all(user.isdigit() and int(user) > 0 for user in users)


def test_the_citation_is_of_this_version_and_names_title_year_and_authors_of_all():
    content = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert content["cff-version"] == "1.2.0" and content["version"] == __version__
    licences = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"]
    assert content["license"] == licences and {"message", "title", "authors", "type"} <= set(content)
    for entry in content["references"]:
        assert {"type", "title", "authors"} <= set(entry), entry
        assert all("name" in author or {"family-names", "given-names"} <= set(author) for author in entry["authors"])
        assert entry["type"] != "article" or {"journal", "volume", "year"} <= set(entry), entry
        assert re.fullmatch(r"10\.\d{4,}/\S+", entry.get("doi", "10.1234/none")), entry


def test_the_catalogue_is_told_what_is_there():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    deployment = usage["software-stack-deployment"]
    rules = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    assert deployment["conda"] == ("conda:" in rules) and deployment["apptainer"] == ("container:" in rules)
    assert (ROOT / "config/README.md").is_file() and usage["mandatory-flags"]["flags"] == []

"""One environment: what conda users, pip users and the package itself are told is the same."""

import re
import tomllib

import yaml
from conftest import ROOT


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

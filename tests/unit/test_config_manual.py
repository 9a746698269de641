"""config/README.md says what the schemas say."""

import importlib.util
from types import ModuleType

from conftest import ROOT


def describe() -> ModuleType:
    """config/describe.py as a module; it is a script, not part of the package."""
    spec = importlib.util.spec_from_file_location("describe", ROOT / "config" / "describe.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_manual_is_up_to_date():
    written = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    assert written == describe().page(written), "run: python config/describe.py"


def test_every_key_is_described():
    rows = [line for line in describe().text().splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    bare = [row for row in rows if not row.rstrip(" |").split("|")[-1].strip()]
    assert not bare

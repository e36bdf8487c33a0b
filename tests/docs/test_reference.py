"""docs/reference.md is what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from ionflow import hookspecs
from ionflow.registry import load

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def script():
    """The script that writes the reference."""
    spec = importlib.util.spec_from_file_location("build_reference", DOCS / "build_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def text() -> str:
    """The reference as it is committed."""
    return (DOCS / "reference.md").read_text(encoding="utf-8")


def test_the_reference_is_up_to_date(script, text):
    assert script.build() == text, "docs/reference.md differs from the code: run make docs"


def test_every_plugin_and_every_field_is_there(script, text):
    assert script.missing(load(), text) == {}


def test_every_hook_is_there(text):
    hooks = [name for name in vars(hookspecs) if name.startswith("ionflow_")]
    assert len(hooks) == 4
    assert [name for name in hooks if f"`{name}()`" not in text] == []


def test_every_documented_field_has_a_meaning(text):
    rows = [line for line in text.splitlines() if line.startswith("| `") and line.count(" | ") == 4]
    assert len(rows) > 50
    assert [row for row in rows if row.rstrip("| ").count(" | ") < 4] == []

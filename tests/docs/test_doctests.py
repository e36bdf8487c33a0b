"""The examples in docstrings run."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"


def modules() -> list[str]:
    """Modules whose docstrings have examples; only these are imported."""
    files = [path for path in SOURCE.rglob("*.py") if ">>>" in path.read_text(encoding="utf-8")]
    names = [path.relative_to(SOURCE).with_suffix("").as_posix() for path in files]
    return sorted(name.removesuffix("/__init__").replace("/", ".") for name in names)


@pytest.mark.parametrize("name", modules())
def test_docstring_examples_run(name, capsys):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted
    assert not result.failed, capsys.readouterr().out

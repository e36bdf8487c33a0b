"""What tests of several rooms share; tests/ itself is on the path (pyproject: pythonpath)."""

from __future__ import annotations

from types import ModuleType

import pytest

import synthetic_run


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    """The module that builds run folders of random walkers."""
    return synthetic_run

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

_SOURCE = Path(__file__).parent.parent / "synthetic_run.py"


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    """The module that builds run folders of random walkers."""
    if "synthetic_run" not in sys.modules:
        spec = importlib.util.spec_from_file_location("synthetic_run", _SOURCE)
        module = importlib.util.module_from_spec(spec)
        sys.modules["synthetic_run"] = module
        spec.loader.exec_module(module)
    return sys.modules["synthetic_run"]

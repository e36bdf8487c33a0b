"""A small glass-like system and segments of it, deterministic."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from salt import KEY, Salt

from ionflow.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "run")


@pytest.fixture
def salt() -> Salt:
    return Salt()


@pytest.fixture
def key() -> str:
    return KEY

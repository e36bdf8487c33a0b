"""A small glass-like system and segments of it, deterministic."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from salt import KEY, Salt

from ionflow.store import Store


@pytest.fixture(autouse=True)
def _fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    # only a power cut would tell the difference; that they are called, test_store_damage shows
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "run")


@pytest.fixture
def salt() -> Salt:
    return Salt()


@pytest.fixture
def key() -> str:
    return KEY

"""A trajectory filed under a temperature that it did not have is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from ionflow import report
from ionflow.store import Store
from synthetic_run import Synthetic


@pytest.fixture
def root(tmp_path) -> Path:
    run = Synthetic(tmp_path / "run", alkalis=("Li",), temperatures=(800,), replicas=1)
    return run.trajectories().finish()


def page(root: Path) -> str:
    return report.write(root).read_text(encoding="utf-8")


def edit(root: Path, **stage) -> None:
    store = Store.open(root)
    record = store.read_json("run.json")
    for task in record["tasks"]:
        if task["name"] == "production":
            task["stage"] |= stage
    store.write_json("run.json", record)


def test_at_its_temperature_nothing_is_said(root):
    assert "Not at the temperature" not in page(root)


def test_far_from_its_temperature_it_is_named(root):
    edit(root, temperature_K=1200)
    assert "not 1200 K" in page(root)


def test_no_thermostat_no_target(root):
    edit(root, temperature_K=1200, ensemble="nve")
    assert "Not at the temperature" not in page(root)

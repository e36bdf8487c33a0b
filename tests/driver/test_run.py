"""Whole runs on the cheap potential, from recipe to report."""

from __future__ import annotations

import html
import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

import ionflow
from ionflow.cluster import connect
from ionflow.errors import HeldError, StoreError
from ionflow.recipe import LocalCluster
from ionflow.status import status
from ionflow.store import Store
from ionflow.view import Run
from tiny_recipe import tiny


def console() -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, width=200), text


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """One scheduler with two workers for all runs of this file: starting them takes longer."""
    with connect(LocalCluster(workers=2)) as client:
        yield {"use": "address", "address": client.scheduler.address}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cluster: dict) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("runs") / "tiny"
    screen, text = console()
    ionflow.run(tiny(cluster=cluster), out=out, console=screen)
    return out, text.getvalue()


def test_a_recipe_becomes_results_over_the_scan(finished):
    run = ionflow.open(finished[0])
    diffusion = run.results["diffusion"]
    for axis in ("A", "temperature_K", "replica", "species"):
        assert axis in diffusion.dims
    assert diffusion["diffusion_coefficient"].attrs["units"] == "cm^2/s"
    asked = {"rdf", "msd", "diffusion", "conductivity", "arrhenius"}
    assert set(run.results) == asked | {"soundness"}
    assert not run.failures


def test_the_report_and_the_recipe_are_there(finished):
    root, text = finished
    page = (root / "report" / "index.html").read_text()
    assert "<html" in page
    assert "tiny" in page
    assert "report:" in text
    assert (root / "recipe.yaml").read_text().startswith("name: tiny")


def test_the_melt_is_shared_by_the_temperatures(finished):
    tasks = json.loads((finished[0] / "run.json").read_text())["tasks"]
    stages = [t["name"] for t in tasks if t["kind"] == "stage"]
    assert (stages.count("melt"), stages.count("quench"), stages.count("production")) == (2, 2, 4)


def test_sealed_trajectories_open_with_bare_xarray(finished):
    root = finished[0]
    tasks = json.loads((root / "run.json").read_text())["tasks"]
    key = next(t["key"] for t in tasks if t["name"] == "production")
    data = xr.open_zarr(root / "trajectories" / key / "trajectory.zarr")
    assert data["positions"].dims == ("time", "atom", "xyz")
    assert data.sizes["time"] == 61
    np.testing.assert_allclose(np.diff(data["time"]), 0.01, atol=1e-12)


def test_a_finished_run_does_nothing_and_says_so_quickly(finished, cluster):
    root, _ = finished
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*.zarr")}
    screen, text = console()
    started = time.monotonic()
    ionflow.run(tiny(cluster=cluster), out=root, console=screen)
    assert time.monotonic() - started < 5
    assert "nothing to do" in text.getvalue()
    assert before == {p: p.stat().st_mtime_ns for p in root.rglob("*.zarr")}


def test_status_from_disk(finished):
    found = status(finished[0])
    assert all(row.state == "done" for row in found.rows)
    assert found.done_ps == pytest.approx(found.asked_ps)
    assert found.results_done == found.results_asked


def test_a_longer_production_extends_the_shorter_one(tmp_path, cluster):
    short = tiny(scan={}, analyses=["msd"], cluster=cluster)
    ionflow.run(short, out=tmp_path / "r")
    protocol = {**short["protocol"]}
    protocol["production"] = {**protocol["production"], "duration_ps": 1.0}
    run = ionflow.run({**short, "protocol": protocol}, out=tmp_path / "r")
    whole = run.trajectory(stage="production")
    assert whole.sizes["time"] == 101
    assert (np.diff(whole["step"]) == 5).all()
    straight = ionflow.run({**short, "protocol": protocol}, out=tmp_path / "s")
    np.testing.assert_array_equal(
        whole["positions"].values, straight.trajectory(stage="production")["positions"].values
    )


def test_a_stage_that_begins_where_no_state_was_kept_is_refused_and_nothing_changes(
    tmp_path, cluster
):
    made = tiny(scan={}, analyses=["msd"], cluster=cluster)
    melt, production = made["protocol"]["melt"], made["protocol"]["production"]

    def run(melt_ps: float, **how: bool) -> Run:
        stages = {"melt": {**melt, "duration_ps": melt_ps}, "production": production}
        return ionflow.run({**made, "protocol": stages}, out=tmp_path / "r", **how)

    known = run(0.6).provenance
    failure = {"0" * 64: {"reason": "of another recipe"}}
    Store(tmp_path / "r").record_failure(*next(iter(failure.items())))
    with pytest.raises(StoreError) as error:
        run(0.3, retry_failed=True)
    assert str(error.value) == (
        f"{tmp_path / 'r'}: stages that cannot begin where they should:\n"
        "  Li4Al4O3Cl10 r0 production: at 0.3 ps of melt, of which states are there at "
        "0.18, 0.36, 0.54, 0.6 ps. "
        "Let the earlier stage end at one of these, or take another folder (--out)"
    )
    assert ionflow.open(tmp_path / "r").provenance == known
    assert Store(tmp_path / "r").failures().keys() == failure.keys()
    assert len(run(0.36).results["msd"]["lag"]) > 1


def test_a_second_run_on_the_same_folder_refuses_and_names_the_holder(tmp_path):
    store = Store.create(tmp_path / "r")
    with store.hold(), pytest.raises(HeldError, match=str(os.getpid())):
        ionflow.run(tiny(), out=tmp_path / "r")


def test_a_blown_up_trajectory_is_reported_and_the_others_go_on(tmp_path, cluster):
    # a step of 20 fs is longer than half a period of the stiffest bond
    recipe = tiny(scan={"engine.timestep_fs": [2.0, 20.0]}, analyses=["msd"], cluster=cluster)
    run = ionflow.run(recipe, out=tmp_path / "r")
    (failure,) = run.failures.values()
    assert "step" in failure["reason"]
    known = run.results["msd"]["msd"].notnull().any(["species", "lag"]).squeeze("replica")
    assert known.sel(timestep_fs=2.0)
    assert not known.sel(timestep_fs=20.0)
    page = (tmp_path / "r" / "report" / "index.html").read_text()
    assert html.escape(failure["reason"]) in page
    screen, text = console()
    ionflow.run(recipe, out=tmp_path / "r", console=screen)
    assert "1 failed" in text.getvalue()

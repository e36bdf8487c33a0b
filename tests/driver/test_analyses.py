"""Analyses of one trajectory: read together, kept apart where one fails, spread over workers."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import xarray as xr
from distributed import Client, LocalCluster, get_task_stream

import ionflow
from ionflow import Analyser, steps
from ionflow.attempt import End
from ionflow.errors import DataError
from ionflow.graph import Task
from ionflow.passes import running
from ionflow.plan import plan
from ionflow.recipe import read
from ionflow.registry import load
from ionflow.store import Store
from tiny_recipe import tiny


class Unspeakable(Exception):  # noqa: N818
    """An exception that does not pickle."""

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("this cannot be sent")


class Failing(Analyser):
    """Fails in a way that is hard to report."""

    use = "failing"

    def analyse(self, *data: xr.Dataset) -> xr.Dataset:
        raise Unspeakable("it would not be told")


class Shapeless(Analyser):
    """Gives what no store can hold."""

    use = "shapeless"

    def analyse(self, *data: xr.Dataset) -> xr.Dataset:
        return xr.Dataset({"things": ("n", [object(), object()])})


class Unsuited(Analyser):
    """Cannot do with this data, now or later."""

    use = "unsuited"

    def analyse(self, *data: xr.Dataset) -> xr.Dataset:
        raise DataError("there is no such data")


RECIPE = tiny(
    scan={},
    analyses=["rdf", "msd", "diffusion", "conductivity"],
    cluster={"use": "local", "workers": 1},
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    return ionflow.run(RECIPE, out=tmp_path_factory.mktemp("whole") / "run").path


@pytest.fixture
def bare(whole: Path, tmp_path: Path) -> tuple[Path, list[Task]]:
    """The same run without its results, and the tasks that make them."""
    root = tmp_path / "run"
    shutil.copytree(whole, root)
    shutil.rmtree(root / "analyses")
    (root / "analyses").mkdir()
    return root, plan(read(RECIPE, load())).of("analysis")


def test_what_is_read_together_is_what_each_would_read(whole, bare) -> None:
    root, tasks = bare
    assert [r.reason for r in steps.analyse(Store.open(root), tasks)] == [""] * len(tasks)
    together, before = Store.open(root), Store.open(whole)
    for task in tasks:
        xr.testing.assert_identical(together.read_result(task.key), before.read_result(task.key))


def test_a_result_over_the_scan_is_joined_already(bare) -> None:
    """An analysis that needs another over the scan gets that as it is; one trajectory is joined."""
    store = Store.open(bare[0])
    axes = ("A", "temperature_K", "replica")
    over_scan = xr.Dataset({"Ea": ("A", [0.3, 0.4])}, {"A": ["Li", "Na"]})
    lone = xr.Dataset({"D": 1.0}, {"A": "Li", "temperature_K": 900, "replica": 0})
    store.write_result("a" * 32, over_scan)
    store.write_result("b" * 32, lone)
    xr.testing.assert_identical(steps._joined(store, ["a" * 32], axes), over_scan)
    assert dict(steps._joined(store, ["b" * 32], axes).sizes) == dict.fromkeys(axes, 1)


@pytest.mark.parametrize(
    ("analyser", "told"),
    [
        (Failing(), "Unspeakable: it would not be told"),
        (Shapeless(), "things"),
        (Unsuited(), "no such data"),
    ],
)
def test_one_that_fails_leaves_the_results_of_the_others(bare, analyser, told) -> None:
    root, tasks = bare
    tasks[1] = replace(tasks[1], payload=replace(tasks[1].payload, analyser=analyser))
    outcomes = steps.analyse(Store.open(root), tasks)
    assert told in outcomes[1].reason
    assert "Traceback" in outcomes[1].traceback
    assert [bool(outcome.reason) for outcome in outcomes] == [False, True, False, False, False]
    assert (outcomes[1].end is End.HOPELESS) == isinstance(analyser, Unsuited)
    store = Store.open(root)
    assert [store.has_result(task.key) for task in tasks] == [True, False, True, True, True]


def test_a_large_trajectory_is_read_by_all_workers(whole, bare, monkeypatch) -> None:
    root, tasks = bare
    monkeypatch.setattr(steps, "MEMORY_BYTES", 0)
    for name, size in (("frame_spans", 9), ("atom_spans", 5)):
        spans = getattr(running, name)
        cut = lambda *a, s=spans, n=size: s(*a[:-1], n)  # noqa: E731
        monkeypatch.setattr(running, name, cut)
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
        get_task_stream(client) as stream,
    ):
        outcomes = client.submit(steps.analyse, Store.open(root), tasks, pure=False).result()
    assert [outcome.reason for outcome in outcomes] == [""] * len(tasks)
    assert len({task["worker"] for task in stream.data}) == 2
    spread, before = Store.open(root), Store.open(whole)
    for task in tasks:
        xr.testing.assert_allclose(spread.read_result(task.key), before.read_result(task.key))

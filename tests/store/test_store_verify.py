"""Verifying names what is bad or missing; after a repair the next run makes just that again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from salt import KEY, Salt
from typer.testing import CliRunner

from ionflow.cli import app
from ionflow.store import State, Store, arrays

STRUCTURE, RESULT, SHORT = "aa" * 32, "bb" * 32, "cc" * 32
COUNT = 6


def fill(store: Store, salt: Salt, key: str = KEY) -> None:
    """Compute what is missing, as a run does: each segment from the state before."""
    for sentence in store.recover(key):
        raise AssertionError(sentence)
    while (index := store.next_segment(key)) < COUNT:
        start = store.read_state(key) if index else State.from_atoms(salt.start, 0)
        assert start == (salt.state(index - 1) if index else start)
        span = index * salt.length, (index + 1) * salt.length
        frames = salt.dataset(index)
        store.commit_segment(key, index, *span, frames, salt.state(index), {}, start=start)
    store.seal(key)
    if not store.has_structure(STRUCTURE):
        store.write_structure(STRUCTURE, salt.start)
    if not store.has_result(RESULT):
        store.write_result(RESULT, xr.Dataset({"msd": ("lag", np.arange(500.0))}), {"host": "a"})
    store.write_text("recipe.yaml", "name: salt\n")
    store.write_texts({"report/index.html": "<p>", "report/figures/a.svg": "<svg>"}, "report")
    row = {"name": "x", "inputs": [], "steps": 0}
    tasks = [
        {**row, "key": STRUCTURE, "kind": "structure"},
        {**row, "key": key, "kind": "stage", "steps": COUNT * salt.length, "timestep_fs": 2.0,
         "inputs": [{"key": STRUCTURE, "steps": 0}]},
        {**row, "key": RESULT, "kind": "analysis", "inputs": [{"key": key, "steps": 0}]},
    ]  # fmt: skip
    store.write_json("run.json", {"finished": "2026-01-01", "tasks": tasks})


@pytest.fixture
def salt() -> Salt:
    return Salt(frames=60)


@pytest.fixture
def finished(store: Store, salt: Salt, monkeypatch) -> Store:
    monkeypatch.setattr(arrays, "_SHARD_BYTES", 1)  # shards of 100 frames
    fill(store, salt)
    assert store.verify(deep=True) == []
    return store


def results(store: Store) -> dict[str, bytes]:
    """What must come out byte for byte."""
    paths = [
        *store.root.glob("trajectories/*/trajectory.zarr/**/*"),
        *store.root.glob("analyses/**/*"),
    ]
    return {str(p.relative_to(store.root)): p.read_bytes() for p in paths if p.is_file()}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def to_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def to_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


HARM: dict[str, Callable[[Path], object]] = {
    "flip": flip,
    "gone": Path.unlink,
    "empty": lambda path: os.truncate(path, 0),
    "folder": to_folder,
    "link": to_link,
}


def files(store: Store) -> list[Path]:
    hidden = {".tmp", "holders", "quarantine", "store.json"}
    paths = [p for p in store.root.rglob("[!.]*") if p.is_file()]
    return sorted(p for p in paths if p.relative_to(store.root).parts[0] not in hidden)


def mended(store: Store, salt: Salt) -> list[str]:
    """Repair, check that only missing things are left to complain of, and compute them."""
    with store.hold():
        said = store.repair(store.verify(deep=True))
    left = Store.open(store.root).verify(deep=True)
    assert all("missing" in p.message or "though the run" in p.message for p in left), left
    fill(Store.open(store.root), salt)
    assert Store.open(store.root).verify(deep=True) == []
    return said


@pytest.mark.parametrize("harm", HARM)
def test_each_file_harmed_is_named_and_mended(finished: Store, salt: Salt, harm: str) -> None:
    before = results(finished)
    names = files(finished)
    offset = list(HARM).index(harm)
    share = len(HARM) * (1 if "IONFLOW_LONG" in os.environ else 3)
    for path in names[offset::share]:  # each way a share of the files
        HARM[harm](path)
        fresh = Store.open(finished.root)
        problems = fresh.verify(deep=True)
        if path.name in ("texts.json", "sealed.copy.json", "run.json") and not problems:
            assert harm == "gone"  # there is the other, or it is begun anew
        else:
            assert any(path in (p.path, *p.path.parents, *_related(p.path)) for p in problems), path
        mended(fresh, salt)
        assert results(finished) == before, path


def _related(path: Path) -> list[Path]:
    return [path.with_suffix(".json")]


def test_a_damaged_shard_costs_no_more_than_its_segments(finished: Store, salt: Salt) -> None:
    before = results(finished)
    shard = next((finished.trajectory_path(KEY) / "positions" / "c" / "1").rglob("0"))
    shard = shard if shard.is_file() else next(p for p in shard.rglob("*") if p.is_file())
    flip(shard)
    with finished.hold():
        said = finished.repair(finished.verify(deep=True))
    assert any("are to be computed again" in sentence for sentence in said)
    there = {int(p.name[:6]) for p in finished.root.glob(f"trajectories/{KEY}/segments/*.zip")}
    assert {0, 4, 5} <= there
    assert len(there) >= 3
    fresh = Store.open(finished.root)
    fill(fresh, salt)
    assert results(fresh) == before


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (f"trajectories/{KEY}", "stage"),
        (f"analyses/{RESULT}.json", "analysis"),
        (f"structures/{STRUCTURE}.zarr.zip", "structure"),
    ],
)
def test_what_a_finished_run_lacks_is_named(finished: Store, name: str, kind: str) -> None:
    path = finished.root / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    stem = path.with_suffix(".zarr") if kind == "analysis" else path
    assert [p.path for p in Store.open(finished.root).verify()] == [stem]
    finished.record_failure(STRUCTURE, {"what": "x"})  # and all that depends on it is lost
    assert Store.open(finished.root).verify() == []


def test_a_trajectory_that_is_too_short_is_named(store: Store, salt: Salt) -> None:
    salt.commit(store, 0)
    row = {"key": KEY, "kind": "stage", "steps": 2 * salt.length, "inputs": []}
    store.write_json("run.json", {"finished": None, "tasks": [row]})
    assert store.verify(deep=True) == []
    store.write_json("run.json", {"finished": "2026-01-01", "tasks": [row]})
    assert "reaches step 600 of 1200" in store.verify()[0].message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.isel(time=[*range(30), *range(31, 61)]), "not evenly spaced"),
        (lambda f: f.isel(time=slice(0, 55)), "55 frames of 61"),
        (lambda f: f.assign_coords(time=f["time"] * 1.5), "times are not its steps"),
        (lambda f: f.assign_coords(time=f["time"] + 0.5), "times are not its steps"),
    ],
)
def test_a_time_axis_that_is_not_that_of_the_run(store, salt, change, message) -> None:
    salt_state = salt.state(0)
    store.commit_segment(KEY, 0, 0, 600, change(salt.dataset(0)), salt_state, {})
    row = {"key": KEY, "kind": "stage", "steps": 600, "timestep_fs": 2.0}
    store.write_json("run.json", {"finished": None, "tasks": [row]})
    assert message in store.verify()[0].message


@pytest.mark.parametrize("name", ["notes.txt", "trajectories/thesis.txt", "trajectories/xy/a"])
def test_what_lies_around_is_no_traceback(finished: Store, name: str) -> None:
    (finished.root / name).parent.mkdir(exist_ok=True)
    (finished.root / name).write_text("x")
    for deep in (False, True):
        finished.verify(deep)


def test_on_the_command_line(finished: Store) -> None:
    path = finished.root / "recipe.yaml"
    flip(path)
    found = CliRunner().invoke(app, ["verify", str(finished.root)])
    assert found.exit_code == 1
    assert f"{path}: not the text that was written" in found.output
    found = CliRunner().invoke(app, ["verify", str(finished.root), "--repair"])
    assert found.exit_code == 1
    assert "recipe.yaml: moved to" in found.output
    found = CliRunner().invoke(app, ["verify", str(finished.root), "--deep"])
    assert found.exit_code == 0
    assert "no fault found" in found.output


@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_mark_is_named_and_written_again(store: Store, harm: str) -> None:
    with store.hold():
        pass
    mark = store.root / "store.json"
    HARM[harm](mark)
    found = CliRunner().invoke(app, ["verify", str(store.root)])
    assert found.exit_code == 1
    assert str(store.root) in found.output
    found = CliRunner().invoke(app, ["verify", str(store.root), "--repair"])
    assert found.exit_code == 0
    assert Store.open(store.root).root == store.root

"""Damage is never read silently, and `verify` finds it."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from salt import KEY, Salt

from ionflow.errors import StoreError
from ionflow.store import Store

# what a damaged file raises: the store itself, or the codecs of zarr when a lazy array is read
LOUD = (StoreError, ValueError, RuntimeError, OSError, EOFError)


def files(folder: Path) -> list[Path]:
    """Files below a folder, each once for every 100 bytes, so that large ones are hit more."""
    found = sorted(path for path in folder.rglob("[!.]*") if path.is_file())
    return [path for path in found for _ in range(1 + path.stat().st_size // 100)]


def flip(path: Path, rng: np.random.Generator) -> None:
    data = bytearray(path.read_bytes())
    bit = int(rng.integers(len(data) * 8))
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def flips(store: Store, folder: str, intact: Callable[[Store], bool], count: int) -> int:
    """Flip bits, one at a time; how many were noticed. The others must do no harm."""
    noticed = 0
    for trial in range(count):
        rng = np.random.default_rng(trial)
        path = rng.choice(files(store.root / folder))
        before = path.read_bytes()
        flip(path, rng)
        try:
            assert intact(Store(store.root)), f"{path} was read silently"
        except LOUD:
            noticed += 1
            assert Store(store.root).verify(deep=True) != [], path
        path.write_bytes(before)
    assert intact(store)
    return noticed


@pytest.fixture
def result() -> xr.Dataset:
    rng = np.random.default_rng(0)
    data = {"msd": (("lag", "species"), rng.normal(size=(50, 2)), {"units": "angstrom^2"})}
    return xr.Dataset(data, {"species": ["Li", "O"], "lag": np.arange(50.0)}, {"a": {"b": [1]}})


def test_flipped_bits_in_segments(store: Store, salt: Salt) -> None:
    salt.commit(store, 0)
    salt.commit(store, 1)
    # the harmless rest: dates and attributes that a zip gives its members
    assert flips(store, "trajectories", lambda fresh: salt.agrees(fresh, 2), 40) >= 20


def test_flipped_bits_in_a_sealed_trajectory(store: Store, salt: Salt) -> None:
    salt.commit(store, 0)
    salt.commit(store, 1)
    store.seal(KEY)
    # the harmless rest: metadata that is read from the root's copy
    assert flips(store, "trajectories", lambda fresh: salt.agrees(fresh, 2), 50) >= 20


def test_flipped_bits_in_a_result(store: Store, result: xr.Dataset) -> None:
    store.write_result(KEY, result)
    noticed = flips(store, "analyses", lambda s: s.read_result(KEY).load().identical(result), 40)
    assert noticed >= 15


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: os.truncate(path, 0)])
def test_a_chunk_that_is_gone_is_not_an_empty_chunk(store: Store, salt: Salt, harm) -> None:
    salt.commit(store, 0)
    store.seal(KEY)
    chunks = [p for p in store.trajectory_path(KEY).glob("*/c/**/*") if p.is_file()]
    assert len(chunks) > 5
    for chunk in chunks:
        before = chunk.read_bytes()
        harm(chunk)
        with pytest.raises(LOUD):
            Store(store.root).trajectory(KEY).load()
        assert [problem.path for problem in store.verify()] == [chunk]
        chunk.write_bytes(before)
    assert salt.agrees(store, 1)


def test_a_gap_in_the_segments(store: Store, salt: Salt) -> None:
    for index in range(3):
        salt.commit(store, index)
    folder = store.root / "trajectories" / KEY / "segments"
    (folder / "000001.zarr.zip").unlink()
    assert store.progress(KEY) == salt.length
    assert [p.path.name for p in store.verify()] == ["000001.zarr.zip"]
    salt.commit(store, 1)
    assert salt.agrees(store, 3)
    (folder / "000000.zarr.zip").unlink()
    assert [p.path.name for p in store.verify()] == ["000000.zarr.zip"]


def test_a_segment_under_another_name(store: Store, salt: Salt) -> None:
    for index in range(3):
        salt.commit(store, index)
    folder = store.root / "trajectories" / KEY / "segments"
    os.replace(folder / "000002.zarr.zip", folder / "000001.zarr.zip")
    with pytest.raises(StoreError, match="it is segment 2 from step 100"):
        store.trajectory(KEY)
    assert "it is segment 2" in str(store.verify()[0])


def test_a_time_axis_that_stands_still(store: Store, salt: Salt) -> None:
    frames = salt.dataset(0)
    still = frames.assign_coords(time=("time", np.zeros(frames.sizes["time"])))
    store.commit_segment(KEY, 0, 0, 50, still, salt.state(0), {})
    with pytest.raises(StoreError, match="time does not increase"):
        store.trajectory(KEY)
    assert "does not increase" in str(store.verify()[0])


def test_symbolic_links_are_refused(store: Store, salt: Salt, tmp_path: Path) -> None:
    salt.commit(store, 0)
    path = store.root / "trajectories" / KEY / "segments" / "000000.zarr.zip"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError):
        Store(store.root).trajectory(KEY)
    (store.root / "trajectories" / ("cd" * 32)).symlink_to(tmp_path)
    with pytest.raises(StoreError, match="symbolic link"):
        store.segments("cd" * 32)
    (store.root / "run.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="symbolic link"):
        store.write_text("run.json", "x")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", ".tmp/x", "a/.x", "a\0b"])
def test_names_that_lead_out_are_refused(store: Store, name: str) -> None:
    with pytest.raises(StoreError, match="no name"):
        store.write_text(name, "x")


def raising(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


WRITES: dict[str, Callable[[Store], None]] = {
    "segment": lambda store: Salt().commit(store, 1),
    "structure": lambda store: store.write_structure(KEY, Salt().atoms(0)),
    "seal": lambda store: store.seal(KEY),
    "result": lambda store: store.write_result(KEY, Salt().dataset(0)),
    "json": lambda store: store.write_json("run.json", {"a": "b" * 10000}),
}


@pytest.mark.parametrize("act", WRITES)
@pytest.mark.parametrize(
    ("call", "number"),
    [("fsync", errno.EIO), ("fsync", errno.ENOSPC), ("link", errno.EPERM), ("limit", 0)],
)
def test_a_disk_that_refuses_leaves_nothing_visible(
    store: Store, salt: Salt, act: str, call: str, number: int, monkeypatch
) -> None:
    if call == "link" and act == "json":
        pytest.skip("makes no link")
    salt.commit(store, 0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with monkeypatch.context() as patch:
        if call == "limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, (600, limits[1]))
        else:
            patch.setattr(os, call, raising(number))
        try:
            with pytest.raises(StoreError, match="cannot write"):
                WRITES[act](store)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert salt.agrees(store, 1)
    # of a folder, threads of zarr may write a last file after it was removed; sweeping takes it
    assert [path for path in (store.root / ".tmp" / "free").iterdir() if path.is_file()] == []
    assert (store.has_structure(KEY), store.has_result(KEY)) == (False, False)
    assert store.verify(deep=True) == []
    WRITES[act](store)
    assert store.verify(deep=True) == []

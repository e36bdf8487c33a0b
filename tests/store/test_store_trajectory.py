"""Segments, sealing, extending: what was written is what is read."""

from __future__ import annotations

import pickle
import shutil
import tracemalloc
import warnings

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given
from hypothesis import strategies as st
from salt import Salt

from ionflow.errors import StoreError
from ionflow.store import REACH_ANGSTROM, SegmentExists, State, Store, arrays, round_positions


def commit(store: Store, salt: Salt, *indices: int) -> None:
    for index in indices:
        salt.commit(store, index)


def test_segments_join_to_what_was_written(store: Store, salt, key) -> None:
    commit(store, salt, 0, 1, 2)
    frames = store.trajectory(key)
    assert all(frames[name].chunks for name in ("positions", "cell", "temperature"))
    assert salt.agrees(store, 3)
    assert not store.is_sealed(key)


def test_sealing_changes_nothing_that_is_read(store: Store, salt, key) -> None:
    commit(store, salt, 0, 1, 2)
    live = store.trajectory(key).load()
    store.seal(key)
    assert store.is_sealed(key)
    assert store.trajectory(key).load().identical(live)
    assert salt.agrees(store, 3)
    assert list((store.root / "trajectories" / key / "segments").iterdir()) == []
    store.seal(key)
    assert salt.agrees(store, 3)
    assert [info.meta["wall_s"] for info in store.segments(key)] == [0.25] * 3


def test_extending_a_sealed_trajectory(store: Store, salt, key) -> None:
    commit(store, salt, 0, 1)
    store.seal(key)
    commit(store, salt, 2, 3)
    assert salt.agrees(store, 4)
    assert not store.is_sealed(key)
    assert [info.sealed for info in store.segments(key)] == [True, True, False, False]
    store.seal(key)
    assert store.is_sealed(key)
    assert salt.agrees(store, 4)
    assert store.verify(deep=True) == []


def test_another_process_sees_the_same(store: Store, salt, key) -> None:
    commit(store, salt, 0, 1)
    other = pickle.loads(pickle.dumps(store))
    frames = pickle.loads(pickle.dumps(store.trajectory(key)))
    assert frames.load().identical(salt.whole(2))
    store.seal(key)
    assert salt.agrees(other, 2)
    commit(other, salt, 2)
    assert store.progress(key) == 3 * salt.length
    assert pickle.loads(pickle.dumps(store.trajectory(key))).load().identical(salt.whole(3))


def test_plain_xarray_reads_the_sealed_store_without_a_warning(store: Store, salt, key) -> None:
    commit(store, salt, 0, 1)
    store.seal(key)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = xr.open_zarr(store.trajectory_path(key)).load()
    expected = salt.whole(2)
    assert set(plain.variables) == set(expected.variables)
    assert set(plain.coords) == set(expected.coords)
    for name, variable in expected.variables.items():
        assert (plain[name].values == variable.values).all()
        assert plain[name].attrs == variable.attrs
    assert plain.attrs == expected.attrs


def test_every_array_carries_a_checksum(store: Store, salt, key) -> None:
    commit(store, salt, 0)
    store.seal(key)
    group = zarr.open_group(store.trajectory_path(key), mode="r")
    for name, array in group.arrays():
        assert array.compressors[-1].to_dict()["name"] == "crc32c", name
    assert group["positions"].shards is not None


@pytest.mark.parametrize("seal", [False, True])
def test_a_trajectory_is_cut_at_an_absolute_step(store: Store, salt, key, seal) -> None:
    commit(store, salt, 0, 1, 2)
    if seal:
        store.seal(key)
    for steps in (1, 50, 75, 100, 150):
        kept = store.trajectory(key, steps).load()
        assert kept.identical(salt.whole(3).isel(time=slice(0, steps // 10 + 1)))
    with pytest.raises(StoreError, match="150, not 151"):
        store.trajectory(key, 151)


def test_states_are_found_by_their_step(store: Store, salt, key) -> None:
    commit(store, salt, 0, 1)
    assert store.read_state(key) == salt.state(1)
    assert store.read_state(key, 50) == salt.state(0)
    with pytest.raises(StoreError, match="step 60"):
        store.read_state(key, 60)


def test_nothing_committed(store: Store, key) -> None:
    assert (store.progress(key), store.next_segment(key), store.segments(key)) == (0, 0, [])
    assert not store.is_sealed(key)
    for act in (store.trajectory, store.read_state, store.seal):
        with pytest.raises(StoreError):
            act(key)


def test_a_stage_that_records_no_positions(store: Store, key) -> None:
    salt = Salt(record=False)
    commit(store, salt, 0, 1)
    assert salt.agrees(store, 2)
    store.seal(key)
    assert salt.agrees(store, 2)
    assert "positions" not in store.trajectory(key)


@pytest.mark.parametrize("seal", [False, True])
def test_segments_without_frames(store: Store, salt, key, seal) -> None:
    for index in range(3):
        frames = salt.dataset(index) if index == 1 else salt.dataset(index).isel(time=slice(0))
        first = index * salt.length
        span = first, first + salt.length
        store.commit_segment(key, index, *span, frames, salt.state(index), {})
        if seal:
            store.seal(key)
        count = store.trajectory(key).load().sizes["time"]
        assert count == (salt.frames if index else 0)
    assert store.trajectory(key).load().identical(salt.whole(2).isel(time=slice(6, None)))
    assert store.verify(deep=True) == []


def test_more_frames_and_atoms_than_a_chunk(store: Store, key, monkeypatch) -> None:
    monkeypatch.setattr(arrays, "_SHARD_BYTES", 2**20)
    salt = Salt(repeat=5, frames=130)  # 1000 atoms: chunks of 512, shards of 100 frames
    commit(store, salt, 0, 1)
    store.seal(key)
    commit(store, salt, 2)
    store.seal(key)
    assert salt.agrees(store, 3)
    array = zarr.open_array(store.trajectory_path(key) / "positions", mode="r")
    assert (array.chunks, array.shards) == ((100, 512, 3), (100, 1024, 3))


def test_sealing_holds_a_shard_in_memory_not_the_trajectory(store: Store, key, monkeypatch) -> None:
    monkeypatch.setattr(arrays, "_SHARD_BYTES", 2**18)
    Salt().commit(store, 0, "cd" * 32)
    store.seal("cd" * 32)  # what is imported now is not counted
    salt = Salt(repeat=3, frames=200)
    commit(store, salt, *range(12))
    size = store.trajectory(key)["positions"].nbytes
    tracemalloc.start()
    store.seal(key)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 6e6
    assert peak < size / 2


def test_the_second_writer_of_a_segment_is_refused(store: Store, salt, key) -> None:
    commit(store, salt, 0)
    path = store.root / "trajectories" / key / "segments" / "000000.zarr.zip"
    before = path.read_bytes()
    with pytest.raises(SegmentExists):
        commit(Store.open(store.root), salt, 0)
    assert path.read_bytes() == before
    store.seal(key)
    with pytest.raises(SegmentExists):
        commit(store, salt, 0)


def test_a_zombie_that_looked_before_the_other_committed(store: Store, salt, key, monkeypatch):
    zombie = Store.open(store.root)
    monkeypatch.setattr(zombie._trajectory(key), "_check_next", lambda *_: None)
    commit(store, salt, 0, 1)
    with pytest.raises(SegmentExists):
        commit(zombie, salt, 1)
    store.seal(key)
    commit(zombie, salt, 1)  # its name is free again, and nobody takes notice of it
    assert salt.agrees(store, 2)
    assert store.verify(deep=True) == []
    store.seal(key)
    assert store.is_sealed(key)


def test_a_segment_must_follow_the_last(store: Store, salt, key) -> None:
    with pytest.raises(StoreError, match="does not follow"):
        commit(store, salt, 1)
    commit(store, salt, 0)
    frames, state = salt.dataset(1), salt.state(1)
    for span in ((40, 100), (60, 100)):
        with pytest.raises(StoreError, match="does not follow"):
            store.commit_segment(key, 1, *span, frames, state, {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frames: frames.isel(time=slice(None, None, -1)), "do not increase"),
        (lambda frames: frames.isel(time=[0, 1, 1]), "do not increase"),
        (lambda frames: frames.assign_coords(step=frames["step"] + 7), "outside"),
        (lambda frames: frames.drop_vars("step"), "step"),
        (lambda frames: frames.assign(positions=frames["positions"] * np.nan), "not finite"),
        (lambda frames: frames.assign(positions=frames["positions"] + 2e4), "beyond"),
        (lambda frames: frames.assign(when=("time", np.zeros(5, "M8[ns]"))), "datetime64"),
        (lambda frames: frames.assign({"a/b": 1}), "named"),
    ],
)
def test_frames_that_do_not_belong_are_refused(store: Store, salt, key, change, message) -> None:
    commit(store, salt, 0)
    with pytest.raises(StoreError, match=message):
        store.commit_segment(key, 1, 50, 100, change(salt.dataset(1)), salt.state(1), {})
    assert salt.agrees(store, 1)


def test_a_state_of_another_step_is_refused(store: Store, salt, key) -> None:
    with pytest.raises(StoreError, match="state of step 100"):
        store.commit_segment(key, 0, 0, 50, salt.dataset(0), salt.state(1), {})


def test_velocities_are_single_precision(store: Store, salt, key) -> None:
    frames = salt.dataset(0)
    frames = frames.assign(velocities=frames["positions"] * 1e-4)
    store.commit_segment(key, 0, 0, 50, frames, salt.state(0), {})
    store.seal(key)
    back = store.trajectory(key)["velocities"]
    assert back.dtype == np.float32
    assert (back.values == frames["velocities"].values.astype(np.float32)).all()


def test_sealing_spares_disk(store: Store, key) -> None:
    salt = Salt(repeat=3, frames=500)
    frames = salt.dataset(0)
    walk = np.random.default_rng(0).normal(scale=0.05, size=frames["positions"].shape)
    frames["positions"] = frames["positions"] * 0 + salt.start.positions + walk.cumsum(0)
    store.commit_segment(key, 0, 0, 5000, frames, salt.state(0), {})
    store.seal(key)
    folder = store.trajectory_path(key) / "positions"
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert size < frames["positions"].size * 4 / 1.9


@given(st.lists(st.floats(-REACH_ANGSTROM + 1, REACH_ANGSTROM - 1), min_size=1))
def test_rounding_is_absolute_and_idempotent(values: list[float]) -> None:
    rounded = round_positions(values)
    assert rounded.dtype == np.float32
    assert np.abs(rounded.astype(float) - values).max() <= 2.0**-11
    assert (rounded.astype(float) * 1024 % 1 == 0).all()
    assert (round_positions(rounded) == rounded).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, REACH_ANGSTROM, -1e9])
def test_positions_that_float32_cannot_hold_to_the_step_are_refused(value: float) -> None:
    with pytest.raises(StoreError, match="16384"):
        round_positions([0.0, value])


def test_of_many_states_a_few_are_kept_and_the_last_of_each_sealing(store: Store, key) -> None:
    salt = Salt(frames=1, record=False)
    commit(store, salt, *range(10))
    store.seal(key)
    commit(store, salt, *range(10, 23))
    store.seal(key)
    steps = [int(path.name.split(".")[0]) for path in store_states(store, key)]
    assert {100, 230} < set(steps)
    assert 4 <= len(steps) <= 9
    for step in steps:
        assert store.read_state(key, step) == salt.state(step // 10 - 1)
    assert store.read_state(key) == salt.state(22)
    with pytest.raises(StoreError, match=r"step 10 was not kept.*kept are steps .*230"):
        store.read_state(key, 10)
    assert store.verify(deep=True) == []
    missing = store_states(store, key)[0]
    missing.unlink()
    assert [problem.path for problem in store.verify()] == [missing]


def store_states(store: Store, key: str):
    return sorted((store.root / "trajectories" / key / "states").iterdir())


def test_states_take_a_quarter_of_the_frames_at_most(store: Store, key) -> None:
    salt = Salt(frames=40)
    commit(store, salt, *range(40))
    store.seal(key)
    states = store_states(store, key)
    frames = [path for path in store.trajectory_path(key).rglob("*") if path.is_file()]
    share = sum(p.stat().st_size for p in states) / sum(p.stat().st_size for p in frames)
    assert 0.1 < share <= 0.26
    assert len(states) < 40


def chain(store: Store, salt: Salt, key: str, *indices: int) -> None:
    for index in indices:
        start = salt.state(index - 1) if index else State.from_atoms(salt.start, 0)
        span = index * salt.length, (index + 1) * salt.length
        store.commit_segment(
            key, index, *span, salt.dataset(index), salt.state(index), {}, start=start
        )


def test_a_segment_that_starts_from_another_state_is_refused(store: Store, salt, key) -> None:
    chain(store, salt, key, 0, 1)
    with pytest.raises(StoreError, match="another state at step 100"):
        store.commit_segment(
            key, 2, 100, 150, salt.dataset(2), salt.state(2), {}, start=salt.state(0)
        )
    chain(store, salt, key, 2)
    store.seal(key)
    chain(store, salt, key, 3)
    assert salt.agrees(store, 4)
    ends = [info.to_state for info in store.segments(key)]
    assert [info.from_state for info in store.segments(key)][1:] == ends[:-1]
    assert ends == [salt.state(index).digest() for index in range(4)]


def test_a_segment_of_another_chain_is_not_joined(store: Store, salt, key, tmp_path) -> None:
    chain(store, salt, key, 0, 1, 2)
    other = Store.create(tmp_path / "other")
    foreign = Salt(repeat=2, every=10)
    foreign.atoms = lambda index: salt.atoms(index + 100)
    chain(other, foreign, key, 0, 1)
    name = f"trajectories/{key}/segments/000001.zarr.zip"
    shutil.copy(other.root / name, store.root / name)
    with pytest.raises(StoreError, match="another state at step 50"):
        Store.open(store.root).trajectory(key)
    # the next one follows what was there before
    assert next(iter(Store.open(store.root).verify())).path == store.root / name
    said = Store.open(store.root).recover(key)
    assert len(said) == 1
    assert "segment 1 to 2 moved to" in said[0]
    chain(store, salt, key, 1, 2)
    assert salt.agrees(Store.open(store.root), 3)


@pytest.mark.parametrize("same", [True, False])
def test_a_gap_is_filled_and_what_does_not_follow_is_set_aside(store, salt, key, same) -> None:
    chain(store, salt, key, 0, 1, 2, 3)
    (store.root / "trajectories" / key / "segments" / "000001.zarr.zip").unlink()
    store = Store.open(store.root)
    assert store.progress(key) == salt.length
    state = salt.state(1) if same else State.from_atoms(salt.atoms(77), 100)
    said = store.commit_segment(key, 1, 50, 100, salt.dataset(1), state, {}, start=salt.state(0))
    if same:
        assert said == []
        assert salt.agrees(store, 4)
    else:
        assert "segment 2 to 3 moved to" in said[0]
        assert len(store.segments(key)) == 2
        assert len(list((store.root / "quarantine").rglob("*.zip"))) == 2
    assert store.recover(key) == []

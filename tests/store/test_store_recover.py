"""A damaged newest state gives way to the one before; two are never passed over."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from salt import KEY, Salt

from ionflow.errors import StoreError
from ionflow.store import Store


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes(data)


def to_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def to_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


HARM: dict[str, Callable[[Path], object]] = {
    "flipped": flip,
    "truncated": lambda path: os.truncate(path, 1000),
    "empty": lambda path: os.truncate(path, 0),
    "folder": to_folder,
    "link": to_dangling_link,
}


def segment(store: Store, index: int) -> Path:
    return store.root / "trajectories" / KEY / "segments" / f"{index:06d}.zarr.zip"


@pytest.mark.parametrize("harm", HARM)
def test_the_state_before_is_used(store: Store, salt: Salt, harm: str) -> None:
    for index in range(3):
        salt.commit(store, index)
    assert store.recover(KEY) == []
    HARM[harm](segment(store, 2))
    said = store.recover(KEY)
    assert len(said) == 1
    assert "000002.zarr.zip" in said[0]
    assert "the state before it is used" in said[0]
    assert store.recover(KEY) == []
    aside = store.root / "quarantine" / "000001" / segment(store, 2).relative_to(store.root)
    assert os.path.lexists(aside)
    assert salt.agrees(store, 2)
    salt.commit(store, 2)
    assert salt.agrees(store, 3)


def test_two_damaged_states_are_refused(store: Store, salt: Salt) -> None:
    for index in range(3):
        salt.commit(store, index)
    for index in (1, 2):
        flip(segment(store, index))
    for _ in range(2):
        with pytest.raises(StoreError, match="last two states are damaged") as error:
            Store.open(store.root).recover(KEY)
    text = str(error.value)
    assert all(part in text for part in ("000001", "000002", "verify RUN --repair"))
    assert segment(store, 2).exists()


def test_an_only_segment_starts_again_and_says_so(store: Store, salt: Salt) -> None:
    salt.commit(store, 0)
    flip(segment(store, 0))
    assert "starts again from its beginning" in store.recover(KEY)[0]
    assert store.progress(KEY) == 0
    assert store.recover("cd" * 32) == []


@pytest.mark.parametrize("both", [False, True])
def test_the_state_before_may_be_sealed(store: Store, salt: Salt, both: bool) -> None:
    salt.commit(store, 0)
    store.seal(KEY)
    salt.commit(store, 1)
    flip(segment(store, 1))
    if both:
        flip(store.root / "trajectories" / KEY / "states" / "50.zarr.zip")
        with pytest.raises(StoreError, match="last two"):
            store.recover(KEY)
    else:
        assert len(store.recover(KEY)) == 1
        assert salt.agrees(store, 1)


def test_a_second_list_that_differs_is_written_again(store: Store, salt: Salt) -> None:
    salt.commit(store, 0)
    store.seal(KEY)
    copy = store.root / "trajectories" / KEY / "sealed.copy.json"
    before = copy.read_bytes()
    flip(copy)
    assert not store.is_sealed(KEY)
    assert store.recover(KEY) == []
    assert copy.read_bytes() == before


def test_reading_says_that_a_segment_in_the_middle_is_missing(store: Store, salt: Salt) -> None:
    for index in range(3):
        salt.commit(store, index)
    store.trajectory(KEY)
    segment(store, 1).unlink()
    with pytest.warns(UserWarning, match=r"000001\.zarr\.zip is missing.* segment 2 is there"):
        store.trajectory(KEY)


def test_a_list_without_a_member_is_damage_not_a_traceback(store: Store, salt: Salt) -> None:
    salt.commit(store, 0)
    store.seal(KEY)
    name = f"trajectories/{KEY}/sealed.json"
    content = store.read_json(name)
    del content["states"]
    store.write_json(name, content)  # its checksum fits: as another version would write it
    assert name in str(store.verify()[0].path)
    with pytest.raises(StoreError, match=r"sealed\.json"):
        Store.open(store.root).segments(KEY)

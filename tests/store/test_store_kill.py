"""Writers killed -9 at any moment: nothing half done is seen, and the next one goes on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from killer import SMALL
from salt import KEY, Salt

from ionflow.store import Store

Killed = Callable[..., list[Store]]


@pytest.fixture
def salt() -> Salt:
    return SMALL


@pytest.fixture
def killed(store: Store, tmp_path: Path) -> Killed:
    """Copies of `store`, each left behind by a killed writer, but for the last."""

    def kill(operation: str, offset: int = 0, stride: int = 1) -> list[Store]:
        script = Path(__file__).with_name("killer.py")
        command = [sys.executable, str(script), operation, str(store.root), str(tmp_path)]
        command += [str(offset), str(stride)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return [Store.open(tmp_path / f"{number:04d}") for number in range(int(done.stdout))]

    return kill


@pytest.mark.parametrize("before", [0, 1])
def test_a_killed_commit_is_whole_or_absent(store: Store, salt: Salt, killed: Killed, before):
    for index in range(before):
        salt.commit(store, index)
    copies = killed("commit")
    assert {copy.next_segment(KEY) for copy in copies} == {before, before + 1}
    for copy in copies:
        if copy.next_segment(KEY) == before:
            salt.commit(copy, before)
        assert salt.agrees(copy, before + 1)
        assert copy.verify(deep=True) == []
    assert len(copies) > 3


@pytest.mark.parametrize("extended", [False, True])
def test_a_killed_seal_loses_nothing_and_is_finished_later(
    store: Store, salt: Salt, killed: Killed, extended: bool
) -> None:
    salt.commit(store, 0)
    if extended:
        store.seal(KEY)
    salt.commit(store, 1)
    salt.commit(store, 2)
    copies = killed("seal", int(extended), 2)  # the two are cut off at every call together
    assert {copy.is_sealed(KEY) for copy in copies} == {False, True}
    for number, copy in enumerate(copies):
        assert salt.agrees(copy, 3)
        goes_on = number % 2
        if goes_on:
            salt.commit(copy, 3)
        copy.seal(KEY)
        assert copy.is_sealed(KEY)
        assert salt.agrees(copy, 3 + goes_on)
    assert copies[3].verify(deep=True) == []
    assert len(copies) > 10


def test_a_killed_result_is_whole_or_absent(store: Store, killed: Killed) -> None:
    copies = killed("result")
    assert {copy.has_result(KEY) for copy in copies} == {False, True}
    for copy in copies:
        there = copy.has_result(KEY)
        copy.write_result(KEY, copies[-1].read_result(KEY))
        assert copy.read_result(KEY)["D"].values.tolist() == [1.0, 2.0]
        assert copy.verify(deep=True) == []
        assert there or len(copies) > 3


def test_a_killed_rewrite_leaves_the_old_or_the_new_file(store: Store, killed: Killed) -> None:
    store.write_json("run.json", {"number": 1})
    found = [copy.read_json("run.json")["number"] for copy in killed("json")]
    assert set(found) == {1, 2}

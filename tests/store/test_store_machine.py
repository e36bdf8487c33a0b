"""Whatever is done in whatever order, and wherever it is cut off: what was acknowledged is there,
and nothing else is."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import xarray as xr
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from salt import KEY, Salt

from ionflow.errors import TakenOverError
from ionflow.store import SegmentExists, State, Store, hold
from ionflow.store.epochs import look
from ionflow.store.segments import segment_path
from ionflow.store.writer import fence

CALLS = ("link", "replace", "rename", "unlink", "mkdir", "fsync")
SALT = Salt(repeat=1, frames=2)
LONG = "IONFLOW_LONG" in os.environ
crashes = st.one_of(st.none(), st.integers(0, 40))
results = st.sampled_from(["aa" * 32, "bb" * 32])


class Crash(BaseException):
    """The process ends here."""


@contextmanager
def crashing(at: int | None) -> Iterator[None]:
    """Let no call that changes the disk through from number `at` on: the process is dead."""
    main, left = threading.current_thread(), [10**9 if at is None else at]

    def guarded(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if threading.current_thread() is main:
                if not left[0]:
                    raise Crash
                left[0] -= 1
            return real(*args, **kwargs)

        return call

    with ExitStack() as stack:
        for name in CALLS:
            stack.enter_context(patch.object(os, name, guarded(getattr(os, name))))
        yield


@lru_cache
def whole(count: int) -> xr.Dataset:
    return SALT.whole(count)


@lru_cache
def state(index: int) -> State:
    return SALT.state(index) if index >= 0 else State.from_atoms(SALT.start, 0)


class Machine(RuleBasedStateMachine):
    """One run folder, its holder, and those whom it was taken from."""

    @initialize()
    def create(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.root = Store.create(self.folder / "run").root
        self.zombies: list[Store] = []
        self.count, self.results, self.number = 0, set[str](), None
        self.take_over()

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @rule()
    def take_over(self) -> None:
        self.zombies += [self.store] if hasattr(self, "store") else []
        _, epoch = look(self.root)
        hold._win(self.root, epoch)
        fence(self.root, epoch)
        self.store = Store(self.root, epoch)

    def done(self, at: int | None, act: Callable[[], object]) -> bool:
        """Whether an act came to its end; if it did not, someone else goes on."""
        try:
            with crashing(at):
                act()
        except Crash:
            self.take_over()
            assert self.store.recover(KEY) == []
            return False
        return True

    @rule(at=crashes)
    def commit(self, at: int | None) -> None:
        done = self.done(at, lambda: add(self.store, self.count))
        self.count = self.settled(done, self.count, self.count + 1, self.store.next_segment(KEY))

    @staticmethod
    def settled(done: bool, before: Any, after: Any, found: Any) -> Any:
        """What is there: what was acknowledged, and of what was cut off all or nothing."""
        assert found in ((after,) if done else (before, after))
        return found

    @precondition(lambda self: self.count)
    @rule(at=crashes)
    def seal(self, at: int | None) -> None:
        if self.done(at, lambda: self.store.seal(KEY)):
            assert self.store.is_sealed(KEY)

    @rule(key=results, at=crashes)
    def result(self, key: str, at: int | None) -> None:
        data = xr.Dataset({"D": ("species", [float(self.count)])})
        done = self.done(at, lambda: self.store.write_result(key, data, {"key": key}))
        if self.settled(done, key in self.results, True, self.store.has_result(key)):
            self.results.add(key)

    @rule(key=results, at=crashes)
    def remove(self, key: str, at: int | None) -> None:
        done = self.done(at, lambda: self.store.remove_result(key))
        if not self.settled(done, key in self.results, False, self.store.has_result(key)):
            self.results.discard(key)

    @rule(value=st.integers(0, 9), at=crashes)
    def document(self, value: int, at: int | None) -> None:
        def write() -> None:
            self.store.write_json("run.json", {"number": value, "tasks": []})
            self.store.write_text("recipe.yaml", f"number: {value}")

        done = self.done(at, write)
        self.number = self.settled(done, self.number, value, self.found())

    def found(self) -> int | None:
        there = (self.root / "run.json").exists()
        return self.store.read_json("run.json")["number"] if there else None

    @precondition(lambda self: self.zombies)
    @rule(data=st.data(), act=st.sampled_from(["commit", "seal", "result", "remove", "json"]))
    def zombie(self, data: st.DataObject, act: str) -> None:
        store = data.draw(st.sampled_from(self.zombies))
        acts: dict[str, Callable[[], object]] = {
            "commit": lambda: add(store, self.count),
            "seal": lambda: add(store, self.count) if not self.count else store.seal(KEY),
            "result": lambda: store.write_result("cc" * 32, xr.Dataset({"D": 9.0})),
            "remove": lambda: store.remove_result("aa" * 32),
            "json": lambda: store.write_json("run.json", {"number": 99}),
        }
        idle = act == "seal" and self.count and store.is_sealed(KEY)
        idle = idle or (act == "remove" and not (self.root / "analyses").exists())
        with ExitStack() as stack:
            if not idle:
                stack.enter_context(pytest.raises((TakenOverError, SegmentExists)))
            acts[act]()

    @precondition(lambda self: self.count)
    @rule(place=st.floats(0, 1, exclude_max=True))
    def damage_the_newest(self, place: float) -> None:
        folder = self.root / "trajectories" / KEY / "segments"
        path = segment_path(folder, self.count - 1)
        if not path.exists():
            return  # sealed
        data = bytearray(path.read_bytes())
        data[int(place * len(data))] ^= 1
        path.write_bytes(data)
        said = Store(self.root, self.store.epoch).recover(KEY)
        assert len(said) <= 1  # a zip has bytes that mean nothing
        self.count -= len(said)
        self.store = Store(self.root, self.store.epoch)

    @rule(deep=st.booleans())
    def verify(self, deep: bool) -> None:
        assert Store.open(self.root).verify(deep) == []

    @invariant()
    def what_was_acknowledged_is_there(self) -> None:
        if not hasattr(self, "root"):
            return
        for store in (self.store, Store.open(self.root)):
            assert store.next_segment(KEY) == self.count
            assert {key for key in ("aa" * 32, "bb" * 32, "cc" * 32) if store.has_result(key)} == (
                self.results
            )
        assert self.found() == self.number
        if self.count:
            assert store.trajectory(KEY).load().identical(whole(self.count))
            assert store.read_state(KEY) == state(self.count - 1)
        for key in self.results:
            assert store.result_record(key) == {"key": key}
            store.read_result(key).load()


def add(store: Store, index: int) -> None:
    """Commit segment `index`, in the chain."""
    span = index * SALT.length, (index + 1) * SALT.length
    frames = SALT.dataset(index)
    store.commit_segment(KEY, index, *span, frames, state(index), {}, start=state(index - 1))


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=400 if LONG else 12,
    stateful_step_count=40 if LONG else 12,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

"""One holder per run folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ionflow.errors import HeldError, StoreError
from ionflow.store import Store
from ionflow.store.hold import process_start

HOLD = """
import sys
from ionflow.store import Store
with Store.open(sys.argv[1]).hold():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(store: Store):
    """Another process that holds the run folder."""
    command = [sys.executable, "-c", HOLD, str(store.root)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_holder_is_known_while_it_holds(store: Store) -> None:
    assert store.holder() is None
    with store.hold():
        holder = store.holder()
        assert (holder["pid"], holder["host"]) == (os.getpid(), os.uname().nodename)
    assert store.holder() is None


def test_a_living_holder_is_named(store: Store, other) -> None:
    with pytest.raises(HeldError) as error, store.hold():
        pass
    for part in (str(other.pid), os.uname().nodename, "since 20", "-c"):
        assert part in str(error.value)
    other.stdin.close()
    other.wait()
    with store.hold():
        assert store.holder()["pid"] == os.getpid()


def test_a_killed_holder_is_taken_over(store: Store, other) -> None:
    other.kill()
    other.wait()
    assert store.holder()["pid"] == other.pid
    with store.hold():
        assert store.holder()["pid"] == os.getpid()


def test_a_holder_is_released_after_an_error(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.hold():
        raise ZeroDivisionError
    assert store.holder() is None


def change(store: Store, **values: object) -> None:
    path = store.root / "holder.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("values", "stale"),
    [
        ({"started": "another boot/17"}, True),  # the number went to a later process
        ({"pid": 2**22 + 1}, True),
        ({"host": "elsewhere", "pid": 2**22 + 1}, False),
        ({"namespace": "pid:[1]", "pid": 2**22 + 1}, False),
        ({"pid": None}, False),
    ],
)
def test_only_a_process_of_this_host_that_is_no_more_is_stale(store: Store, other, values, stale):
    change(store, **values)
    if stale:
        with store.hold():
            assert store.holder()["pid"] == os.getpid()
    else:
        with pytest.raises(HeldError, match="delete"), store.hold():
            pass


def test_who_lost_the_folder_does_not_release_it(store: Store) -> None:
    with store.hold():
        change(store, token="of another")
    assert store.holder()["token"] == "of another"


def test_an_unreadable_holder_is_not_taken_over(store: Store) -> None:
    (store.root / "holder.json").write_text("{")
    with pytest.raises(HeldError, match="delete"), store.hold():
        pass


def test_of_many_that_find_it_stale_one_wins(store: Store, other) -> None:
    other.kill()
    other.wait()
    barrier, done = threading.Barrier(8), threading.Barrier(8)
    outcomes: list[str] = []

    def contend() -> None:
        barrier.wait()
        try:
            with Store.open(store.root).hold():
                outcomes.append("held")
                done.wait()
        except HeldError:
            outcomes.append("refused")
            done.wait()

    threads = [threading.Thread(target=contend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["held"] + ["refused"] * 7
    assert store.holder() is None


def test_holding_sweeps_what_killed_writers_left_long_ago(store: Store) -> None:
    folder = store.root / ".tmp"
    (folder / "old").mkdir(parents=True, exist_ok=True)
    (folder / "older").write_text("x")
    (folder / "new").write_text("x")
    for name in ("old", "older"):
        os.utime(folder / name, (time.time() - 7200,) * 2)
    with store.hold():
        assert [path.name for path in folder.iterdir()] == ["new"]


def test_a_process_is_told_from_a_later_one() -> None:
    assert process_start(os.getpid()) == process_start(os.getpid())
    assert process_start(os.getpid()) != process_start(1)
    assert process_start(2**22 + 1) is None


def test_a_run_folder_is_made_only_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match="not empty"):
        Store.create(tmp_path)
    with pytest.raises(StoreError, match="no run folder"):
        Store.open(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.tex"]
    made = Store.create(tmp_path / "runs" / "a")
    assert Store.create(made.root).root == Store.open(made.root).root


def test_a_folder_of_a_later_format_is_refused(store: Store) -> None:
    store.write_json("store.json", {"format": 99})
    with pytest.raises(StoreError, match="format"):
        Store.open(store.root)

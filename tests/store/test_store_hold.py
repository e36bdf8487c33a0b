"""One holder per run folder."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ionflow.errors import HeldError, OutOfSpaceError, StoreError
from ionflow.store import Store, hold
from ionflow.store.documents import document_bytes, read_document
from ionflow.store.epochs import epoch_path, epochs, latest_epoch
from ionflow.store.process import process_start

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
    with store.hold(waiting=pytest.fail):
        assert store.holder()["pid"] == os.getpid()


def test_a_holder_is_released_after_an_error(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.hold():
        raise ZeroDivisionError
    assert store.holder() is None


def change(store: Store, **values: object) -> None:
    path = epoch_path(store.root, latest_epoch(store.root), "json")
    path.write_bytes(document_bytes({**read_document(path), **values}))


@pytest.mark.parametrize(
    "values",
    [{"started": "another boot/17"}, {"pid": 2**22 + 1}],  # the number went to a later process
)
def test_a_process_of_this_host_that_is_no_more_gives_way_at_once(store: Store, other, values):
    change(store, **values)
    assert store.holder() is None
    with store.hold(waiting=pytest.fail):
        assert store.holder()["pid"] == os.getpid()


@pytest.mark.parametrize(
    "values", [{"host": "elsewhere"}, {"namespace": "pid:[1]"}, {"pid": None}, {"host": None}]
)
def test_a_holder_elsewhere_gives_way_if_its_beat_stands_still(store: Store, other, values):
    other.kill()
    other.wait()
    change(store, **values)
    assert store.holder() is not None
    said: list[str] = []
    with store.hold(0.2, said.append):
        assert store.epoch == 2
    assert len(said) == 1
    assert "whether it is alive" in said[0]


def test_a_holder_elsewhere_that_beats_is_named(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(hold, "_BEAT_S", 0.02)
    with store.hold():
        change(store, host="elsewhere")
        with pytest.raises(HeldError, match="on elsewhere"), Store.open(store.root).hold(30):
            pass
        assert latest_epoch(store.root) == 1


def test_a_holder_elsewhere_that_lets_go_is_followed_at_once(store: Store) -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(store.hold())
        change(store, host="elsewhere")
        with Store.open(store.root).hold(600, lambda _: stack.close()):
            assert store.holder()["host"] == os.uname().nodename


@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_that_is_a_day_off_changes_nothing(store: Store, other, days, monkeypatch) -> None:
    off = time.time() + days * 86400
    for path in [store.root, *store.root.rglob("*")]:
        os.utime(path, (off, off))
    monkeypatch.setattr(time, "time", lambda: off)
    with pytest.raises(HeldError, match=str(other.pid)), store.hold():
        pass
    other.kill()
    other.wait()
    change(store, host="elsewhere")
    monkeypatch.setattr(time, "sleep", lambda _: os.utime(store.root / "holders", (0, 0)))
    with store.hold(0.05):
        assert store.epoch == 2


def test_an_unreadable_holder_is_not_taken_over(store: Store) -> None:
    with store.hold():
        change(store, host="elsewhere")
        path = epoch_path(store.root, 1, "json")
        path.write_bytes(path.read_bytes().replace(b"elsewhere", b"elsewhers"))
        with pytest.raises(HeldError, match=r"mv .*released") as error, store.hold():
            pass
        path, free = error.value.hint.rpartition("mv ")[2].split()
        os.rename(path, free)  # as the hint says: numbers do not go back
        with Store.open(store.root).hold():
            assert latest_epoch(store.root) == 2


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


def test_who_looked_before_another_won_does_not_win_after_it(store: Store, other, monkeypatch):
    other.kill()
    other.wait()
    looked, first = hold.look, contextlib.ExitStack()

    def look_then_lose(root: Path) -> tuple[int, int]:
        seen = looked(root)
        monkeypatch.setattr(hold, "look", looked)
        first.enter_context(Store.open(root).hold())
        return seen

    monkeypatch.setattr(hold, "look", look_then_lose)
    with first:
        with pytest.raises(HeldError, match=str(os.getpid())), store.hold():
            pass
        assert latest_epoch(store.root) == 2


def test_numbers_never_go_back(store: Store) -> None:
    for _ in range(12):
        with store.hold():
            pass
    assert epochs(store.root) == [5, 6, 7, 8, 9, 10, 11, 12]
    shutil.rmtree(store.root / "holders")
    with store.hold():
        assert store.epoch == 13


def test_a_file_system_without_hard_links_is_told_before_anything_is_done(store, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StoreError, match=r"no hard links.*--out"), store.hold():
        pass


def test_a_full_disk_leaves_no_holder_behind(store: Store, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(hold, "_count", lambda _: raising(errno.ENOSPC))
        with pytest.raises(OutOfSpaceError), store.hold():
            pass
    with store.hold():
        assert store.epoch == 2


def raising(number: int) -> bytes:
    raise OSError(number, os.strerror(number))


def test_a_read_only_folder_is_read_but_not_held(store: Store, monkeypatch) -> None:
    store.write_json("run.json", {"a": 1})

    def refuse(*_: object, **__: object) -> None:
        raising(errno.EROFS)

    for name in ("mkdir", "link", "replace", "rename", "unlink"):
        monkeypatch.setattr(os, name, refuse)
    reader = Store.open(store.root)
    assert reader.read_json("run.json") == {"a": 1}
    assert reader.verify(deep=True) == []
    with pytest.raises(StoreError, match="read-only"), reader.hold():
        pass


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
    with pytest.raises(StoreError, match=r"format 99.*later"):
        Store.open(store.root)
    (store.root / "store.json").write_text('{"format": 1}')
    with pytest.raises(StoreError, match=r"format 1;.*--out"):
        Store.open(store.root)

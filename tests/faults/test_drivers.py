"""Two drivers, one run folder: the living is respected, the dead replaced, the zombie harmless."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest
from distributed import Client
from harness import Book, child, differing, examine, final_files, recipe, wait_for
from harness import write_recipe as write
from preloads import Clock, compiler

from ionflow.store import Store
from long_form import LONG_ONLY

pytestmark = pytest.mark.timeout(900)

DAY_S = 86400
NEEDS_COMPILER = pytest.mark.skipif(compiler() is None, reason="no C compiler: the clock is true")


@NEEDS_COMPILER
def test_a_second_driver_is_refused_and_whatever_the_clock_says_the_dead_is_replaced(
    ground, site, reference, tmp_path
):
    out = tmp_path / "run"
    book, clock = Book(out), Clock(tmp_path)
    clock.shift(DAY_S)
    with child(site, ground.source, out, **clock.environment) as first:
        book.wait(2, first)
        first.signal(signal.SIGSTOP)  # so that it cannot end meanwhile; it lives all the same
        with child(site, ground.source, out) as second:
            assert second.wait() == 1
            assert f"held by process {first.pid} on {socket.gethostname()}" in second.text()
        first.signal_group(signal.SIGKILL)
        first.wait()
    _age(out, -2 * DAY_S)
    clock.shift(-DAY_S)
    source = write(tmp_path, recipe())
    with child(site, source, out, **clock.environment) as again:
        assert again.wait() == 0, again.text()
    assert not (found := examine(out, reference, book)), found


@NEEDS_COMPILER
def test_a_clock_that_is_set_while_a_run_goes_on_changes_nothing(ground, site, reference, tmp_path):
    out = tmp_path / "run"
    book, clock = Book(out), Clock(tmp_path)
    with child(site, ground.source, out, **clock.environment) as run:
        for shift_s in (DAY_S, 0, -DAY_S):
            book.wait(book.look() + 2, run)
            clock.shift(shift_s)
        assert run.wait() == 0, run.text()
    assert "once more" not in run.text()
    assert not (found := examine(out, reference, book)), found


def _age(out: Path, seconds: float) -> None:
    """As if every second file had been written at another time."""
    for path in sorted(p for p in out.rglob("*") if p.is_file())[::2]:
        os.utime(path, (time.time() + seconds, time.time() + seconds))


@LONG_ONLY
def test_a_worker_that_outlives_its_driver_and_is_about_to_commit_changes_nothing(
    run, cluster, site, words, tmp_path
):
    made = recipe(4, (1200,), analyses=["msd"])
    made["engine"] |= {"fault": "waits"}
    out = tmp_path / "run"
    source = write(tmp_path, {**made, "cluster": cluster})
    with child(site, source, out) as first:
        wait_for((words / "waiting").exists, "a worker that is about to commit")
        first.signal(signal.SIGKILL)
        first.wait()
    with child(site, write(tmp_path, made), out) as second:  # on other workers: this one is busy
        assert second.wait() == 0, second.text()
    before = final_files(out)
    (words / "open").touch()
    with Client(cluster["address"]) as client:
        wait_for(lambda: not any(client.run(_busy).values()), "the end of what the worker did")
    assert final_files(out) == before
    assert not Store.open(out).verify(deep=True)
    run(made, tmp_path / "again")
    assert not differing(out, tmp_path / "again")


def _busy(dask_worker: object) -> int:
    return len(dask_worker.active_threads)


def test_a_driver_that_was_stopped_and_taken_over_from_another_host_writes_nothing_more(
    ground, site, run, reference, tmp_path, monkeypatch
):
    out = tmp_path / "run"
    book = Book(out)
    with child(site, ground.source, out) as first:
        book.wait(3, first)
        first.signal(signal.SIGSTOP)
        monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
        monkeypatch.setattr("ionflow.store.hold.PATIENCE_S", 1.0)
        run(recipe(), out)
        before = _times(out)
        first.signal(signal.SIGCONT)
        assert first.wait() == 1, first.text()
    assert "another ionflow took this run over" in first.text()
    assert _times(out) == before
    assert not (found := examine(out, reference, book)), found


def _times(out: Path) -> dict[str, int]:
    """When each file was written, but for the log and the holders' own."""
    own = ("holders", "logs", ".tmp")
    paths = [p for p in out.rglob("*") if p.is_file() and p.relative_to(out).parts[0] not in own]
    return {str(path): path.stat().st_mtime_ns for path in paths}

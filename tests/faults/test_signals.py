"""Ctrl-C, SIGTERM, a closed terminal: a run stops at a commit, or at once, and goes on later."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from harness import (
    MAIN,
    Book,
    Child,
    child,
    examine,
    gone,
    paced,
    recipe,
    wait_for,
    write_recipe,
)

from ionflow.store import Store
from long_form import LONG_ONLY

pytestmark = pytest.mark.timeout(900)

RESUMABLE = 130


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run folder, on which each test works a little further; the last one ends it."""
    return tmp_path_factory.mktemp("signals") / "run"


def check_stopped(run: Child, out: Path, workers: list) -> None:
    """That it ended as if nothing had happened but time."""
    assert run.process.returncode == RESUMABLE, run.text()
    wait_for(lambda: gone(workers), "the end of its workers")
    assert not Store.open(out).failures()
    assert Store.open(out).holder() is None
    assert "Traceback" not in run.text()


def test_one_interrupt_to_all_stops_at_the_next_commit(ground, site, out):
    book = Book(out)
    with child(site, ground.source, out) as run:
        book.wait(3, run)
        workers = run.workers()
        assert len(workers) >= 2  # and what they may just have called, such as git
        run.signal_group(signal.SIGINT)
        run.wait()
        check_stopped(run, out, workers)
    assert "stopping at the next commit" in run.text()
    assert not book.lost()


def test_two_interrupts_stop_at_once_and_leave_no_process(site, tmp_path):
    slow = write_recipe(tmp_path, paced(recipe(), 600.0))
    # not on the folder of the others: marks there may be those of an earlier run
    out = tmp_path / "run"
    with child(site, slow, out) as run:
        wait_for(lambda: list(out.glob(".tmp/*/begun-*")), "attempts that have begun")
        workers = run.workers()
        run.signal_group(signal.SIGINT)
        wait_for(lambda: "once more to stop at once" in run.text() or _ended(run), "its answer")
        assert not _ended(run), run.text()
        run.signal_group(signal.SIGINT)
        run.wait()
        check_stopped(run, out, workers)


def _ended(run: Child) -> bool:
    return run.process.poll() is not None


@LONG_ONLY
def test_a_termination_of_the_whole_group_is_resumable(ground, site, out):
    """As Slurm ends a job: the workers are hit too."""
    book = Book(out)
    with child(site, ground.source, out) as run:
        book.wait(book.look() + 1, run)
        workers = run.workers()
        run.signal_group(signal.SIGTERM)
        run.wait()
        check_stopped(run, out, workers)
    assert not book.lost()


def test_a_terminal_that_is_closed_stops_at_the_next_commit(ground, site, out):
    book = Book(out)
    number = book.look() + 1
    leader, follower = pty.openpty()
    main = f"import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); {MAIN}"
    with subprocess.Popen(
        [sys.executable, "-c", main, "run", str(ground.source), "--out", str(out)],
        stdin=follower, stdout=follower, stderr=follower, env=site.environment(),
        start_new_session=True,
    ) as process:  # fmt: skip
        os.close(follower)
        os.set_blocking(leader, False)

        def advanced() -> bool:
            _drain(leader)
            assert process.poll() is None
            return book.look() >= number

        wait_for(advanced, "a commit")
        os.close(leader)
        assert process.wait(600) == RESUMABLE
    assert not Store.open(out).failures()
    assert Store.open(out).holder() is None
    assert not book.lost()


def _drain(leader: int) -> None:
    try:
        while os.read(leader, 65536):
            pass
    except BlockingIOError:
        return


@LONG_ONLY
def test_under_nohup_a_closed_terminal_is_nothing_and_all_equals_the_undisturbed_run(
    site, out, reference, tmp_path
):
    source = write_recipe(tmp_path, recipe())
    book = Book(out)
    with child(site, source, out, prefix=("nohup",)) as run:
        book.wait(book.look() + 1, run)
        run.signal_group(signal.SIGHUP)
        assert run.wait() == 0, run.text()
    assert not (found := examine(out, reference, book)), found

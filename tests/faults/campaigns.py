"""Kills in numbers: the same few runs, hit again and again, then held against the undisturbed one.

Short in the tests, long in long.py.
"""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from harness import (
    PLUGINS,
    Book,
    Child,
    Findings,
    Site,
    child,
    examine,
    moment,
    unsettled,
    wait_for,
)

#: Kinds of death of a driver: with its workers, as at a power cut; or alone.
WHOLE, ALONE = "driver and workers", "driver alone"


@dataclass
class Tally:
    """What came of a number of kills."""

    what: str
    kills: int = 0
    runs: int = 0
    retried: int = 0
    """Runs in which one trajectory was hit twice within a segment, and tried again on request."""
    lost: int = 0
    not_a_number: int = 0
    time_axis: int = 0
    differing: int = 0
    verify: int = 0
    wall_s: float = 0.0
    details: list[dict[str, Any]] = field(default_factory=list)

    def add(self, found: Findings) -> None:
        """Count the findings of one run."""
        self.runs += 1
        for name in ("lost", "not_a_number", "time_axis", "differing", "verify"):
            setattr(self, name, getattr(self, name) + len(getattr(found, name)))
        if found:
            self.details.append(asdict(found))

    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.details

    def row(self) -> dict[str, Any]:
        """A line of the table."""
        return {
            "what": self.what,
            "how many": self.kills,
            "runs": self.runs,
            "lost frames": self.lost,
            "NaN": self.not_a_number,
            "frames twice or missing": self.time_axis,
            "byte-identical": "yes" if not self.differing else f"no: {self.differing} files",
            "verify --deep": "clean" if not self.verify else f"{self.verify} faults",
            "hit twice in a segment": self.retried,
            "wall time": f"{self.wall_s / 60:.1f} min",
        }


@dataclass
class Field:
    """Where a campaign takes place: recipe, undisturbed run, and a folder for the others."""

    site: Site
    source: Path
    reference: Path
    folder: Path
    rng: random.Random
    longest_s: float = 0.5
    """Of the random times between a commit and a kill."""

    def outs(self, name: str) -> Iterator[Path]:
        """Fresh run folders."""
        number = 0
        while True:
            number += 1
            yield self.folder / f"{name}-{number}"

    def settle(self, tally: Tally, book: Book) -> None:
        """Examine a finished run; try again what two unlucky hits made fail."""
        found = examine(book.out, self.reference, book)
        if found.failed:
            tally.retried += 1
            with child(self.site, self.source, book.out, "--retry-failed") as again:
                again.wait()
            found = examine(book.out, self.reference, book)
        tally.add(found)


def kill_workers(ground: Field, count: int, name: str = "kill -9 of a worker") -> Tally:
    """Kill a random worker at a random moment, `count` times in all."""
    tally, started = Tally(name), time.monotonic()
    for out in ground.outs("workers"):
        book = Book(out)
        with child(ground.site, ground.source, out) as run:
            _harass(ground, tally, run, book, count)
            _check_end(run)
        ground.settle(tally, book)
        if tally.kills >= count:
            break
    tally.wall_s = time.monotonic() - started
    return tally


def _harass(ground: Field, tally: Tally, run: Child, book: Book, count: int) -> None:
    while tally.kills < count:
        if not _moved_on(run, book, book.look() + 1):
            return
        moment(ground.rng, ground.longest_s)
        victims = run.workers()
        if victims:
            book.look()
            with suppress(psutil.NoSuchProcess):
                ground.rng.choice(victims).kill()
                tally.kills += 1


def _moved_on(run: Child, book: Book, number: int) -> bool:
    """Wait for the next commit, and until who was hit last has got on; False if it ended."""

    def happened() -> bool:
        return (book.look() >= number and not unsettled(run.text())) or _ended(run)

    wait_for(happened, "the next commit")
    return not _ended(run)


def _check_end(run: Child) -> None:
    """All done, or all but what was hit twice within a segment."""
    code, text = run.wait(), run.text()
    assert code == 0 or (code == 1 and re.search(r"tasks done .* failed", text)), text


def _ended(run: Child) -> bool:
    return run.process.poll() is not None


def kill_drivers(ground: Field, count: int, how: str = WHOLE) -> Tally:
    """Kill the driver at a random moment and run again at once, `count` times in all."""
    tally, started = Tally(f"kill -9 of the {how}"), time.monotonic()
    for out in ground.outs(how.replace(" ", "-")):
        book = Book(out)
        while tally.kills < count and not _killed(ground, tally, book, how):
            pass
        with child(ground.site, ground.source, out) as run:
            _check_end(run)
        ground.settle(tally, book)
        if tally.kills >= count:
            break
    tally.wall_s = time.monotonic() - started
    return tally


def _killed(ground: Field, tally: Tally, book: Book, how: str) -> bool:
    """One life of a driver; True if it came to its end before it could be killed."""
    run = Child(ground.site, ground.source, book.out)
    number = book.look() + 1
    wait_for(lambda: book.look() >= number or _ended(run), "a commit")
    moment(ground.rng, ground.longest_s)
    ended = _ended(run)
    book.look()
    if not ended:
        (run.signal_group if how == WHOLE else run.signal)(signal.SIGKILL)
        tally.kills += 1
    run.process.wait()
    return ended


# -- a scheduler of its own -----------------------------------------------------------------


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Cluster:
    """`dask scheduler` and `dask worker` as processes, as a site of their own has them."""

    site: Site
    folder: Path
    port: int = field(default_factory=free_port)

    @property
    def address(self) -> str:
        """Where the scheduler listens."""
        return f"tcp://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start all of it; the workers wait for their scheduler."""
        self.start_scheduler()
        self.servants = self._started(str(PLUGINS / "site_workers.py"), self.address, "2")

    def start_scheduler(self) -> None:
        """Start `dask scheduler`."""
        words = ("--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")
        self.scheduler = self._started("-m", "distributed.cli.dask_scheduler", *words)

    def kill_scheduler(self) -> None:
        """Kill it: its workers notice and end."""
        self.scheduler.kill()
        self.scheduler.wait()

    def _started(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "cluster.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *words], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True, env=self.site.environment(),
            )  # fmt: skip

    def end(self) -> None:
        """Leave nothing behind."""
        for process in (self.servants, self.scheduler):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def cluster(site: Site, folder: Path) -> Iterator[Cluster]:
    """A cluster that is gone at the end."""
    made = Cluster(site, folder)
    made.start()
    try:
        yield made
    finally:
        made.end()


def kill_schedulers(ground: Field, made: Cluster, count: int) -> Tally:
    """Kill the scheduler at a random moment and start it anew, `count` times in all."""
    tally, started = Tally("kill -9 of the scheduler"), time.monotonic()
    for out in ground.outs("scheduler"):
        book = Book(out)
        with child(ground.site, ground.source, out) as run:
            while tally.kills < count and _moved_on(run, book, book.look() + 1):
                moment(ground.rng, ground.longest_s)
                made.kill_scheduler()
                tally.kills += 1
                made.start_scheduler()
            _check_end(run)
        ground.settle(tally, book)
        if tally.kills >= count:
            break
    tally.wall_s = time.monotonic() - started
    return tally

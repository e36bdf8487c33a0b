"""The disk in numbers: refusals of every call, flipped bits by the thousand.

Short in the tests, long in long.py.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PATHS = (HERE, HERE.parent, HERE.parent / "store")
sys.path[:0] = [str(path) for path in PATHS if str(path) not in sys.path]

import numpy as np  # noqa: E402
from damage_reads import Tally as DamageTally  # noqa: E402
from damage_reads import examine, files_of, flip, sample, truth_of  # noqa: E402

#: Calls that a full disk refuses: renaming and removing need no room.
_TAKE_ROOM = 1 + 2 + 4 + 16 + 64
_ALL = 127


@dataclass(frozen=True)
class Fault:
    """How the disk refuses."""

    name: str
    number: int
    stays: bool
    kinds: int = _ALL


ONCE = Fault("one call fails (EIO)", errno.EIO, stays=False)
DEAD = Fault("all calls fail from then on (EIO)", errno.EIO, stays=True)
FULL = Fault("no room from then on (ENOSPC)", errno.ENOSPC, stays=True, kinds=_TAKE_ROOM)
READ_ONLY = Fault("read-only from then on (EROFS)", errno.EROFS, stays=True)


@dataclass
class Refusals:
    """What came of refusing calls, one at a time, of an act."""

    what: str
    calls: int = 0
    tried: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    recorded: int = 0
    """Ends with a task recorded as failed."""
    faults: list[str] = field(default_factory=list)
    """What should not have been."""
    wall_s: float = 0.0

    def add(self, found: dict[str, Any]) -> None:
        """Count one."""
        self.tried += 1
        self.ends[found["end"]] += 1
        self.hits[found.get("hit", "").split(" ")[0]] += 1
        self.recorded += bool(found.get("failures"))
        if wrong := list(_faults(found)):
            self.faults.append(f"call {found['at']} ({found.get('hit')}): {'; '.join(wrong)}")

    @property
    def details(self) -> list[str]:
        """What should not have been."""
        return self.faults

    def row(self) -> dict[str, Any]:
        """A line of the table."""
        return {
            "what": self.what,
            "calls": self.calls or "–",
            "tried": self.tried,
            "ended well": self.ends["well"],
            "one clear error": self.ends["clear error"] + self.ends["out of space"],
            "of these: out of space": self.ends["out of space"],
            "a task recorded as failed": self.recorded,
            "byte-identical after a rerun": self.tried - len(self.faults),
            "wall time": f"{self.wall_s / 60:.1f} min",
        }


def _faults(found: dict[str, Any]) -> Iterator[str]:
    if found["end"] not in ("well", "clear error", "out of space"):
        yield f"{found['end']}: {found['text']}"
    if found["end"] == "out of space" and found.get("failures"):
        yield f"recorded as failed: {found['failures']}"
    for name in ("verify", "again", "differs", "verify_again"):
        if found.get(name):
            yield f"{name}: {found[name]}"
    if not found.get("again") and not found.get("finished"):
        yield "not finished after the rerun"


def refuse(
    calls: Path, folder: Path, what: str, fault: Fault, *, first: int = 0, stride: int = 1,
    count: int = 0,
) -> Refusals:  # fmt: skip
    """Refuse calls of an act by their number, each in a process of its own."""
    made, started = Refusals(f"{what}: {fault.name}"), time.monotonic()
    words = (fault.number, int(fault.stays), fault.kinds, first, stride, count)
    command = [sys.executable, str(HERE / "disk_program.py"), what, str(folder), *map(str, words)]
    environment = {
        **os.environ, "LD_PRELOAD": str(calls), "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(map(str, PATHS)),
    }  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as program:
        assert program.stdout is not None
        made.calls = json.loads(program.stdout.readline() or '{"calls": 0}')["calls"]
        for line in program.stdout:
            made.add(json.loads(line))
    made.wall_s = time.monotonic() - started
    return made


def flips(folder: Path, count: int, seed: int = 0) -> DamageTally:
    """Flip single bits of a run's files, half of them of files taken evenly, half by size."""
    root, started = sample(folder / "run"), time.monotonic()
    truth, files, rng = truth_of(root), files_of(root), np.random.default_rng(seed)
    tally = DamageTally("single bits flipped")
    sizes = np.array([path.stat().st_size for path in files], float)
    for trial in range(count):
        path = rng.choice(files, p=sizes / sizes.sum() if trial % 2 else None)
        examine(root, truth, path, flip(rng), tally, everything=True)
    assert truth_of(root) == truth
    tally.wall_s = time.monotonic() - started
    return tally

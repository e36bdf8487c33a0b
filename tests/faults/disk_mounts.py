"""Runs on file systems that are mounted for them, in a mount namespace of their own.

    unshare -rm python disk_mounts.py full|readonly FOLDER

Prints what came of it as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from damage_reads import truth_of
from disk_run import data_of, run

import ionflow.report
from ionflow.errors import IonflowError
from ionflow.store import Store


def mount(*words: object) -> None:
    """mount(8)."""
    subprocess.run(["mount", *map(str, words)], check=True)


def told(act: Callable[[], Any]) -> str:
    """The error that an act ends with, by its kind and its message."""
    try:
        act()
    except IonflowError as error:
        return f"{type(error).__name__}: {error}"
    return ""


@contextmanager
def tmpfs(folder: Path, size: str) -> Iterator[Path]:
    """A small disk."""
    folder.mkdir(parents=True)
    mount("-t", "tmpfs", "-o", f"size={size}", "none", folder)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path, leave: int = 0) -> None:
    """Somebody else uses up the disk."""
    with suppress(OSError), (disk / "ballast").open("wb", buffering=0) as file:
        while file.write(bytes(2**12)):
            pass
    ballast = disk / "ballast"
    with ballast.open("r+b") as file:
        file.truncate(max(0, ballast.stat().st_size - leave))


def full(folder: Path) -> dict[str, Any]:
    """A disk of 8 MB fills up during a run, is full at the next start, then grows."""
    truth = folder / "truth"
    run(truth)
    with tmpfs(folder / "disk", "8m") as disk:
        out = disk / "run"
        stopped = told(lambda: run(out, segments=1, then=lambda: fill(disk)))
        failures = list(Store(out).failures())
        verified = [str(problem) for problem in Store(out).verify(deep=True)]
        committed = Store(out).trajectories()
        refused = told(lambda: run(out))
        fill(disk, leave=200_000)
        too_small = told(lambda: run(out))
        fresh = told(lambda: run(disk / "another"))
        mount("-o", "remount,size=64m", disk)
        text = run(out)
        return {
            "stopped": stopped, "failures": failures, "verified": verified,
            "committed": committed, "refused": refused, "too small": too_small, "fresh": fresh,
            "text": text,
            "identical": data_of(out) == data_of(truth),
            "verified again": [str(problem) for problem in Store(out).verify(deep=True)],
        }  # fmt: skip


def readonly(folder: Path) -> dict[str, Any]:
    """A finished run and one that is not, on a file system that can only be read."""
    out, begun = folder / "disk" / "run", folder / "disk" / "begun"
    run(out)
    run(begun, segments=1)
    truth = truth_of(out)
    mount("--bind", folder / "disk", folder / "disk")
    mount("-o", "remount,bind,ro", folder / "disk")
    return {
        "same": truth_of(out) == truth,
        "verified": [str(problem) for problem in Store.open(out).verify(deep=True)],
        "finished": told(lambda: run(out)),
        "begun": told(lambda: run(begun)),
        "new": told(lambda: run(folder / "disk" / "new")),
        "report": told(lambda: ionflow.report.write(out)),
    }


if __name__ == "__main__":
    print(json.dumps({"full": full, "readonly": readonly}[sys.argv[1]](Path(sys.argv[2]))))

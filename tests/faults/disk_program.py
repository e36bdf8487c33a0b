"""Run, refuse one call of the disk, run again; once for every number that is asked for.

    LD_PRELOAD=disk_calls.so python disk_program.py FOLDER ERRNO STICKY KINDS FIRST STRIDE COUNT

Prints a JSON object a line: first the number of calls of an undisturbed run and of those that
were made of each kind, then what came of each refusal. Each is tried in a fork of its own.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from disk_run import data_of, run

import ionflow.report.compose as composing
from ionflow.errors import IonflowError, OutOfSpaceError
from ionflow.store import Store

KINDS = {"write": 1, "fsync": 2, "link": 4, "rename": 8, "mkdir": 16, "unlink": 32, "create": 64}
ALL = sum(KINDS.values())


class Disk:
    """The counter in disk_calls.so."""

    def __init__(self, root: Path) -> None:
        self._calls, self.root = ctypes.CDLL(None), root
        self._calls.disk_count.restype = ctypes.c_long
        self._calls.disk_hit.restype = ctypes.c_char_p
        self._calls.disk_arm.argtypes = (ctypes.c_char_p, ctypes.c_long, *[ctypes.c_int] * 3)

    def arm(self, at: int = -1, number: int = 0, sticky: int = 0, kinds: int = ALL) -> None:
        """Refuse the call of this number; with -1, only count."""
        self._calls.disk_arm(os.fsencode(self.root), at, number, sticky, kinds)

    def disarm(self) -> None:
        """Refuse nothing more."""
        self._calls.disk_disarm()

    @property
    def count(self) -> int:
        """Calls since it was armed."""
        return int(self._calls.disk_count())

    @property
    def hit(self) -> str:
        """The call that was refused first."""
        return os.fsdecode(self._calls.disk_hit())


def one_report_for_all() -> None:
    """Figures take longer than the run: the report's page is composed once, and always written."""
    compose, made = composing.compose, []

    def composed(opened: Any) -> Any:
        if not made:
            made.append(compose(opened))
        return made[0]

    composing.compose = composed


def disturbed(disk: Disk) -> dict[str, Any]:
    """Run on a disk that refuses, and what the user is told."""
    try:
        text = run(disk.root)
        end = "well"
    except OutOfSpaceError as error:
        text, end = str(error), "out of space"
    except IonflowError as error:
        text, end = str(error), "clear error"
    except BaseException:  # noqa: BLE001 - whatever else comes is what we look for
        text, end = traceback.format_exc(), "unclear error"
    return {"end": end, "text": text[-3000:], "hit": disk.hit}


def afterwards(root: Path, truth: dict[str, str]) -> dict[str, Any]:
    """Look at what is left, run again without faults, look again."""
    left = Store(root)
    whole = (root / "store.json").is_file()
    failures = [record["reason"] for record in left.failures().values()]
    found = [str(problem) for problem in left.verify(deep=True)] if whole else []
    try:
        run(root, retry_failed=bool(failures))
    except BaseException:  # noqa: BLE001 - reported
        return {"failures": failures, "verify": found, "again": traceback.format_exc()[-3000:]}
    data, store = data_of(root), Store(root)
    differs = sorted(
        name for name in truth.keys() | data.keys() if truth.get(name) != data.get(name)
    )
    after = [str(problem) for problem in store.verify(deep=True)]
    ended = bool(store.read_json("run.json")["finished"]) and not store.failures()
    ended = ended and (root / "report" / "index.html").is_file()
    return {
        "failures": failures, "verify": found, "again": "", "differs": differs,
        "verify_again": after, "finished": ended,
    }  # fmt: skip


def tried(disk: Disk, truth: dict[str, str], at: int, how: tuple[int, int, int]) -> dict[str, Any]:
    """One refusal, in a child."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        shutil.rmtree(disk.root, ignore_errors=True)
        disk.arm(at, *how)
        found = {"at": at, **disturbed(disk)}
        disk.disarm()
        found |= afterwards(disk.root, truth)
        with os.fdopen(writer, "w") as pipe:
            json.dump(found, pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    code = os.waitpid(child, 0)[1]
    return json.loads(text) if text else {"at": at, "end": "died", "text": f"status {code}"}


def numbers(first: int, stride: int, count: int, calls: int) -> Iterator[int]:
    """Which calls to refuse."""
    asked = range(first, calls, stride)
    return iter(asked[:count] if count else asked)


def main(folder: Path, number: int, sticky: int, kinds: int, *which: int) -> None:
    """Count, then refuse."""
    folder.mkdir(parents=True, exist_ok=True)
    disk = Disk(folder.resolve() / "run")
    one_report_for_all()
    shutil.rmtree(disk.root, ignore_errors=True)
    run(disk.root)  # what is compiled or drawn once
    shutil.rmtree(disk.root)
    disk.arm(kinds=kinds)
    run(disk.root)
    calls, truth = disk.count, data_of(disk.root)
    disk.disarm()
    print(json.dumps({"calls": calls, "files": len(truth)}), flush=True)
    for at in numbers(*which, calls):
        print(json.dumps(tried(disk, truth, at, (number, sticky, kinds))), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))

"""Run, refuse one call of the disk, run again; once for every number that is asked for.

    LD_PRELOAD=disk_calls.so \
        python disk_program.py WHAT FOLDER ERRNO STICKY KINDS FIRST STRIDE COUNT

WHAT is run, a whole run; extension, of a finished one; recovery, of one that was interrupted and
whose newest segment is damaged; files or folders, of the store alone; or a repair
(disk_repair.DAMAGE).

Prints a JSON object a line: first the number of calls of an undisturbed run,
then what came of each refusal. Each whole run is tried in a fork of its own.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import disk_repair
import xarray as xr
from disk_run import data_of, differing, in_one_thread, run
from salt import KEY, Salt

import ionflow.report.compose as composing
from ionflow.errors import IonflowError, OutOfSpaceError
from ionflow.store import Store

KINDS = {"write": 1, "fsync": 2, "link": 4, "rename": 8, "mkdir": 16, "unlink": 32, "create": 64}
ALL = sum(KINDS.values())

Act = Callable[[Path], str]


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


def whole_run(root: Path) -> str:
    """A run, or the rest of it; what failed before is tried again."""
    there = (root / "store.json").is_file()
    return run(root, retry_failed=bool(there and Store(root).failures()))


def longer_run(root: Path) -> str:
    """A run that goes on with one that is there, to twice its length."""
    return run(root, disk_repair.longer(), retry_failed=bool(Store(root).failures()))


def small_files(root: Path) -> str:
    """What the store keeps in single files, or what is missing of them."""
    store, salt = Store.create(root), Salt(repeat=1, frames=2)
    with in_one_thread(), store.hold():
        store.write_json("run.json", {"finished": True})
        store.write_structure(KEY, salt.atoms(0))
        store.record_failure(KEY, {"reason": "none"})
        store.clear_failure(KEY)
        store.recover(KEY)
        for index in range(store.next_segment(KEY), 2):
            salt.commit(store, index)
    return ""


def folders(root: Path) -> str:
    """What the store keeps in folders of zarr, too."""
    small_files(root)
    store = Store(root)
    with in_one_thread(), store.hold():
        store.recover(KEY)
        store.seal(KEY)
        store.write_result(KEY, xr.Dataset({"D": ("species", [1.0, 2.0])}))
    return ""


ACTS = {"run": whole_run, "files": small_files, "folders": folders}
RUNS = (whole_run, longer_run)


@dataclass(frozen=True)
class Scene:
    """An act, what is there before it, and what is to hold after it."""

    act: Act
    prepare: Callable[[], object]
    after: Callable[[dict[str, str]], dict[str, Any]]
    truth: Callable[[], dict[str, str]]
    """Asked for after the undisturbed act."""

    @classmethod
    def of(cls, what: str, root: Path) -> Scene:
        """By its name; for a repair, makes the run that is to be repaired."""
        if what in ACTS:
            act = ACTS[what]
            clear = partial(shutil.rmtree, root, ignore_errors=True)
            return cls(act, clear, partial(afterwards, root, act), partial(data_of, root))
        sound, damage = root.with_name("sound"), disk_repair.DAMAGE.get(what, ())
        truth = disk_repair.BEFORE.get(what, disk_repair.finished)(sound)
        prepare = partial(disk_repair.spoilt, sound, root, damage)
        if what in disk_repair.BEFORE:
            known = [path for pattern in damage for path in sound.glob(pattern)]
            names = tuple(path.relative_to(sound).as_posix() for path in known)
            after = partial(afterwards, root, longer_run, spoilt=names)
            return cls(longer_run, prepare, after, partial(data_of, root))
        after = partial(disk_repair.afterwards, root, whole_run)
        return cls(disk_repair.repair, prepare, after, lambda: truth)


def disturbed(disk: Disk, act: Act) -> dict[str, Any]:
    """Run on a disk that refuses, and what the user is told."""
    try:
        text, end = act(disk.root), "well"
    except OutOfSpaceError as error:
        text, end = str(error), "out of space"
    except IonflowError as error:
        text, end = str(error), "clear error"
    except BaseException:  # noqa: BLE001 - whatever else comes is what we look for
        text, end = traceback.format_exc(), "unclear error"
    return {"end": end, "text": text[-3000:], "hit": disk.hit}


def afterwards(
    root: Path, act: Act, truth: dict[str, str], spoilt: Sequence[str] = ()
) -> dict[str, Any]:
    """Look at what is left, run again without faults, look again.

    Of what was spoilt before the act, verification may still speak before it is done again.
    """
    left = Store(root)
    whole = (root / "store.json").is_file()
    failures = [record["reason"] for record in left.failures().values()]
    problems = left.verify(deep=True) if whole else []
    problems = [p for p in problems if p.path.relative_to(root).as_posix() not in spoilt]
    found = [str(problem) for problem in problems]
    try:
        act(root)
    except BaseException:  # noqa: BLE001 - reported
        return {"failures": failures, "verify": found, "again": traceback.format_exc()[-3000:]}
    store = Store(root)
    after = [str(problem) for problem in store.verify(deep=True)]
    ended = bool(store.read_json("run.json")["finished"]) and not store.failures()
    ended = ended and (act not in RUNS or (root / "report" / "index.html").is_file())
    return {
        "failures": failures, "verify": found, "again": "", "differs": differing(root, truth),
        "verify_again": after, "finished": ended,
    }  # fmt: skip


def refused(disk: Disk, scene: Scene, at: int, how: tuple[int, int, int]) -> dict[str, Any]:
    """One refusal."""
    scene.prepare()
    disk.arm(at, *how)
    found = disturbed(disk, scene.act)
    disk.disarm()
    return found


def alone(act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What comes of it in a child: whatever a refusal leaves in a process ends with that."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        with os.fdopen(writer, "w") as pipe:
            json.dump(act(), pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    code = os.waitpid(child, 0)[1]
    return json.loads(text) if text else {"end": "died", "text": f"status {code}"}


def numbers(first: int, stride: int, count: int, calls: int) -> Iterator[int]:
    """Which calls to refuse."""
    asked = range(first, calls, stride)
    return iter(asked[:count] if count else asked)


def main(what: str, folder: Path, number: int, sticky: int, kinds: int, *which: int) -> None:
    """Count, then refuse."""
    folder.mkdir(parents=True, exist_ok=True)
    disk = Disk(folder.resolve() / "run")
    one_report_for_all()
    scene = Scene.of(what, disk.root)
    scene.prepare()
    scene.act(disk.root)  # what is compiled or drawn once
    scene.prepare()
    disk.arm(kinds=kinds)
    scene.act(disk.root)
    calls = disk.count
    disk.disarm()
    truth = scene.truth()
    print(json.dumps({"calls": calls, "files": len(truth)}), flush=True)
    for at in numbers(*which, calls):
        attempt = partial(refused, disk, scene, at, (number, sticky, kinds))
        after = partial(scene.after, truth)
        # a disk that refuses everything keeps a holder from letting go until its process ends;
        # elsewhere a fork takes longer than the act
        apart = sticky or scene.act in RUNS
        found = alone(attempt) | alone(after) if apart else attempt() | after()
        print(json.dumps({"at": at, **found}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))

"""What goes on with a run that is there, and is cut off at any call of the disk; repairs first.

A repair that was cut off is repaired again, or run as it is: all is right, or is said to be wrong.

Acts for disk_program.py.
"""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from disk_run import data_of, differing, in_one_thread, run, smallest

from ionflow.errors import IonflowError
from ionflow.store import Store

#: What is spoiled before the repair, by pattern: first match in the run folder.
DAMAGE = {
    "repair of a last state": ("trajectories/*/states/10.zarr.zip",),
    "repair of a shard": ("trajectories/*/trajectory.zarr/positions/c/0/0/0",),
    "repair of a list": ("trajectories/*/sealed.json",),
    "repair of both lists": ("trajectories/*/sealed.json", "trajectories/*/sealed.copy.json"),
    "repair of small files": (
        "trajectories/*/trajectory.zarr/zarr.json", "analyses/*.zarr/msd/c/0/0", "recipe.yaml",
        "structures/*",
    ),
}  # fmt: skip
REPAIRS = tuple(DAMAGE)
DAMAGE["recovery"] = ("trajectories/*/segments/000002.zarr.zip",)
_ROUNDS = 3


def spoil(path: Path) -> None:
    """Overwrite a part of the middle."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 8] = bytes(byte ^ 0xFF for byte in data[middle : middle + 8])
    path.write_bytes(data)


def spoilt(sound: Path, root: Path, patterns: tuple[str, ...]) -> None:
    """A damaged copy of a finished run."""
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(sound, root)
    for pattern in patterns:
        spoil(sorted(root.glob(pattern))[0])


def repair(root: Path) -> str:
    """`ionflow verify --deep --repair`."""
    store = Store(root)
    with in_one_thread(), store.hold():
        return "\n".join(store.repair(store.verify(deep=True)))


def afterwards(root: Path, whole_run: Callable[[Path], str], truth: dict[str, str]) -> Any:
    """Run what is left as it is, in a copy; then repair it once more, run, and look."""
    beside = root.with_name("beside")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(root, beside)
    found = {"again": "", "differs": _run_as_it_is(beside, whole_run, truth)}
    try:
        _until_clean(root)
        whole_run(root)
    except BaseException:  # noqa: BLE001 - reported
        return {**found, "again": traceback.format_exc()[-3000:]}
    store = Store(root)
    return {
        **found,
        "differs": found["differs"] + differing(root, truth),
        "verify_again": [str(problem) for problem in store.verify(deep=True)],
        "finished": bool(store.read_json("run.json")["finished"]) and not store.failures(),
    }


def _run_as_it_is(root: Path, whole_run: Callable[[Path], str], truth: dict[str, str]) -> list[str]:
    """Files that are wrong though neither the run nor verification says a word."""
    try:
        whole_run(root)
    except IonflowError:
        return []
    store = Store(root)
    silent = not store.verify(deep=True) and not store.failures()
    return [f"{name} (run as it is)" for name in differing(root, truth)] if silent else []


def _until_clean(root: Path) -> None:
    """Repair until nothing but what is to be computed is missing."""
    for _ in range(_ROUNDS):
        if not repair(root):
            return
    raise AssertionError(f"not clean after {_ROUNDS} repairs: {Store(root).verify(deep=True)}")


def finished(root: Path) -> dict[str, str]:
    """A finished run, and what its data are."""
    run(root)
    return data_of(root)


def longer() -> dict[str, Any]:
    """The smallest run, twice as long."""
    recipe = smallest()
    recipe["protocol"]["production"]["duration_ps"] *= 2
    return recipe


def begun(root: Path) -> dict[str, str]:
    """Three of four segments."""
    run(root, longer(), segments=3)
    return data_of(root)


#: What is there before a run that goes on with it.
BEFORE = {"extension": finished, "recovery": begun}

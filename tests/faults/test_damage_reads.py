"""Harm to any file of a run is named by who reads or verifies it, and gives no wrong number."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from damage_reads import Tally, Truth, examine, files_of, flip, kind_of, sample, truth_of
from disk_faults import PATHS

import ionflow
from long_form import LONG


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every kind of file."""
    return sample(tmp_path_factory.mktemp("sample") / "run")


@pytest.fixture(scope="module")
def truth(root: Path) -> Truth:
    """What it gives unharmed."""
    return truth_of(root)


def one_of_each_kind(root: Path) -> Iterator[Path]:
    """A file of each kind, the largest."""
    kinds: dict[str, Path] = {}
    for path in sorted(files_of(root), key=lambda p: p.stat().st_size):
        kinds[kind_of(root, path)] = path
    yield from kinds.values()


def test_flipped_bits_are_never_read_silently(root: Path, truth: Truth) -> None:
    tally, rng, files = Tally(), np.random.default_rng(3), files_of(root)
    count = 60 if LONG else 30
    for path in rng.choice(files, count):
        examine(root, truth, path, flip(rng), tally)
    assert tally.silent == tally.unnamed == []
    assert tally.noticed.total() + tally.verified.total() >= 5 * count // 6
    # a released holder and the fields of a zip that nobody reads
    assert set(tally.harmless) <= {"holders", "structures", *_zips(root)}
    assert truth_of(root) == truth, "what was harmed is as it was"


def _zips(root: Path) -> set[str]:
    return {kind_of(root, path) for path in files_of(root) if path.suffix == ".zip"}


def to_nothing(path: Path) -> None:
    """Truncate to nothing."""
    os.truncate(path, 0)


def to_half(path: Path) -> None:
    """Truncate."""
    os.truncate(path, path.stat().st_size // 2)


def to_a_folder(path: Path) -> None:
    """Put a folder there."""
    path.unlink()
    path.mkdir()


def to_a_pipe(path: Path) -> None:
    """Put something there that blocks who opens it."""
    path.unlink()
    os.mkfifo(path)


def to_a_dangling_link(path: Path) -> None:
    """Put a link to nowhere there."""
    path.unlink()
    path.symlink_to("/nowhere")


HARMS: dict[str, Callable[[Path], None]] = {
    "deleted": Path.unlink,
    "truncated to nothing": to_nothing,
    "truncated": to_half,
    "a folder in its place": to_a_folder,
    "a pipe in its place": to_a_pipe,
    "a dangling link in its place": to_a_dangling_link,
}

#: Files whose absence is no damage: nobody holds the run, or what they hold is made again.
_OPTIONAL = {"holders", "provenance", "texts.json", "analyses: list"}


def test_files_that_are_gone_or_cut_are_named(root: Path, truth: Truth) -> None:
    # each kind of file with one harm or two; the long form tries all
    tally, harms = Tally(), list(HARMS.values())
    for number, path in enumerate(one_of_each_kind(root)):
        examine(root, truth, path, harms[number % len(harms)], tally)
    assert tally.silent == tally.unnamed == []
    assert set(tally.harmless) <= _OPTIONAL
    assert truth_of(root) == truth


UNREADABLE = """
import json, sys
from pathlib import Path
from damage_reads import Tally, examine, truth_of
root, paths = Path(sys.argv[1]), sys.argv[2:]
truth, tally = truth_of(root), Tally()
for path in map(Path, paths):
    examine(root, truth, path, lambda p: p.chmod(0), tally)
print(json.dumps(vars(tally)))
"""


def without_privilege() -> list[str] | None:
    """How to start a process to which permissions apply."""
    if os.getuid():
        return []
    drop = "-dac_override,-dac_read_search"
    return ["setpriv", "--bounding-set", drop] if shutil.which("setpriv") else None


def elsewhere(program: str, *words: object) -> dict:
    """What a program prints, in a process to which permissions apply."""
    command = [*(without_privilege() or []), sys.executable, "-c", program, *map(str, words)]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(map(str, PATHS)),
    }
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        return json.loads(process.communicate(timeout=250)[0])


@pytest.mark.skipif(without_privilege() is None, reason="permissions do not apply to root")
def test_files_that_may_not_be_read_are_named(root: Path, truth: Truth) -> None:
    found = elsewhere(UNREADABLE, root, *one_of_each_kind(root))
    assert found["silent"] == found["unnamed"] == []
    assert set(found["harmless"]) <= _OPTIONAL
    assert truth_of(root) == truth


READ_ONLY = """
import json, sys
from pathlib import Path
from damage_reads import truth_of
from disk_run import run
from ionflow.errors import IonflowError
from ionflow.store import Store
root = Path(sys.argv[1])
found = {"readings": len(truth_of(root)), "verify": len(Store.open(root).verify(deep=True))}
try:
    run(root)
except IonflowError as error:
    found["error"] = str(error)
print(json.dumps(found))
"""


@pytest.mark.skipif(without_privilege() is None, reason="permissions do not apply to root")
def test_a_folder_that_may_not_be_written_is_read(root: Path, truth: Truth, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "run"))
    folders = [copy, *(path for path in copy.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        found = elsewhere(READ_ONLY, copy)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert (found["readings"], found["verify"]) == (len(truth), 0)
    assert "read-only" in found["error"] or "belongs to someone else" in found["error"]


def test_a_run_that_lost_everything_but_its_mark_says_so(root: Path, tmp_path: Path) -> None:
    (tmp_path / "store.json").write_bytes((root / "store.json").read_bytes())
    with pytest.raises(ionflow.errors.StoreError, match=r"run\.json"):
        ionflow.open(tmp_path)

"""Who was taken over cannot write any more, whatever it was about to do."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import xarray as xr
from salt import KEY, Salt

from ionflow.errors import TakenOverError
from ionflow.store import Store, hold, results, sealing, writer
from ionflow.store.epochs import look
from long_form import LONG

OTHER = "cd" * 32
ZOMBIE = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1], str(Path(sys.argv[1]).parent)]
from test_store_fence import ACTS
from ionflow.errors import TakenOverError
from ionflow.store import Store
store = Store(Path(sys.argv[2]), int(sys.argv[3]))
print("ready", flush=True)
for line in sys.stdin:
    try:
        ACTS[line.strip()](store)
        print("done", flush=True)
    except TakenOverError:
        print("taken over", flush=True)
"""

ACTS: dict[str, Callable[[Store], object]] = {
    "commit": lambda store: Salt().commit(store, store.next_segment(KEY)),
    "first commit": lambda store: Salt().commit(store, 0, OTHER),
    "seal": lambda store: store.seal(KEY),
    "result": lambda store: store.write_result(OTHER, xr.Dataset({"D": ("species", [9.0])})),
    "remove": lambda store: store.remove_result(KEY),
    "structure": lambda store: store.write_structure(OTHER, Salt().atoms(0)),
    "json": lambda store: store.write_json("run.json", {"number": 9}),
    "failure": lambda store: store.record_failure(OTHER, {"what": "x"}),
    "forget": lambda store: store.clear_failure(KEY),
}


def content(store: Store) -> dict[str, bytes]:
    """All that counts: every file, but for scratch, locks and holders."""
    paths = [p for p in store.root.rglob("*") if p.is_file() and not p.name.startswith(".")]
    names = {path.relative_to(store.root): path for path in paths}
    hidden = (".tmp", "holders")
    return {str(n): p.read_bytes() for n, p in names.items() if n.parts[0] not in hidden}


@pytest.fixture
def filled(store: Store, salt: Salt) -> Store:
    salt.commit(store, 0)
    salt.commit(store, 1)
    store.write_result(KEY, xr.Dataset({"D": ("species", [1.0])}))
    store.write_json("run.json", {"number": 1})
    store.record_failure(KEY, {"what": "too hot"})
    return store


@pytest.fixture
def zombie(filled: Store) -> Iterator[tuple[Store, Callable[[str], str]]]:
    """A process that writes for a holder, and how to have it act."""
    with filled.hold():
        here = str(Path(__file__).parent)
        command = [sys.executable, "-c", ZOMBIE, here, str(filled.root), str(filled.epoch)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, **pipes) as process:
            assert process.stdout.readline() == "ready\n"

            def act(name: str) -> str:
                print(name, file=process.stdin, flush=True)
                return process.stdout.readline().strip()

            yield filled, act
            process.stdin.close()


def test_a_worker_of_the_holder_writes(zombie) -> None:
    store, act = zombie
    assert [act(name) for name in ("commit", "seal", "result")] == ["done"] * 3
    assert Salt().agrees(store, 3)
    assert store.verify(deep=True) == []


def test_a_worker_of_one_who_was_taken_over_is_refused(zombie) -> None:
    store, act = zombie
    os.rename(*(store.root / "holders" / f"000001.{kind}" for kind in ("beat", "released")))
    before = content(store)
    with Store.open(store.root).hold():
        assert {name: act(name) for name in ACTS} == dict.fromkeys(ACTS, "taken over")
        assert content(store) == before
    assert {name: act(name) for name in ACTS} == dict.fromkeys(ACTS, "taken over")
    assert content(store) == before


class TakenOver(BaseException):
    """Someone else took the folder over at this call."""


# every call that could change what others see, at the moment when it is about to happen
MOMENTS = [
    (writer, "link"), (writer.os, "replace"), (writer, "move"), (sealing, "move"),
    (results, "move"), (sealing, "sync_tree"), (results, "sync_tree"), (writer, "sync_folder"),
]  # fmt: skip


@pytest.mark.parametrize("act", ACTS)
def test_taken_over_at_any_moment(filled: Store, act: str, monkeypatch) -> None:
    moments = 0
    for at in range(100) if LONG else (*range(4), *range(4, 100, 5)):
        if not taken_over_at(filled, act, at, monkeypatch):
            break
        moments += 1
    assert moments > 0


def taken_over_at(template: Store, act: str, at: int, monkeypatch) -> bool:
    """Let another win the folder before the call number `at`; False if there were fewer."""
    copy = Store.open(_copied(template, f"{act.replace(' ', '_')}_{at}"))
    before, heirs, calls = content(copy), [], []

    def watched(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            calls.append(real)
            if len(calls) == at + 1:
                heirs.append(_heir(copy))
                before.clear()
                before.update(content(copy))
            return real(*args, **kwargs)

        return call

    with copy.hold(), monkeypatch.context() as patch:
        for module, name in MOMENTS:
            patch.setattr(module, name, watched(getattr(module, name)))
        try:
            ACTS[act](copy)
            refused = False
        except TakenOverError:
            refused = True
    if not heirs:
        return False
    heir = heirs[0]
    after = content(copy)
    whole(heir, after, before, refused)
    return True


def whole(heir: Store, after: dict[str, bytes], before: dict[str, bytes], refused: bool) -> None:
    """What was done came before the other won, and the other can go on with what it finds."""
    changed = {name for name in {*after, *before} if after.get(name) != before.get(name)}
    # a folder that was exchanged already is put into its place by whoever comes first
    assert all("trajectory.zarr" in name or "next.zarr" in name for name in changed), changed
    with heir.hold():
        heir.seal(KEY)
        count = len(heir.segments(KEY))
        assert Salt().agrees(heir, count)
        heir.write_result(OTHER, xr.Dataset({"D": ("species", [9.0])}))
        assert heir.read_result(OTHER)["D"].values.tolist() == [9.0]
        assert heir.verify(deep=True) == []


def _copied(store: Store, name: str) -> Path:
    return shutil.copytree(store.root, store.root.parent / name)


def won(store: Store) -> int:
    """The epoch that someone wins."""
    _, epoch = look(store.root)
    hold._win(store.root, epoch)
    return epoch


def _heir(store: Store) -> Store:
    """One who takes over, as from another host."""
    epoch = won(store)
    writer.fence(store.root, epoch)
    hold._release(store.root, epoch)
    return Store.open(store.root)


def test_a_library_that_makes_its_folder_again_is_refused(filled: Store) -> None:
    with filled.hold():
        worker = pickle.loads(pickle.dumps(filled))
        assert worker.epoch == 1
        _heir(filled)
        folder = filled.root / ".tmp" / "000001" / "aside" / "positions"
        with pytest.raises(NotADirectoryError):
            folder.mkdir(parents=True, exist_ok=True)
        with pytest.raises(TakenOverError):
            worker.check_held()


def test_one_who_won_but_had_not_begun_is_refused(filled: Store) -> None:
    epoch = won(filled)
    _heir(filled)
    with pytest.raises(TakenOverError):
        hold._fenced(filled.root, epoch)


def test_a_new_holder_sweeps_what_others_left(filled: Store) -> None:
    scratch = filled.root / ".tmp"
    (scratch / "000000aa").mkdir()
    (scratch / "free" / "left").mkdir(parents=True, exist_ok=True)
    (scratch / "free" / "left" / "file").write_text("x")
    with filled.hold():
        (scratch / "000001" / "left").write_text("x")
    with filled.hold():
        assert sorted(path.name for path in scratch.iterdir()) == ["000001", "000002"]
        assert list((scratch / "000002").iterdir()) == []
        filled.write_json("run.json", {})
        Store.open(filled.root).write_json("run.json", {"a": "report"})

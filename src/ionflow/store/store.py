"""The run folder: structures, trajectories, results, failures, and who holds it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import xarray as xr

from ionflow.errors import StoreError
from ionflow.store.archive import Archive, damage
from ionflow.store.files import make_folder, open_plain, publish, replace, sweep, within
from ionflow.store.hold import held, read_holder
from ionflow.store.keys import check_key, plain
from ionflow.store.results import list_path, read_result, remove_result, write_result
from ionflow.store.segments import SegmentInfo
from ionflow.store.state import State, read_structure, structure_bytes
from ionflow.store.trajectory import Trajectory
from ionflow.store.verify import Problem, problems

if TYPE_CHECKING:
    from ase import Atoms

_MARK = "store.json"
_FORMAT = 1


class Store:
    """One run folder. Cheap to make and to pickle; everything that counts is on disk.

    Any number of processes may read. Writers do not need to know of each other: what is committed
    is never changed, and a name can be won only once.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._trajectories: dict[str, Trajectory] = {}

    def __repr__(self) -> str:
        return f"Store({str(self.root)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.root,)

    @classmethod
    def create(cls, root: str | Path) -> Self:
        """Make a run folder, or open the one that is there.

        Raises
        ------
        StoreError
            If something else lies there.
        """
        root = Path(root).resolve()
        if (root / _MARK).exists():
            return cls.open(root)
        if root.exists() and not _is_empty(root):
            hint = "choose an empty or new folder with --out"
            raise StoreError("not empty, and no run folder", where=str(root), hint=hint)
        make_folder(root)
        replace(root, root / _MARK, json.dumps({"format": _FORMAT}).encode())
        return cls(root)

    @classmethod
    def open(cls, root: str | Path) -> Self:
        """Open a run folder.

        Raises
        ------
        StoreError
            If there is none, or one of a later ionflow.
        """
        store = cls(Path(root).resolve())
        if not (store.root / _MARK).is_file():
            hint = "a run folder is what `ionflow run` makes, such as runs/amx_scan"
            raise StoreError("no run folder", where=str(store.root), hint=hint)
        if store.read_json(_MARK).get("format") != _FORMAT:
            hint = "install the ionflow that wrote it, or a later one"
            raise StoreError("a run folder of another format", where=str(store.root), hint=hint)
        return store

    # holding

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the run folder: at most one driver at a time.

        Raises
        ------
        HeldError
            Naming the holder.
        """
        with held(self.root):
            sweep(self.root)
            yield

    def holder(self) -> dict[str, Any] | None:
        """Who holds the run folder: host, pid, since, command; None if nobody does."""
        return read_holder(self.root)

    # plain files

    def read_json(self, name: str) -> Any:
        """The value in a JSON file of the run folder."""
        path = within(self.root, name)
        with damage(path), open_plain(path) as file:
            return json.loads(file.read())

    def write_json(self, name: str, value: Any) -> None:
        """Replace a JSON file of the run folder, whole and durably."""
        self.write_text(name, json.dumps(plain(value, name), indent=2) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Replace a text file of the run folder, whole and durably."""
        replace(self.root, within(self.root, name), text.encode())

    # structures

    def _structure(self, key: str) -> Path:
        return within(self.root, "structures", f"{check_key(key)}.zarr.zip")

    def has_structure(self, key: str) -> bool:
        """Whether a structure was written."""
        return self._structure(key).exists()

    def write_structure(self, key: str, atoms: Atoms) -> None:
        """Write a structure; one that is there already stays."""
        if not self.has_structure(key):
            with _first_wins():
                publish(self.root, self._structure(key), structure_bytes(atoms))

    def read_structure(self, key: str) -> Atoms:
        """The structure, bit for bit."""
        with Archive(self._structure(key)) as archive:
            return read_structure(archive)

    # trajectories

    def _trajectory(self, key: str) -> Trajectory:
        folder = within(self.root, "trajectories", check_key(key))
        return self._trajectories.setdefault(key, Trajectory(self.root, folder))

    def trajectory_path(self, key: str) -> Path:
        """Where the sealed trajectory lies, for `xarray.open_zarr`."""
        return within(self.root, "trajectories", check_key(key), "trajectory.zarr")

    def trajectories(self) -> list[str]:
        """Keys of all trajectories."""
        folder = self.root / "trajectories"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def commit_segment(
        self,
        key: str,
        index: int,
        first_step: int,
        last_step: int,
        frames: xr.Dataset,
        state: State,
        meta: Mapping[str, Any],
    ) -> None:
        """Add the next segment to a trajectory, whole or not at all.

        Parameters
        ----------
        index : number of the segment, from 0
        first_step, last_step : absolute steps; the frames lie in (first, last], or at step 0
        frames : a trajectory of the schema, perhaps of no frames
        state : what to continue from, of `last_step`
        meta : JSON, kept with the segment

        Raises
        ------
        SegmentExists
            If another writer was first; what it wrote stays.
        StoreError
            If the segment does not follow the last one, or cannot be written.
        """
        self._trajectory(key).commit(index, (first_step, last_step), frames, state, meta)

    def segments(self, key: str) -> list[SegmentInfo]:
        """What is committed, sealed or live, in order.

        Raises
        ------
        StoreError
            If a segment is damaged or does not follow the one before.
        """
        return self._trajectory(key).segments()

    def progress(self, key: str) -> int:
        """The last committed absolute step; 0 if there is none."""
        infos = self.segments(key)
        return infos[-1].last_step if infos else 0

    def next_segment(self, key: str) -> int:
        """The number of the segment to be written next."""
        return len(self.segments(key))

    def read_state(self, key: str, step: int | None = None) -> State:
        """The end state of the segment that ends at `step`; of the last one by default.

        Raises
        ------
        StoreError
            If no segment ends there, or it is damaged.
        """
        return self._trajectory(key).state(step)

    def trajectory(self, key: str, steps: int | None = None) -> xr.Dataset:
        """The whole trajectory, lazy, as `ionflow.schema` describes it.

        Parameters
        ----------
        steps : leave out what lies after this absolute step

        Raises
        ------
        StoreError
            If there is none, it does not reach `steps`, or its time axis does not increase.
        """
        return self._trajectory(key).frames(steps)

    def seal(self, key: str) -> None:
        """Rewrite a trajectory's segments as one sharded zarr, then drop them.

        Memory is bounded by a shard of frames, some 100 MB. Every end state is kept. Doing it
        again does nothing; after an interruption it puts in order what was left.

        Raises
        ------
        StoreError
            If there is nothing to seal, or what is written cannot be read back.
        """
        self._trajectory(key).seal()

    def is_sealed(self, key: str) -> bool:
        """Whether all segments are sealed and `trajectory_path` holds them."""
        return self._trajectory(key).is_sealed()

    # results

    def _result(self, key: str) -> Path:
        return within(self.root, "analyses", f"{check_key(key)}.zarr")

    def has_result(self, key: str) -> bool:
        """Whether a result was committed."""
        return list_path(self._result(key)).exists()

    def write_result(self, key: str, ds: xr.Dataset) -> None:
        """Write a result; one that is there already stays."""
        write_result(self.root, self._result(key), ds)

    def read_result(self, key: str) -> xr.Dataset:
        """The result, lazy.

        Raises
        ------
        StoreError
            If there is none or it is damaged.
        """
        return read_result(self._result(key))

    def remove_result(self, key: str) -> None:
        """Take a result away, so that it is made again; nothing if there is none."""
        remove_result(self.root, self._result(key))

    # failures

    def _failure(self, key: str) -> Path:
        return within(self.root, "failures", f"{check_key(key)}.json")

    def record_failure(self, key: str, record: Mapping[str, Any]) -> None:
        """Remember why a task failed."""
        self._failure(key)
        self.write_json(f"failures/{key}.json", record)

    def failures(self) -> dict[str, dict[str, Any]]:
        """What failed and why, by key."""
        paths = sorted((self.root / "failures").glob("*.json"))
        return {path.stem: self.read_json(f"failures/{path.name}") for path in paths}

    def clear_failure(self, key: str) -> None:
        """Forget a failure; nothing if there is none."""
        self._failure(key).unlink(missing_ok=True)

    def verify(self, deep: bool = False) -> list[Problem]:
        """All that is damaged or does not fit together.

        Parameters
        ----------
        deep : read every byte and every chunk, not only heads, lists and sizes
        """
        return list(problems(self, deep))


@contextmanager
def _first_wins() -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        return


def _is_empty(root: Path) -> bool:
    # .tmp alone is what a crash leaves before the folder was marked
    return root.is_dir() and all(path.name == ".tmp" for path in root.iterdir())

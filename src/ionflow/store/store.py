"""The run folder: structures, trajectories, results, failures, and who holds it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from ionflow.store.archive import Archive
from ionflow.store.files import within
from ionflow.store.folder import Folder
from ionflow.store.hold import Waiting, held, read_holder
from ionflow.store.keys import check_key
from ionflow.store.problem import Problem
from ionflow.store.repair import repair
from ionflow.store.results import (
    list_path,
    read_result,
    remove_result,
    result_record,
    write_result,
)
from ionflow.store.segments import SegmentInfo
from ionflow.store.state import State, read_structure, structure_bytes
from ionflow.store.trajectory import Trajectory
from ionflow.store.verify import problems

if TYPE_CHECKING:
    from ase import Atoms


class Store(Folder):
    """One run folder. Cheap to make and to pickle; everything that counts is on disk.

    Any number of processes may read. Writers do not need to know of each other: what is committed
    is never changed, a name can be won only once, and who was taken over cannot write any more.
    """

    def __init__(self, root: Path, epoch: int = 0) -> None:
        super().__init__(root, epoch)
        self._trajectories: dict[str, Trajectory] = {}

    # holding

    @contextmanager
    def hold(
        self, patience_s: float | None = None, waiting: Waiting | None = None
    ) -> Iterator[None]:
        """Hold the run folder: at most one driver at a time. `epoch` is that of the holding.

        Parameters
        ----------
        patience_s : how long a holder of another host may give no sign of life; a minute if None
        waiting : told in a sentence that and why it waits

        Raises
        ------
        HeldError
            Naming the holder.
        StoreError
            If the folder cannot be written, or its file system has no hard links.
        """
        with held(self.root, patience_s, waiting) as epoch:
            before, self.epoch = self.epoch, epoch
            try:
                yield
            finally:
                self.epoch = before

    def holder(self) -> dict[str, Any] | None:
        """Who holds the run folder: host, pid, since, command; None if nobody does."""
        return read_holder(self.root)

    def check_held(self) -> None:
        """Check that nobody took the run folder over; nothing to check for epoch 0.

        Raises
        ------
        TakenOverError
            If there is a later holder.
        """
        self._writer.check()

    # structures

    def _structure(self, key: str) -> Path:
        return within(self.root, "structures", f"{check_key(key)}.zarr.zip")

    def has_structure(self, key: str) -> bool:
        """Whether a structure was written."""
        return self._structure(key).exists()

    def write_structure(
        self, key: str, atoms: Atoms, record: Mapping[str, Any] | None = None
    ) -> None:
        """Write a structure, and JSON about it; one that is there already stays."""
        if not self.has_structure(key):
            with suppress(FileExistsError):
                self._writer.publish(self._structure(key), structure_bytes(atoms, record))

    def read_structure(self, key: str) -> Atoms:
        """The structure, bit for bit."""
        with Archive(self._structure(key)) as archive:
            return read_structure(archive)

    def structure_record(self, key: str) -> dict[str, Any]:
        """What was written about a structure."""
        with Archive(self._structure(key)) as archive:
            record: dict[str, Any] = archive.head.get("record", {})
            return record

    # trajectories

    def _trajectory(self, key: str) -> Trajectory:
        folder = within(self.root, "trajectories", check_key(key))
        return self._trajectories.setdefault(key, Trajectory(self._writer, folder))

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
        start: State | str | None = None,
    ) -> list[str]:
        """Add the next segment to a trajectory, whole or not at all.

        Parameters
        ----------
        index : number of the segment, from 0
        first_step, last_step : absolute steps; the frames lie in (first, last], or at step 0
        frames : a trajectory of the schema, perhaps of no frames
        state : what to continue from, of `last_step`
        meta : JSON, kept with the segment
        start : the state that it started from, or its `State.digest()`; compared with the end
            state of the segment before

        Returns
        -------
        Sentences about later segments that do not follow this one and were set aside: only where
        a segment that was missing in the middle came out differently.

        Raises
        ------
        SegmentExists
            If another writer was first; what it wrote stays.
        StoreError
            If the segment does not follow the last one, or cannot be written.
        """
        came_from = start.digest() if isinstance(start, State) else start or ""
        span = int(index), int(first_step), int(last_step)
        info = SegmentInfo(*span, frames=0, meta=meta, from_state=came_from)
        return self._trajectory(key).commit(info, frames, state)

    def recover(self, key: str) -> list[str]:
        """Put a trajectory in order after a crash or damage, so that it can be continued.

        What a killed sealing left is finished. A newest segment that is damaged is moved to
        `quarantine/`, and the trajectory goes on from the state before.

        Returns
        -------
        A sentence for everything that was moved.

        Raises
        ------
        StoreError
            If the state before is damaged too.
        """
        return self._trajectory(key).recover()

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

    def kept_steps(self, key: str) -> list[int]:
        """Steps of a trajectory at which `read_state` finds an end state, in order."""
        return self._trajectory(key).kept_steps()

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

        Memory is bounded by a shard of frames, some 100 MB. The last end state is kept, and of the
        others every n-th, so that they take a quarter of the space at most, but a few. Doing it
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

    def write_result(
        self, key: str, ds: xr.Dataset, record: Mapping[str, Any] | None = None
    ) -> None:
        """Write a result, and JSON about it; one that is there already stays."""
        write_result(self._writer, self._result(key), ds, record)

    def read_result(self, key: str) -> xr.Dataset:
        """The result, lazy.

        Raises
        ------
        StoreError
            If there is none or it is damaged.
        """
        return read_result(self._result(key))

    def result_record(self, key: str) -> dict[str, Any]:
        """What was written about a result."""
        return result_record(self._result(key))

    def remove_result(self, key: str) -> None:
        """Take a result away, so that it is made again; nothing if there is none."""
        remove_result(self._writer, self._result(key))

    # verification

    def verify(self, deep: bool = False) -> list[Problem]:
        """All that is damaged or does not fit together.

        Parameters
        ----------
        deep : read every byte and every chunk, not only heads, lists and sizes
        """
        return list(dict.fromkeys(problems(self, deep)))

    def repair(self, problems: Iterable[Problem]) -> list[str]:
        """Set aside what is damaged, so that the next run computes just that again.

        Nothing is deleted: it is moved to `quarantine/`, in a new folder each time. Of a sealed
        trajectory, what is good becomes live segments again. Hold the run folder while doing it.

        Parameters
        ----------
        problems : as `verify(deep=True)` finds them

        Returns
        -------
        Sentences of what was moved where, and what is to be computed again.
        """
        self._trajectories.clear()
        return repair(self._writer, problems)

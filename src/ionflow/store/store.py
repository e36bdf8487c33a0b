"""The run folder: structures, trajectories, results, failures, and who holds it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import xarray as xr

from ionflow.errors import StoreError
from ionflow.store.archive import Archive, damage
from ionflow.store.files import make_folder, open_plain, publish, replace, sweep, within
from ionflow.store.hold import held, read_holder
from ionflow.store.keys import check_key, plain
from ionflow.store.results import list_path, read_result, write_result
from ionflow.store.sealed import Sealed, finish, seal, state_path
from ionflow.store.segments import (
    SegmentExists,
    SegmentInfo,
    join_segments,
    read_info,
    segment_bytes,
    segment_numbers,
    segment_path,
)
from ionflow.store.state import State, read_state, read_structure, structure_bytes
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
        self._infos: dict[Path, tuple[tuple[int, int, int], SegmentInfo]] = {}
        self._sealed: dict[Path, tuple[tuple[int, int, int], Sealed]] = {}

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
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
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

    def _folder(self, key: str) -> Path:
        return within(self.root, "trajectories", check_key(key))

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
        path = segment_path(within(self.root, "trajectories", check_key(key), "segments"), index)
        self._check_next(key, index, first_step, path)
        data = segment_bytes(index, first_step, last_step, frames, state, meta)
        try:
            publish(self.root, path, data)
        except FileExistsError:
            raise SegmentExists("this segment exists already", where=str(path)) from None

    def _check_next(self, key: str, index: int, first_step: int, path: Path) -> None:
        infos = self.segments(key)
        reached = infos[-1].last_step if infos else 0
        if index < len(infos):
            raise SegmentExists("this segment exists already", where=str(path))
        if (index, first_step) != (len(infos), reached):
            raise StoreError(
                f"segment {index} from step {first_step} does not follow: "
                f"the next is {len(infos)} from step {reached}",
                where=str(path),
            )

    def segments(self, key: str) -> list[SegmentInfo]:
        """What is committed, sealed or live, in order.

        Raises
        ------
        StoreError
            If a segment is damaged or does not follow the one before.
        """
        sealed, numbers = self._listing(key)
        infos = list(sealed.infos) if sealed else []
        for index in numbers:
            if index == len(infos):
                infos.append(self._info(self._folder(key) / "segments", index))
                _check_follows(infos, segment_path(self._folder(key) / "segments", index))
        return infos

    def _listing(self, key: str) -> tuple[Sealed | None, list[int]]:
        # read again until stable: between the two, segments may have been sealed and dropped
        while True:
            sealed = self._sealed_part(key)
            numbers = segment_numbers(self._folder(key) / "segments")
            if self._sealed_part(key) is sealed:
                return sealed, numbers

    def _info(self, folder: Path, index: int) -> SegmentInfo:
        path = segment_path(folder, index)
        with damage(path):
            mark = _mark(path)
        if path not in self._infos or self._infos[path][0] != mark:
            self._infos[path] = mark, read_info(path)
        return self._infos[path][1]

    def _sealed_part(self, key: str) -> Sealed | None:
        path = self._folder(key) / "sealed.json"
        if not path.exists():
            return None
        mark = _mark(path)
        if path not in self._sealed or self._sealed[path][0] != mark:
            self._sealed[path] = mark, Sealed(path.parent)
        return self._sealed[path][1]

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
        infos = self.segments(key)
        ends = [i for i in infos if i.last_step == step] if step is not None else infos[-1:]
        if not ends:
            where, wanted = str(self._folder(key)), "any step" if step is None else f"step {step}"
            raise StoreError(f"no state at {wanted}", where=where)
        kept = state_path(self._folder(key), ends[0].last_step)
        live = segment_path(self._folder(key) / "segments", ends[0].index)
        with Archive(kept if ends[0].sealed or kept.exists() else live) as archive:
            return read_state(archive)

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
        sealed, _ = self._listing(key)
        infos = self.segments(key)
        where = str(self._folder(key))
        if not infos or (steps is not None and steps > infos[-1].last_step):
            reached = infos[-1].last_step if infos else 0
            raise StoreError(f"the trajectory ends at step {reached}, not {steps}", where=where)
        live = [info for info in infos if not info.sealed]
        parts = [sealed.frames()] if sealed else []
        parts += [join_segments(self._folder(key) / "segments", live)] if live else []
        return _cut(_joined(parts, where), steps)

    def seal(self, key: str) -> None:
        """Rewrite a trajectory's segments as one sharded zarr, then drop them.

        Memory is bounded by one shard of frames. Every end state is kept. Doing it again does
        nothing; after an interruption it puts in order what was left.

        Raises
        ------
        StoreError
            If there is nothing to seal, or what is written cannot be read back.
        """
        infos = self.segments(key)
        if not infos:
            raise StoreError("there is no segment to seal", where=str(self._folder(key)))
        if self._sealed_part(key):
            finish(self.root, self._folder(key))
        if not infos[-1].sealed:
            seal(self.root, self._folder(key), self.trajectory(key), infos)

    def is_sealed(self, key: str) -> bool:
        """Whether all segments are sealed and `trajectory_path` holds them."""
        sealed, _ = self._listing(key)
        return bool(sealed and sealed.is_finished() and self.segments(key)[-1].sealed)

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
        """The result, lazy."""
        return read_result(self._result(key))

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


def _mark(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _check_follows(infos: list[SegmentInfo], path: Path) -> None:
    reached = infos[-2].last_step if len(infos) > 1 else 0
    if infos[-1].index != len(infos) - 1 or infos[-1].first_step != reached:
        raise StoreError(
            f"starts at step {infos[-1].first_step}, but the segment before ends at {reached}",
            where=str(path),
            hint="run `ionflow verify`",
        )


def _joined(parts: list[xr.Dataset], where: str) -> xr.Dataset:
    whole = parts[0]
    if len(parts) > 1:
        whole = xr.concat(
            parts,
            dim="time",
            data_vars="minimal",
            coords="minimal",
            compat="override",
            join="override",
            combine_attrs="override",
        )
    if (np.diff(whole["step"].values) <= 0).any() or (np.diff(whole["time"].values) <= 0).any():
        raise StoreError(
            "the time axis does not increase", where=where, hint="run `ionflow verify`"
        )
    return whole


def _cut(frames: xr.Dataset, steps: int | None) -> xr.Dataset:
    if steps is None:
        return frames
    count = int(np.searchsorted(frames["step"].values, steps, side="right"))
    return frames.isel(time=slice(0, count))

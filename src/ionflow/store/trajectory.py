"""One trajectory: a sealed part, live segments, and the states to continue from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from ionflow.errors import StoreError
from ionflow.store.archive import Archive, damage
from ionflow.store.files import within
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
from ionflow.store.state import State, read_state
from ionflow.store.writer import Writer

T = TypeVar("T")
Mark = tuple[int, int, int]
Snapshot = tuple[Sealed | None, list[SegmentInfo]]


class Trajectory:
    """The folder of one trajectory. What was read once is kept as long as the file is the same."""

    def __init__(self, writer: Writer, folder: Path) -> None:
        self.writer, self.folder = writer, folder
        self._infos: dict[int, tuple[Mark, SegmentInfo]] = {}
        self._sealed: tuple[Mark, Sealed] | None = None

    @property
    def _segments(self) -> Path:
        return within(self.folder, "segments")

    def segments(self) -> list[SegmentInfo]:
        """What is committed, sealed or live, in order."""
        return self._stable(lambda snapshot: snapshot[1])

    def commit(
        self,
        index: int,
        steps: tuple[int, int],
        frames: xr.Dataset,
        state: State,
        meta: Mapping[str, Any],
    ) -> None:
        """Add the next segment, whole or not at all."""
        path = segment_path(self._segments, index)
        self._check_next(index, steps[0], path)
        data = segment_bytes(index, *steps, frames, state, meta)
        try:
            self.writer.publish(path, data)
        except FileExistsError:
            raise SegmentExists("this segment exists already", where=str(path)) from None

    def _check_next(self, index: int, first_step: int, path: Path) -> None:
        infos = self.segments()
        reached = _reached(infos)
        if index < len(infos):
            raise SegmentExists("this segment exists already", where=str(path))
        if (index, first_step) != (len(infos), reached):
            raise StoreError(
                f"segment {index} from step {first_step} does not follow: "
                f"the next is {len(infos)} from step {reached}",
                where=str(path),
            )

    def state(self, step: int | None) -> State:
        """The end state of the segment that ends at `step`, or of the last."""
        return self._stable(lambda snapshot: self._state(snapshot[1], step))

    def _state(self, infos: list[SegmentInfo], step: int | None) -> State:
        ends = [i for i in infos if i.last_step == step] if step is not None else infos[-1:]
        if not ends:
            wanted = "any step" if step is None else f"step {step}"
            raise StoreError(f"no segment ends at {wanted}", where=str(self.folder))
        kept = state_path(self.folder, ends[0].last_step)
        live = segment_path(self._segments, ends[0].index)
        with Archive(kept if ends[0].sealed else live) as archive:
            return read_state(archive)

    def frames(self, steps: int | None = None) -> xr.Dataset:
        """All frames, lazy, up to an absolute step."""
        return self._stable(lambda snapshot: self._frames(*snapshot, steps))

    def _frames(
        self, sealed: Sealed | None, infos: list[SegmentInfo], steps: int | None
    ) -> xr.Dataset:
        if not infos or (steps or 0) > _reached(infos):
            raise StoreError(
                f"the trajectory reaches step {_reached(infos)}"
                + (f", not {steps}" if steps else ": nothing is committed"),
                where=str(self.folder),
            )
        live = [info for info in infos if not info.sealed]
        parts = [sealed.frames()] if sealed else []
        parts += [join_segments(self._segments, live)] if live else []
        frames = _joined(parts)
        _check_axis(frames, self.folder)
        return _cut(frames, steps)

    def seal(self) -> None:
        """Rewrite segments as one sharded zarr, or finish what a crash left half done."""
        infos = self.segments()
        if not infos:
            raise StoreError("there is no segment to seal", where=str(self.folder))
        if self._sealed_part():
            finish(self.writer, self.folder)
        if not infos[-1].sealed:
            seal(self.writer, self.folder, self.frames(infos[-1].last_step), infos)

    def is_sealed(self) -> bool:
        """Whether all segments are sealed and nothing of the sealing is left to do."""
        return self._stable(
            lambda snapshot: (
                bool(snapshot[0] and snapshot[1][-1].sealed)
                and bool(snapshot[0] and snapshot[0].is_finished())
            )
        )

    def _stable(self, act: Callable[[Snapshot], T]) -> T:
        # between reading the list and reading a segment, the segment may be sealed and dropped
        while True:
            before = self._sealed_part()
            try:
                result = act((before, self._listed(before)))
            except StoreError:
                if self._sealed_part() is before:
                    raise
                continue
            if self._sealed_part() is before:
                return result

    def _listed(self, sealed: Sealed | None) -> list[SegmentInfo]:
        infos = list(sealed.infos) if sealed else []
        for index in segment_numbers(self._segments):
            if index == len(infos):
                infos.append(self._info(index, _reached(infos)))
        return infos

    def _info(self, index: int, reached: int) -> SegmentInfo:
        path = segment_path(self._segments, index)
        mark = _mark(path)
        if index not in self._infos or self._infos[index][0] != mark:
            self._infos[index] = mark, read_info(path)
        info = self._infos[index][1]
        if (info.index, info.first_step) != (index, reached):
            raise StoreError(
                f"it is segment {info.index} from step {info.first_step}, "
                f"but the one before ends at {reached}",
                where=str(path),
            )
        return info

    def _sealed_part(self) -> Sealed | None:
        path = self.folder / "sealed.json"
        if not path.exists():
            self._sealed = None
            return None
        mark = _mark(path)
        if self._sealed is None or self._sealed[0] != mark:
            self._sealed = mark, Sealed(self.folder)
        return self._sealed[1]


def _mark(path: Path) -> Mark:
    with damage(path):
        status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _reached(infos: list[SegmentInfo]) -> int:
    return infos[-1].last_step if infos else 0


def _joined(parts: list[xr.Dataset]) -> xr.Dataset:
    if len(parts) == 1:
        return parts[0]
    return xr.concat(
        parts,
        dim="time",
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="override",
    )


def _check_axis(frames: xr.Dataset, folder: Path) -> None:
    for name in ("step", "time"):
        if (np.diff(frames[name].values) <= 0).any():
            raise StoreError(f"{name} does not increase from frame to frame", where=str(folder))


def _cut(frames: xr.Dataset, steps: int | None) -> xr.Dataset:
    if steps is None:
        return frames
    count = int(np.searchsorted(frames["step"].values, steps, side="right"))
    return frames.isel(time=slice(0, count))

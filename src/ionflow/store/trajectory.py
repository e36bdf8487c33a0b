"""One trajectory: a sealed part, live segments, and the states to continue from."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import xarray as xr

from ionflow.errors import StoreError
from ionflow.store.archive import damage
from ionflow.store.files import within
from ionflow.store.quarantine import set_aside
from ionflow.store.sealed import LIST, Sealed, has_sealed, state_path
from ionflow.store.sealing import finish, seal
from ionflow.store.segments import (
    SegmentExists,
    SegmentInfo,
    check_whole,
    join_segments,
    read_end,
    read_info,
    segment_bytes,
    segment_numbers,
    segment_path,
)
from ionflow.store.state import State
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

    def commit(self, info: SegmentInfo, frames: xr.Dataset, state: State) -> list[str]:
        """Add the next segment, whole or not at all; says what does not follow it any more."""
        path = segment_path(self._segments, info.index)
        self._check_next(info, path)
        data = segment_bytes(info, frames, state)
        try:
            self.writer.publish(path, data)
        except FileExistsError:
            raise SegmentExists("this segment exists already", where=str(path)) from None
        return self._cut_loose() if segment_numbers(self._segments)[-1] > info.index else []

    def _check_next(self, info: SegmentInfo, path: Path) -> None:
        infos = self.segments()
        if info.index < len(infos):
            raise SegmentExists("this segment exists already", where=str(path))
        fault = info.fault_after(infos[-1] if infos else None, len(infos))
        if fault:
            raise StoreError(
                f"segment {info.index} does not follow: {fault}; the next is {len(infos)} "
                f"from step {_reached(infos)}",
                where=str(path),
            )

    def recover(self) -> list[str]:
        """Put in order what a crash left, and set the newest segment aside if it is damaged."""
        sealed = self._sealed_part()
        if sealed and not sealed.is_finished():
            finish(self.writer, self.folder)
        return [*self._drop_newest(), *self._cut_loose()]

    def _drop_newest(self) -> list[str]:
        live = self._live()
        fault = _fault(check_whole, segment_path(self._segments, live[-1])) if live else ""
        if not fault:
            return []
        newest = segment_path(self._segments, live[-1])
        if live[-1] == 0:
            resumed = "the stage starts again from its beginning"
        else:
            self._check_before(live, newest, fault)
            resumed = "the state before it is used"
        place = set_aside(self.writer, [newest])
        return [f"{newest}: {fault}; moved to {place}, {resumed}"]

    def _check_before(self, live: list[int], newest: Path, fault: str) -> None:
        if len(live) > 1:
            before = segment_path(self._segments, live[-2])
            worse = _fault(check_whole, before) or _fault(read_end, before)
        else:
            sealed = Sealed(self.folder)
            before = state_path(self.folder, sealed.infos[-1].last_step)
            worse = _fault(sealed.state, sealed.infos[-1].last_step)
        if worse:
            raise StoreError(
                f"the last two states are damaged: {newest} ({fault}) and {before} ({worse})",
                where=str(self.folder),
                hint="`ionflow verify RUN --repair` sets aside what is damaged, and the next run "
                "computes that again",
            )

    def _live(self) -> list[int]:
        """Numbers of the live segments up to the first gap."""
        start = len(sealed.infos) if (sealed := self._sealed_part()) else 0
        numbers = [n for n in segment_numbers(self._segments) if n >= start]
        return [number for place, number in enumerate(numbers, start) if place == number]

    def _cut_loose(self) -> list[str]:
        """Set aside segments that do not follow the state before them."""
        sealed = self._sealed_part()
        before = sealed.infos[-1] if sealed else None
        for index in self._live():
            info = self._head(index)
            fault = info.fault_after(before, index)
            if fault:
                later = [n for n in segment_numbers(self._segments) if n >= index]
                paths = [segment_path(self._segments, n) for n in later]
                place = set_aside(self.writer, paths)
                last = f" to {later[-1]}" if len(later) > 1 else ""
                return [f"{paths[0]}: {fault}; segment {index}{last} moved to {place}"]
            before = info
        return []

    def state(self, step: int | None) -> State:
        """The end state of the segment that ends at `step`, or of the last."""
        return self._stable(lambda snapshot: self._state(*snapshot, step))

    def _state(self, sealed: Sealed | None, infos: list[SegmentInfo], step: int | None) -> State:
        ends = [i for i in infos if i.last_step == step] if step is not None else infos[-1:]
        if not ends:
            wanted = "any step" if step is None else f"step {step}"
            raise StoreError(f"no segment ends at {wanted}", where=str(self.folder))
        if sealed and ends[0].sealed:
            return sealed.state(ends[0].last_step)
        return read_end(segment_path(self._segments, ends[0].index))

    def kept_steps(self) -> list[int]:
        """Steps at which there is an end state, in order."""
        return self._stable(lambda snapshot: _kept_steps(*snapshot))

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
        self._warn_of_gap(len(infos))
        parts = [sealed.frames()] if sealed else []
        parts += [join_segments(self._segments, live)] if live else []
        frames = _joined(parts)
        _check_axis(frames, self.folder)
        return _cut(frames, steps)

    def _warn_of_gap(self, count: int) -> None:
        later = [n for n in segment_numbers(self._segments) if n > count]
        if later:
            warnings.warn(
                f"{segment_path(self._segments, count)} is missing: frames end before it, though "
                f"segment {later[-1]} is there; run `ionflow verify`",
                stacklevel=2,
            )

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
                infos.append(self._info(index, infos[-1] if infos else None))
        return infos

    def _info(self, index: int, before: SegmentInfo | None) -> SegmentInfo:
        info = self._head(index)
        fault = info.fault_after(before, index)
        if fault:
            where = segment_path(self._segments, index)
            raise StoreError(fault, where=str(where), hint="run `ionflow verify`")
        return info

    def _head(self, index: int) -> SegmentInfo:
        path = segment_path(self._segments, index)
        mark = _mark(path)
        if index not in self._infos or self._infos[index][0] != mark:
            self._infos[index] = mark, read_info(path)
        return self._infos[index][1]

    def _sealed_part(self) -> Sealed | None:
        if not has_sealed(self.folder):
            self._sealed = None
            return None
        path = self.folder / LIST
        mark = _mark(path)
        if self._sealed is None or self._sealed[0] != mark:
            self._sealed = mark, Sealed(self.folder)
        return self._sealed[1]


def _mark(path: Path) -> Mark:
    with damage(path):
        status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _fault(act: Callable[[T], object], on: T) -> str:
    """Why reading something fails; empty if it does not."""
    try:
        act(on)
    except StoreError as error:
        return error.what
    return ""


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


def _kept_steps(sealed: Sealed | None, infos: list[SegmentInfo]) -> list[int]:
    states = sealed.states if sealed else ()
    return [i.last_step for i in infos if not i.sealed or i.last_step in states]

"""Looking for damage in one trajectory: lists, chunks, states, the chain, the time axis."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ionflow.errors import StoreError
from ionflow.store.archive import Archive, damage
from ionflow.store.checked import differences, open_checked
from ionflow.store.documents import read_document
from ionflow.store.files import open_plain, within
from ionflow.store.problem import Problem, tried
from ionflow.store.sealed import COPY, LIST, Sealed, sealed_count, state_path
from ionflow.store.segments import (
    SegmentInfo,
    check_whole,
    read_end,
    read_frames,
    read_info,
    segment_numbers,
    segment_path,
)
from ionflow.store.state import read_state

if TYPE_CHECKING:
    from ionflow.store.store import Store


def trajectory_problems(
    store: Store, folder: Path, deep: bool, row: Mapping[str, Any] | None
) -> Iterator[Problem]:
    """Every problem of a trajectory's folder; `row` is the task in run.json, if it has one."""
    found = list(tried(folder, _check_folder, store, folder))
    found = found or [*_sealed(folder, deep), *_live(folder, deep)]
    yield from found
    if not found:
        # damaged parts would only be reported a second time
        yield from tried(folder, _check_axis, store, folder.name, row or {})


def _check_folder(store: Store, folder: Path) -> None:
    within(store.root, "trajectories", folder.name)
    store.trajectory_path(folder.name)
    if not folder.is_dir():
        raise StoreError("not a folder", where=str(folder))
    for name in ("segments", "states", "trajectory.zarr", "next.zarr"):
        path = within(folder, name)
        if path.exists() and not path.is_dir():
            raise StoreError("not a folder", where=str(path))


def _sealed(folder: Path, deep: bool) -> Iterator[Problem]:
    if _lies(folder / COPY):
        yield from tried(folder / COPY, read_document, folder / COPY)
    found = list(tried(folder / LIST, sealed_count, folder))
    yield from found
    if found or not _lies(folder / LIST):
        return
    sealed = Sealed(folder)
    ends = {info.last_step: info.to_state for info in sealed.infos}
    for step, digest in sealed.states.items():
        path = state_path(folder, step)
        yield from tried(path, check_state, path, digest, ends.get(step, "") if deep else "")
    yield from _chunks(sealed, deep)


def _lies(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _chunks(sealed: Sealed, deep: bool) -> Iterator[Problem]:
    try:
        place = sealed.place()
    except StoreError as error:
        place = Path(error.where)
        if not place.is_dir():
            yield Problem(place, "missing")
            return
    found = [Problem(p, message) for p, message in differences(place, sealed.files, deep)]
    yield from found
    if deep and not found:
        yield from tried(place, lambda: read_all(open_checked(place, sealed.files, {})))


def check_state(path: Path, digest: str, end: str = "") -> None:
    """Check an end state that was kept: its bytes, and that it is the end it should be."""
    with open_plain(path) as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:
            raise StoreError("not the bytes that were written", where=str(path))
    with Archive(path) as archive:
        if end and read_state(archive).digest() != end:
            raise StoreError("not the end of its segment", where=str(path))


def read_all(frames: xr.Dataset) -> None:
    """Read every chunk, block by block: a trajectory need not fit into memory."""
    for variable in frames.variables.values():
        blocks = variable.data
        for block in blocks.to_delayed().ravel() if hasattr(blocks, "to_delayed") else ():
            block.compute(scheduler="synchronous")


def _live(folder: Path, deep: bool) -> Iterator[Problem]:
    # what a sealing has not dropped yet does not count
    try:
        start = sealed_count(folder)
    except StoreError:
        return  # reported already, and unknown which segments are still needed
    segments = folder / "segments"
    numbers = [number for number in segment_numbers(segments) if number >= start]
    before = Sealed(folder).infos[-1] if start else None
    for last, number in pairwise([start - 1, *numbers]):
        path = segment_path(segments, number)
        if number != last + 1:
            gap = segment_path(segments, last + 1)
            yield Problem(gap, f"missing, but segment {number} is there")
            before = None
        found = list(tried(path, check_segment, path, deep))
        yield from found
        before = yield from _following(path, number, before if number == last + 1 else None, found)


def _following(
    path: Path, number: int, before: SegmentInfo | None, found: list[Problem]
) -> Generator[Problem, None, SegmentInfo | None]:
    if found:
        return None
    info = read_info(path)
    if (before or number == 0) and (fault := info.fault_after(before, number)):
        yield Problem(path, fault)
    elif info.index != number:
        yield Problem(path, f"it is segment {info.index}")
    return info


def check_segment(path: Path, deep: bool = True) -> None:
    """Check a live segment; deep: every byte and chunk, and the digest of its end state."""
    info = read_info(path)
    end = read_end(path).digest() if info.has_state else info.to_state
    if end != info.to_state:
        raise StoreError("its end state is not the one that was written", where=str(path))
    if deep:
        check_whole(path)
        read_frames(path)


def _check_axis(store: Store, key: str, row: Mapping[str, Any]) -> None:
    infos = store.segments(key)
    if not infos:
        return
    frames = store.trajectory(key)
    steps, times = frames["step"].values, frames["time"].values
    with damage(store.root / "trajectories" / key):
        _check_uniform(steps, times, row.get("timestep_fs"))
        if row or not np.isin(0, [info.frames for info in infos]):
            _check_counts(infos, steps)


def _check_uniform(steps: Any, times: Any, timestep_fs: float | None) -> None:
    if len(steps) < 2:
        return
    if (np.diff(steps) != steps[1] - steps[0]).any():
        raise StoreError("its frames are not evenly spaced")
    step_ps = timestep_fs / 1000 if timestep_fs else times[-1] / steps[-1]
    if not np.allclose(times, steps * step_ps, rtol=1e-9, atol=1e-9):
        raise StoreError(f"its times are not its steps times {step_ps * 1000:g} fs")


def _check_counts(infos: list[SegmentInfo], steps: Any) -> None:
    if sum(info.frames for info in infos) != len(steps):
        raise StoreError(f"{len(steps)} frames, but its segments say otherwise")
    every = steps[1] - steps[0] if len(steps) > 1 else 0
    for info in infos if every else ():
        asked = info.last_step // every - info.first_step // every + (info.first_step == 0)
        if info.frames != asked:
            raise StoreError(
                f"segment {info.index} has {info.frames} frames of {asked} "
                f"from step {info.first_step} to {info.last_step}"
            )

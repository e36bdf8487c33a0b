"""Segments: frames and the end state of one stretch of a trajectory, in one immutable file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr
from zarr.storage import MemoryStore

from ionflow.errors import StoreError
from ionflow.store.archive import Archive, damage, group_bytes, pack
from ionflow.store.arrays import prepared, read_dataset, whole, write_attrs, write_variable
from ionflow.store.keys import plain
from ionflow.store.state import State, read_state, state_members

_NAME = re.compile(r"(\d{6,})\.zarr\.zip")
_GROUP = "frames"
_THINNED = "continue from another segment's end"
_FIXED = ("index", "first_step", "last_step", "meta", "from_state", "to_state")


class SegmentExists(StoreError):  # noqa: N818
    """This segment was committed already, by a writer that someone took for dead or by its heir."""


@dataclass(frozen=True)
class SegmentInfo:
    """What one committed segment holds."""

    index: int
    first_step: int
    last_step: int
    frames: int
    meta: Mapping[str, Any] = field(hash=False)
    steps: tuple[int, ...] = field(default=(), repr=False)
    """Steps of the frames; empty once sealed."""
    times_ps: tuple[float, ...] = field(default=(), repr=False)
    """Times of the frames; empty once sealed."""
    from_state: str = ""
    """SHA-256 over the state that it started from; empty where nobody said."""
    to_state: str = ""
    """SHA-256 over its end state."""
    has_state: bool = True
    """Whether the live file holds the end state; after a repair it may not."""
    sealed: bool = False

    def record(self) -> dict[str, Any]:
        """As JSON, without the frames' steps and times."""
        kept = asdict(self)
        return {name: kept[name] for name in (*_FIXED, "frames")}

    @classmethod
    def from_head(cls, head: Mapping[str, Any]) -> Self:
        """From the head of a segment's archive."""
        values = {name: head[name] for name in (*_FIXED, "has_state")}
        steps, times = tuple(head["steps"]), tuple(head["times_ps"])
        return cls(**values, frames=len(steps), steps=steps, times_ps=times)

    def fault_after(self, before: SegmentInfo | None, index: int) -> str:
        """Why it cannot be segment `index` and follow `before`; empty if it can."""
        reached = before.last_step if before else 0
        if (self.index, self.first_step) != (index, reached):
            return (
                f"it is segment {self.index} from step {self.first_step}, "
                f"but the one before ends at {reached}"
            )
        ended = before.to_state if before else ""
        if ended and self.from_state and ended != self.from_state:
            return f"it starts from another state at step {reached} than the one before ended in"
        return ""


def segment_path(folder: Path, index: int) -> Path:
    """Where a segment lies."""
    return folder / f"{index:06d}.zarr.zip"


def segment_numbers(folder: Path) -> list[int]:
    """Numbers of the segments in a folder, ascending."""
    if not folder.is_dir():
        return []
    matches = (_NAME.fullmatch(name) for name in os.listdir(folder))
    return sorted(int(match[1]) for match in matches if match)


def segment_bytes(info: SegmentInfo, frames: xr.Dataset, state: State | None) -> bytes:
    """The whole file of a segment; without its end state only when a repair has none.

    Raises
    ------
    StoreError
        If frames, steps and state do not belong together, or cannot be stored.
    """
    _check(info.first_step, info.last_step, frames, info.last_step if state is None else state.step)
    frames = prepared(frames)
    head = {
        "kind": "segment",
        **{name: getattr(info, name) for name in _FIXED},
        "meta": plain(info.meta, "meta"),
        "to_state": info.to_state if state is None else state.digest(),
        "has_state": state is not None,
        "steps": frames["step"].values.tolist(),
        "times_ps": frames["time"].values.tolist(),
    }
    return pack(head, {**_frame_members(frames), **(state_members(state) if state else {})})


def _check(first_step: int, last_step: int, frames: xr.Dataset, state_step: int) -> None:
    if not 0 <= first_step < last_step or state_step != last_step:
        raise StoreError(
            f"a segment from step {first_step} to {last_step} cannot end in a state of step "
            f"{state_step}"
        )
    if "time" not in frames.coords or "step" not in frames.coords:
        raise StoreError("frames need the coords time and step; make them by schema.trajectory")
    steps = frames["step"].values
    if steps.size and (np.diff(steps) <= 0).any():
        raise StoreError("the steps of the frames do not increase")
    if steps.size and not (_start(first_step) <= steps[0] and steps[-1] <= last_step):
        raise StoreError(
            f"frames of steps {steps[0]} to {steps[-1]} lie outside the segment "
            f"({first_step}, {last_step}]"
        )


def _start(first_step: int) -> int:
    return first_step + 1 if first_step else 0


def _frame_members(frames: xr.Dataset) -> dict[str, bytes]:
    store = MemoryStore()
    group = zarr.create_group(store, path=_GROUP)
    for name, variable in frames.variables.items():
        write_variable(group, name, variable, whole(variable.shape))
    write_attrs(group, frames)
    return group_bytes(store)


def read_info(path: Path) -> SegmentInfo:
    """What a segment holds, from its head alone."""
    with Archive(path) as archive, damage(path):
        return SegmentInfo.from_head(archive.head)


def read_frames(path: Path) -> xr.Dataset:
    """All frames of one segment, in memory."""
    with Archive(path) as archive, damage(path):
        return read_dataset(archive.store(f"{_GROUP}/"), _GROUP).load()


def read_end(path: Path) -> State:
    """The end state of a live segment.

    Raises
    ------
    StoreError
        If the file is damaged or holds none.
    """
    with Archive(path) as archive:
        if not archive.head.get("has_state"):
            raise StoreError("its end state was not kept", where=str(path), hint=_THINNED)
        return read_state(archive)


def check_whole(path: Path) -> None:
    """Read every byte of a live segment.

    Raises
    ------
    StoreError
        If it is missing or damaged.
    """
    with Archive(path) as archive:
        archive.members()
        if archive.head.get("has_state"):
            read_state(archive)


def join_segments(folder: Path, infos: Sequence[SegmentInfo]) -> xr.Dataset:
    """The frames of live segments as one lazy Dataset: a Dask chunk is a segment.

    No file stays open; of all but the first, only heads are read.
    """
    filled = [info for info in infos if info.frames]
    template = read_frames(segment_path(folder, (filled or infos)[0].index))
    if not filled:
        return template
    data = {
        name: (variable.dims, _lazy(folder, filled, name, variable), variable.attrs)
        for name, variable in template.data_vars.items()
        if "time" in variable.dims
    }
    fixed = template.drop_vars([n for n, v in template.variables.items() if "time" in v.dims])
    step, time = template["step"], template["time"]
    coords = {
        "time": ("time", np.concatenate([i.times_ps for i in filled]), time.attrs),
        "step": ("time", np.concatenate([i.steps for i in filled]), step.attrs),
    }
    return fixed.assign_coords(coords).assign(data)


def _lazy(folder: Path, infos: Sequence[SegmentInfo], name: Hashable, like: xr.DataArray) -> Any:
    import dask.array as da
    from dask.base import tokenize

    if like.dims[0] != "time":
        raise StoreError(f"{name} has time, but not as its first dim", where=str(folder))
    indices = np.array([info.index for info in infos])
    chunks = (tuple(info.frames for info in infos), *((n,) for n in like.shape[1:]))
    reader = _Reader(str(folder), indices, str(name), like.shape[1:], like.dtype)
    lazily: Callable[..., Any] = da.map_blocks
    return lazily(
        reader,
        chunks=chunks,
        dtype=like.dtype,
        meta=np.empty((0,) * like.ndim, like.dtype),
        name=f"segments-{name}-{tokenize(str(folder), str(name), chunks, indices)}",
    )


@dataclass(frozen=True)
class _Reader:
    """Reads one variable of the segment that a Dask block stands for."""

    folder: str
    indices: npt.NDArray[np.int64]
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __call__(self, block_id: tuple[int, ...]) -> npt.NDArray[Any]:
        path = segment_path(Path(self.folder), int(self.indices[block_id[0]]))
        with Archive(path) as archive, damage(path):
            values = np.asarray(archive.array(f"{_GROUP}/{self.name}")[...])
        if values.shape[1:] != self.shape or values.dtype != self.dtype:
            raise StoreError(
                f"{self.name} differs in shape or type from earlier ones", where=str(path)
            )
        return values

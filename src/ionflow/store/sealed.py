"""Sealing: many segments become one sharded zarr that any zarr reader opens.

`sealed.json` is the point of commit. It lists the segments that were sealed and every file of the
zarr with its SHA-256, and so tells which folder it means:

1. the new zarr is written aside, compared with its source, and moved to `next.zarr`;
2. end states are copied to `states/`;
3. `sealed.json` is replaced: from here on the new zarr counts, under whichever name;
4. `trajectory.zarr` is exchanged for `next.zarr`, and the sealed segments are dropped.

A crash before 3 leaves the segments as they were, after 3 a folder that `finish` puts in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr
from zarr.storage import LocalStore

from ionflow.errors import StoreError
from ionflow.store.archive import Archive, pack
from ionflow.store.arrays import (
    consolidate,
    fill,
    shard_frames,
    sharded,
    write_attrs,
    write_variable,
)
from ionflow.store.checked import Listing, is_listed, listing, open_checked
from ionflow.store.documents import document_bytes, read_document
from ionflow.store.files import guarded, move, sync_folder, sync_tree
from ionflow.store.segments import SegmentInfo, segment_numbers, segment_path
from ionflow.store.writer import Writer


class Sealed:
    """The sealed part of one trajectory, as its `sealed.json` describes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        content = read_document(folder / "sealed.json")
        self.files: Listing = content["files"]
        self.shard: int = content["shard_frames"]
        self.infos = [SegmentInfo(**record, sealed=True) for record in content["segments"]]

    def place(self) -> Path:
        """The folder that holds it: its name lags behind while a seal is being finished."""
        for name in ("trajectory.zarr", "next.zarr"):
            if is_listed(self.folder / name, self.files):
                return self.folder / name
        raise StoreError(
            "the sealed trajectory is missing or its metadata damaged",
            where=str(self.folder / "trajectory.zarr"),
            hint="run `ionflow verify`",
        )

    def is_finished(self) -> bool:
        """Whether nothing of the last sealing is left to do."""
        left = [n for n in segment_numbers(self.folder / "segments") if n < len(self.infos)]
        tidy = not left and not (self.folder / "next.zarr").exists()
        return tidy and self.place().name == "trajectory.zarr"

    def frames(self) -> xr.Dataset:
        """Its frames, lazy: a Dask chunk is a shard."""
        return open_checked(self.place(), self.files, {"time": self.shard, "atom": -1})


def seal(writer: Writer, folder: Path, frames: xr.Dataset, infos: Sequence[SegmentInfo]) -> None:
    """Write `frames`, the whole trajectory of `infos`, as the sealed zarr of `folder`.

    If another process sealed meanwhile, its work stays.
    """
    shard = shard_frames(frames.sizes.get("atom", 0))
    with writer.writing(folder / "trajectory.zarr"), writer.scratch_folder() as temporary:
        content = {
            "shard_frames": shard,
            "segments": [info.record() for info in infos],
            "files": write_sharded(temporary, frames, shard),
        }
        with guarded(folder):
            if sealed_count(folder) == sum(info.sealed for info in infos):
                _commit(writer, folder, temporary, content)


def _commit(writer: Writer, folder: Path, temporary: Path, content: Mapping[str, Any]) -> None:
    writer.discard(folder / "next.zarr")
    move(temporary, folder / "next.zarr")
    live = [r for r in content["segments"] if r["index"] >= sealed_count(folder)]
    _keep_states(writer, folder, live)
    writer.replace(folder / "sealed.json", document_bytes(content))
    _tidy(writer, folder)


def sealed_count(folder: Path) -> int:
    """How many segments were sealed."""
    return len(Sealed(folder).infos) if (folder / "sealed.json").exists() else 0


def finish(writer: Writer, folder: Path) -> None:
    """Do what is left after `sealed.json` was written; nothing if nothing is."""
    with writer.writing(folder), guarded(folder):
        _tidy(writer, folder)


def _tidy(writer: Writer, folder: Path) -> None:
    sealed = Sealed(folder)
    final, waiting = folder / "trajectory.zarr", folder / "next.zarr"
    if sealed.place() == waiting:
        with writer.scratch_folder() as old:
            if final.exists():
                move(final, old)
            with suppress(FileNotFoundError):  # one who was taken over did it at this moment
                move(waiting, final)
    sealed.place()
    writer.discard(waiting)
    _drop(writer, folder / "segments", len(sealed.infos))


def _drop(writer: Writer, folder: Path, count: int) -> None:
    for index in segment_numbers(folder):
        if index < count:
            writer.discard(segment_path(folder, index))
    if folder.is_dir():
        sync_folder(folder)


def state_path(folder: Path, step: int) -> Path:
    """Where the end state of a sealed segment lies."""
    return folder / "states" / f"{step}.zarr.zip"


def _keep_states(writer: Writer, folder: Path, records: Iterable[Mapping[str, Any]]) -> None:
    for record in records:
        step = record["last_step"]
        # replaced, not kept: a crash of an earlier sealing may have left a copy
        with Archive(segment_path(folder / "segments", record["index"])) as archive:
            data = pack({"kind": "state", "step": step}, archive.members("state/"))
        writer.replace(state_path(folder, step), data)


def write_sharded(folder: Path, frames: xr.Dataset, shard: int) -> Listing:
    """Write a lazy trajectory to a folder, a shard at a time, comparing what can be read back.

    Returns
    -------
    Size and SHA-256 of every file.

    Raises
    ------
    StoreError
        If what is read back is not what was written.
    """
    store = LocalStore(folder)
    group = zarr.create_group(store)
    arrays = {
        str(name): write_variable(group, name, v, sharded(v.dims, v.shape, shard))
        for name, v in frames.variables.items()
    }
    write_attrs(group, frames)
    lazy = [str(name) for name, v in frames.variables.items() if v.chunks is not None]
    light: dict[str, list[npt.NDArray[Any]]] = {n: [] for n in lazy if "atom" not in frames[n].dims}
    for where, block in _blocks(frames[lazy], shard):
        for name in lazy:
            if name in light:
                light[name].append(block[name].values)
            else:
                put(arrays[name], where, block[name].values)
    for name, parts in light.items():
        put(arrays[name], slice(0, frames.sizes["time"]), np.concatenate(parts))
    consolidate(store)
    sync_tree(folder)
    return listing(folder)


def _blocks(frames: xr.Dataset, shard: int) -> Iterator[tuple[slice, xr.Dataset]]:
    for start in range(0, frames.sizes.get("time", 0), shard):
        where = slice(start, min(start + shard, frames.sizes["time"]))
        # not the ambient scheduler: on a worker that is the cluster itself
        yield where, frames.isel(time=where).compute(scheduler="synchronous")


def put(array: zarr.Array[Any], where: slice, values: npt.NDArray[Any]) -> None:
    """Write a range along the first axis, and compare what can be read back."""
    fill(array, values, where)
    if np.asarray(array[where]).tobytes() != np.ascontiguousarray(values).tobytes():
        raise StoreError("what was written cannot be read back", where=str(array.store_path))

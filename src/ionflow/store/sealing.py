"""Sealing: many segments become one sharded zarr that any zarr reader opens.

`sealed.json` is the point of commit. It lists the segments that were sealed and every file of the
zarr with its SHA-256, and so tells which folder it means:

1. the new zarr is written aside, read back from disk, compared with its source, and moved to
   `next.zarr`;
2. end states are copied to `states/`;
3. `sealed.json` is replaced: from here on the new zarr counts, under whichever name;
4. `trajectory.zarr` is exchanged for `next.zarr`, and the sealed segments are dropped.

A crash before 3 leaves the segments as they were, after 3 a folder that `finish` puts in order.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
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
from ionflow.store.checked import ROOT, Listing, listing, open_checked
from ionflow.store.documents import document_bytes
from ionflow.store.files import drop_cache, guarded, move, sync_folder, sync_tree
from ionflow.store.sealed import COPY, LIST, Sealed, is_copied, sealed_count, state_path
from ionflow.store.segments import SegmentInfo, segment_numbers, segment_path
from ionflow.store.writer import Writer

#: End states may take this share of the sealed trajectory's bytes, and a few are kept anyway.
_STATES_SHARE, _STATES_FEW = 0.25, 4

Sums = dict[str, list[str]]


def seal(writer: Writer, folder: Path, frames: xr.Dataset, infos: Sequence[SegmentInfo]) -> None:
    """Write `frames`, the whole trajectory of `infos`, as the sealed zarr of `folder`.

    If another process sealed meanwhile, its work stays.

    Raises
    ------
    StoreError
        If what is read back from disk is not what the segments hold.
    """
    shard = shard_frames(frames.sizes.get("atom", 0))
    with writer.writing(folder / "trajectory.zarr"), writer.scratch_folder() as temporary:
        files = write_sharded(temporary, frames, shard)
        content = {
            "shard_frames": shard,
            "segments": [info.record() for info in infos],
            "files": files,
            "small": _small(temporary, files, frames),
        }
        with guarded(folder):
            if sealed_count(folder) == sum(info.sealed for info in infos):
                _commit(writer, folder, temporary, content)


def _small(folder: Path, files: Listing, frames: xr.Dataset) -> dict[str, str]:
    """Metadata and what has no time, with the time axis, as base64: without it nothing is read."""
    heavy = {str(name) for name, v in frames.variables.items() if v.chunks is not None}
    names = [n for n in files if Path(n).name == ROOT or n.partition("/")[0] not in heavy]
    return {name: base64.b64encode((folder / name).read_bytes()).decode() for name in names}


def _commit(writer: Writer, folder: Path, temporary: Path, content: dict[str, Any]) -> None:
    writer.discard(folder / "next.zarr")
    move(temporary, folder / "next.zarr")
    size = sum(entry["size"] for entry in content["files"].values())
    content["states"] = _keep_states(writer, folder, len(content["segments"]), size)
    writer.replace(folder / LIST, document_bytes(content))
    _tidy(writer, folder)


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
    if not is_copied(folder):
        writer.replace(folder / COPY, (folder / LIST).read_bytes())


def _drop(writer: Writer, folder: Path, count: int) -> None:
    for index in segment_numbers(folder):
        if index < count:
            writer.discard(segment_path(folder, index))
    if folder.is_dir():
        sync_folder(folder)


def _keep_states(writer: Writer, folder: Path, count: int, size: int) -> dict[str, str]:
    """Copy end states of live segments: the last, and of the others every n-th."""
    begin = sealed_count(folder)
    kept = dict(Sealed(folder).content["states"]) if begin else {}
    every = 0
    # from the last, which also tells how large one is
    for index in range(count - 1, begin - 1, -1):
        if every and (index + 1) % every:
            continue
        step, data = _state_bytes(segment_path(folder / "segments", index))
        if not data:
            continue
        every = every or _spacing(count, size, len(data))
        # replaced, not kept: a crash of an earlier sealing may have left a copy
        writer.replace(state_path(folder, step), data)
        kept[str(step)] = hashlib.sha256(data).hexdigest()
    return kept


def _state_bytes(path: Path) -> tuple[int, bytes]:
    with Archive(path) as archive:
        step = archive.head["last_step"]
        if not archive.head["has_state"]:
            return step, b""
        return step, pack({"kind": "state", "step": step}, archive.members("state/"))


def _spacing(count: int, size: int, state_size: int) -> int:
    room = max(_STATES_FEW, int(_STATES_SHARE * size / state_size))
    return -(-count // room)


def write_sharded(folder: Path, frames: xr.Dataset, shard: int) -> Listing:
    """Write a lazy trajectory to a folder, a shard at a time, and compare what is read back.

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
    sums = _fill(arrays, frames, shard)
    consolidate(store)
    sync_tree(folder)
    drop_cache(folder)
    files = listing(folder)
    _compare(open_checked(folder, files, {"time": shard, "atom": -1}), frames, sums, shard)
    return files


def _fill(arrays: Mapping[str, zarr.Array[Any]], frames: xr.Dataset, shard: int) -> Sums:
    lazy = [str(name) for name, v in frames.variables.items() if v.chunks is not None]
    light: dict[str, list[npt.NDArray[Any]]] = {n: [] for n in lazy if "atom" not in frames[n].dims}
    sums: Sums = {name: [] for name in lazy}
    for where, block in _blocks(frames[lazy], shard):
        for name in lazy:
            values = block[name].values
            sums[name].append(_sum(values))
            if name in light:
                light[name].append(values)
            else:
                fill(arrays[name], values, where)
    for name, parts in light.items() if frames.sizes.get("time") else ():
        fill(arrays[name], np.concatenate(parts), slice(0, frames.sizes["time"]))
    return sums


def _blocks(frames: xr.Dataset, shard: int) -> Iterator[tuple[slice, xr.Dataset]]:
    for start in range(0, frames.sizes.get("time", 0), shard):
        where = slice(start, min(start + shard, frames.sizes["time"]))
        # not the ambient scheduler: on a worker that is the cluster itself
        yield where, frames.isel(time=where).compute(scheduler="synchronous")


def _compare(back: xr.Dataset, frames: xr.Dataset, sums: Sums, shard: int) -> None:
    """Compare all variables, their attributes and every value with the source."""
    where = str(back.encoding.get("source", ""))
    eager = [name for name in frames.variables if name not in sums]
    same = _heads(back) == _heads(frames) and all(
        back[name].variable.identical(frames[name].variable) for name in eager
    )
    found: Sums = {name: [] for name in sums}
    for _, block in _blocks(back[list(sums)], shard) if same else ():
        for name in sums:
            found[name].append(_sum(block[name].values))
    if not same or found != sums:
        raise StoreError("what was written cannot be read back", where=where)


def _heads(frames: xr.Dataset) -> tuple[Any, ...]:
    variables = {
        name: (v.dims, v.shape, v.dtype.kind, v.dtype.kind == "U" or v.dtype.itemsize, v.attrs)
        for name, v in frames.variables.items()
    }
    return variables, set(frames.coords), frames.attrs


def _sum(values: npt.NDArray[Any]) -> str:
    data = np.ascontiguousarray(values)
    return hashlib.sha256(data.data if data.dtype.kind in "biufc" else data.tobytes()).hexdigest()


def put(array: zarr.Array[Any], where: slice, values: npt.NDArray[Any]) -> None:
    """Write a range along the first axis, and compare what can be read back."""
    fill(array, values, where)
    if np.asarray(array[where]).tobytes() != np.ascontiguousarray(values).tobytes():
        raise StoreError("what was written cannot be read back", where=str(array.store_path))

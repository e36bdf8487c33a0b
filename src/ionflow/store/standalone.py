"""Zarr folders that stand by themselves: a trajectory, or a group for each of several results."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import xarray as xr
import zarr
from zarr.storage import LocalStore

from ionflow.errors import StoreError
from ionflow.store.archive import damage
from ionflow.store.arrays import (
    bounded,
    consolidate,
    create,
    prepared,
    read_dataset,
    shard_frames,
    sharded,
    write_attrs,
    write_variable,
)
from ionflow.store.files import move, sync_tree, writing
from ionflow.store.keys import plain
from ionflow.store.sealing import put
from ionflow.store.trajectory import Trajectory
from ionflow.store.writer import Writer


def write_trajectory(
    path: str | Path,
    blocks: Iterable[xr.Dataset],
    attrs: Callable[[], Mapping[str, Any]] = dict,
    *,
    replace: bool = False,
) -> None:
    """Write a trajectory that comes in parts, one part in memory at a time.

    It lies as a sealed one does: sharded, positions rounded, every chunk with a checksum; any zarr
    reader opens it. It appears at `path` whole or not at all.

    Parameters
    ----------
    path : the folder to be made
    blocks : parts of one trajectory of the schema, in order of time, with the same variables; best
        of `shard_frames(atoms)` frames each
    attrs : more attributes, asked for when all parts are written
    replace : whether a zarr folder that is there gives way

    Raises
    ------
    StoreError
        If something is there already, or what is written cannot be read back.
    """
    with _appearing(Path(path), replace) as folder:
        store = LocalStore(folder)
        group = zarr.create_group(store)
        part = _Growing(group)
        for block in blocks:
            part.add(prepared(block))
        part.finish(attrs())
        consolidate(store)


class _Growing:
    """Arrays that grow in time; those without atoms wait in memory until the end."""

    def __init__(self, group: zarr.Group) -> None:
        self._group = group
        self._arrays: dict[str, zarr.Array[Any]] = {}
        self._light: list[xr.Dataset] = []
        self._frames = self._shard = 0

    def add(self, block: xr.Dataset) -> None:
        """Append a part."""
        self._shard = self._shard or shard_frames(block.sizes.get("atom", 0))
        heavy = [str(n) for n, v in block.variables.items() if {"time", "atom"} <= set(v.dims)]
        where = slice(self._frames, self._frames + block.sizes["time"])
        for name in heavy:
            array = self._array(name, block[name].variable)
            array.resize((where.stop, *array.shape[1:]))
            put(array, where, block[name].values)
        self._light.append(block.drop_vars(heavy))
        self._frames = where.stop

    def _array(self, name: str, variable: xr.Variable) -> zarr.Array[Any]:
        if name not in self._arrays:
            dims = [str(dim) for dim in variable.dims]
            shape = (0, *variable.shape[1:])
            layout = sharded(dims, (self._shard, *shape[1:]), self._shard)
            attrs = plain(variable.attrs, name)
            self._arrays[name] = create(
                self._group, name, variable.dtype, dims, shape, layout, attrs
            )
        return self._arrays[name]

    def finish(self, attrs: Mapping[str, Any]) -> None:
        """Write the rest."""
        if not self._light:
            raise StoreError("there is nothing to write")
        rest = xr.concat(
            self._light, "time", data_vars="minimal", coords="minimal", compat="override",
            join="override", combine_attrs="override",
        )  # fmt: skip
        for name, variable in rest.variables.items():
            layout = sharded(variable.dims, variable.shape, self._shard)
            write_variable(self._group, name, variable, layout)
        write_attrs(self._group, rest.assign_attrs(dict(attrs)))


def open_trajectory(path: str | Path) -> xr.Dataset:
    """A trajectory in a zarr folder, lazy, by shards; or one of a run by its folder.

    Raises
    ------
    StoreError
        If there is none, or it is damaged.
    """
    path = Path(path).resolve()
    of_run = next((p for p in (path, path.parent) if _is_of_run(p)), None)
    if of_run is not None:
        return Trajectory(Writer(of_run.parent.parent), of_run).frames()
    if (path / "run.json").is_file():
        raise StoreError(
            "this is a run, of several trajectories", where=str(path),
            hint="ionflow.open(path).trajectory(...) gives one; `ionflow analyse` takes --select",
        )  # fmt: skip
    with damage(path):
        group = zarr.open_group(LocalStore(path, read_only=True), mode="r")
        arrays = dict(group.arrays())
        heavy = arrays.get("positions", arrays.get("cell"))
        if heavy is None:
            raise StoreError("no trajectory in this zarr", where=str(path))
        frames = (heavy.shards or heavy.chunks)[0]
        return read_dataset(LocalStore(path, read_only=True), chunks={"time": frames, "atom": -1})


def _is_of_run(folder: Path) -> bool:
    root = folder.parent.parent
    return folder.parent.name == "trajectories" and (root / "store.json").is_file()


def write_groups(
    path: str | Path,
    datasets: Mapping[str, xr.Dataset],
    attrs: Mapping[str, Any] | None = None,
    *,
    replace: bool = False,
) -> None:
    """Write several results into one zarr folder, a group each, whole or not at all.

    `xarray.open_datatree(path, engine="zarr")` opens all, `xarray.open_zarr(path, group=name)` one.

    Raises
    ------
    StoreError
        If something is there already, or a result cannot be stored.
    """
    with _appearing(Path(path), replace) as folder:
        store = LocalStore(folder)
        root = zarr.create_group(store, attributes=plain(dict(attrs or {}), "attrs"))
        for name, dataset in datasets.items():
            _write_group(root.create_group(name), dataset.compute(scheduler="synchronous"))
            consolidate(LocalStore(folder / name))
        consolidate(store)


def _write_group(group: zarr.Group, dataset: xr.Dataset) -> None:
    for name, variable in dataset.variables.items():
        itemsize = max(variable.dtype.itemsize, 1)
        write_variable(group, name, variable, bounded(variable.shape, itemsize))
    write_attrs(group, dataset)


@contextmanager
def _appearing(path: Path, replace: bool) -> Iterator[Path]:
    """A folder to be filled, that takes its name at the end if nothing was raised."""
    check_free(path, replace)
    aside = path.with_name(f".{path.name}.{uuid4().hex}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield aside
            sync_tree(aside)
            _take_name(aside, path, replace)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def check_free(path: str | Path, replace: bool = False) -> None:
    """Check that a zarr folder may be written here.

    Raises
    ------
    StoreError
        If something is there: a zarr that may not be replaced, or anything else.
    """
    path = Path(path)
    if not path.exists() and not path.is_symlink():
        return
    if not (path / "zarr.json").is_file() or path.is_symlink():
        hint = "choose another name"
        raise StoreError("there is something else than a zarr folder", where=str(path), hint=hint)
    if not replace:
        raise StoreError(
            "exists already", where=str(path), hint="choose another name, or replace it"
        )


def _take_name(aside: Path, path: Path, replace: bool) -> None:
    old = path.with_name(f".{path.name}.{uuid4().hex}.old")
    try:
        if replace and path.exists():
            move(path, old)
        # fails if someone else was faster: a folder that holds something is not replaced
        move(aside, path)
    finally:
        shutil.rmtree(old, ignore_errors=True)

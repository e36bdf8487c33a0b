"""Results of analyses: one zarr folder each, with a list of its files beside it."""

from __future__ import annotations

from pathlib import Path

import xarray as xr
import zarr
from zarr.storage import LocalStore

from ionflow.errors import StoreError
from ionflow.store.arrays import bounded, consolidate, write_attrs, write_variable
from ionflow.store.checked import listing, open_checked, read_sealed_json, sealed_json
from ionflow.store.files import (
    discard,
    guarded,
    make_folder,
    move,
    publish,
    scratch_folder,
    sync_folder,
    sync_tree,
    writing,
)


def list_path(folder: Path) -> Path:
    """The list of a result's files; its appearance commits the result."""
    return folder.with_suffix(".json")


def write_result(root: Path, folder: Path, dataset: xr.Dataset) -> None:
    """Write a Dataset; the first to commit wins, as the same key means the same result.

    Raises
    ------
    StoreError
        If it cannot be stored.
    """
    if list_path(folder).exists():
        return
    # all variables in one go: they share most of their graph
    dataset = dataset.compute(scheduler="synchronous")
    with writing(folder), scratch_folder(root) as temporary:
        _write(temporary, dataset)
        files = sealed_json({"files": listing(temporary)})
        make_folder(folder.parent)
        with guarded(folder.parent):
            if not list_path(folder).exists():
                discard(root, folder)
                move(temporary, folder)
                publish(root, list_path(folder), files)


def remove_result(root: Path, folder: Path) -> None:
    """Take a result away; its list first, so that a crash leaves nothing that looks whole."""
    if not folder.parent.is_dir():
        return
    with writing(folder), guarded(folder.parent):
        list_path(folder).unlink(missing_ok=True)
        sync_folder(folder.parent)
        discard(root, folder)


def _write(folder: Path, dataset: xr.Dataset) -> None:
    store = LocalStore(folder)
    group = zarr.create_group(store)
    for name, variable in dataset.variables.items():
        layout = bounded(variable.shape, variable.dtype.itemsize)
        write_variable(group, name, variable, layout)
    write_attrs(group, dataset)
    consolidate(store)
    sync_tree(folder)


def read_result(folder: Path) -> xr.Dataset:
    """The Dataset, lazy.

    Raises
    ------
    StoreError
        If there is none or it is damaged.
    """
    if not list_path(folder).exists():
        raise StoreError("no such result", where=str(folder))
    return open_checked(folder, read_sealed_json(list_path(folder))["files"], {})

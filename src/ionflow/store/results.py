"""Results of analyses: one zarr folder each, with a list of its files beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr
import zarr
from zarr.storage import LocalStore

from ionflow.errors import StoreError
from ionflow.store.arrays import bounded, consolidate, write_attrs, write_variable
from ionflow.store.checked import listing, open_checked
from ionflow.store.documents import document_bytes, read_document
from ionflow.store.files import guarded, make_folder, move, sync_tree
from ionflow.store.writer import Writer


def list_path(folder: Path) -> Path:
    """The list of a result's files; its appearance commits the result."""
    return folder.with_suffix(".json")


def write_result(
    writer: Writer, folder: Path, dataset: xr.Dataset, record: Mapping[str, Any] | None = None
) -> None:
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
    with writer.writing(folder), writer.scratch_folder() as temporary:
        _write(temporary, dataset)
        content = {"record": dict(record or {}), "files": listing(temporary)}
        data = document_bytes(content, folder.name)
        make_folder(folder.parent)
        with guarded(folder.parent):
            if not list_path(folder).exists():
                writer.discard(folder)
                move(temporary, folder)
                writer.publish(list_path(folder), data)


def remove_result(writer: Writer, folder: Path) -> None:
    """Take a result away; its list first, so that a crash leaves nothing that looks whole."""
    if not folder.parent.is_dir():
        return
    with writer.writing(folder), guarded(folder.parent):
        writer.discard(list_path(folder))
        writer.discard(folder)


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
    return open_checked(folder, _list(folder)["files"], {})


def result_record(folder: Path) -> dict[str, Any]:
    """What was written about a result.

    Raises
    ------
    StoreError
        If there is none or its list is damaged.
    """
    record: dict[str, Any] = _list(folder)["record"]
    return record


def _list(folder: Path) -> dict[str, Any]:
    if not list_path(folder).exists():
        raise StoreError("no such result", where=str(folder))
    return read_document(list_path(folder))

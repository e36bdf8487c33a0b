"""Folders of zarr whose every file is on a list with its SHA-256.

zarr takes a missing chunk for an empty one and has no checksum for metadata. A reader that comes
through `CheckedStore` is told of both.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import xarray as xr
from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore, WrapperStore

from ionflow.errors import StoreError
from ionflow.store.archive import damage
from ionflow.store.arrays import read_dataset
from ionflow.store.files import open_plain, within

ROOT = "zarr.json"

Listing = dict[str, dict[str, Any]]


def listing(folder: Path) -> Listing:
    """Size and SHA-256 of every file below a folder, by its relative name."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _entry(path) for path in paths}


def _entry(path: Path) -> dict[str, Any]:
    with open_plain(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"size": file.tell(), "sha256": digest}


def is_listed(folder: Path, files: Listing) -> bool:
    """Whether this folder is the one that was listed, by its root metadata."""
    root = folder / ROOT
    return root.is_file() and _entry(root) == files.get(ROOT)


def differences(folder: Path, files: Listing, deep: bool) -> Iterator[tuple[Path, str]]:
    """What is missing, of another size, or (deep, and always for metadata) of other content."""
    for name, entry in files.items():
        path = folder / name
        if not path.is_file() or path.is_symlink():
            yield path, "missing"
        elif path.stat().st_size != entry["size"]:
            yield path, f"{path.stat().st_size} bytes instead of {entry['size']}"
        elif (deep or path.name == ROOT) and _entry(path) != entry:
            yield path, "not the bytes that were written"


class CheckedStore(WrapperStore[LocalStore]):
    """A folder of zarr, read only, in which nothing may be missing and metadata is as listed."""

    def __init__(self, store: LocalStore, metadata: Mapping[str, str]) -> None:
        super().__init__(store)
        self.metadata = dict(metadata)

    @classmethod
    def at(cls, folder: Path, files: Listing) -> Self:
        """The store of a folder and its list."""
        digests = {n: e["sha256"] for n, e in files.items() if Path(n).name == ROOT}
        return cls(LocalStore(folder, read_only=True), digests)

    def _with_store(self, store: LocalStore) -> Self:
        return type(self)(store, self.metadata)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """A file's bytes; zarr may probe for metadata that does not exist, but not for chunks."""
        where = str(self._store.root / key)
        if _is_strange(Path(where)):
            raise StoreError("not a regular file", where=where, hint="run `ionflow verify`")
        value = await super().get(key, prototype, byte_range)
        if value is None and (key in self.metadata or _is_chunk(key)):
            raise StoreError("missing", where=where, hint="run `ionflow verify`")
        if value is not None and key in self.metadata:
            digest = hashlib.sha256(value.to_bytes()).hexdigest()
            if digest != self.metadata[key]:
                raise StoreError("damaged metadata", where=where, hint="run `ionflow verify`")
        return value


def _is_strange(path: Path) -> bool:
    # whoever puts a pipe here must not stop a reader
    try:
        return not stat.S_ISREG(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _is_chunk(key: str) -> bool:
    # a scalar's only chunk is named c, others c/0/1/2
    return Path(key).name == "c" or "/c/" in f"/{key}"


def open_checked(folder: Path, files: Listing, chunks: Mapping[str, int] | None) -> xr.Dataset:
    """A Dataset, lazy, whose reading raises wherever a file is missing or damaged."""
    within(folder.parent, folder.name)
    with damage(folder):
        return read_dataset(CheckedStore.at(folder, files), chunks=chunks)

"""An archive: one file that holds zarr groups and says what must be in it.

It is a zip file, so that any zarr reader opens it. A zip's directory has no checksum of its own,
and zarr takes a chunk whose name is missing for an empty one; so the first member, `head.json`,
lists all others with their CRC, and a reader compares before it reads.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import zarr
from zarr.core.buffer import Buffer, cpu
from zarr.storage import MemoryStore

from ionflow.errors import StoreError
from ionflow.store.files import open_plain

_HEAD = "head.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)
# all that zipfile and json raise on a damaged file
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    TypeError,
    ValueError,
    RuntimeError,
    OSError,
    MemoryError,
)


def pack(head: Mapping[str, Any], members: Mapping[str, bytes]) -> bytes:
    """An archive of named members, uncompressed (they are compressed already).

    The same content gives the same bytes.
    """
    listing = {name: zlib.crc32(data) for name, data in sorted(members.items())}
    try:
        first = json.dumps({**head, "members": listing}, allow_nan=False).encode()
    except ValueError as error:
        raise StoreError(f"its description holds a number that is not finite: {error}") from error
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in ((_HEAD, first), *sorted(members.items())):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    return buffer.getvalue()


def group_bytes(store: MemoryStore) -> dict[str, bytes]:
    """The members that a zarr store in memory makes."""
    return {name: value.to_bytes() for name, value in store._store_dict.items()}


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """Name the file in whatever its damage raises."""
    try:
        yield
    except FileNotFoundError as error:
        raise StoreError("missing", where=str(path)) from error
    except _DAMAGE as error:
        reason = f"damaged or unreadable: {type(error).__name__}: {error}"
        raise StoreError(reason, where=str(path), hint="run `ionflow verify`") from error


class Archive:
    """An archive open for reading, its list of members checked.

    Raises
    ------
    StoreError
        If the file is missing, damaged, or a symbolic link.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with damage(path):
            self._file = open_plain(path)
        try:
            with damage(path):
                self._zip = zipfile.ZipFile(self._file)
                self.head: dict[str, Any] = json.loads(self._zip.read(_HEAD))
                self._check_members()
        except StoreError:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()
        self._file.close()

    def _check_members(self) -> None:
        found = {i.filename: i.CRC for i in self._zip.infolist() if i.filename != _HEAD}
        if found != self.head.pop("members"):
            raise ValueError("its list of members is not what was written")

    def members(self, prefix: str = "") -> dict[str, bytes]:
        """Members whose names start with `prefix`, each checked against its CRC."""
        with damage(self.path):
            names = [i.filename for i in self._zip.infolist()]
            return {n: self._zip.read(n) for n in names if n.startswith(prefix) and n != _HEAD}

    def store(self, prefix: str = "") -> MemoryStore:
        """Those members as a zarr store in memory."""
        content: dict[str, Buffer] = {
            name: cpu.Buffer.from_bytes(data) for name, data in self.members(prefix).items()
        }
        return MemoryStore(content, read_only=True)

    def array(self, path: str) -> zarr.Array[Any]:
        """One zarr array, read into memory."""
        with damage(self.path):
            return zarr.open_array(self.store(f"{path}/"), path=path, mode="r")

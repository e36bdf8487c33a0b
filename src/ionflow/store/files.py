"""Files that appear whole or not at all, and stay after a power cut."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from ionflow.errors import OutOfSpaceError, StoreError

_HINTS = {
    errno.ENOSPC: "free some space; nothing that was committed is lost",
    errno.EDQUOT: "your quota is used up; nothing that was committed is lost",
    errno.EFBIG: "a limit on file sizes is in force (ulimit -f)",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "the folder belongs to someone else or is read-only",
}
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal into a StoreError that says what to do.

    Raises
    ------
    OutOfSpaceError
        If the disk or a quota is full.
    StoreError
        For anything else.
    """
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        reason = f"cannot write: {error.strerror or error}"
        hint = _HINTS.get(error.errno or 0, "")
        kind = OutOfSpaceError if error.errno in _FULL else StoreError
        raise kind(reason, where=str(path), hint=hint) from error


def within(root: Path, *parts: str) -> Path:
    """A path below `root`, refusing symbolic links on the way and names that lead out.

    Raises
    ------
    StoreError
        If a part is absolute, is `..` or hidden, or if a link lies on the path.
    """
    path = root
    for part in Path(*parts).parts:
        if part.startswith((".", os.sep)) or "\0" in part:
            raise StoreError(f"{part!r} is no name for a file of a run", where=str(root))
        path = path / part
        if path.is_symlink():
            raise StoreError("a symbolic link where a run keeps its data", where=str(path))
    return path


def open_plain(path: Path) -> BufferedReader:
    """Open a regular file for reading, never through a symbolic link."""
    # not blocking: whoever puts a pipe here must not stop a reader
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise StoreError("not a regular file", where=str(path))


@contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder's few steps that a link or rename cannot do at once.

    Nothing is lost where the file system ignores locks: whoever reads compares checksums.
    """
    with open(folder / ".guard", "wb") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def link(source: Path, target: Path) -> None:
    """Give a file a second name, or raise FileExistsError.

    Raises
    ------
    StoreError
        If the file system has no hard links.
    """
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        raise StoreError(
            f"cannot write: the file system has no hard links ({error.strerror})",
            where=str(target),
            hint="choose another with --out",
        ) from error


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each durable in its parent."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Make a folder with all that is in it durable."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            with open(Path(place, name), "rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(place))


def move(source: Path, target: Path) -> None:
    """Rename a file or folder, durably on both sides."""
    os.rename(source, target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def drop_cache(folder: Path) -> None:
    """Have the system forget a folder's files, so that reading them asks the disk."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

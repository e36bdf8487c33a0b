"""Files that appear whole or not at all, and stay after a power cut."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from ionflow.errors import StoreError

_ABANDONED_S = 3600

_HINTS = {
    errno.ENOSPC: "free some space; nothing that was committed is lost",
    errno.EDQUOT: "your quota is used up; nothing that was committed is lost",
    errno.EFBIG: "a limit on file sizes is in force (ulimit -f)",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "the folder belongs to someone else or is read-only",
    errno.EPERM: "the file system has no hard links; choose another with --out",
    errno.ENOTSUP: "the file system has no hard links; choose another with --out",
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal into a StoreError that says what to do."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        reason = f"cannot write: {error.strerror or error}"
        hint = _HINTS.get(error.errno or 0, "")
        raise StoreError(reason, where=str(path), hint=hint) from error


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


def scratch(root: Path) -> Path:
    """A fresh name on the run's own file system, in a folder that nothing reads."""
    folder = root / ".tmp"
    folder.mkdir(exist_ok=True)
    return folder / uuid.uuid4().hex


@contextmanager
def scratch_folder(root: Path) -> Iterator[Path]:
    """A name for a folder to be filled and moved; what is still there at the end is removed."""
    folder = scratch(root)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder's few steps that a link or rename cannot do at once.

    Nothing is lost where the file system ignores locks: whoever reads compares checksums.
    """
    with open(folder / ".guard", "wb") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def sweep(root: Path) -> None:
    """Remove what killed writers left behind: what nobody touched for an hour."""
    folder = root / ".tmp"
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime < _ABANDONED_S:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def publish(root: Path, target: Path, data: bytes) -> None:
    """Let a whole file appear at `target`, or raise FileExistsError and leave what is there."""
    with writing(target), _written(root, data) as temporary:
        make_folder(target.parent)
        os.link(temporary, target)
        sync_folder(target.parent)


def replace(root: Path, target: Path, data: bytes) -> None:
    """Let a whole file take the place of `target`."""
    with writing(target), _written(root, data) as temporary:
        make_folder(target.parent)
        os.replace(temporary, target)
        sync_folder(target.parent)


@contextmanager
def _written(root: Path, data: bytes) -> Iterator[Path]:
    temporary = scratch(root)
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)


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
    """Rename a folder, durably on both sides."""
    os.rename(source, target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def discard(root: Path, folder: Path) -> None:
    """Take a folder away at once, then remove what is in it."""
    if not folder.exists():
        return
    trash = scratch(root)
    move(folder, trash)
    shutil.rmtree(trash)

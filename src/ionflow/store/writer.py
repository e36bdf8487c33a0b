"""Who writes into a run folder, and that nobody writes who was taken over.

Whatever is written takes its shape in a scratch folder of the writer's own epoch and appears by a
link or a rename from there. Who takes over renames that folder away first: from then on the file
system itself refuses everything that the earlier holder's processes still try.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ionflow.errors import StoreError, TakenOverError
from ionflow.store.epochs import latest_epoch
from ionflow.store.files import link, make_folder, move, sync_folder, writing

_EPOCH = re.compile(r"\d{6,}")
_ATTEMPTS = 3


@dataclass
class Writer:
    """One who writes into a run folder: the holder of an epoch, or its workers; 0 is nobody's."""

    root: Path
    epoch: int = 0

    @property
    def desk(self) -> Path:
        """The scratch folder. The holder makes it; only that of no epoch may be made by anyone."""
        return self.root / ".tmp" / (f"{self.epoch:06d}" if self.epoch else "free")

    def check(self) -> None:
        """Check that nobody took the run folder over.

        Raises
        ------
        TakenOverError
            If there is a later holder.
        """
        latest = latest_epoch(self.root) if self.epoch else 0
        if latest > self.epoch:
            raise TakenOverError(
                f"another ionflow took this run over (holder {latest}, here was {self.epoch})",
                where=str(self.root),
                hint="nothing of it was changed; let the other go on, or run again after it",
            )

    @contextmanager
    def writing(self, path: Path) -> Iterator[None]:
        """Say why something cannot be written; to who was taken over, that."""
        self.check()
        try:
            with writing(path):
                yield
        except (StoreError, FileExistsError):
            self.check()
            raise

    def scratch(self) -> Path:
        """A fresh name on the run's own file system, in a folder that nothing reads."""
        if not self.epoch:
            self.desk.mkdir(parents=True, exist_ok=True)
        return self.desk / uuid.uuid4().hex

    @contextmanager
    def scratch_folder(self) -> Iterator[Path]:
        """A name for a folder to be filled and moved; what is still there at the end is removed."""
        folder = self.scratch()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, target: Path, data: bytes) -> None:
        """Let a whole file appear at `target`, or raise FileExistsError and leave what is there."""
        self._put(target, data, link)

    def replace(self, target: Path, data: bytes) -> None:
        """Let a whole file take the place of `target`."""
        self._put(target, data, os.replace)

    def _put(self, target: Path, data: bytes, settle: Callable[[Path, Path], None]) -> None:
        with self.writing(target):
            make_folder(target.parent)
            for attempt in range(_ATTEMPTS):
                try:
                    with self._written(data) as temporary:
                        settle(temporary, target)
                    break
                except FileNotFoundError:
                    # who belongs to no epoch is swept by a new holder, and may try again
                    if self.epoch or attempt == _ATTEMPTS - 1:
                        raise
            sync_folder(target.parent)

    @contextmanager
    def _written(self, data: bytes) -> Iterator[Path]:
        temporary = self.scratch()
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            with suppress(OSError):  # the next holder sweeps
                os.unlink(temporary)

    def discard(self, path: Path) -> None:
        """Take a file or folder away at once, then remove what is in it."""
        if not path.exists() and not path.is_symlink():
            return
        trash = self.scratch()
        move(path, trash)
        remove(trash)


def remove(path: Path) -> None:
    """Remove a file or a folder, as far as it can be."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def fence(root: Path, epoch: int) -> None:
    """Make a new holder's desk, and put what all others write out of their reach, for good."""
    desk = Writer(root, epoch).desk
    with writing(desk):
        desk.mkdir(parents=True)
        for earlier in range(1, epoch):
            _bar(Writer(root, earlier).desk, desk)
        for path in desk.parent.iterdir():
            if not _EPOCH.fullmatch(path.name):
                _put_away(path, desk)
        for path in desk.iterdir():
            remove(path)


def _bar(path: Path, desk: Path) -> None:
    # a file in its place: libraries make missing folders again
    while not path.is_file():
        _put_away(path, desk)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))


def _put_away(path: Path, desk: Path) -> None:
    with suppress(FileNotFoundError):
        os.rename(path, desk / uuid.uuid4().hex)

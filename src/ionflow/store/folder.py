"""The run folder itself: what it is, its documents and texts, what failed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from ionflow.errors import StoreError
from ionflow.store.documents import document_bytes, read_document
from ionflow.store.files import make_folder, within, writing
from ionflow.store.keys import check_key
from ionflow.store.quarantine import set_aside
from ionflow.store.texts import read_text, write_texts
from ionflow.store.writer import Writer

_MARK = "store.json"
_FORMAT = 2


class Folder:
    """A run folder with its small files. Cheap to make and to pickle.

    Parameters
    ----------
    root : the folder
    epoch : of the holder for whom it writes; 0 for nobody
    """

    def __init__(self, root: Path, epoch: int = 0) -> None:
        self.root = root
        self._writer = Writer(root, epoch)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r}, epoch={self.epoch})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.root, self.epoch)

    @property
    def epoch(self) -> int:
        """Of the holder for whom it writes; 0 for nobody."""
        return self._writer.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._writer.epoch = epoch

    @classmethod
    def create(cls, root: str | Path) -> Self:
        """Make a run folder, or open the one that is there.

        Raises
        ------
        StoreError
            If something else lies there.
        """
        root = Path(root).resolve()
        if (root / _MARK).exists():
            return cls.open(root)
        made = cls(root)
        with made._writer.writing(root):
            if root.exists() and not _is_empty(root):
                hint = "choose an empty or new folder with --out"
                raise StoreError("not empty, and no run folder", where=str(root), hint=hint)
            make_folder(root)
        made.write_json(_MARK, {"format": _FORMAT})
        return made

    @classmethod
    def open(cls, root: str | Path) -> Self:
        """Open a run folder.

        Raises
        ------
        StoreError
            If there is none, or one of another ionflow.
        """
        folder = cls(Path(root).resolve())
        if not (folder.root / _MARK).is_file():
            hint = "a run folder is what `ionflow run` makes, such as runs/amx_scan"
            raise StoreError("no run folder", where=str(folder.root), hint=hint)
        _check_format(folder.root)
        return folder

    @classmethod
    def mend(cls, root: str | Path) -> None:
        """Write the mark of a run folder again if it is damaged; nothing else is touched."""
        root = Path(root).resolve()
        if (root / "holders").is_dir() and not _is_sound(root / _MARK):
            writer = Writer(root)
            if (root / _MARK).exists() or (root / _MARK).is_symlink():
                set_aside(writer, [root / _MARK])
            writer.replace(root / _MARK, document_bytes({"format": _FORMAT}))

    # documents and texts

    def read_json(self, name: str) -> dict[str, Any]:
        """The object in a JSON file of the run folder, its checksum compared.

        Raises
        ------
        StoreError
            If the file is missing or damaged.
        """
        return read_document(within(self.root, name))

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Replace a JSON file of the run folder, whole and durably, with a checksum in it."""
        self._writer.replace(within(self.root, name), document_bytes(value, name))

    def read_text(self, name: str) -> str:
        """A text file of the run folder, its checksum compared.

        Raises
        ------
        StoreError
            If the file is missing or not what was written.
        """
        return read_text(self.root, name)

    def write_text(self, name: str, text: str) -> None:
        """Replace a text file of the run folder, whole and durably."""
        self.write_texts({name: text})

    def write_texts(self, texts: Mapping[str, str], below: str = "") -> None:
        """Replace text files by name; of a folder `below`, earlier ones not among them go."""
        write_texts(self._writer, texts, below)

    # notes: of interest as long as this holder lives, neither durable nor kept

    def write_note(self, name: str, text: str) -> None:
        """Leave a word for the other processes of the same holder."""
        with self._writer.writing(path := self._writer.desk / name):
            path.write_text(text)

    def read_note(self, name: str) -> str:
        """What `write_note` left; "" if nothing."""
        path = self._writer.desk / name
        return path.read_text() if path.is_file() else ""

    def remove_note(self, name: str) -> None:
        """Forget a note; nothing if there is none."""
        path = self._writer.desk / name
        with writing(path), suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()  # who was taken over has no desk

    # failures

    def _failure(self, key: str) -> Path:
        return within(self.root, "failures", f"{check_key(key)}.json")

    def record_failure(self, key: str, record: Mapping[str, Any]) -> None:
        """Remember why a task failed."""
        self._writer.replace(self._failure(key), document_bytes(record, key))

    def failures(self) -> dict[str, dict[str, Any]]:
        """What failed and why, by key."""
        paths = sorted((self.root / "failures").glob("*.json"))
        return {path.stem: self.read_json(f"failures/{path.name}") for path in paths}

    def clear_failure(self, key: str) -> None:
        """Forget a failure; nothing if there is none."""
        path = self._failure(key)
        with self._writer.writing(path):
            self._writer.discard(path)


def _check_format(root: Path) -> None:
    try:
        found = read_document(root / _MARK).get("format")
    except StoreError as error:
        if _of_format_1(root / _MARK):
            found = 1
        else:
            raise error from None
    if found != _FORMAT:
        advice = "install the ionflow that wrote it" + ("" if found == 1 else ", or a later one")
        again = "; or choose another --out and run again" if found == 1 else ""
        raise StoreError(
            f"a run folder of format {found}; this ionflow reads format {_FORMAT}",
            where=str(root),
            hint=advice + again,
        )


def _is_sound(mark: Path) -> bool:
    try:
        read_document(mark)
    except StoreError:
        return mark.is_file() and _of_format_1(mark)
    return True


def _of_format_1(mark: Path) -> bool:
    return b'"sha256"' not in mark.read_bytes() and b'"format": 1' in mark.read_bytes()


def _is_empty(root: Path) -> bool:
    # .tmp alone is what a crash leaves before the folder was marked
    return root.is_dir() and all(path.name == ".tmp" for path in root.iterdir())

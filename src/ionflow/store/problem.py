"""What is wrong with a run folder, each with the path that shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ionflow.errors import StoreError
from ionflow.store.archive import damage


@dataclass(frozen=True, order=True)
class Problem:
    """Something that is damaged, missing, or does not fit."""

    path: Path
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def tried(path: Path, act: Callable[..., object], *args: object) -> Iterator[Problem]:
    """The problem that an act meets, whatever a file of that name turns out to be."""
    try:
        with damage(path):
            act(*args)
    except StoreError as error:
        yield Problem(Path(error.where or path), error.what.rstrip("."))


def listed(folder: Path, pattern: str) -> list[Path]:
    """Files of a folder by a pattern, sorted; none if it is no folder that can be read."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []

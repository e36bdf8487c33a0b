"""Text files read by lines, many at a time, that know where they are."""

from __future__ import annotations

import gzip
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from ionflow.errors import DataError


class CutShortError(Exception):
    """The file ends within a frame."""


class Lines:
    """A text file, plain or gzipped, read forward.

    Attributes
    ----------
    number : of lines read so far
    """

    def __init__(self, path: Path) -> None:
        self.path, self.number = path, 0
        self._file = _opened(path)
        self._next: bytes | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def at_end(self) -> bool:
        """Whether nothing but blank lines is left."""
        while self._next is None or not self._next.strip():
            self._next = self._file.readline()
            if not self._next:
                return True
            self.number += not self._next.strip()
        return False

    def line(self) -> str:
        """The next line, without its end."""
        return self.take(1).decode(errors="replace").strip()

    def take(self, count: int) -> bytes:
        """The next lines as they are.

        Raises
        ------
        CutShortError
            If there are fewer, or the last has no end: then a number may be cut in two.
        """
        first = [self._next] if self._next else []
        self._next = None
        lines = [*first[:count], *islice(self._file, count - len(first[:count]))]
        self.number += len(lines)
        if len(lines) < count or not lines[-1].endswith(b"\n"):
            raise CutShortError
        return b"".join(lines)


def _opened(path: Path) -> IO[bytes]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        return cast("IO[bytes]", opener(path, "rb"))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error

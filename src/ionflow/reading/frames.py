"""What all readers of text files do alike: one frame after another, and what can go wrong."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from ionflow.errors import DataError
from ionflow.reading.lines import CutShortError, Lines
from ionflow.reading.options import Reading
from ionflow.reading.snapshot import Notes, Snapshot

#: what a disk, or a damaged gzip file, raises
UNREADABLE = (OSError, EOFError, zlib.error)

Parse = Callable[[Lines, str], Snapshot]
"""Reads one frame; is given how messages name it."""


def frames(path: Path, reading: Reading, notes: Notes, parse: Parse) -> Iterator[Snapshot]:
    """The frames of a text file, one at a time.

    Raises
    ------
    DataError
        If a frame cannot be understood, or the last is cut short and that is not to be borne.
    """
    with Lines(path) as lines:
        for number in count():
            if _ended(lines, number):
                return
            where = f"frame {number} (line {lines.number + 1})"
            try:
                snapshot = parse(lines, where)
            except CutShortError:
                _cut_short(lines, where, reading, notes)
                return
            except (ValueError, IndexError) as error:
                place = f"{path}, {where}"
                raise DataError(f"cannot be understood: {error}", where=place) from error
            except UNREADABLE as error:
                raise DataError(f"cannot be read: {error}", where=f"{path}, {where}") from error
            yield snapshot


def _ended(lines: Lines, number: int) -> bool:
    try:
        ended = lines.at_end()
    except UNREADABLE as error:
        where = f"{lines.path}, frame {number}"
        raise DataError(f"cannot be read: {error}", where=where) from error
    return ended


def _cut_short(lines: Lines, where: str, reading: Reading, notes: Notes) -> None:
    if reading.truncated == "error":
        raise DataError(
            f"the file ends within this frame, at line {lines.number}",
            where=f"{lines.path}, {where}",
            hint="truncated='drop' leaves the frame out; a last line needs a line end",
        )
    notes["truncated"] = f"{where} is cut short and left out"

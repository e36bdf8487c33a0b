"""XDATCAR of VASP, read frame by frame; the cell may change (https://www.vasp.at/wiki/XDATCAR)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ionflow.kinds import FloatArray
from ionflow.reading.frames import frames
from ionflow.reading.lines import Lines
from ionflow.reading.options import Reading
from ionflow.reading.snapshot import Column, Notes, Snapshot


def xdatcar(path: Path, reading: Reading, notes: Notes) -> Iterator[Snapshot]:
    """Frames of an XDATCAR, which does not number its steps and wraps its atoms.

    Raises
    ------
    DataError
        If a frame is not as VASP writes it.
    """
    return frames(path, reading, notes, _Parser())


class _Parser:
    """Keeps the cell and the elements until the file gives others."""

    def __init__(self) -> None:
        self._cell: FloatArray | None = None
        self._symbols: Column = np.empty(0, str)

    def __call__(self, lines: Lines, where: str) -> Snapshot:
        first = lines.line()
        if not _begins_frame(first):
            self._head(lines)
            first = lines.line()
        if not _begins_frame(first) or self._cell is None:
            raise ValueError(
                f"line {lines.number} should be 'Direct configuration=': {first[:60]!r}"
            )
        count = len(self._symbols)
        values = np.array(lines.take(count).split(), dtype=np.float64).reshape(count, -1)
        return Snapshot(
            where=where,
            cell=self._cell,
            positions=values[:, :3] @ self._cell,
            columns={"symbol": self._symbols},
        )

    def _head(self, lines: Lines) -> None:
        """The lines after the comment: scale, cell, elements, counts."""
        scale = float(lines.line())
        cell = np.array(lines.take(3).split(), dtype=np.float64).reshape(3, 3)
        # a negative scale is the volume
        factor = scale if scale > 0 else (-scale / abs(np.linalg.det(cell))) ** (1 / 3)
        names, counts = lines.line().split(), lines.line().split()
        if len(names) != len(counts) or not names:
            raise ValueError(f"line {lines.number - 1} should name the elements")
        self._cell = cell * factor
        # VASP 6 writes the element with the hash of its potential, as in Li/1a2b3c
        bare = [name.partition("/")[0].partition("_")[0] for name in names]
        self._symbols = np.repeat(bare, [int(n) for n in counts])


def _begins_frame(line: str) -> bool:
    return line.lower().startswith("direct configuration")

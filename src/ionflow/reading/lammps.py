"""Text dumps of LAMMPS (`dump custom`), read frame by frame.

https://docs.lammps.org/dump.html, https://docs.lammps.org/Howto_triclinic.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final, Literal, cast

import numpy as np

from ionflow.errors import DataError
from ionflow.kinds import FloatArray
from ionflow.reading.frames import frames
from ionflow.reading.lines import Lines
from ionflow.reading.options import Reading
from ionflow.reading.snapshot import Column, Notes, Snapshot
from ionflow.units import FS_PER_PS

#: columns of positions, the most telling first: names, whether scaled, whether unwrapped
POSITIONS: Final = (
    (("xu", "yu", "zu"), False, True),
    (("xsu", "ysu", "zsu"), True, True),
    (("x", "y", "z"), False, False),
    (("xs", "ys", "zs"), True, False),
)
IMAGES: Final = ("ix", "iy", "iz")
VELOCITIES: Final = ("vx", "vy", "vz")
RENAMED: Final = {"element": "symbol", "q": "charge"}
NUMBERS: Final = {
    "id",
    "q",
    "mass",
    *IMAGES,
    *VELOCITIES,
    *(n for names, *_ in POSITIONS for n in names),
}
TAKEN: Final = NUMBERS - {"id", "q", "mass"}

#: Å/fs in the unit of velocity of each style of units, and fs in its unit of time
ANGSTROM_PER_FS: Final[Mapping[str, float]] = {"metal": 1 / FS_PER_PS, "real": 1.0}
FS: Final[Mapping[str, float]] = {"metal": FS_PER_PS, "real": 1.0}


def lammps(path: Path, reading: Reading, notes: Notes) -> Iterator[Snapshot]:
    """Frames of a text dump, atoms in order of their ids.

    Positions are taken from xu yu zu, xsu ysu zsu, or x y z or xs ys zs with ix iy iz where those
    are there: unwrapped all of them. Otherwise they are wrapped.

    Raises
    ------
    DataError
        If a frame is not as LAMMPS writes it, or the box is not periodic or not three-dimensional.
    """
    return frames(path, reading, notes, _Parser(reading, notes))


@dataclass
class _Head:
    """What stands above the atoms of a frame."""

    step: int | None = None
    time: float | None = None
    count: int = 0
    origin: FloatArray | None = None
    cell: FloatArray | None = None


class _Parser:
    def __init__(self, reading: Reading, notes: Notes) -> None:
        self._units, self._notes = reading.units, notes

    def __call__(self, lines: Lines, where: str) -> Snapshot:
        head = _Head()
        while True:
            item = lines.line()
            if item.startswith("ITEM: ATOMS"):
                return self._snapshot(lines, head, item.split()[2:], where)
            self._item(lines, item, head)

    def _item(self, lines: Lines, item: str, head: _Head) -> None:
        if item == "ITEM: TIMESTEP":
            head.step = int(lines.line())
        elif item == "ITEM: NUMBER OF ATOMS":
            head.count = int(lines.line())
        elif item == "ITEM: UNITS":
            self._check_units(lines.line())
        elif item == "ITEM: TIME":
            head.time = float(lines.line())
        elif item.startswith("ITEM: BOX BOUNDS"):
            head.origin, head.cell = box(item.split()[3:], lines.take(3))
        else:
            raise ValueError(f"line {lines.number} is not an ITEM of a dump: {item[:60]!r}")

    def _check_units(self, units: str) -> None:
        if units not in ANGSTROM_PER_FS:
            raise DataError(
                f"the dump is in units {units}",
                hint=f"ionflow reads {' and '.join(ANGSTROM_PER_FS)}",
            )
        self._units = self._units or cast("Literal['metal', 'real']", units)

    def _snapshot(self, lines: Lines, head: _Head, names: list[str], where: str) -> Snapshot:
        if head.cell is None or head.origin is None or not head.count:
            raise ValueError("there is no box or no number of atoms above the atoms")
        table = _table(lines, head.count, names)
        positions, unwrapped = _positions(table, head)
        units = self._units or "metal"
        moving = set(VELOCITIES) <= set(table)
        if moving:
            self._notes["velocities_from"] = f"units {units}" + (
                "" if self._units else " (assumed)"
            )
        return Snapshot(
            where=where,
            cell=head.cell,
            positions=positions,
            columns={RENAMED.get(n, n): v for n, v in table.items() if n not in TAKEN},
            unwrapped=unwrapped,
            step=head.step,
            time_ps=None if head.time is None else head.time * FS[units] / FS_PER_PS,
            velocities=_matrix(table, VELOCITIES) * ANGSTROM_PER_FS[units] if moving else None,
        )


def _table(lines: Lines, count: int, names: list[str]) -> dict[str, Column]:
    """The columns of a frame's atoms, by id."""
    text = lines.take(count)
    first = text[: text.index(b"\n")].decode(errors="replace").split()
    try:
        dtype = [(n, _dtype(n, word)) for n, word in zip(names, first, strict=True)]
        rows = np.loadtxt(BytesIO(text), dtype=dtype, comments=None, ndmin=1, encoding="utf-8")
    except ValueError as error:
        raise ValueError(_explanation(text, names, lines.number - count) or error) from error
    if len(rows) != count:
        raise ValueError("there are blank lines among the atoms")
    if "id" in names:
        rows = rows[np.argsort(rows["id"], kind="stable")]
        if (np.diff(rows["id"]) == 0).any():
            raise ValueError("an id is there twice")
    return {name: np.ascontiguousarray(rows[name]) for name in names}


def _dtype(name: str, word: str) -> str:
    """How a column is kept, told by its name or else by its first value."""
    if name in NUMBERS:
        return "i8" if name == "id" else "f8"
    if word.lstrip("-").isdigit():
        return "i8"
    try:
        float(word)
    except ValueError:
        return "U32"
    return "f8"


def _explanation(text: bytes, names: list[str], before: int) -> str:
    """Which line has too few values or too many; "" if none."""
    for number, row in enumerate(text.splitlines(), before + 1):
        if row.startswith(b"ITEM:"):
            return f"line {number} begins another frame: there are fewer atoms than announced"
        if len(row.split()) != len(names):
            return (
                f"line {number} has {len(row.split())} values for {len(names)} columns "
                f"({' '.join(names)})"
            )
    return ""


def _matrix(table: Mapping[str, Column], names: tuple[str, ...]) -> FloatArray:
    found: FloatArray = np.stack([table[name] for name in names], axis=1).astype(np.float64)
    return found


def _positions(table: Mapping[str, Column], head: _Head) -> tuple[FloatArray, bool]:
    """(atom, 3) Å from the origin of the box, and whether they are unwrapped."""
    cell, origin = cast("FloatArray", head.cell), cast("FloatArray", head.origin)
    for names, scaled, unwrapped in POSITIONS:
        if set(names) <= set(table):
            raw = _matrix(table, names)
            placed: FloatArray = raw @ cell if scaled else raw - origin
            if unwrapped or not set(IMAGES) <= set(table):
                return placed, unwrapped
            return placed + _matrix(table, IMAGES) @ cell, True
    wanted = ", ".join(" ".join(names) for names, *_ in POSITIONS)
    raise ValueError(f"there are no positions among {' '.join(table)}; one of {wanted} is needed")


def box(flags: list[str], text: bytes) -> tuple[FloatArray, FloatArray]:
    """Origin (3,) and cell (3, 3) of a box, Å, from its three lines of bounds.

    Raises
    ------
    DataError
        If it is not periodic in all directions.

    >>> box(["xy", "xz", "yz", "pp", "pp", "pp"], b"0 12 2\\n0 10 0\\n0 10 0\\n")[1].tolist()
    [[10.0, 0.0, 0.0], [2.0, 10.0, 0.0], [0.0, 0.0, 10.0]]
    """
    open_sides = [flag for flag in flags if set(flag) & set("fsm") and len(flag) == 2]
    if open_sides:
        raise DataError(
            f"the box is not periodic in all directions ({' '.join(flags[-3:])})",
            hint="ionflow analyses bulk: boundary p p p",
        )
    rows = np.array(text.split(), dtype=np.float64).reshape(3, -1)
    if flags[:2] == ["abc", "origin"]:
        return rows[:, 3], rows[:, :3]
    if rows.shape[1] == 2:
        return rows[:, 0], np.diag(rows[:, 1] - rows[:, 0])
    xy, xz, yz = rows[:, 2]
    low = rows[:, 0] - [min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0]
    high = rows[:, 1] - [max(0.0, xy, xz, xy + xz), max(0.0, yz), 0.0]
    cell = np.diag(high - low)
    cell[1, 0], cell[2, 0], cell[2, 1] = xy, xz, yz
    return low, cell

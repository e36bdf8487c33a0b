"""Frames that are ASE Atoms: given, or read by ASE from extended XYZ and .traj files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ionflow.errors import DataError
from ionflow.reading.frames import frames
from ionflow.reading.lines import Lines
from ionflow.reading.options import Reading
from ionflow.reading.snapshot import Column, Notes, Snapshot

if TYPE_CHECKING:
    from ase import Atoms

#: arrays of Atoms that are no property to tell species by
_TAKEN = {"positions", "numbers", "momenta", "initial_charges", "masses", "forces"}
# ASE's readers raise whatever their parsing trips over
_UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError,
               AssertionError, StopIteration, EOFError, SyntaxError, MemoryError)  # fmt: skip


def of_atoms(images: Iterable[Atoms]) -> Iterator[Snapshot]:
    """Frames of ASE Atoms.

    Raises
    ------
    DataError
        If something else is among them, or a cell is not periodic in all directions.
    """
    for number, image in enumerate(images):
        yield snapshot(image, f"frame {number}")


def snapshot(atoms: Atoms, where: str) -> Snapshot:
    """One frame from Atoms: with momenta, charges, masses, energy and stress if it has them.

    `info["step"]` and `info["time_ps"]` are taken as ionflow's exports write them.
    """
    from ase.units import fs

    _check(atoms, where)
    step, time = atoms.info.get("step"), atoms.info.get("time_ps")
    return Snapshot(
        where=where,
        cell=np.array(atoms.cell.array),
        positions=np.array(atoms.positions),
        columns=_columns(atoms),
        step=int(step) if isinstance(step, int | np.integer) else None,
        time_ps=float(time) if isinstance(time, int | float | np.number) else None,
        velocities=np.array(atoms.get_velocities() * fs) if atoms.has("momenta") else None,
        energies=_energies(atoms),
    )


def _check(atoms: Any, where: str) -> None:
    from ase import Atoms

    if not isinstance(atoms, Atoms):
        raise DataError(
            f"a {type(atoms).__name__} where ASE Atoms are expected",
            where=where,
            hint="ionflow.read(path) reads a file",
        )
    if not atoms.pbc.all() or atoms.cell.rank < 3:
        raise DataError(
            "the cell is not periodic in all three directions",
            where=where,
            hint='give it one: extended XYZ has Lattice="..." pbc="T T T", Atoms set_cell, set_pbc',
        )


def _columns(atoms: Atoms) -> dict[str, Column]:
    others = {n: v for n, v in atoms.arrays.items() if n not in _TAKEN and v.ndim == 1}
    columns = {**others, "symbol": np.array(atoms.get_chemical_symbols())}
    if atoms.has("initial_charges"):
        columns["charge"] = np.array(atoms.get_initial_charges())
    if atoms.has("masses"):
        columns["mass"] = np.array(atoms.get_masses())
    return columns


def _energies(atoms: Atoms) -> dict[str, Any]:
    """What a calculator knows without calculating anything."""
    known = {"potential_energy": _known(atoms, "energy"), "stress": _known(atoms, "stress")}
    found = {name: np.asarray(v, dtype=float) for name, v in known.items() if v is not None}
    if "stress" in found and found["stress"].shape != (6,):
        del found["stress"]
    return found


def _known(atoms: Atoms, name: str) -> Any:
    from ase.calculators.calculator import BaseCalculator, PropertyNotImplementedError

    if not isinstance(atoms.calc, BaseCalculator):
        return None
    try:
        return atoms.calc.get_property(name, atoms, allow_calculation=False)
    except PropertyNotImplementedError:
        return None


def extxyz(path: Path, reading: Reading, notes: Notes) -> Iterator[Snapshot]:
    """Frames of an extended XYZ file, each parsed by ASE.

    Raises
    ------
    DataError
        If a frame cannot be understood or has no periodic cell.
    """
    return frames(path, reading, notes, _xyz_frame)


def _xyz_frame(lines: Lines, where: str) -> Snapshot:
    from ase.io.extxyz import read_xyz

    count = int(lines.line())
    text = f"{count}\n{lines.take(count + 1).decode()}"
    try:
        (atoms,) = read_xyz(StringIO(text), 0)
        return snapshot(atoms, where)
    except _UNREADABLE as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def traj(path: Path, reading: Reading, notes: Notes) -> Iterator[Snapshot]:
    """Frames of a file of ASE's own format.

    Raises
    ------
    DataError
        If it cannot be opened, or a frame of it cannot be read.
    """
    from ase.io.trajectory import TrajectoryReader

    try:
        reader = TrajectoryReader(path)
    except _UNREADABLE as error:
        raise DataError(f"ASE cannot read it: {error}", where=str(path)) from error
    with reader:
        for number in range(len(reader)):
            try:
                found = snapshot(reader[number], f"frame {number}")
            except _UNREADABLE as error:
                _cut_short(path, number, len(reader), error, reading, notes)
                return
            yield found


def _cut_short(
    path: Path, number: int, count: int, error: Exception, reading: Reading, notes: Notes
) -> None:
    if reading.truncated == "error" or number < count - 1:
        raise DataError(
            f"ASE cannot read this frame of {count} ({type(error).__name__}: {error})",
            where=f"{path}, frame {number}",
            hint="truncated='drop' leaves out a last frame that is cut short",
        ) from error
    notes["truncated"] = f"frame {number} is cut short and left out"

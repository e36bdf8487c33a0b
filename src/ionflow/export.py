"""Trajectories of a run in the formats of other programs, written frame by frame."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ionflow.cube import export_maps
from ionflow.errors import DataError
from ionflow.kinds import FloatArray
from ionflow.schema import require
from ionflow.units import FS_PER_PS
from ionflow.view import Row, Run

if TYPE_CHECKING:
    from ase import Atoms

#: name → suffix
FORMATS: Mapping[str, str] = {"extxyz": ".extxyz", "traj": ".traj", "lammpsdump": ".lammpstrj"}

_BLOCK_BYTES = 32 * 1024 * 1024


def export(
    run: str | Path | Run,
    to: str = "extxyz",
    out: str | Path | None = None,
    *,
    stage: str | None = None,
    every: int = 1,
    **coords: Any,
) -> list[Path]:
    """Write trajectories of a run as files, one each, holding a few frames in memory at a time.

    Positions stay unwrapped, as they are in the store: an atom that left the cell is outside it,
    so that displacements can be taken from the file. Velocities are written where they were
    recorded, energies (extxyz, traj) always.

    A box of LAMMPS has its first vector along x and its second in the xy plane. A cell that lies
    otherwise is turned into that frame with its atoms; where such a cell changes with time, each
    frame is turned by itself.

    Parameters
    ----------
    run : the run, or its folder
    to : extxyz, traj (ASE), or lammpsdump (text, `xu yu zu`, units of LAMMPS' style metal); or
        cube, for the densities that the analysis `density_map` found, `<analysis>-<case>.cube`
    out : folder for the files; `export` in the run's folder if None
    stage : name of the stage; the last recorded one if None
    every : write each n-th frame
    coords : values along the scan's axes and `replica`, to select

    Returns
    -------
    The files, `<stage>-<case>.<suffix>`.

    Raises
    ------
    DataError
        If the format is unknown, nothing is selected, or a trajectory has no positions.
    """
    run = run if isinstance(run, Run) else Run(run)
    folder = run.path / "export" if out is None else Path(out)
    if to == "cube":
        if stage is not None or every != 1:
            raise DataError("a map is of no stage and no frame", hint="leave out stage and every")
        return export_maps(run, folder, **coords)
    if to not in FORMATS:
        raise DataError(f"unknown format {to!r}", hint=f"Formats: {', '.join(FORMATS)}, cube")
    if every < 1:
        raise DataError(f"every must be 1 or more, not {every}")
    rows = _selected(run, stage, coords)
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(run, row, to, folder, every) for row in rows]


def _selected(run: Run, stage: str | None, coords: Mapping[str, Any]) -> list[Row]:
    if stage is None:
        recorded = [row.name for row in run.stages if row.record]
        if not recorded:
            hint = "Positions are kept only in a stage with record: true"
            raise DataError("no stage of this run is recorded", where=str(run.path), hint=hint)
        stage = recorded[-1]
    matching = run.select(stage, **coords)
    rows = [row for row in matching if run.store.progress(row.key) > 0]
    if not rows:
        hint = f"Cases of {stage}: {', '.join(row.case for row in run.select(stage)[:8])}, …"
        raise DataError("no trajectory that has begun matches", where=str(run.path), hint=hint)
    return rows


def _write(run: Run, row: Row, to: str, folder: Path, every: int) -> Path:
    dataset = run.store.trajectory(row.key)
    require(dataset, "positions", "cell")
    path = folder / f"{row.file}{FORMATS[to]}"
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with _WRITERS[to](partial) as write:
            for frame in frames(dataset, every):
                write(frame)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def frames(dataset: xr.Dataset, every: int = 1) -> Iterator[Atoms]:
    """Frames of a trajectory as ASE Atoms, read in blocks of a few megabytes.

    Each has positions (unwrapped), cell, formal charges, momenta if velocities were recorded,
    `info["step"]` and `info["time_ps"]`, and a calculator that knows potential energy and stress.
    """
    kept = dataset.isel(time=slice(None, None, every))
    block = max(1, _BLOCK_BYTES // (dataset.sizes["atom"] * 3 * 8))
    for start in range(0, kept.sizes["time"], block):
        part = kept.isel(time=slice(start, start + block)).load()
        for index in range(part.sizes["time"]):
            yield _atoms(part, index)


def _atoms(part: xr.Dataset, index: int) -> Atoms:
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.units import fs

    values = {
        str(name): array.values[index]
        for name, array in part.variables.items()
        if array.dims[:1] == ("time",)
    }
    atoms = Atoms(
        part["element"].values.tolist(),
        np.asarray(values["positions"], dtype=float),
        cell=values["cell"],
        pbc=True,
        masses=part["mass"].values,
        charges=part["charge"].values if "charge" in part.variables else None,
    )
    if "velocities" in values:
        atoms.set_velocities(np.asarray(values["velocities"], dtype=float) / fs)
    atoms.info = {"step": int(values["step"]), "time_ps": float(values["time"])}
    known = {
        name: values[source]
        for name, source in (("energy", "potential_energy"), ("stress", "stress"))
        if source in values and np.isfinite(values[source]).all()
    }
    atoms.calc = SinglePointCalculator(atoms, **known)
    return atoms


def _extxyz(path: Path) -> AbstractContextManager[Callable[[Atoms], None]]:
    from ase.io.extxyz import write_xyz

    return _Opened(path, write_xyz)


def _lammpsdump(path: Path) -> AbstractContextManager[Callable[[Atoms], None]]:
    return _Opened(path, write_lammps_frame)


class _Opened(AbstractContextManager[Callable[["Atoms"], None]]):
    """A text file to which frames are appended."""

    def __init__(self, path: Path, write: Callable[[IO[str], Atoms], None]) -> None:
        self._path, self._append = path, write

    def __enter__(self) -> Callable[[Atoms], None]:
        self._file = self._path.open("w", encoding="utf-8")
        return lambda atoms: self._append(self._file, atoms)

    def __exit__(self, *error: object) -> None:
        self._file.close()


class _Traj(AbstractContextManager[Callable[["Atoms"], None]]):
    """A file of ASE's own binary format."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Callable[[Atoms], None]:
        from ase.io.trajectory import TrajectoryWriter

        self._writer = TrajectoryWriter(self._path, "w")
        return self._write

    def _write(self, atoms: Atoms) -> None:
        self._writer.write(atoms)

    def __exit__(self, *error: object) -> None:
        with closing(self._writer):
            pass


_WRITERS: Mapping[str, Callable[[Path], AbstractContextManager[Callable[[Atoms], None]]]] = {
    "extxyz": _extxyz,
    "traj": _Traj,
    "lammpsdump": _lammpsdump,
}


def turned(cell: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The cell in LAMMPS' frame and the rotation that brings row vectors there.

    cell : (3, 3) Å, rows are lattice vectors. The result is lower triangular with a positive
    diagonal (https://docs.lammps.org/Howto_triclinic.html). A left-handed cell is also mirrored.
    """
    if not np.triu(cell, 1).any() and (np.diag(cell) > 0).all():
        return cell, np.eye(3)
    lower = np.asarray(np.linalg.cholesky(cell @ cell.T), dtype=np.float64)
    return lower, np.asarray(np.linalg.solve(cell, lower), dtype=np.float64)


def write_lammps_frame(file: IO[str], atoms: Atoms) -> None:
    """Append one frame to a text dump: positions Å, velocities Å/ps, ids from 1."""
    from ase.units import fs

    cell, rotation = turned(np.asarray(atoms.cell.array))
    columns = [atoms.positions @ rotation]
    names = "xu yu zu"
    if atoms.has("momenta"):
        columns.append(atoms.get_velocities() @ rotation * fs * FS_PER_PS)
        names += " vx vy vz"
    step = atoms.info.get("step", 0)
    file.write(f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{len(atoms)}\n")
    file.write(_box(cell))
    file.write(f"ITEM: ATOMS id type element {names}\n")
    symbols = atoms.get_chemical_symbols()
    types = {symbol: n for n, symbol in enumerate(dict.fromkeys(symbols), start=1)}
    for number, (symbol, values) in enumerate(zip(symbols, np.hstack(columns), strict=True), 1):
        numbers = " ".join(f"{value:.8f}" for value in values)
        file.write(f"{number} {types[symbol]} {symbol} {numbers}\n")


def _box(cell: FloatArray) -> str:
    lengths, (xy, xz, yz) = np.diag(cell), (cell[1, 0], cell[2, 0], cell[2, 1])
    if not (xy or xz or yz):
        sides = "".join(f"0.0 {length:.10f}\n" for length in lengths)
        return f"ITEM: BOX BOUNDS pp pp pp\n{sides}"
    # LAMMPS writes the bounds of the box around the tilted cell
    x = (min(0.0, xy, xz, xy + xz), lengths[0] + max(0.0, xy, xz, xy + xz))
    y = (min(0.0, yz), lengths[1] + max(0.0, yz))
    rows = [(*x, xy), (*y, xz), (0.0, lengths[2], yz)]
    sides = "".join(" ".join(f"{value:.10f}" for value in row) + "\n" for row in rows)
    return f"ITEM: BOX BOUNDS xy xz yz pp pp pp\n{sides}"

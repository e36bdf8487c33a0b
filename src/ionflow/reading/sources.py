"""Trajectories that ionflow did not make, in its schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import xarray as xr

from ionflow.errors import DataError
from ionflow.reading.atoms import extxyz, of_atoms, traj
from ionflow.reading.collecting import collected
from ionflow.reading.lammps import lammps
from ionflow.reading.options import Reading
from ionflow.reading.snapshot import Notes, Snapshot
from ionflow.reading.stored import adjusted
from ionflow.reading.xdatcar import xdatcar
from ionflow.store import open_trajectory

if TYPE_CHECKING:
    from ase import Atoms

Reader = Callable[[Path, Reading, Notes], Iterator[Snapshot]]

READERS: Final[Mapping[str, Reader]] = {
    "lammps": lammps,
    "xdatcar": xdatcar,
    "extxyz": extxyz,
    "traj": traj,
}
#: how names of files end (xdatcar: begin)
ENDINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "lammps": (".lammpstrj", ".lammpsdump", ".dump"),
    "xdatcar": ("XDATCAR",),
    "extxyz": (".extxyz", ".xyz"),
    "traj": (".traj",),
    "zarr": (".zarr",),
}


def read(
    path: str | Path, *, out: str | Path | None = None, replace: bool = False, **options: Any
) -> xr.Dataset:
    """A trajectory from a file of another program or a zarr store, as `ionflow.schema` has it.

    Files are read frame by frame: text dumps of LAMMPS (`dump custom`), XDATCAR of VASP, extended
    XYZ, ASE's .traj; text may be gzipped. Positions come out unwrapped: from xu yu zu or image
    flags where the file has them, else by minimum image from frame to frame.

    Parameters
    ----------
    path : a file, a zarr folder that holds the schema, or the folder of one trajectory of a run
    out : a zarr folder to write the trajectory to, for those larger than memory; what is returned
        is then read from there as it is used. Positions are stored to 2⁻¹⁰ Å
    replace : whether a store at `out` gives way
    options : fields of `ionflow.reading.Reading`: timestep_fs, frame_every, every, start_ps,
        format, elements, species, charges, masses, temperature_K, unwrapped, units, truncated

    Returns
    -------
    Dataset; its attributes tell where positions, charges, masses and temperature come from. In
    memory, or lazy if it lies in a store.

    Raises
    ------
    DataError
        If the format is not known, a frame cannot be understood or is cut short, atoms come or go,
        the duration of a step or the elements are not known, or atoms move too far between frames
        for their periodic image to be told.

    Examples
    --------
    >>> ionflow.read("dump.lammpstrj", timestep_fs=1, elements={1: "Li", 2: "Cl"})  # doctest: +SKIP
    """
    path, reading = Path(path), Reading.of(options)
    kind = reading.format or format_of(path)
    if kind != "zarr":
        notes: Notes = {}
        snapshots = READERS[kind](path, reading, notes)
        return collected(snapshots, reading, notes, str(path), out, replace)
    if out is not None:
        raise DataError("it is a store already", where=str(path), hint="leave out= away")
    return adjusted(open_trajectory(path), reading, set(options) - {"format"}, str(path))


def from_ase(
    frames: Iterable[Atoms],
    *,
    out: str | Path | None = None,
    replace: bool = False,
    **options: Any,
) -> xr.Dataset:
    """A trajectory from ASE Atoms, as `ionflow.schema` has it.

    Parameters
    ----------
    frames : in order of time, periodic in all directions; a list, an open ase.io.Trajectory, or
        what `ase.io.iread` gives, of which one frame is in memory at a time
    out, replace, options : as for `ionflow.read`. `timestep_fs` is the time between frames, unless
        frame_every says that there are several steps between them, or frames carry info["step"]

    Raises
    ------
    DataError
        As `ionflow.read` does.

    Examples
    --------
    >>> import numpy as np
    >>> from ase import Atoms
    >>> cell = [5, 5, 5]
    >>> frames = [Atoms("LiCl", [[x, 0, 0], [2, 2, 2]], cell=cell, pbc=True) for x in (4.5, 0.5)]
    >>> trajectory = from_ase(frames, timestep_fs=10)
    >>> trajectory["positions"].sel(xyz="x").values[:, 0]
    array([4.5, 5.5], dtype=float32)
    >>> trajectory.attrs["charges_from"]
    'common oxidation numbers, which make the cell neutral'
    """
    reading, notes = Reading.of(options), Notes()
    return collected(of_atoms(frames), reading, notes, "ASE Atoms", out, replace)


def format_of(path: Path) -> str:
    """The format of a file by its name, or else by how it begins.

    Raises
    ------
    DataError
        If there is no such file, or neither tells; it lists what is known.
    """
    if not path.exists():
        raise DataError("no such file or folder", where=str(path))
    if path.is_dir():
        return "zarr"
    name = path.name.removesuffix(".gz")
    for kind, endings in ENDINGS.items():
        if name.endswith(endings) or (kind == "xdatcar" and name.startswith(endings)):
            return kind
    return _by_first_bytes(path)


def _by_first_bytes(path: Path) -> str:
    with path.open("rb") as file:
        first = file.read(16)
    if first.startswith(b"ITEM:"):
        return "lammps"
    if first.startswith(b"- of Ulm"):
        return "traj"
    known = "; ".join(f"{kind} ({', '.join(endings)})" for kind, endings in ENDINGS.items())
    raise DataError(
        "the format is not known",
        where=str(path),
        hint=f"say format=...: {known}. Others that ASE reads: "
        "ionflow.from_ase(ase.io.iread(path), ...)",
    )

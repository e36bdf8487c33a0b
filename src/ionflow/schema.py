"""The trajectory: names, dims, dtypes and units that every analyser may rely on.

A trajectory is an `xarray.Dataset` with these variables (those marked * are optional):

============== ======================== ========= =====================================
name           dims                     units     meaning
============== ======================== ========= =====================================
positions*     time, atom, xyz          angstrom  unwrapped, float32 (absent if not recorded)
velocities*    time, atom, xyz          angstrom/fs
cell           time, vector, xyz        angstrom  rows are lattice vectors
potential_energy, kinetic_energy  time  eV
conserved_energy*  time                 eV        what the equations of motion conserve
temperature    time                     K         instantaneous
stress*        time, voigt              eV/angstrom^3  potential part, ASE's sign
============== ======================== ========= =====================================

Coords: `time` (ps, the index of its dim), `step` (time), `element` (atom, str),
`mass` (atom, amu), `charge` (atom, e; formal), `xyz` = x, y, z, `voigt` = xx yy zz yz xz xy,
and, inside a run, one scalar coord for each axis of the scan, and `replica`.
`attrs`: `timestep_fs`, `stage`, `ensemble`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ionflow.errors import DataError

if TYPE_CHECKING:
    from ase import Atoms

UNITS: dict[str, str] = {
    "time": "ps",
    "step": "1",
    "mass": "amu",
    "charge": "e",
    "positions": "angstrom",
    "velocities": "angstrom/fs",
    "cell": "angstrom",
    "potential_energy": "eV",
    "kinetic_energy": "eV",
    "conserved_energy": "eV",
    "temperature": "K",
    "stress": "eV/angstrom^3",
}

DIMS: dict[str, tuple[str, ...]] = {
    "positions": ("time", "atom", "xyz"),
    "velocities": ("time", "atom", "xyz"),
    "cell": ("time", "vector", "xyz"),
    "potential_energy": ("time",),
    "kinetic_energy": ("time",),
    "conserved_energy": ("time",),
    "temperature": ("time",),
    "stress": ("time", "voigt"),
}

VOIGT = ("xx", "yy", "zz", "yz", "xz", "xy")


def trajectory(
    atoms: Atoms,
    steps: Sequence[int],
    timestep_fs: float,
    variables: Mapping[str, Any],
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """A trajectory of the schema from arrays, numpy or Dask.

    Parameters
    ----------
    atoms : gives elements, masses and initial charges (formal charges, e)
    steps : (time,) absolute steps
    timestep_fs : fs
    variables : arrays by the names of the schema
    attrs : more attributes
    """
    step = np.asarray(steps, dtype=np.int64)
    coords = {
        "time": ("time", step * timestep_fs / 1000.0),
        "step": ("time", step),
        "element": ("atom", np.array(atoms.get_chemical_symbols(), dtype="<U2")),
        "mass": ("atom", np.asarray(atoms.get_masses(), dtype=np.float64)),
        "charge": ("atom", np.asarray(atoms.get_initial_charges(), dtype=np.float64)),
        "xyz": ("xyz", np.array(["x", "y", "z"])),
    }
    if "stress" in variables:
        coords["voigt"] = ("voigt", np.array(VOIGT))
    data = {name: (DIMS[name], value) for name, value in variables.items()}
    dataset = xr.Dataset(data, coords, {"timestep_fs": timestep_fs, **(attrs or {})})
    for name, unit in UNITS.items():
        if name in dataset.variables:
            dataset[name].attrs["units"] = unit
    return dataset


def require(dataset: xr.Dataset, *names: str) -> None:
    """Check that a trajectory has what an analyser is about to read.

    Raises
    ------
    DataError
        Naming every variable that is missing, or a time axis that is not evenly spaced.
    """
    missing = [name for name in names if name not in dataset.variables]
    if missing:
        raise DataError(
            f"the trajectory has no {', '.join(missing)}",
            hint="positions are kept only in a stage with record: true",
        )
    steps = np.diff(dataset["step"].values) if "step" in dataset.variables else np.empty(0)
    if steps.size and (steps != steps[0]).any():
        raise DataError("the frames are not evenly spaced in time")


def frame_interval_ps(dataset: xr.Dataset) -> float:
    """Time between frames in ps."""
    time = dataset["time"].values
    if time.size < 2:
        raise DataError("a trajectory of fewer than two frames has no time step")
    return float((time[-1] - time[0]) / (time.size - 1))

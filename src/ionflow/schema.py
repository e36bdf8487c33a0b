"""The trajectory: names, dims, dtypes and units that every analyser may rely on.

A trajectory is an `xarray.Dataset` with these variables (those marked * are optional):

============== ======================== ========= =====================================
name           dims                     units     meaning
============== ======================== ========= =====================================
positions*     time, atom, xyz          angstrom  unwrapped, float32 (absent if not recorded)
velocities*    time, atom, xyz          angstrom/fs
cell           time, vector, xyz        angstrom  rows are lattice vectors
potential_energy, kinetic_energy  time  eV        always there in a run
conserved_energy*  time                 eV        what the equations of motion conserve
temperature    time                     K         instantaneous; always there in a run
stress*        time, voigt              eV/angstrom^3  potential part, ASE's sign
============== ======================== ========= =====================================

Coords: `time` (ps, the index of its dim), `step` (time), `element` (atom, str; X where unknown),
`species`* (atom, str: what analysers group atoms by; the element if absent), `mass` (atom, amu;
NaN where unknown), `charge` (atom, e; formal; zeros where unknown), `xyz` = x, y, z,
`voigt` = xx yy zz yz xz xy, and, inside a run, one scalar coord for each axis of the scan, and
`replica`. `attrs`: `timestep_fs`, `stage`, `ensemble`; of a trajectory that was read from elsewhere
(`ionflow.read`) also `source`, and where its numbers come from: `time_from`, `positions_from`,
`charges_from`, `masses_from`, `velocities_from`, `temperature_from`.
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

#: what to do about a variable that is not there
_HINTS: dict[str, str] = {
    "positions": "positions are kept only in a stage with record: true",
    "velocities": "velocities are kept only in a stage with velocities: true",
    "temperature": "say temperature_K=... to ionflow.read, or read a file that has velocities",
}

VOIGT = ("xx", "yy", "zz", "yz", "xz", "xy")


def trajectory(
    atoms: Atoms,
    steps: Sequence[int],
    timestep_fs: float,
    variables: Mapping[str, Any],
    attrs: Mapping[str, Any] | None = None,
    species: Sequence[str] | None = None,
) -> xr.Dataset:
    """A trajectory of the schema from arrays, numpy or Dask.

    Parameters
    ----------
    atoms : gives elements, masses and initial charges (formal charges, e)
    steps : (time,) absolute steps
    timestep_fs : fs
    variables : arrays by the names of the schema
    attrs : more attributes
    species : (atom,) what atoms are grouped by, where that is not the element
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
    if species is not None:
        coords["species"] = ("atom", np.array(species, dtype=str))
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
        hints = [_HINTS[name] for name in missing if name in _HINTS]
        raise DataError(f"the trajectory has no {', '.join(missing)}", hint="; ".join(hints))
    steps = np.diff(dataset["step"].values) if "step" in dataset.variables else np.empty(0)
    if steps.size and (steps != steps[0]).any():
        raise DataError("the frames are not evenly spaced in time")


def frame_interval_ps(dataset: xr.Dataset) -> float:
    """Time between frames in ps."""
    time = dataset["time"].values
    if time.size < 2:
        raise DataError("a trajectory of fewer than two frames has no time step")
    return float((time[-1] - time[0]) / (time.size - 1))

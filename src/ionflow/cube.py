"""Maps of density as cube files, which most programs that draw structures read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ionflow.errors import DataError
from ionflow.view import Row, Run

GRID = ("a", "b", "c")


def write_cube(result: xr.Dataset, path: str | Path, variable: str = "density") -> Path:
    """Write one map of a result of `density_map` as a cube file.

    The file holds the mean positions of the atoms that are not mapped, the cell, and the values on
    the grid in the units of the result (1/Å³ or eV; lengths of a cube file are in bohr, values are
    whatever they are said to be). A place that was never visited, of which the free energy is not
    known, is given the highest free energy that could be told.

    Parameters
    ----------
    result : of `density_map`, at one point of a scan
    path : of the file
    variable : density or free_energy

    Returns
    -------
    The path.

    Raises
    ------
    DataError
        If there is no such map, or one for each of several points of a scan.
    """
    from ase import Atoms
    from ase.io.cube import write_cube as write

    values = np.asarray(_map(result, variable).values, dtype=np.float64)
    cell = np.asarray(result["cell"].values, dtype=np.float64)
    if variable == "free_energy":
        values = np.where(np.isfinite(values), values, float(result["highest_free_energy"]))
    atoms = Atoms(
        result["framework_element"].values.tolist(),
        result["framework_position"].values,
        cell=cell,
        pbc=True,
    )
    # values are those at the centres of voxels
    corner = result["origin"].values + 0.5 * (cell / np.array(values.shape)[:, None]).sum(axis=0)
    comment = f"ionflow {variable}, {result[variable].attrs.get('units', '1')}"
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            write(file, atoms, values, origin=corner, comment=comment)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _map(result: xr.Dataset, variable: str) -> xr.DataArray:
    needed = {variable, "cell", "origin", "framework_position", "framework_element"}
    missing = sorted(needed - set(result.variables))
    if missing:
        raise DataError(
            f"the result has no {', '.join(missing)}", hint="give a result of density_map"
        )
    grid = result[variable]
    more = [str(dim) for dim in grid.dims if dim not in GRID]
    if more or set(GRID) - set(grid.dims):
        dims = ", ".join(map(str, grid.dims))
        raise DataError(
            f"{variable} has the dims {dims}, a cube file has {', '.join(GRID)}",
            hint=f"select one point along {', '.join(more)}" if more else "",
        )
    return grid.transpose(*GRID)


def export_maps(run: Run, folder: Path, **coords: Any) -> list[Path]:
    """Write the density of every map of a run, `<analysis>-<case>.cube`.

    Raises
    ------
    DataError
        If the run has no map there.
    """
    rows = [row for row in run.analyses(**coords) if _is_map(run, row)]
    if not rows:
        raise DataError(
            "the run has no map of density there",
            where=str(run.path),
            hint="add the analysis density_map to the recipe and run it again",
        )
    folder.mkdir(parents=True, exist_ok=True)
    return [write_cube(run.store.read_result(row.key), folder / f"{row.file}.cube") for row in rows]


def _is_map(run: Run, row: Row) -> bool:
    found = run.store.read_result(row.key)
    return "density" in found.data_vars and set(GRID) <= set(found["density"].dims)

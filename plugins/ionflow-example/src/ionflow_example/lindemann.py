"""How far atoms stray from their places."""

from __future__ import annotations

import numpy as np
import xarray as xr
from pydantic import Field

from ionflow import Analyser
from ionflow.errors import DataError
from ionflow.schema import frame_interval_ps, require


class Lindemann(Analyser):
    """Lindemann index of each species: how far its atoms stray, in units of their spacing.

    index_s = sqrt(mean |r_i(t) - r̄_i|²) / (V/N)^(1/3) over the atoms i of species s. r̄_i is the
    mean position of atom i within a window of time, so that an atom that leaves its place counts
    as straying, but not the longer the trajectory is. Crystals melt at about 0.1 to 0.15
    (Lindemann 1910). Positions are relative to the centre of mass of all atoms.
    """

    use = "lindemann"

    window_ps: float = Field(1.0, gt=0)
    """Length of a window; a few periods of the slowest vibration. The rest of the trajectory that
    fills no window is left out."""

    def analyse(self, *data: xr.Dataset) -> xr.Dataset:
        """The index by species.

        Parameters
        ----------
        data : one trajectory with positions

        Returns
        -------
        Dataset with `lindemann_index` and `amplitude` (angstrom), both over `species`.

        Raises
        ------
        DataError
            If there are no positions, or the trajectory is shorter than a window.
        """
        (trajectory,) = data
        require(trajectory, "positions", "cell", "mass")
        amplitude = _amplitude(trajectory, self._frames(trajectory))
        cell = trajectory["cell"].transpose("time", "vector", "xyz").values
        volume = float(np.abs(np.linalg.det(cell)).mean())
        spacing = (volume / trajectory.sizes["atom"]) ** (1 / 3)
        result = xr.Dataset({"lindemann_index": amplitude / spacing, "amplitude": amplitude})
        result["lindemann_index"].attrs = {"units": "1", "long_name": "Lindemann index"}
        result["amplitude"].attrs = {"units": "angstrom", "long_name": "root mean square straying"}
        return result

    def _frames(self, trajectory: xr.Dataset) -> int:
        """Frames in a window."""
        frames = max(2, round(self.window_ps / frame_interval_ps(trajectory)))
        if frames > trajectory.sizes["time"]:
            raise DataError(
                f"the trajectory has {trajectory.sizes['time']} frames, a window takes {frames}",
                hint="lengthen the recorded stage or shorten window_ps",
            )
        return frames


def _amplitude(trajectory: xr.Dataset, frames: int) -> xr.DataArray:
    """Root mean square distance from the mean place in windows of some frames: (species,) Å."""
    positions = trajectory["positions"].astype(float)
    drift = positions.weighted(trajectory["mass"]).mean("atom")
    windows = (positions - drift).coarsen(time=frames, boundary="trim")
    instants = windows.construct(time=("window", "instant"))
    squared = instants.var("instant").sum("xyz").mean("window").compute()
    by_species = squared.groupby(trajectory["element"].compute()).mean()
    return (by_species**0.5).rename(element="species")

"""Mean squared displacements."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import xarray as xr

from ionflow.builtin.analysers.brownian import IntArray
from ionflow.builtin.analysers.correlation import mean_squared_displacement
from ionflow.builtin.analysers.labels import labelled, lag_coord, result, species_coord
from ionflow.builtin.analysers.walkers import InFrame, Walkers
from ionflow.kinds import FloatArray


class Msd(InFrame):
    """Mean squared displacement of each species, over all time origins.

    MSD_s(τ) = ⟨|r_i(t+τ) − r_i(t)|²⟩ over the atoms i of species s and all origins t, of
    unwrapped positions relative to the frame of reference, by FFT
    (doi:10.1016/0010-4655(95)00048-K). The standard error is the spread over atoms divided by
    the root of their number: atoms that move together make it too small.
    """

    use: ClassVar[str] = "msd"

    def analyse(self, *data: xr.Dataset) -> xr.Dataset:
        """MSD by species and lag.

        Parameters
        ----------
        data : one trajectory with positions

        Returns
        -------
        Dataset with `msd` (species, lag), `msd_stderr`, `msd_direction` (species, lag, xyz), all
        Å², and `n_atoms` (species).
        """
        (trajectory,) = data
        walkers = self.walkers(trajectory)
        lags = self.lag_frames(walkers)
        curves = [_curves(walkers, species, lags) for species in walkers.species]
        mean, stderr, direction = (np.stack(part) for part in zip(*curves, strict=True))
        return result(
            {
                "msd": labelled(
                    ("species", "lag"), mean, "angstrom^2", "mean squared displacement"
                ),
                "msd_stderr": labelled(
                    ("species", "lag"),
                    stderr,
                    "angstrom^2",
                    "standard error of the MSD from the spread over atoms",
                    definition="sd over atoms / sqrt(atoms); NaN for a single atom",
                ),
                "msd_direction": labelled(
                    ("species", "lag", "xyz"),
                    direction,
                    "angstrom^2",
                    "mean squared displacement along each Cartesian direction",
                ),
                "n_atoms": labelled(
                    ("species",),
                    [len(walkers.atoms[s]) for s in walkers.species],
                    "1",
                    "number of atoms",
                ),
            },
            {
                "species": species_coord(walkers.species),
                "lag": lag_coord(lags, walkers.interval_ps),
                "xyz": labelled(("xyz",), ["x", "y", "z"], "1", "Cartesian direction"),
            },
            trajectory,
            {
                "method": "all time origins by FFT",
                "doi": "10.1016/0010-4655(95)00048-K",
                "frames": walkers.frames,
                **self.frame_attrs(),
            },
        )


def _curves(
    walkers: Walkers, species: str, lags: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean (lag,), its standard error (lag,), and mean by direction (lag, xyz); Å²."""
    count = len(walkers.atoms[species])
    total, squares = np.zeros(len(lags)), np.zeros(len(lags))
    direction = np.zeros((3, len(lags)))
    for paths in walkers.paths(species):
        each, along = mean_squared_displacement(paths, lags)
        total += each.sum(axis=0)
        squares += (each**2).sum(axis=0)
        direction += along * len(paths)
    mean = total / count
    variance = np.maximum(squares / count - mean**2, 0.0)
    stderr = np.sqrt(variance / (count - 1)) if count > 1 else np.full(len(lags), np.nan)
    return mean, stderr, direction.T / count

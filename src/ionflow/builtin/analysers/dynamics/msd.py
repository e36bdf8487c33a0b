"""Mean squared displacements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from ionflow.builtin.analysers.dynamics.motion import SelfMotion, SpeciesMotion
from ionflow.builtin.analysers.inframe import InFrame
from ionflow.builtin.analysers.labels import labelled, lag_coord, result, species_coord
from ionflow.kinds import FloatArray
from ionflow.passes import AnyMeasure, Subject


class Msd(InFrame):
    """Mean squared displacement of each species, over all time origins.

    MSD_s(τ) = ⟨|r_i(t+τ) − r_i(t)|²⟩ over the atoms i of species s and all origins t, of
    unwrapped positions relative to the frame of reference, by FFT
    (doi:10.1016/0010-4655(95)00048-K). The standard error is the spread over atoms divided by
    the root of their number: atoms that move together make it too small.
    """

    use: ClassVar[str] = "msd"
    version: ClassVar[int] = 2

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """Displacements of single atoms."""
        return {
            "motion": SelfMotion(tuple(self.lag_frames(subject).tolist()), reference=self.reference)
        }

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """MSD by species and lag.

        Returns
        -------
        Dataset with `msd` (species, lag), `msd_stderr`, `msd_direction` (species, lag, xyz),
        `msd_atom` (atom, lag), all Å², and `n_atoms` (species); coord `species_of` (atom).
        """
        motions: list[SpeciesMotion] = [found["motion"][s] for s in subject.species]
        mean = np.stack([motion.mean for motion in motions])
        stderr = np.stack([_stderr(motion.each) for motion in motions])
        direction = np.stack([motion.direction.T for motion in motions])
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
                "msd_atom": labelled(
                    ("atom", "lag"),
                    self._by_atom(motions),
                    "angstrom^2",
                    "mean squared displacement of each atom over all time origins",
                ),
                "n_atoms": labelled(
                    ("species",),
                    [len(motion.atoms) for motion in motions],
                    "1",
                    "number of atoms",
                ),
            },
            {
                "species": species_coord(subject.species),
                "species_of": labelled(("atom",), np.array(subject.labels), "1", "species of atom"),
                "lag": lag_coord(self.lag_frames(subject), subject.interval_ps),
                "xyz": labelled(("xyz",), ["x", "y", "z"], "1", "Cartesian direction"),
            },
            subject.data,
            {
                "method": "all time origins by FFT",
                "doi": "10.1016/0010-4655(95)00048-K",
                "frames": subject.frames,
                **self.frame_attrs(),
            },
        )

    @staticmethod
    def _by_atom(motions: Sequence[SpeciesMotion]) -> FloatArray:
        order = np.argsort(np.concatenate([motion.atoms for motion in motions]))
        each: FloatArray = np.concatenate([motion.each for motion in motions])[order]
        return each


def _stderr(each: FloatArray) -> FloatArray:
    """From the spread over atoms, (lag,); NaN for a single atom."""
    if len(each) < 2:
        return np.full(each.shape[1], np.nan)
    stderr: FloatArray = each.std(axis=0, ddof=1) / np.sqrt(len(each))
    return stderr

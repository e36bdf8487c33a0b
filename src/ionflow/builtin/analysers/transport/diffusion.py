"""Tracer diffusion coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from ionflow.builtin.analysers.labels import (
    bound_coord,
    labelled,
    lag_coord,
    result,
    species_coord,
)
from ionflow.builtin.analysers.transport.regime import DiffusiveFit
from ionflow.builtin.analysers.transport.slopes import (
    regime_variables,
    species_slope,
    value_variables,
)
from ionflow.passes import AnyMeasure, Subject
from ionflow.units import CM2_S_PER_A2_PS


class Diffusion(DiffusiveFit):
    """Diffusion coefficient of each species, with intervals, or the verdict that it has none.

    D_s = (1/6) d/dt ⟨|r_i(t) − r_i(0)|²⟩ over the atoms i of species s. The slope and its error are
    those of generalised least squares with the exact covariance of overlapping displacements
    (doi:10.1016/S0006-3495(91)82125-7). The error counts as many independent walkers as the
    displacements of the atoms show, which momentum conservation, concerted motion and trapped
    atoms make fewer than the atoms. A species has no D, but an upper bound, when its mean squared
    displacement stays below the cage criterion (caged), its log-log slope is not 1 (anomalous), or
    the trajectory is too short to tell (undecided).
    """

    use: ClassVar[str] = "diffusion"
    version: ClassVar[int] = 3

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """Displacements of single atoms."""
        return self.motions(subject)

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """D by species.

        Returns
        -------
        Dataset over `species` with `diffusion_coefficient` (cm²/s, NaN if not diffusive), its
        `_stderr`, `_stderr_gls` and `_stderr_blocks`, `ci68`, `ci95` (bound), `upper_bound`,
        `diffusive`, `verdict`, `exponent`, `exponent_stderr`, `fit_start`, `fit_end` (ps),
        `fit_intercept` (Å²), `n_blocks`, `n_atoms`, `n_independent`, and `msd` (species, lag).
        """
        each = [species_slope(self, subject, species, found) for species in subject.species]
        slopes = [slope for slope, _, _ in each]
        msd = np.stack([curve for _, _, curve in each])
        per_frame = CM2_S_PER_A2_PS / subject.interval_ps
        variables = {
            **value_variables(
                slopes,
                "species",
                "diffusion_coefficient",
                "cm^2/s",
                "tracer diffusion coefficient",
                per_frame,
            ),
            **regime_variables(slopes, "species", subject.interval_ps),
            "fit_intercept": labelled(
                ("species",),
                [slope.intercept for slope in slopes],
                "angstrom^2",
                "intercept of the fitted line",
            ),
            "n_atoms": labelled(
                ("species",), [len(subject.atoms[s]) for s in subject.species], "1", "atoms"
            ),
            "n_independent": labelled(
                ("species",),
                [count for _, count, _ in each],
                "1",
                "number of independent walkers that the atoms are worth",
                definition="(tr C)^2 / tr C^2, C the covariance of displacements of the atoms",
            ),
            "msd": labelled(("species", "lag"), msd, "angstrom^2", "mean squared displacement"),
        }
        coords = {
            "species": species_coord(subject.species),
            "lag": lag_coord(self.lag_frames(subject), subject.interval_ps),
            "bound": bound_coord(),
        }
        return result(variables, coords, subject.data, self.fit_attrs())

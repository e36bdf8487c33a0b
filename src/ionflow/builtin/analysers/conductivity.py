"""Ionic conductivity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from ionflow.builtin.analysers.correlation import mean_squared_displacement
from ionflow.builtin.analysers.labels import (
    Labelled,
    bound_coord,
    labelled,
    lag_coord,
    result,
    species_coord,
)
from ionflow.builtin.analysers.regime import DiffusiveFit, Slope, slope_of
from ionflow.builtin.analysers.slopes import regime_variables, species_slope, value_variables
from ionflow.kinds import FloatArray
from ionflow.passes import AnyMeasure, IntArray, Subject, Sums
from ionflow.units import BOLTZMANN_EV_PER_K, S_CM_PER_E2_EV_A_PS

DEFINITIONS = ("nernst_einstein", "einstein")


class Conductivity(DiffusiveFit):
    """Ionic conductivity by Nernst and Einstein, of independent ions, and by Einstein, of all.

    σ_NE = Σ_s N_s q_s² D_s / (V kB T) takes the ions to move independently; σ_E =
    1/(6 V kB T) d/dt ⟨|Σ_i q_i (r_i(t) − r_i(0))|²⟩ holds all correlations (Helfand,
    Phys. Rev. 119, 1 (1960), doi:10.1103/PhysRev.119.1). Charges q are the formal ones of the
    trajectory, which give the exact σ_E of an electronic insulator (Grasselli and Baroni,
    arXiv:1902.07256). V is the mean volume and T the mean kinetic temperature.
    A species that does not diffuse adds nothing to σ_NE; `omitted_bound` says how much it could.
    σ_E is the slope of a single walker, fitted from where the species that adds most to σ_NE
    becomes diffusive; its window, exponent and verdict are its own. σ_E does not change under a
    common drift of all atoms, since the charges add up to zero; σ_NE does.
    """

    use: ClassVar[str] = "conductivity"
    version: ClassVar[int] = 2

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """Displacements of single atoms, and of all charge."""
        return {**self.motions(subject), "charge": ChargeSum()}

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """Conductivity by definition.

        Returns
        -------
        Dataset over `definition` (nernst_einstein, einstein) with `conductivity` (S/cm, NaN if not
        diffusive), its `_stderr`, `_stderr_gls` and `_stderr_blocks`, `ci68`, `ci95` (bound),
        `upper_bound`, `diffusive`, `verdict`, `exponent`, `exponent_stderr`, `fit_start`,
        `fit_end` (ps), `n_blocks`; `conductivity_species` (species) and its `_stderr`, the terms
        of σ_NE; `omitted_bound` (S/cm); `charge_msd` (lag, e²Å²); `volume` (Å³),
        `temperature_measured` (K).

        Raises
        ------
        DataError
            If the charges are all zero or do not add up to zero.
        """
        charge, lags = subject.charge, self.lag_frames(subject)
        terms = _Terms(
            subject.species,
            np.array([float((charge[subject.atoms[s]] ** 2).sum()) for s in subject.species]),
            [species_slope(self, subject, s, found)[0] for s in subject.species],
        )
        collective, charge_msd = _collective(self, found["charge"], lags, terms)
        per_frame = S_CM_PER_E2_EV_A_PS / (
            subject.volume * BOLTZMANN_EV_PER_K * subject.temperature_K * subject.interval_ps
        )
        slopes = [terms.total(), collective]
        variables = {
            **value_variables(
                slopes, "definition", "conductivity", "S/cm", "ionic conductivity", per_frame
            ),
            **regime_variables(slopes, "definition", subject.interval_ps),
            **terms.variables(per_frame),
            "charge_msd": labelled(
                ("lag",), charge_msd, "e^2 angstrom^2", "MSD of the sum of charges times positions"
            ),
            "volume": labelled((), subject.volume, "angstrom^3", "mean volume"),
            "temperature_measured": labelled(
                (), subject.temperature_K, "K", "mean kinetic temperature"
            ),
        }
        coords = {
            "definition": labelled(
                ("definition",), np.array(DEFINITIONS), "1", "definition of the conductivity"
            ),
            "species": species_coord(subject.species),
            "lag": lag_coord(lags, subject.interval_ps),
            "bound": bound_coord(),
        }
        attrs = {
            **self.fit_attrs(),
            "definition": "nernst_einstein: sum N q^2 D/(V kB T); einstein: collective",
            "doi": "10.1103/PhysRev.119.1, arXiv:1902.07256",
            "doi_fit": self.fit_attrs()["doi"],
            "temperature": "mean kinetic temperature of the frames, not the target",
        }
        return result(variables, coords, subject.data, attrs)


@dataclass(frozen=True)
class ChargeSum(Sums):
    """The sum of all charges times positions."""

    def weights(self, subject: Subject) -> FloatArray:
        return subject.charge[None, :]


@dataclass(frozen=True)
class _Terms:
    """The terms of the Nernst-Einstein sum; e² times Å²/frame."""

    species: tuple[str, ...]
    squares: FloatArray
    """(species,) Σ q² over the atoms of each species, e²"""
    slopes: Sequence[Slope]

    @property
    def values(self) -> FloatArray:
        """(species,) NaN where not diffusive"""
        return self.squares * [slope.value for slope in self.slopes]

    @property
    def omitted(self) -> float:
        """Upper bound on what the species that are not diffusive could add."""
        bounds = self.squares * [slope.upper_bound for slope in self.slopes]
        moving = np.isfinite(self.values)
        return float(bounds[~moving & (self.squares > 0)].sum())

    def total(self) -> Slope:
        """The sum over diffusive species; their errors count as independent of each other."""
        counted = np.isfinite(self.values) & (self.squares > 0)
        if not counted.any():
            charged = [s for s, q in zip(self.slopes, self.squares, strict=True) if q > 0]
            verdict = max(charged, key=lambda s: np.nan_to_num(s.upper_bound, nan=np.inf)).verdict
            return Slope(verdict, np.nan, np.nan, upper_bound=self.omitted)
        blocks = [slope.stderr_blocks for slope in self.slopes]
        return Slope(
            "diffusive",
            np.nan,
            np.nan,
            value=float(self.values[counted].sum()),
            stderr_gls=self._quadrature([slope.stderr_gls for slope in self.slopes], counted),
            stderr_blocks=self._quadrature(blocks, counted),
            blocks=min(s.blocks for s, c in zip(self.slopes, counted, strict=True) if c),
        )

    def _quadrature(self, errors: Sequence[float], counted: np.ndarray) -> float:
        return float(np.sqrt(((self.squares * errors)[counted] ** 2).sum()))

    def first_lag(self) -> float:
        """Where the species that adds most becomes diffusive, frames; infinite if none does."""
        if not np.isfinite(self.values).any():
            return np.inf
        return self.slopes[int(np.nanargmax(self.values))].fit_start

    def variables(self, factor: float) -> dict[str, Labelled]:
        """The terms as labelled variables, with the factor to S/cm."""
        stderr = self.squares * [slope.stderr for slope in self.slopes] * factor
        text = "what a species adds to the Nernst-Einstein conductivity"
        return {
            "conductivity_species": labelled(("species",), self.values * factor, "S/cm", text),
            "conductivity_species_stderr": labelled(
                ("species",), stderr, "S/cm", "standard error of what a species adds"
            ),
            "omitted_bound": labelled(
                (),
                self.omitted * factor,
                "S/cm",
                "upper bound on what species that are not diffusive could add to nernst_einstein",
            ),
        }


def _collective(
    fit: DiffusiveFit, path: FloatArray, lags: IntArray, terms: _Terms
) -> tuple[Slope, FloatArray]:
    """Slope of the MSD of the charge displacement, a single walker, and that MSD (lag,)."""
    frames = path.shape[-1]

    def source(wanted: IntArray, parts: int) -> FloatArray:
        length = frames // parts
        pieces = np.concatenate([path[..., p * length : (p + 1) * length] for p in range(parts)])
        return mean_squared_displacement(pieces, wanted)[0]

    first = terms.first_lag()
    slope = slope_of(source, lags, frames, 1.0, fit, lambda _: lags >= first)
    return slope, source(lags, 1)[0]

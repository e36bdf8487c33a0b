"""Onsager transport coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from ionflow.builtin.analysers.labels import (
    Labelled,
    bound_coord,
    labelled,
    lag_coord,
    result,
    species_coord,
)
from ionflow.builtin.analysers.transport.carriers import state_variables, to_conductivity
from ionflow.builtin.analysers.transport.collective import FRAMES, CollectiveFit, Motion, Together
from ionflow.builtin.analysers.transport.estimator import Estimator, Parts
from ionflow.builtin.analysers.transport.slopes import regime_variables
from ionflow.kinds import FloatArray
from ionflow.passes import AnyMeasure, Subject
from ionflow.statistics import LEVELS, interval, student

SQUARE = ("frame", "species", "species_other")
UNIT = "S/cm/e^2"


class Onsager(CollectiveFit):
    """Onsager matrix of the species, with its self and distinct parts, in two frames of reference.

    L_ij = 1/(6 kB T V) d/dt ⟨Σ_a Δr_a · Σ_b Δr_b⟩ over the atoms a of species i and b of species j
    (doi:10.1002/aic.17091), so that σ = Σ_ij q_i q_j L_ij. The self part of L_ii has a = b, the
    distinct part the rest. All elements are slopes by one linear estimator, in the window in which
    the displacement of all charge is diffusive (that of `conductivity`), or, where it is not,
    Σ_i |Δ Σ_a r_a|²/N_i: so Σ_j m_j L_ij = 0 in the barycentric frame, where m_j are masses, and
    σ = Σ q_i q_j L_ij, hold to rounding. σ is the same in every frame, the matrix is not. The
    framework frame follows the centre of mass of all species but the alkali; one of few atoms is
    noisy. The errors are those of a Wishart matrix, Var L_ij = (L_ij² + L_ii L_jj)/ν for Brownian
    walkers, and more where species also rattle.
    """

    use: ClassVar[str] = "onsager"

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """Displacements of single atoms and of species."""
        return self.collectives(subject)

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """The matrix.

        Returns
        -------
        Dataset over `frame` (barycentric, framework), `species` and `species_other` with
        `onsager`, `onsager_self`, `onsager_distinct` (S/cm/e²; NaN where there is no diffusive
        window or no framework), each with `_stderr`; `onsager_ci68`, `onsager_ci95` (bound);
        `collective_msd` (lag, Å²); `charge` (e), `mass` (amu), `n_atoms` by species;
        `conductivity` (S/cm), `degrees_of_freedom`, `diffusive`, `verdict`, `exponent`,
        `exponent_stderr`, `fit_start`, `fit_end` (ps), `n_blocks` of the window; `volume` (Å³),
        `temperature_measured` (K).

        Raises
        ------
        DataError
            If there are charges that do not add up to zero.
        """
        together = Together.of(self, subject, found)
        factor = to_conductivity(subject) / 6
        matrices = [_Matrix.of(together, frame) for frame in FRAMES]
        variables = {
            **_matrix_variables(matrices, factor),
            "collective_msd": labelled(
                (*SQUARE, "lag"),
                np.stack([matrix.curves for matrix in matrices]),
                "angstrom^2",
                "mean product of the displacements of all atoms of two species",
            ),
            **_species_variables(together),
            **window_variables(together),
            "conductivity": labelled(
                (),
                together.charges @ matrices[0].total @ together.charges * factor,
                "S/cm",
                "ionic conductivity, sum q_i q_j L_ij",
            ),
            **state_variables(subject),
        }
        names = subject.species
        coords = {
            **frame_coords(names),
            "lag": lag_coord(together.lags, subject.interval_ps),
        }
        return result(variables, coords, subject.data, collective_attrs(together))


def frame_coords(species: tuple[str, ...]) -> dict[str, Labelled]:
    """Coordinates of matrices by frame and pair of species."""
    other = labelled(("species_other",), np.array(species, dtype=str), "1", "chemical species")
    return {
        "frame": labelled(("frame",), np.array(FRAMES), "1", "frame of reference"),
        "species": species_coord(species),
        "species_other": other,
        "bound": bound_coord(),
    }


def collective_attrs(together: Together) -> dict[str, str]:
    """How results state estimator, window and frames."""
    fit = together.fit
    framework = fit.framework_reference(together.subject)
    source = "charge" if together.source == "charge" else "all species: the charge has none"
    return {
        **fit.fit_attrs(),
        "method": (
            "slopes of all-origins products of collective displacements by one linear estimator, "
            "generalised least squares with intercept for a Brownian walker"
        ),
        "window": f"that of the displacement of {source}; {fit.fit_attrs()['window']}",
        "error": (
            "Wick's theorem for Gaussian walkers, times the spread over blocks of the collective "
            "displacement over the expected one where that is larger; chi-squared intervals for "
            "diagonal elements, Student's t for others"
        ),
        "frame": "barycentric: centre of mass of all atoms; "
        + (f"framework: centre of mass of {', '.join(framework.framework)}" if framework else ""),
        "doi": "10.1002/aic.17091, 10.1103/PhysRevE.82.041914, PMC9074101",
    }


def window_variables(together: Together) -> dict[str, Labelled]:
    """Verdict, window and degrees of freedom, which all elements share: scalars."""
    regime = regime_variables([together.window], "window", together.subject.interval_ps)
    scalars = {name: ((), values[0], attrs) for name, (_, values, attrs) in regime.items()}
    nu = together.degrees_of_freedom
    return scalars | {
        "degrees_of_freedom": labelled((), nu, "1", "degrees of freedom of the estimate")
    }


@dataclass(frozen=True)
class _Matrix:
    """Slopes in one frame, Å²/frame: six times kB T V L."""

    total: FloatArray
    """(species, species)"""
    own: FloatArray
    """(species,) of single displacements"""
    total_stderr: FloatArray
    own_stderr: FloatArray
    distinct_stderr: FloatArray
    curves: FloatArray
    """(species, species, lag) Å²"""
    nu: float

    @classmethod
    def of(cls, together: Together, frame: str) -> _Matrix:
        """That of a frame; NaN where there is none, or no window."""
        count, points = len(together.number), len(together.lags)
        nothing = np.full((count, count), np.nan)
        if not together.has(frame):
            curves = np.full((count, count, points), np.nan)
            return cls(nothing, nothing[0], nothing, nothing[0], nothing, curves, np.nan)
        motion = together.motion(frame)
        curves = motion.curves[:count, :count]
        if together.estimator is None:
            return cls(nothing, nothing[0], nothing, nothing[0], nothing, curves, np.nan)
        estimator = together.estimator
        parts, own = species_parts(together, estimator, motion)
        variance = estimator.variance(parts)
        # the mean of N walkers, worth n independent ones
        own_variance = estimator.own_variance(own.slope, own.intercept) / together.independent
        return cls(
            parts.slope,
            own.slope,
            np.sqrt(variance),
            np.sqrt(own_variance),
            np.sqrt(_distinct_variance(together, parts, variance, own_variance)),
            curves,
            together.degrees_of_freedom,
        )


def species_parts(together: Together, estimator: Estimator, motion: Motion) -> tuple[Parts, Parts]:
    """Slopes and intercepts of the sums over species (species, species), and of single ones."""
    count = len(together.number)
    collective = estimator.parts(motion.curves[:count, :count], together.lags)
    return collective, estimator.parts(motion.own, together.lags)


def _distinct_variance(
    together: Together, parts: Parts, variance: FloatArray, own_variance: FloatArray
) -> FloatArray:
    """Of L minus its self part, (species, species): both share the trajectory."""
    total = np.diag(parts.slope)
    relative = np.diag(variance) / np.where(total > 0, total, np.inf) ** 2
    # Cov(total, self) = (2/ν) total²/N for N equal walkers
    shared = relative * total**2 / together.number
    distinct = variance.copy()
    np.fill_diagonal(distinct, np.maximum(np.diag(variance) + own_variance - 2 * shared, 0.0))
    return distinct


def _matrix_variables(matrices: list[_Matrix], factor: float) -> dict[str, Labelled]:
    total = np.stack([m.total for m in matrices]) * factor
    own = np.stack([_diagonal(m.own) for m in matrices]) * factor
    errors = {
        "onsager": np.stack([m.total_stderr for m in matrices]) * factor,
        "onsager_self": np.stack([_diagonal(m.own_stderr) for m in matrices]) * factor,
        "onsager_distinct": np.stack([m.distinct_stderr for m in matrices]) * factor,
    }
    texts = {
        "onsager": (total, "Onsager coefficient"),
        "onsager_self": (own, "self part of the Onsager coefficient"),
        "onsager_distinct": (total - own, "distinct part of the Onsager coefficient"),
    }
    variables: dict[str, Labelled] = {}
    for name, (values, text) in texts.items():
        variables[name] = labelled(SQUARE, values, UNIT, text)
        variables[f"{name}_stderr"] = labelled(
            SQUARE, errors[name], UNIT, f"standard error of the {text}"
        )
    for suffix, level in LEVELS.items():
        ends = _intervals(total, errors["onsager"], matrices[0].nu, level)
        variables[f"onsager_ci{suffix}"] = labelled(
            (*SQUARE, "bound"), ends, UNIT, f"{suffix} % interval of the Onsager coefficient"
        )
    return variables


def _diagonal(values: FloatArray) -> FloatArray:
    """(species, species), zero between different species; NaN if the values are."""
    return np.where(np.eye(len(values), dtype=bool), values, 0.0 * values.sum())


def _intervals(total: FloatArray, stderr: FloatArray, nu: float, level: float) -> FloatArray:
    """(frame, species, species, bound): χ² on the diagonal where it is clear of zero, else t."""
    half = student(level, max(nu - 1, 1)) * stderr if np.isfinite(nu) else stderr
    ends = np.stack([total - half, total + half], axis=-1)
    clear = np.eye(total.shape[-1], dtype=bool) & (total > 2 * stderr)
    ends[clear] = np.stack(interval(total[clear], stderr[clear], level), axis=-1)
    return ends


def _species_variables(together: Together) -> dict[str, Labelled]:
    subject = together.subject
    mass = [float(subject.mass[subject.atoms[s]].mean()) for s in subject.species]
    return {
        "charge": labelled(("species",), together.charges, "e", "mean formal charge of an atom"),
        "mass": labelled(("species",), mass, "amu", "mean mass of an atom"),
        "n_atoms": labelled(("species",), together.number.astype(int), "1", "number of atoms"),
    }

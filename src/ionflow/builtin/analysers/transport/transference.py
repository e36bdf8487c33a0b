"""Transference numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from ionflow.builtin.analysers.labels import Labelled, labelled, result
from ionflow.builtin.analysers.transport.carriers import WithClusters
from ionflow.builtin.analysers.transport.clusters import Clustered
from ionflow.builtin.analysers.transport.collective import FRAMES, CollectiveFit, Together
from ionflow.builtin.analysers.transport.estimator import Estimator, Parts
from ionflow.builtin.analysers.transport.onsager import (
    collective_attrs,
    frame_coords,
    window_variables,
)
from ionflow.builtin.analysers.transport.terms import Terms
from ionflow.kinds import FloatArray
from ionflow.passes import AnyMeasure, Subject
from ionflow.statistics import LEVELS, student


class Transference(CollectiveFit, WithClusters):
    """Which share of the ionic current each species carries, by each definition of conductivity.

    einstein: t_i = Σ_j q_i q_j L_ij/σ, the regression coefficient of the current of species i on
    that of all (doi:10.1002/aic.17091), with an interval of Student's t. It depends on the frame of
    reference, σ does not: `transference_number` has that of the barycentric frame,
    `transference_number_frame` those of both frames. nernst_einstein: t_i = N_i q_i² D_i/Σ. Cluster
    definitions: t_i = Σ_c α_c z_c n_ic q_i D_c/Σ_c α_c z_c² D_c, of which a cluster of charge z_c
    carries its n_ic ions along; t of ions that move against the current they would carry alone is
    negative. t of all species add up to 1.
    """

    use: ClassVar[str] = "transference"

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """Displacements of single atoms and of species, and clusters."""
        return {**self.collectives(subject), **self.carriers(subject)}

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """Transference numbers.

        Returns
        -------
        Dataset over `definition` and `species` with `transference_number` (1; NaN where there is
        none), its `_stderr`, `ci68`, `ci95` (bound); over `definition` `verdict`, `diffusive` and
        `omitted_share`; over `frame` (barycentric, framework) and `species`
        `transference_number_frame`, its `_stderr`, `_ci68`, `_ci95`; and of the window of
        einstein `exponent`, `exponent_stderr`, `fit_start`, `fit_end` (ps), `n_blocks`,
        `degrees_of_freedom`.

        Raises
        ------
        DataError
            If the charges are all zero or do not add up to zero.
        """
        together = Together.of(self, subject, found)
        frames = [_collective(together, frame) for frame in FRAMES]
        slopes, terms = self.slopes(subject, found), self.terms(subject, found)
        numbers = {
            name: _independent(of, found.get(name))
            for name, of in terms.items()
            if slopes[name].verdict == "diffusive"
        }
        numbers["einstein"] = frames[0]
        nothing = Numbers.nothing(len(subject.species))
        each = [numbers.get(name, nothing) for name in self.definitions]
        shared = window_variables(together)
        window = {name: shared[name] for name in shared if name not in ("diffusive", "verdict")}
        verdicts = [
            slopes[name].verdict if name != "einstein" else _verdict(together, frames[0])
            for name in self.definitions
        ]
        variables = {
            **_variables(("definition", "species"), each, "ci"),
            **_variables(("frame", "species"), frames, "transference_number_frame_ci"),
            "verdict": labelled(("definition",), verdicts, "1", "diffusive, or why there is none"),
            "diffusive": labelled(
                ("definition",), [v == "diffusive" for v in verdicts], "1", "whether it has numbers"
            ),
            "omitted_share": labelled(
                ("definition",),
                [of.omitted for of in each],
                "1",
                "most that species without a diffusion coefficient could carry",
            ),
            **window,
        }
        coords = frame_coords(subject.species)
        del coords["species_other"]
        coords["definition"] = labelled(
            ("definition",), np.array(self.definitions), "1", "definition of the conductivity"
        )
        attrs = {
            **collective_attrs(together),
            **self.cluster_attrs(subject),
            "definition": "share of the current; einstein in the barycentric frame",
            "doi": "10.1002/aic.17091, 10.1103/PhysRevLett.122.136001, PMC9074101",
        }
        return result(variables, coords, subject.data, attrs)


@dataclass(frozen=True)
class Numbers:
    """Transference numbers by one definition."""

    value: FloatArray
    """(species,)"""
    stderr: FloatArray
    intervals: Mapping[str, FloatArray]
    """by name of the level (species, bound)"""
    omitted: float = np.nan

    @classmethod
    def nothing(cls, count: int) -> Numbers:
        """NaN for so many species."""
        ends = dict.fromkeys(LEVELS, np.full((count, 2), np.nan))
        return cls(np.full(count, np.nan), np.full(count, np.nan), ends)

    @classmethod
    def of(
        cls, value: FloatArray, stderr: FloatArray, dof: float = np.inf, omitted: float = np.nan
    ) -> Numbers:
        """With intervals of Student's t."""
        sides = np.array([-1.0, 1.0])
        ends = {
            name: value[:, None] + student(level, dof) * stderr[:, None] * sides
            for name, level in LEVELS.items()
        }
        return cls(value, stderr, ends, omitted)


def _verdict(together: Together, numbers: Numbers) -> str:
    if not np.isfinite(numbers.value).all():
        return "undecided" if together.source != "charge" else together.window.verdict
    return "diffusive"


def _collective(together: Together, frame: str) -> Numbers:
    """t from displacements of all charge; NaN where the charge is not diffusive."""
    estimator, count = together.estimator, len(together.number)
    if estimator is None or together.source != "charge" or not together.has(frame):
        return Numbers.nothing(count)
    curves = together.motion(frame).curves[count:, count:]
    parts = estimator.parts(curves, together.lags)
    value, stderr = regression(estimator, parts, together.degrees_of_freedom)
    return Numbers.of(value, stderr, max(together.degrees_of_freedom - 1, 1.0), 0.0)


def regression(estimator: Estimator, parts: Parts, nu: float) -> tuple[FloatArray, FloatArray]:
    """Coefficients of the currents of species on their sum, and standard errors, (species,).

    With y = J_i − t_i J, which has nothing in common with J, the error of t_i is that of the slope
    of ⟨Δy·ΔJ⟩ over the slope of J; s_yy is the Schur complement, from ν − 1 degrees of freedom.

    Parameters
    ----------
    parts : of the currents of species, (species, species)
    nu : degrees of freedom of the matrix
    """
    count = len(parts.slope)
    everything = np.ones((1, count))
    total = float(parts.slope.sum())
    value: FloatArray = parts.slope.sum(axis=1) / total
    stderr = np.empty(count)
    for i in range(count):
        rest = np.eye(count)[i] - value[i] * everything[0]
        pair = parts.combined(np.stack([rest, everything[0]]))
        stderr[i] = np.sqrt(estimator.variance(pair)[0, 1]) / total
    return value, stderr * np.sqrt(nu / max(nu - 1, 1.0))


def _independent(terms: Terms, clusters: Clustered | None) -> Numbers:
    """t from diffusion coefficients, with errors propagated from those of D and of clusters.

    A species whose D is not known, and counts, has none; what it could carry at most lowers the
    lower ends of the others.
    """
    d = np.array([slope.value for slope in terms.slopes])
    known = terms.counted
    shares = np.diag(terms.squares) if clusters is None else clusters.currents
    spread = np.zeros_like(shares) if clusters is None else clusters.currents_stderr
    moving = np.where(known, d, 0.0)
    error = np.where(known, [slope.stderr for slope in terms.slopes], 0.0)
    total = float((shares @ moving).sum())
    value = shares @ moving / total
    # ∂t_i/∂D_m = (K_im − t_i k_m)/σ, and the same for the numbers of clusters
    slopes = (shares - np.outer(value, shares.sum(axis=0))) * error / total
    numbers = (1 - value[:, None]) * spread * moving / total
    stderr = np.sqrt((slopes**2).sum(axis=1) + (numbers**2).sum(axis=1))
    carried = terms.omitted / (terms.omitted + total)
    if clusters is None:
        return _of_shares(np.where(known | (terms.squares == 0), value, np.nan), stderr, carried)
    return Numbers.of(value, stderr, omitted=carried)


def _of_shares(value: FloatArray, stderr: FloatArray, omitted: float) -> Numbers:
    """Numbers between 0 and 1, with intervals that are symmetric in ln t/(1 − t)."""
    inner = (value > 0) & (value < 1)
    t = np.where(inner, value, 0.5)
    logit, width = np.log(t / (1 - t)), stderr / (t * (1 - t))
    ends = {}
    for name, level in LEVELS.items():
        half = student(level, np.inf) * width
        inside = np.stack([1 / (1 + np.exp(-logit - s * half)) for s in (-1, 1)], axis=-1)
        plain = np.stack([value, value], axis=-1)
        both = np.where(inner[:, None], inside, plain)
        both[:, 0] *= 1 - omitted
        ends[name] = both
    return Numbers(value, np.where(np.isfinite(value), stderr, np.nan), ends, omitted)


def _variables(
    dims: tuple[str, str], each: list[Numbers], interval_name: str
) -> dict[str, Labelled]:
    name = "transference_number" + ("_frame" if dims[0] == "frame" else "")
    text = "share of the ionic current"
    variables = {
        name: labelled(dims, np.stack([n.value for n in each]), "1", text),
        f"{name}_stderr": labelled(
            dims, np.stack([n.stderr for n in each]), "1", f"standard error of the {text}"
        ),
    }
    for level in LEVELS:
        variables[f"{interval_name}{level}"] = labelled(
            (*dims, "bound"),
            np.stack([n.intervals[level] for n in each]),
            "1",
            f"{level} % interval of the {text}",
        )
    return variables

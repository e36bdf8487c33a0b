"""What species displace together: sums over species, and the estimator that all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import model_validator

from ionflow.builtin.analysers.correlation import cross_displacement, mean_squared_displacement
from ionflow.builtin.analysers.estimator import Estimator, Parts
from ionflow.builtin.analysers.regime import DiffusiveFit, Slope, slope_of
from ionflow.builtin.analysers.roles import WithRoles
from ionflow.builtin.analysers.slopes import species_slope
from ionflow.builtin.analysers.terms import Terms
from ionflow.kinds import FloatArray
from ionflow.passes import AnyMeasure, IntArray, Reference, Subject, Sums
from ionflow.passes.running import Centre

FRAMES = ("barycentric", "framework")
BARYCENTRIC = Reference("barycentric")


@dataclass(frozen=True)
class ChargeSum(Sums):
    """The sum of all charges times positions."""

    def weights(self, subject: Subject) -> FloatArray:
        return subject.charge[None, :]


@dataclass(frozen=True)
class SpeciesSums(Sums):
    """The sum of the positions of each species, and of charges times positions."""

    charged: bool
    """whether the sums with charges are wanted: (2 · species, …) instead of (species, …)"""

    def weights(self, subject: Subject) -> FloatArray:
        one = (subject.kind == np.arange(len(subject.species))[:, None]).astype(np.float64)
        return np.concatenate([one, one * subject.charge]) if self.charged else one


def path_slope(
    fit: DiffusiveFit, path: FloatArray, lags: IntArray, first: float
) -> tuple[Slope, FloatArray]:
    """Slope of the MSD of a collective path, a single walker, and that MSD (lag,).

    Parameters
    ----------
    fit : criteria
    path : (part, xyz, time); the MSD is summed over the parts
    lags : (lag,) frames
    first : where its diffusive window starts at the earliest, frames
    """
    frames = path.shape[-1]

    def source(wanted: IntArray, parts: int) -> FloatArray:
        length = frames // parts
        return np.stack(
            [
                mean_squared_displacement(path[..., p * length : (p + 1) * length], wanted)[0].sum(
                    axis=0
                )
                for p in range(parts)
            ]
        )

    # single ions have settled there
    slope = slope_of(source, lags, frames, 1.0, fit, lambda _: lags >= first, settle=1.0)
    return slope, source(lags, 1)[0]


def charge_slope(
    fit: DiffusiveFit, subject: Subject, path: FloatArray, first: float
) -> tuple[Slope, FloatArray]:
    """`path_slope` of the sum of all charges times positions, taken once for equal criteria."""
    lags = fit.lag_frames(subject)
    return subject.once(("charge", fit.criteria), lambda: path_slope(fit, path, lags, first))


@dataclass(frozen=True)
class Motion:
    """How species move together in one frame of reference."""

    curves: FloatArray
    """(path, path, lag) ⟨ΔA·ΔB⟩ of the sums of each species and, behind them, of its charges"""
    own: FloatArray
    """(species, lag) Σ_i ⟨|Δr_i|²⟩ over the atoms of each species, Å²"""


class CollectiveFit(DiffusiveFit, WithRoles):
    """An analyser of what species displace together, in several frames of reference.

    The frame of the field `frame` is the one that tracer displacements are followed in, from which
    the window is found; the framework of `framework` is all but alkali if it is not named.
    """

    @model_validator(mode="after")
    def _frame_is_named(self) -> CollectiveFit:
        if self.frame == "framework" and not self.framework:
            raise ValueError("frame: framework wants framework: [species, ...]")
        return self

    @property
    def reference(self) -> Reference:
        """The frame of reference of tracer displacements."""
        return Reference(self.frame, self.framework if self.frame == "framework" else ())

    def framework_reference(self, subject: Subject) -> Reference | None:
        """The frame of the framework; None if all species are mobile."""
        alkali = self.roles(subject).alkali
        rest = self.framework or tuple(s for s in subject.species if s not in alkali)
        return Reference("framework", rest) if rest else None

    def collectives(self, subject: Subject) -> dict[str, AnyMeasure]:
        """What `Together` needs measured."""
        framework = self.framework_reference(subject)
        centres = {"barycentric": BARYCENTRIC, "tracer": self.reference}
        if framework is not None:
            centres["framework"] = framework
        charged = is_charged(subject)
        return {
            **self.motions(subject),
            **({"charge": ChargeSum()} if charged else {}),
            "sums": SpeciesSums(charged),
            **{f"centre_{name}": Centre(of) for name, of in centres.items()},
        }


def is_charged(subject: Subject) -> bool:
    """Whether the atoms have charges; those that do not add up to zero are an error.

    Raises
    ------
    DataError
        If the charges are not finite or do not add up to zero.
    """
    data = subject.data
    if "charge" not in data.variables or not np.any(data["charge"].values):
        return False
    return bool(subject.charge.any())


class Together:
    """Collective and single displacements of all species, and how slopes are taken of them.

    Parameters
    ----------
    fit : criteria
    subject : the trajectory
    found : what `CollectiveFit.collectives` asks for
    """

    def __init__(self, fit: CollectiveFit, subject: Subject, found: Mapping[str, Any]) -> None:
        self.fit, self.subject, self.found = fit, subject, found
        self.lags = fit.lag_frames(subject)
        self.charged = is_charged(subject)
        self.number = np.array([len(subject.atoms[s]) for s in subject.species], dtype=np.float64)
        self.slopes = [species_slope(fit, subject, s, found)[0] for s in subject.species]
        self.independent = np.array([found["independent"][s] for s in subject.species])
        self.window, self.source = self._window()

    @classmethod
    def of(cls, fit: CollectiveFit, subject: Subject, found: Mapping[str, Any]) -> Together:
        """Those of a fit, shared by analysers whose criteria are equal."""
        same = ("together", fit.criteria, fit.framework_reference(subject))
        return subject.once(same, lambda: cls(fit, subject, found))

    @property
    def charges(self) -> FloatArray:
        """(species,) mean charge of the atoms of each species, e; NaN without charges."""
        if not self.charged:
            return np.full(len(self.number), np.nan)
        return self.squares(1) / self.number

    def squares(self, power: int = 2) -> FloatArray:
        """(species,) Σ q² (or q) over the atoms of each species."""
        charge, atoms = self.subject.charge, self.subject.atoms
        return np.array([float((charge[atoms[s]] ** power).sum()) for s in self.subject.species])

    @property
    def terms(self) -> Terms:
        """Terms of Nernst and Einstein; of N D where there are no charges."""
        factors = self.squares() if self.charged else self.number
        return Terms(self.subject.species, factors, self.slopes)

    def _window(self) -> tuple[Slope, str]:
        """The slope whose estimator all elements share, and what it is the slope of."""
        first = self.terms.first_lag()
        if self.charged:
            slope = charge_slope(self.fit, self.subject, self.found["charge"], first)[0]
            if slope.estimator is not None:
                return slope, "charge"
        paths = self.paths("barycentric")[: len(self.number)]
        scaled = paths / np.sqrt(self.number)[:, None, None]
        return path_slope(self.fit, scaled, self.lags, first)[0], "trace"

    @property
    def estimator(self) -> Estimator | None:
        """None where neither the charge nor the trace is diffusive."""
        return self.window.estimator

    def has(self, frame: str) -> bool:
        """Whether there is such a frame of reference."""
        return f"centre_{frame}" in self.found

    def paths(self, frame: str) -> FloatArray:
        """Sums of each species, and of its charges if any, in a frame: (path, xyz, time)."""
        centre = self.found[f"centre_{frame}"]
        weights = [self.number, *([self.squares(1)] if self.charged else [])]
        moved: FloatArray = self.found["sums"] - np.concatenate(weights)[:, None, None] * centre
        return moved

    def motion(self, frame: str) -> Motion:
        """Displacements in one of the frames of reference."""
        return self.subject.once(("motion", id(self), frame), lambda: self._motion(frame))

    def _motion(self, frame: str) -> Motion:
        count = len(self.number)
        paths = self.paths(frame)
        curves = cross_displacement(paths, self.lags)
        means = [self.found["motion"][s].mean for s in self.subject.species]
        own = np.array(means) * self.number[:, None]
        drift = self.found[f"centre_{frame}"] - self.found["centre_tracer"]
        # |Δ(r − d)|² summed over a species, with r relative to the frame that tracers were in
        both = cross_displacement(np.concatenate([paths[:count], drift]), self.lags)
        own = own - 2 * both[:count, -1] - self.number[:, None] * both[-1, -1]
        return Motion(curves, own)


@dataclass(frozen=True)
class Ratio:
    """The slope of single displacements over that of a collective one, and how it spreads."""

    own: float
    total: float
    relative_variance: float
    """of ln(own/total)"""

    @property
    def value(self) -> float:
        """own/total"""
        return self.own / self.total


def single_over_collective(
    estimator: Estimator, collective: Parts, own: Parts, number: FloatArray, independent: FloatArray
) -> Ratio:
    """Σ_s own_s over the slope of the sum of all paths, with the variance of its logarithm.

    Both come from the same trajectory: for N equal, independent walkers, whose displacements have
    a Wishart distribution with ν degrees of freedom, Var ln(own/total) = (2/ν)(1 − 1/N). In
    general it is (2/ν)(1 + Σ_s own_s²/(n_s own²) − 2 Σ_s C_sJ²/(N_s own total)), where C_sJ is
    what the path of species s shares with the sum J of all, N_s and n_s numbers of walkers and of
    independent ones.

    Parameters
    ----------
    collective : of the paths of each species, in the units in which they add up
    own : slopes and intercepts (species,) of the sums of single displacements in those units
    number, independent : (species,)
    """
    rows = np.ones((1, len(number)))
    whole = collective.combined(rows)
    total, single = float(whole.slope[0, 0]), float(own.slope.sum())
    shared = collective.slope.sum(axis=1)
    relative = float(estimator.variance(whole)[0, 0]) / total**2 if total > 0 else np.nan
    factor = (
        1.0
        + float((own.slope**2 / independent).sum()) / single**2
        - 2 * float((shared**2 / number).sum()) / (single * total)
    )
    return Ratio(single, total, relative * max(factor, 0.0))

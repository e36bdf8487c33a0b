"""What species displace together: sums over species, and the estimator that all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import model_validator

from ionflow.builtin.analysers.dynamics.correlation import (
    cross_displacement,
    mean_squared_displacement,
)
from ionflow.builtin.analysers.roles import WithRoles
from ionflow.builtin.analysers.transport.brownian import Curve
from ionflow.builtin.analysers.transport.estimator import Estimator
from ionflow.builtin.analysers.transport.regime import (
    BlockSpread,
    DiffusiveFit,
    Observed,
    Slope,
    beyond_chance,
    block_spread,
    slope_of,
)
from ionflow.builtin.analysers.transport.slopes import species_slope
from ionflow.builtin.analysers.transport.terms import Terms
from ionflow.builtin.analysers.transport.windows import steady_start
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


def observed_path(path: FloatArray, lags: IntArray) -> Observed:
    """The MSD of a collective path, a single walker, summed over its parts (part, xyz, time)."""
    frames = path.shape[-1]

    def msd(piece: FloatArray, wanted: IntArray) -> FloatArray:
        total: FloatArray = mean_squared_displacement(piece, wanted)[0].sum(axis=0)
        return total

    def source(wanted: IntArray, parts: int) -> FloatArray:
        length = frames // parts
        pieces = (path[..., p * length : (p + 1) * length] for p in range(parts))
        return np.stack([msd(piece, wanted) for piece in pieces])

    return Observed(source, lags, frames, 1.0)


def path_slope(
    fit: DiffusiveFit, path: FloatArray, lags: IntArray, first: float
) -> tuple[Slope, FloatArray]:
    """Slope of the MSD of a collective path (part, xyz, time), and that MSD (lag,).

    Parameters
    ----------
    first : from which lag (frames) it may be straight
    """
    observed = observed_path(path, lags)
    return slope_of(observed, fit, lambda _: lags >= first), observed.curve().msd


def charge_slope(
    fit: DiffusiveFit, subject: Subject, found: Mapping[str, Any], terms: Terms
) -> tuple[Slope, FloatArray]:
    """`path_slope` of the sum of all charges times positions, taken once for equal criteria."""

    def take() -> tuple[Slope, FloatArray]:
        first = collective_start(fit, subject, found, terms)
        return path_slope(fit, found["charge"], fit.lag_frames(subject), first)

    return subject.once(("charge", fit.criteria), take)


def collective_start(
    fit: DiffusiveFit, subject: Subject, found: Mapping[str, Any], terms: Terms
) -> float:
    """From which lag (frames) a collective displacement may be straight; infinite if never.

    What single ions add to it, Σ_s k_s MSD_s, shows the relaxation of cages, those of slow ions
    of high charge among them, with far less noise than the collective displacement itself does.
    """
    lags, start = fit.lag_frames(subject), terms.first_lag()
    if not np.isfinite(start):
        return np.inf
    msd = sum(
        k * found["motion"][s].mean for s, k in zip(terms.species, terms.squares, strict=True)
    )
    # species share noise: together they are worth no more walkers than the one that adds most
    walkers = found["independent"][terms.species[int(np.nanargmax(terms.values))]]
    curve = Curve.of(lags, np.asarray(msd), subject.frames, walkers)
    return float(lags[steady_start(curve, int(np.searchsorted(lags, start)))])


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
        if self.charged:
            slope = charge_slope(self.fit, self.subject, self.found, self.terms)[0]
            if slope.estimator is not None:
                return slope, "charge"
        paths = self.paths("barycentric")[: len(self.number)]
        scaled = paths / np.sqrt(self.number)[:, None, None]
        first = collective_start(self.fit, self.subject, self.found, self.terms)
        return path_slope(self.fit, scaled, self.lags, first)[0], "trace"

    @cached_property
    def estimator(self) -> Estimator | None:
        """None where neither the charge nor the trace is diffusive.

        The spread over blocks, which one path tells but roughly, is the mean of all that diffuse.
        """
        known = self.window.estimator
        if known is None:
            return None
        paths = zip(self.slopes, self.paths("barycentric")[: len(self.number)], strict=True)
        moving = [path[None] for slope, path in paths if slope.verdict == "diffusive"]
        if self.source == "charge":
            moving.append(self.found["charge"])
        spreads = [self._block_spread(path, known) for path in moving]
        sound = [spread for spread in spreads if np.isfinite(spread.ratio)]
        if not sound:
            return known
        ratio = float(np.sqrt(np.mean([spread.ratio**2 for spread in sound])))
        # the sum of all charge is no path of its own
        dof = max(1, len(sound) - 1) * float(np.mean([spread.dof for spread in sound]))
        return replace(known, inflation=beyond_chance(ratio, dof))

    def _block_spread(self, path: FloatArray, known: Estimator) -> BlockSpread:
        """Without a ratio for a path that has no slope."""
        observed = observed_path(path, self.lags)
        curve = observed.curve(known.memory)
        window = curve.between(int(np.searchsorted(self.lags, known.lags[0])))
        line = window.line()
        return block_spread(observed, window, line, self.fit) if line.slope > 0 else BlockSpread()

    @property
    def degrees_of_freedom(self) -> float:
        """ν of the estimated matrix: 2 over the squared relative error of the slope."""
        if self.estimator is None:
            return np.nan
        stderr = self.window.stderr_gls * self.estimator.inflation
        return float(2 * (self.window.value / stderr) ** 2)

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

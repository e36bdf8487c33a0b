"""Haven ratios."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import xarray as xr

from ionflow.builtin.analysers.labels import Labelled, bound_coord, labelled, result
from ionflow.builtin.analysers.transport.collective import CollectiveFit, Together
from ionflow.builtin.analysers.transport.estimator import Estimator, Parts
from ionflow.builtin.analysers.transport.onsager import collective_attrs, window_variables
from ionflow.kinds import FloatArray
from ionflow.passes import AnyMeasure, Subject
from ionflow.statistics import LEVELS, interval

KINDS: Final = ("alkali", "total")


class Haven(CollectiveFit):
    """Haven ratio of the alkali, and of all charge: single over collective diffusion.

    H = D_tracer/D_collective = L_AA^self/L_AA for the alkali A, and σ_NE/σ_E for all charge.
    H > 1 means that ions hinder one another or go in circles, H < 1 that they move along with one
    another; other authors call the inverse by this name. Numerator and denominator are slopes by
    the same estimator in the same window, that of `onsager`. The error is that of the collective
    slope, a single walker, less what both have in common: Var ln H = (2/ν)(1 − 1/N) for N
    independent ions. The alkali's ratio depends on the frame of reference: in the barycentric
    frame momentum conservation makes H of independent ions larger than 1, by the share of the
    alkali in the mass; σ_E does not depend on it.
    """

    use: ClassVar[str] = "haven"

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """Displacements of single atoms and of species."""
        return self.collectives(subject)

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """Haven ratios.

        Returns
        -------
        Dataset over `kind` (alkali, total) with `haven_ratio` (1; NaN where it has none),
        `haven_ratio_stderr`, `ci68`, `ci95` (bound), `diffusive`, `verdict`; and of the window
        `window_verdict`, `exponent`, `exponent_stderr`, `fit_start`, `fit_end` (ps), `n_blocks`,
        `degrees_of_freedom`.

        Raises
        ------
        DataError
            If there are charges that do not add up to zero.
        """
        together = Together.of(self, subject, found)
        ratios = [_ratio(self, together, kind) for kind in KINDS]
        shared = window_variables(together)
        window = {name: shared[name] for name in shared if name not in ("diffusive", "verdict")}
        variables = {
            **_ratio_variables(ratios),
            "window_verdict": shared["verdict"],
            **window,
        }
        coords = {
            "kind": labelled(("kind",), np.array(KINDS), "1", "whose displacements"),
            "bound": bound_coord(),
        }
        attrs = {
            **collective_attrs(together),
            "definition": (
                "D_tracer/D_collective: alkali L_self/L, total sigma_NE/sigma_E; > 1: ions hinder "
                "each other, < 1: they move together; others call the inverse Haven ratio"
            ),
            "frame": str(self.reference),
            "alkali": ", ".join(self.roles(subject).alkali),
        }
        return result(variables, coords, subject.data, attrs)


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
    independent ones. 2/ν holds what rattling adds to the error of the collective slope, with the
    intercepts of single ions.

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
    # the intercept of a single path is noise for the most part: ions rattle each for itself
    noise = float(estimator.own_variance(total, own.intercept.sum()))
    relative = noise / total**2 if total > 0 else np.nan
    factor = (
        1.0
        + float((own.slope**2 / independent).sum()) / single**2
        - 2 * float((shared**2 / number).sum()) / (single * total)
    )
    return Ratio(single, total, relative * max(factor, 0.0))


@dataclass(frozen=True)
class _Found:
    """A ratio, or why there is none."""

    verdict: str
    ratio: Ratio | None = None

    @property
    def value(self) -> float:
        """NaN if there is none."""
        return np.nan if self.ratio is None else self.ratio.value

    @property
    def stderr(self) -> float:
        """By the delta method."""
        return np.nan if self.ratio is None else self.value * self.ratio.relative_variance**0.5

    def interval(self, level: float) -> FloatArray:
        """Of 1/H, which spreads as a scaled χ² variable does, turned over."""
        if self.ratio is None:
            return np.full(2, np.nan)
        inverse = 1 / self.value
        low, high = interval(inverse, inverse * self.ratio.relative_variance**0.5, level)
        return np.array([1 / high, 1 / low])


def _ratio(fit: Haven, together: Together, kind: str) -> _Found:
    estimator = together.estimator
    if estimator is None:
        return _Found(together.window.verdict)
    if kind == "total" and not together.charged:
        return _Found("no charges")
    chosen = _chosen(fit, together, kind)
    if not chosen.any():
        return _Found("no alkali")
    ratio = _slopes(together, estimator, chosen, charged=kind == "total")
    if not (ratio.total > 0 and ratio.own > 0):
        return _Found("undecided")
    clear = ratio.relative_variance < 1
    return _Found("diffusive", ratio) if clear else _Found("undecided")


def _chosen(fit: Haven, together: Together, kind: str) -> FloatArray:
    """(species,) which species count: 1 or 0."""
    alkali = fit.roles(together.subject).alkali
    return np.array([kind == "total" or s in alkali for s in together.subject.species], float)


def _slopes(
    together: Together, estimator: Estimator, chosen: FloatArray, *, charged: bool
) -> Ratio:
    motion = together.motion("tracer")
    count = len(together.number)
    rows = slice(count, None) if charged else slice(0, count)
    collective = estimator.parts(motion.curves[rows, rows], together.lags)
    factors = together.squares() / together.number if charged else chosen
    own = estimator.parts(motion.own * factors[:, None], together.lags)
    mask = chosen > 0
    picked = np.eye(count)[mask]
    return single_over_collective(
        estimator,
        collective.combined(picked),
        Parts(own.slope[mask], own.intercept[mask]),
        together.number[mask],
        together.independent[mask],
    )


def _ratio_variables(ratios: list[_Found]) -> dict[str, Labelled]:
    by = ("kind",)
    text = "Haven ratio, D_tracer/D_collective"
    variables = {
        "haven_ratio": labelled(by, [r.value for r in ratios], "1", text),
        "haven_ratio_stderr": labelled(
            by, [r.stderr for r in ratios], "1", "standard error of the Haven ratio"
        ),
        "verdict": labelled(
            by, [r.verdict for r in ratios], "1", "diffusive, or why there is no ratio"
        ),
        "diffusive": labelled(by, [r.ratio is not None for r in ratios], "1", "whether it has one"),
    }
    for suffix, level in LEVELS.items():
        ends = np.stack([r.interval(level) for r in ratios])
        variables[f"ci{suffix}"] = labelled(
            (*by, "bound"), ends, "1", f"{suffix} % interval of the Haven ratio"
        )
    return variables

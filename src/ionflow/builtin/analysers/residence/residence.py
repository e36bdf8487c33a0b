"""How long alkali ions stay around network centres, by what surrounds the centre."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from pydantic import Field

from ionflow.builtin.analysers.dynamics.correlation import spaced_lags
from ionflow.builtin.analysers.network.bonding import (
    SURVEY,
    Bonds,
    WithBonds,
    bonds_between,
)
from ionflow.builtin.analysers.residence.occupancy import Occupancy, ShellOccupancy
from ionflow.builtin.analysers.residence.residence_result import (
    Residences,
    residence_result,
    without_continuous,
)
from ionflow.builtin.analysers.roles import Roles
from ionflow.builtin.analysers.structure.shells import Histogram
from ionflow.errors import DataError
from ionflow.kinds import Table
from ionflow.passes import AnyMeasure, Subject, measure_all


class Residence(WithBonds):
    """Residence of alkali ions around network centres, by the environment of the centre.

    h(t) is 1 while an alkali A is in the first shell of a centre M (any image of it), from which
    come three probabilities P(t) that differ in what counts as having left:

    - `intermittent`, ⟨h(0) h(t)⟩/⟨h⟩: whatever happened between; P decays to the mean occupation
      ⟨h⟩, which is taken off, (P − ⟨h⟩)/(1 − ⟨h⟩), before times are read from it;
    - `continuous`, ⟨h(0) H(t)⟩/⟨h⟩ with H(t) = 1 as long as no absence exceeded t*: Impey, Madden
      and McDonald, doi:10.1021/j150643a008; absences up to t* count as presence;
    - `stable_states`, from A within the inner radius until it first is beyond the outer one:
      Northrup and Hynes, doi:10.1063/1.440484; Laage and Hynes, doi:10.1021/jp802033r.

    All frames are time origins. The environment of M is that at the origin; a pair is censored when
    it changes, and at the end of the trajectory. The latter two are Kaplan-Meier estimates over
    origins (doi:10.1080/01621459.1958.10501452), to which a censored pair adds until then; in the
    first an origin is left out, above and below the fraction, at lags beyond that. All are unbiased
    if environments change independently of escapes. τ = ∫ P dt, and τ/β Γ(1/β) of a stretched
    exponential exp(−(t/τ)^β).
    """

    use: ClassVar[str] = "residence"

    shell: Table = ()
    """Radius of the shell of A around M by pair, as in Li-Al: 4.5 (angstrom); the first minimum of
    g(r) for pairs that are not named."""

    excursion_ps: float = Field(2.0, ge=0)
    """t*: an absence of at most so long is no escape, in the continuous variant."""

    inner: Table = ()
    """Radius within which A is in the stable state, by pair (angstrom); the first peak of g(r) for
    pairs that are not named."""

    outer: Table = ()
    """Radius beyond which A has left the stable state, by pair (angstrom); that of the shell for
    pairs that are not named."""

    label_excursion_ps: float = Field(0.0, ge=0)
    """A centre whose environment is another for at most so long, and then the same again, has not
    changed it."""

    max_frames: int = Field(20_000, ge=8)
    """Most frames used; evenly spaced over the trajectory if it has more. What happens between
    them is not seen."""

    max_lag_fraction: float = Field(0.5, gt=0, le=0.9)
    """Longest lag as a fraction of the trajectory."""

    lags: int = Field(64, ge=8, le=100)
    """Number of lags, evenly spaced on a log axis."""

    blocks: int = Field(8, ge=3, le=50)
    """Blocks of time, each of which is left out in turn for one of the standard errors."""

    min_events: int = Field(10, ge=3)
    """With fewer escapes there is no number, only a lower bound."""

    max_tail_fraction: float = Field(0.5, gt=0, lt=1)
    """If more of the integral lies beyond the longest lag there is no number, only a bound."""

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """Which pairs are in which shell, and the environments.

        Raises
        ------
        DataError
            If there is no alkali, centre or anion, no first shell, or an inner radius is not below
            the outer one.
        """
        subject.require_dynamics()
        roles = self.needed(subject, "alkali", "centre", *self._anions(subject))
        shells = self._shells(subject, roles)
        bonds = self.bonds(subject, roles)
        return {"occupancy": ShellOccupancy(shells, bonds, roles, self.max_frames)}

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """P(t) and times of residence by variant and environment.

        Returns
        -------
        Dataset over `variant`, `environment` and `lag` (ps) with `residence` and
        `residence_stderr`; over `variant` and `environment`: `residence_time` (ps) with `_stderr`
        (the largest of `_stderr_centres`, `_stderr_ions` and `_stderr_time`), `_ci68`, `_ci95` and
        `_lower_bound` (95 %), `tail_fraction`, `residence_time_kww`, `relaxation_time_kww` and
        `stretching_exponent` with errors, `n_events` and `verdict`; over `environment`
        `mean_coordination` and `share`. Times are NaN unless the verdict is "resolved". A
        trajectory not longer than four excursions has no `continuous` variant: "too short".
        """
        occupancy: Occupancy = found["occupancy"]
        roles = self.roles(subject)
        interval = subject.interval_ps * (int(np.diff(occupancy.frames[:2])[0]))
        count = len(occupancy.frames)
        gap = int(self.excursion_ps / interval + 1e-9)
        short = count <= 4 * gap
        residences = Residences(
            occupancy,
            spaced_lags(count, self.max_lag_fraction, self.lags),
            interval,
            0 if short else gap,
            int(self.label_excursion_ps / interval + 1e-9),
        )
        measured = residences.found(self.blocks, self.min_events, self.max_tail_fraction)
        attrs = self._attrs(subject, self._shells(subject, roles), self.bonds(subject, roles))
        result = residence_result(
            measured,
            subject.data,
            {
                **attrs,
                "frames": count,
                "frames_of": subject.frames,
                "time_resolution_ps": round(interval, 9),
            },
        )
        return without_continuous(result) if short else result

    def _anions(self, subject: Subject) -> tuple[str, ...]:
        """A role of anions to insist on, if there are none."""
        return () if self.roles(subject).anions else ("terminal",)

    def _shells(self, subject: Subject, roles: Roles) -> tuple[Bonds, Bonds, Bonds]:
        shell = _radii(subject, roles, "shell", dict(self.shell))
        inner = dict(_peaks(subject, shell, dict(self.inner)))
        outer = {f"{a}-{b}": radius for (a, b), radius in shell.table} | dict(self.outer)
        stable, gone = (
            _radii(subject, roles, name, radii)
            for name, radii in (("inner", inner), ("outer", outer))
        )
        for (pair, near), (_, far) in zip(stable.table, gone.table, strict=True):
            if near >= far:
                raise DataError(
                    f"the inner radius of {'-'.join(pair)}, {near:g} Å, is not below the outer "
                    f"one, {far:g} Å",
                    hint="give inner and outer",
                )
        return shell, stable, gone

    def _attrs(
        self, subject: Subject, shells: tuple[Bonds, Bonds, Bonds], bonds: Bonds
    ) -> dict[str, str]:
        names = ("shell", "inner_shell", "outer_shell")
        return {
            **{name: str(radii) for name, radii in zip(names, shells, strict=True)},
            "cutoffs": str(bonds),
            "method": (
                "all time origins; Kaplan-Meier over origins (continuous, stable_states), ratio of "
                "counts (intermittent); a pair of any image counts as one"
            ),
            "censoring": (
                "at the end of the trajectory and when the environment of the centre changes; an "
                "origin asks for what follows, so that what began before the trajectory is no "
                "matter"
            ),
            "definition": (
                "intermittent <h(0)h(t)>/<h>, times from (P-<h>)/(1-<h>); continuous with absences "
                f"up to {self.excursion_ps:g} ps ignored (Impey et al.); stable_states from the "
                "inner shell to beyond the outer one (Northrup and Hynes); environment at the "
                "origin, changes of at most "
                f"{self.label_excursion_ps:g} ps ignored"
            ),
            "error": (
                "the largest of three jackknives: over centres, over ions, and over "
                f"{self.blocks} blocks of time; intervals are those of a scaled chi-squared "
                "variable"
            ),
            "tail": "exponential beyond the lags used, with the rate over their later half",
            "doi": (
                "10.1021/j150643a008, 10.1063/1.440484, 10.1021/jp802033r, "
                "10.1080/01621459.1958.10501452, 10.1214/aos/1176345462"
            ),
        }


def _radii(subject: Subject, roles: Roles, field: str, given: dict[str, float]) -> Bonds:
    """Radii around centres, whose faults name the field that they come from."""
    try:
        return bonds_between(subject, roles.alkali, roles.centre, given)
    except DataError as error:
        what, hint = (text.replace("cutoffs", field) for text in (error.what, error.hint))
        raise DataError(what, hint=hint) from error


def _peaks(subject: Subject, shell: Bonds, given: dict[str, float]) -> dict[str, float]:
    """The radius of the highest point of g(r) within a shell, by pair, unless given, Å."""
    known = dict(given)
    for (a, b), radius in shell.table:
        if not {f"{a}-{b}", f"{b}-{a}"} & given.keys():
            survey: Histogram = subject.once(SURVEY, lambda: _survey(subject))
            g = survey.distribution()[0][survey.pairs.index((a, b))]
            within = survey.centres < radius
            if not g[within].any():
                raise DataError(
                    f"no {a} is ever within {radius:g} Å of {b} in the frames surveyed",
                    hint=f"give inner: {{{a}-{b}: 3.0}} and a longer shell: {{{a}-{b}: 5.0}}",
                )
            known[f"{a}-{b}"] = float(survey.centres[within][np.argmax(g[within])])
    return known


def _survey(subject: Subject) -> Histogram:
    found = measure_all(subject, [SURVEY])[SURVEY]
    if isinstance(found, Histogram):
        return found
    error: Exception = found.error
    raise error

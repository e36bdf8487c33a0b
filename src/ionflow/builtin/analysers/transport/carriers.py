"""Charge carried by single ions, by clusters of them, or by all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import Field

from ionflow.builtin.analysers.labels import Labelled, labelled
from ionflow.builtin.analysers.network.bonding import Bonds, bonds_between
from ionflow.builtin.analysers.roles import Roles, WithRoles
from ionflow.builtin.analysers.transport.clusters import ClusterCharges
from ionflow.builtin.analysers.transport.collective import ChargeSum, charge_slope
from ionflow.builtin.analysers.transport.regime import DiffusiveFit, Slope
from ionflow.builtin.analysers.transport.slopes import species_slope
from ionflow.builtin.analysers.transport.terms import Terms
from ionflow.errors import DataError
from ionflow.kinds import FloatArray, Table
from ionflow.passes import AnyMeasure, Subject
from ionflow.units import BOLTZMANN_EV_PER_K, S_CM_PER_E2_EV_A_PS

FREE, BOUND = CLUSTERED = ("cluster_nernst_einstein", "cluster_nernst_einstein_bound")
#: clusters that percolate in more frames than this share have no charge to speak of
MOST_PERCOLATING = 0.05


class WithClusters(DiffusiveFit, WithRoles):
    """An analyser of charge that is carried by single ions, by clusters, or by all together."""

    clusters: bool = True
    """Whether clusters of ions are looked for, which takes neighbours."""

    cluster_frames: int = Field(200, ge=1)
    """Frames that clusters are looked for in, evenly spaced."""

    cutoffs: Table = ()
    """Bond lengths in Å by pair, such as {Al-O: 2.3}; the first minimum of g(r) where not given."""

    binding: Literal["strongest", "all"] = "strongest"
    """How alkali are bound where they are: each to the one fragment that it has most bonds with
    (strongest), or to every anion within reach, so that alkali link fragments (all)."""

    def carriers(self, subject: Subject) -> dict[str, AnyMeasure]:
        """What the definitions need measured: single ions, all charge, clusters."""
        clusters = self._clusters(subject)
        there = {name: of for name, of in clusters.items() if not isinstance(of, str)}
        return {**self.motions(subject), "charge": ChargeSum(), **there}

    def _clusters(self, subject: Subject) -> dict[str, ClusterCharges | str]:
        """Measures of clusters, or why there are none, without and with bound alkali."""
        roles = self.roles(subject)
        if not self.clusters:
            return dict.fromkeys(CLUSTERED, "not looked for")
        if not (roles.centre and roles.anions):
            return dict.fromkeys(CLUSTERED, "none: there are no network centres with anions")
        check_cutoffs(dict(self.cutoffs), (*roles.centre, *roles.alkali), roles.anions)
        inner = self._bonds(subject, roles.centre, roles.anions)
        if isinstance(inner, str):
            return dict.fromkeys(CLUSTERED, inner)
        free = ClusterCharges(inner, max_frames=self.cluster_frames)
        return {FREE: free, BOUND: self._bound(subject, roles, free)}

    def _bound(self, subject: Subject, roles: Roles, free: ClusterCharges) -> ClusterCharges | str:
        if not roles.alkali:
            return "none: there is no alkali"
        outer = self._bonds(subject, roles.alkali, roles.anions)
        if isinstance(outer, str):
            return outer
        if self.binding == "strongest":
            return replace(free, guests=roles.alkali, guest_bonds=outer)
        inner = free.bonds
        both = replace(inner, table=inner.table + outer.table, weak=inner.weak + outer.weak)
        return replace(free, bonds=both)

    def _bonds(
        self, subject: Subject, cations: Sequence[str], anions: Sequence[str]
    ) -> Bonds | str:
        """Bonds, or why there are none: a gas has none, and its other conductivities are sound."""
        try:
            return bonds_between(subject, cations, anions, cutoffs_of(dict(self.cutoffs), cations))
        except DataError as error:
            return f"none: {error}"

    @property
    def definitions(self) -> tuple[str, ...]:
        """Names of the definitions, those of independent carriers first."""
        return ("nernst_einstein", *(CLUSTERED if self.clusters else ()), "einstein")

    def terms(self, subject: Subject, found: Mapping[str, Any]) -> dict[str, Terms]:
        """The terms of every definition of independent carriers that there is."""
        charge = subject.charge
        squares = [float((charge[subject.atoms[s]] ** 2).sum()) for s in subject.species]
        slopes = [species_slope(self, subject, s, found)[0] for s in subject.species]
        single = Terms(subject.species, np.array(squares), slopes)
        clustered = {name: found[name] for name in CLUSTERED if name in found}
        return {"nernst_einstein": single} | {
            name: replace(single, squares=of.factors, squares_stderr=of.factors_stderr)
            for name, of in clustered.items()
        }

    def slopes(self, subject: Subject, found: Mapping[str, Any]) -> dict[str, Slope]:
        """The slope, or why there is none, of every definition."""
        terms = self.terms(subject, found)
        slopes = {name: of.total() for name, of in terms.items()}
        for name in CLUSTERED:
            if name not in found:
                slopes[name] = Slope("no clusters", np.nan, np.nan)
            elif found[name].percolating > MOST_PERCOLATING:
                slopes[name] = Slope("percolating", np.nan, np.nan)
        slopes["einstein"] = self.collective(subject, found)[0]
        return {name: slopes[name] for name in self.definitions}

    def collective(self, subject: Subject, found: Mapping[str, Any]) -> tuple[Slope, FloatArray]:
        """Slope and MSD (lag,) of the displacement of all charge."""
        return charge_slope(self, subject, found, self.terms(subject, found)["nernst_einstein"])

    def cluster_attrs(self, subject: Subject) -> dict[str, str]:
        """How results state what clusters are, or why there are none."""
        clusters = self._clusters(subject)
        free, bound = clusters[FREE], clusters[BOUND]
        strongest = "each alkali in the fragment that it has most bonds with"
        how = strongest if self.binding == "strongest" else "alkali link fragments"
        return {
            "clusters": free
            if isinstance(free, str)
            else f"centres and anions within {free.bonds}",
            "clusters_bound": (
                bound
                if isinstance(bound, str)
                else f"{how}, within {bound.guest_bonds or bound.bonds}"
            ),
            "percolating": f"in more than {MOST_PERCOLATING:.0%} of frames: no number",
        }


def cutoffs_of(given: Mapping[str, float], species: Sequence[str]) -> dict[str, float]:
    """Cutoffs of pairs in which one of these species is."""
    return {pair: r for pair, r in given.items() if set(pair.split("-")) & set(species)}


def check_cutoffs(
    given: Mapping[str, float], cations: Sequence[str], anions: Sequence[str]
) -> None:
    """Check that every cutoff is of a cation and an anion.

    Raises
    ------
    DataError
        Naming those that are not.
    """
    known = {f"{a}-{b}" for a in cations for b in anions}
    known |= {f"{b}-{a}" for a in cations for b in anions}
    wrong = sorted(set(given) - known)
    if wrong:
        raise DataError(
            f"cutoffs are given for {', '.join(wrong)}, which are no bonds of the trajectory",
            hint=f"bonds are between {', '.join(cations)} and {', '.join(anions)}",
        )


def to_conductivity(subject: Subject) -> float:
    """S/cm of one e² Å²/frame: 1/(V kB T)."""
    thermal = subject.volume * BOLTZMANN_EV_PER_K * subject.temperature_K
    return S_CM_PER_E2_EV_A_PS / (thermal * subject.interval_ps)


def state_variables(subject: Subject) -> dict[str, Labelled]:
    """Volume and temperature that conductivities are divided by."""
    return {
        "volume": labelled((), subject.volume, "angstrom^3", "mean volume"),
        "temperature_measured": labelled(
            (), subject.temperature_K, "K", "mean kinetic temperature"
        ),
    }

"""Bonds: up to the first minimum of g(r); environments that they form, and what they connect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydantic import field_validator

from ionflow.builtin.analysers.roles import Roles, WithRoles
from ionflow.builtin.analysers.structure.shells import Histogram, PairDistances, first_shell
from ionflow.errors import DataError
from ionflow.kinds import FloatArray, Table
from ionflow.passes import Frame, IntArray, Pairs, Subject, measure_all

#: g(r) that cutoffs are read from: longest distance (Å), bins, frames
SURVEY = PairDistances(8.0, 200, 64)
#: width of the Gaussian that smooths g(r) first, Å
SMOOTHING_ANGSTROM = 0.1
#: where g has no clear first minimum, its lowest point up to so many times the first peak counts
WEAK_REACH = 1.6

Pair = tuple[str, str]

ENVIRONMENTS: Final = ("X4", "X3O1", "X2O2", "X1O3", "O4", "other")
"""Anions around a centre: X terminal, O bridging; `other` has not four of them."""


@dataclass(frozen=True)
class Bonds:
    """Up to which distance two atoms count as bonded, by pair of species."""

    table: tuple[tuple[Pair, float], ...]
    """Å, each pair once"""
    weak: tuple[Pair, ...] = ()
    """pairs whose g(r) has no clear first minimum"""

    @property
    def longest(self) -> float:
        """Å"""
        return max(cutoff for _, cutoff in self.table)

    def of(self, first: str, second: str) -> float:
        """The cutoff of a pair in either order, Å."""
        known = dict(self.table)
        return known[first, second] if (first, second) in known else known[second, first]

    def __str__(self) -> str:
        words = [f"{a}-{b} {r:.2f}" + " (weak)" * ((a, b) in self.weak) for (a, b), r in self.table]
        return ", ".join(words) + " angstrom"

    def pairs(self, frame: Frame) -> Pairs:
        """Bonded pairs of a frame, each once."""
        limit = self._limits(frame.subject)
        found = frame.pairs(self.longest)
        kind = frame.subject.kind
        return found.where(found.distance < limit[kind[found.i], kind[found.j]])

    def _limits(self, subject: Subject) -> FloatArray:
        limits = np.zeros((len(subject.species),) * 2)
        places = {name: place for place, name in enumerate(subject.species)}
        for (a, b), cutoff in self.table:
            limits[places[a], places[b]] = limits[places[b], places[a]] = cutoff
        return limits


class WithBonds(WithRoles):
    """An analyser of bonds between centres and anions."""

    cutoffs: Table = ()
    """Distances up to which two atoms are bonded, by pair, as in Al-O: 2.4 (angstrom); for pairs
    that are not named the first minimum of g(r)."""

    @field_validator("cutoffs")
    @classmethod
    def _cutoffs_are_distances(cls, value: Table) -> Table:
        wrong = [name for name, cutoff in value if not cutoff > 0]
        if wrong:
            raise ValueError(f"the cutoff of {', '.join(wrong)} is not a positive distance")
        return value

    def network(self, subject: Subject) -> Roles:
        """The roles, of which there must be a centre and an anion of either kind.

        Raises
        ------
        DataError
            If there is none.
        """
        roles = self.needed(subject, "centre")
        return roles if roles.anions else self.needed(subject, "bridging", "terminal")

    def bonds(self, subject: Subject, roles: Roles) -> Bonds:
        """Bonds of every centre to every anion.

        Raises
        ------
        DataError
            As `bonds_between`.
        """
        return bonds_between(subject, roles.centre, roles.anions, dict(self.cutoffs))


def bonds_between(
    subject: Subject,
    first: Iterable[str],
    second: Iterable[str],
    given: Mapping[str, float] | None = None,
) -> Bonds:
    """Bonds between two groups of species, up to the first minimum of g(r) unless given.

    Parameters
    ----------
    subject : the trajectory, of which at most 64 frames are read for g(r), once
    first, second : species
    given : cutoffs by pair such as "Al-O", Å

    Raises
    ------
    DataError
        If g(r) of a pair has no first peak, or a pair that is given is none of those.
    """
    pairs = list(dict.fromkeys((a, b) for a in first for b in second))
    known = _given(given or {}, pairs)
    table, weak = [], []
    for pair in pairs:
        if pair not in known:
            known[pair], clear = _cutoff(subject, pair)
            weak += [] if clear else [pair]
        table.append((pair, known[pair]))
    return Bonds(tuple(table), tuple(weak))


def _given(given: Mapping[str, float], pairs: Iterable[Pair]) -> dict[Pair, float]:
    names = {f"{a}-{b}": (a, b) for a, b in pairs} | {f"{b}-{a}": (a, b) for a, b in pairs}
    wrong = sorted(set(given) - set(names))
    if wrong:
        raise DataError(
            f"cutoffs are given for {', '.join(wrong)}, which are not asked for",
            hint=f"pairs are {', '.join(names)}",
        )
    return {names[name]: cutoff for name, cutoff in given.items()}


def _cutoff(subject: Subject, pair: Pair) -> tuple[float, bool]:
    """First minimum of g(r) of a pair, Å, and whether it is clear."""
    histogram = subject.once(SURVEY, lambda: _survey(subject))
    place = histogram.pairs.index(pair)
    g = histogram.distribution()[0][place]
    width = SMOOTHING_ANGSTROM / histogram.width
    found = first_shell(g, histogram.noise(place), width)
    # a dip between two parts of one shell, such as terminal and bridging anions, is no minimum
    if found is not None and _smooth(g, width)[found[1]] < 1.0:
        return float(histogram.edges[found[1] + 1]), True
    return _weak(histogram, g, pair), False


def _survey(subject: Subject) -> Histogram:
    found = measure_all(subject, [SURVEY])[SURVEY]
    if isinstance(found, Histogram):
        return found
    error: Exception = found.error
    raise error


def _smooth(g: FloatArray, width: float) -> FloatArray:
    from scipy.ndimage import gaussian_filter1d

    smooth: FloatArray = gaussian_filter1d(g, width)
    return smooth


def _weak(histogram: Histogram, g: FloatArray, pair: Pair) -> float:
    smooth = _smooth(g, 2 * SMOOTHING_ANGSTROM / histogram.width)
    centres = histogram.centres
    # the first place that is as dense as the mean, and the highest point soon behind it
    start = int(np.argmax(smooth > 1.0))
    near = (centres >= centres[start]) & (centres <= 1.3 * centres[start])
    peak = float(centres[near][np.argmax(smooth[near])]) if smooth[start] > 1.0 else np.inf
    behind = (centres > peak) & (centres <= WEAK_REACH * peak)
    if not behind.any():
        name = "-".join(pair)
        raise DataError(
            f"g(r) of {name} has no first shell within {centres[-1]:.1f} Å",
            hint=f"give its cutoff, as in cutoffs: {{{name}: 3.0}}",
        )
    return float(centres[behind][np.argmin(smooth[behind])])


def mask(subject: Subject, species: Iterable[str]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which atoms are of these species, (atom,)."""
    chosen = np.zeros(len(subject.labels), dtype=np.bool_)
    for name in species:
        chosen[subject.atoms[name]] = True
    return chosen


def environments(bonded: Pairs, subject: Subject, roles: Roles) -> IntArray:
    """The environment of every centre, (centre,) index into ENVIRONMENTS, in order of atoms.

    Parameters
    ----------
    bonded : bonds between centres and anions, each once in either order
    """
    count = len(subject.labels)
    centre = mask(subject, roles.centre)
    around = {}
    for name in ("terminal", "bridging"):
        of = bonded.between(centre, mask(subject, getattr(roles, name)))
        around[name] = np.bincount(of.i, minlength=count)[centre]
    x, o = around["terminal"], around["bridging"]
    return np.where(x + o == 4, o, len(ENVIRONMENTS) - 1)


def fragments(bonded: Pairs, atoms: int) -> IntArray:
    """The connected fragment that each atom belongs to, (atom,), counted from 0."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(bonded.i)), (bonded.i, bonded.j)), shape=(atoms, atoms))
    labels: IntArray = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels

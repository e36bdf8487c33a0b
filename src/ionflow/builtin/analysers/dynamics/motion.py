"""What the displacements of single atoms add up to: measures shared by analysers of transport."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ionflow.builtin.analysers.dynamics.correlation import (
    mean_squared_displacement,
    summed_displacement,
)
from ionflow.builtin.analysers.dynamics.gathered import Gathered, GatheredBySpecies
from ionflow.kinds import FloatArray
from ionflow.passes import IntArray, Paths, PerAtom, Subject

Curves = Mapping[str, FloatArray]
"""By species"""


@dataclass(frozen=True)
class SpeciesMotion:
    """The all-origins MSD of a species."""

    atoms: IntArray
    """(atom,) indices"""
    each: FloatArray
    """(atom, lag) Å²"""
    direction: FloatArray
    """(xyz, lag) Å², mean over atoms"""

    @property
    def mean(self) -> FloatArray:
        """(lag,) Å²"""
        mean: FloatArray = self.each.mean(axis=0)
        return mean


@dataclass(frozen=True)
class SelfMotion(GatheredBySpecies):
    """The all-origins MSD of every atom: {species: SpeciesMotion}."""

    lags: tuple[int, ...]
    """frames"""

    def add(self, state: dict[str, Gathered], paths: Paths) -> None:
        each, direction = mean_squared_displacement(paths.values, np.array(self.lags))
        self.gather(state, paths, each, direction * len(each))

    def finish(self, state: dict[str, Gathered], subject: Subject) -> dict[str, SpeciesMotion]:
        return {species: SpeciesMotion(*state[species].whole()) for species in subject.species}


@dataclass(frozen=True)
class PartMotion(PerAtom[dict[tuple[str, int], FloatArray]]):
    """The MSD of each species in each of some consecutive equal parts of the trajectory.

    Analysers are given {(species, number of parts): (part, lag) Å²}; lags that are a larger
    fraction of a part than the longest is of the trajectory are NaN.
    """

    lags: tuple[int, ...]
    parts: tuple[int, ...]
    """numbers of parts, such as 8 and 3"""

    def start(self, subject: Subject) -> dict[tuple[str, int], FloatArray]:
        shape = {count: (count, len(self.lags)) for count in self.parts}
        return {(s, count): np.zeros(shape[count]) for s in subject.species for count in self.parts}

    def add(self, state: dict[tuple[str, int], FloatArray], paths: Paths) -> None:
        lags = np.array(self.lags)
        for count in self.parts:
            length = paths.values.shape[-1] // count
            known = lags <= min(length - 1, (lags[-1] + 1) // count)
            pieces = paths.values[..., : count * length]
            cut = pieces.reshape(*pieces.shape[:2], count, length)
            state[paths.species, count][:, ~known] = np.nan
            if known.any():
                state[paths.species, count][:, known] += summed_displacement(cut, lags[known])

    def merge(
        self,
        first: dict[tuple[str, int], FloatArray],
        second: dict[tuple[str, int], FloatArray],
    ) -> dict[tuple[str, int], FloatArray]:
        return {at: first[at] + second[at] for at in first}

    def finish(
        self, state: dict[tuple[str, int], FloatArray], subject: Subject
    ) -> dict[tuple[str, int], FloatArray]:
        return {(s, n): total / len(subject.atoms[s]) for (s, n), total in state.items()}


@dataclass(frozen=True)
class Independence(PerAtom[dict[str, list[tuple[IntArray, FloatArray]]]]):
    """How many independent walkers each species' atoms are worth, {species: number}.

    (tr C)²/tr C², where C_ij is the covariance of the displacements of atoms i and j. N atoms that
    share nothing give N; momentum conservation, atoms that move together and atoms that do not
    move at all give less. C is taken from consecutive displacements of a twelfth of the
    trajectory, and what their noise adds to tr C² is taken off as for Gaussian ones.
    """

    pieces: int = 12

    def start(self, subject: Subject) -> dict[str, list[tuple[IntArray, FloatArray]]]:
        return {species: [] for species in subject.species}

    def add(self, state: dict[str, list[tuple[IntArray, FloatArray]]], paths: Paths) -> None:
        every = max(1, (paths.values.shape[-1] - 1) // self.pieces)
        steps = np.diff(paths.values[..., ::every], axis=-1)
        state[paths.species].append((paths.atoms, steps.reshape(len(steps), -1)))

    def merge(
        self,
        first: dict[str, list[tuple[IntArray, FloatArray]]],
        second: dict[str, list[tuple[IntArray, FloatArray]]],
    ) -> dict[str, list[tuple[IntArray, FloatArray]]]:
        return {species: first[species] + second[species] for species in first}

    def finish(
        self, state: dict[str, list[tuple[IntArray, FloatArray]]], subject: Subject
    ) -> dict[str, float]:
        return {s: participation(_in_order(parts)) for s, parts in state.items()}


def _in_order(parts: Sequence[tuple[IntArray, FloatArray]]) -> FloatArray:
    order = np.argsort(np.concatenate([atoms for atoms, _ in parts]))
    steps: FloatArray = np.concatenate([steps for _, steps in parts])[order]
    return steps


def participation(steps: FloatArray) -> float:
    """(tr C)²/tr C² of the covariance of (walker, sample), without the bias of few samples."""
    count, samples = steps.shape
    covariance = steps @ steps.T / samples
    variances = np.diag(covariance)
    if count == 1 or not variances.any():
        return float(count)
    own = (variances**2).sum()
    distinct = (covariance**2).sum() - own
    noise = (variances.sum() ** 2 - own) / samples
    # E[C_ii²] = c_ii² (1 + 2/n), E[C_ij²] = c_ij² (1 + 1/n) + c_ii c_jj / n
    squares = own / (1 + 2 / samples) + max(0.0, distinct - noise) / (1 + 1 / samples)
    trace = variances.sum() ** 2 - 2 * squares / samples
    return float(np.clip(trace / squares, 1.0, count))

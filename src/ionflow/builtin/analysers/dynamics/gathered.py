"""Numbers of single atoms gathered by species, with sums over the atoms beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ionflow.kinds import FloatArray
from ionflow.passes import IntArray, Paths, PerAtom, Subject


@dataclass
class Gathered:
    """What is known of some atoms of one species."""

    atoms: list[IntArray]
    """indices, part by part"""
    each: list[FloatArray]
    """(atom, ...) of each part"""
    total: FloatArray
    """summed over atoms"""

    def plus(self, other: Gathered) -> Gathered:
        """Of these atoms and others."""
        return Gathered(
            [*self.atoms, *other.atoms], [*self.each, *other.each], self.total + other.total
        )

    def whole(self) -> tuple[IntArray, FloatArray, FloatArray]:
        """Indices in order, numbers of each atom in that order, and the mean over atoms."""
        atoms = np.concatenate(self.atoms)
        order = np.argsort(atoms)
        return atoms[order], np.concatenate(self.each)[order], self.total / len(atoms)


class GatheredBySpecies(PerAtom[dict[str, Gathered]]):
    """A measure whose state is what was gathered of each species."""

    def start(self, subject: Subject) -> dict[str, Gathered]:
        return {}

    def gather(
        self, state: dict[str, Gathered], paths: Paths, each: FloatArray, total: FloatArray
    ) -> None:
        """Add what was found of some atoms."""
        part = Gathered([paths.atoms], [each], total)
        known = state.get(paths.species)
        state[paths.species] = part if known is None else known.plus(part)

    def merge(self, first: dict[str, Gathered], second: dict[str, Gathered]) -> dict[str, Gathered]:
        shared = {s: first[s].plus(second[s]) for s in first.keys() & second.keys()}
        return {**first, **second, **shared}

"""What a generator promises."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from ionflow.kinds import Generator
from ionflow.testing.contract import require
from ionflow.testing.plugins import check_plugin

if TYPE_CHECKING:
    from ase import Atoms

#: Atoms closer than this (Å) are a mistake in any structure.
COINCIDENT = 0.3


def check_generator(generator: Generator, seed: int = 0) -> None:
    """Check that a generator builds what it says, the same way every time.

    Raises
    ------
    AssertionError
        Saying which contract is broken and how to mend it.
    """
    check_plugin(generator, Generator)
    promised = dict(generator.composition())
    atoms = generator.build(np.random.default_rng(seed))
    _check_same(atoms, generator, seed)
    _check_composition(promised, atoms)
    _check_periodic(atoms)
    _check_bare(atoms)


def _check_same(atoms: Atoms, generator: Generator, seed: int) -> None:
    again = generator.build(np.random.default_rng(seed))
    same = (
        np.array_equal(atoms.numbers, again.numbers)
        and np.array_equal(atoms.positions, again.positions)
        and np.array_equal(atoms.cell, again.cell)
    )
    require(
        same,
        "build() gives two structures for one state of the generator",
        "draw every random number from the rng argument",
    )


def _check_composition(promised: dict[str, int], atoms: Atoms) -> None:
    placed = dict(Counter(atoms.get_chemical_symbols()))
    require(
        {element: n for element, n in promised.items() if n} == placed,
        f"composition() promises {promised}, build() places {placed}",
        "let both count from the same numbers",
    )


def _check_periodic(atoms: Atoms) -> None:
    require(
        bool(atoms.pbc.all()) and atoms.cell.rank == 3,
        f"the structure has pbc {atoms.pbc.tolist()} and a cell of rank {atoms.cell.rank}",
        "set pbc=True and three lattice vectors",
    )
    require(
        bool(np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell).all()),
        "positions or cell are not finite",
        "check the numbers that build() computes",
    )
    from vesin import NeighborList

    finder = NeighborList(cutoff=COINCIDENT, full_list=False)
    (d,) = finder.compute(atoms.positions, atoms.cell.array, True, "d")
    require(
        d.size == 0,
        f"{d.size} pairs of atoms are closer than {COINCIDENT} Å",
        "keep atoms apart, across the cell's faces too",
    )


def _check_bare(atoms: Atoms) -> None:
    require(
        atoms.calc is None and not atoms.constraints,
        "the structure carries a calculator or constraints",
        "return bare atoms: the recipe chooses the potential, and engines move every atom",
    )

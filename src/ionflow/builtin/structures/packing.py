"""Random packings of any composition."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import gcd, pi
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field, field_validator, model_validator

from ionflow.builtin.structures.contacts import check_pairs, min_distances_angstrom, pair_key
from ionflow.builtin.structures.formula import parse, unit
from ionflow.builtin.structures.spheres import Box, Overlap, pack
from ionflow.errors import StructureError
from ionflow.ions import oxidation_numbers, radius_angstrom
from ionflow.kinds import Generator, Table
from ionflow.units import G_CM3_PER_AMU_A3

if TYPE_CHECKING:
    from ase import Atoms


class Packing(Generator):
    """A cubic box of ions at random places that keep their distance: the start of a melt.

    Ions are drawn uniformly, follow the electrostatic forces of their formal charges for a few
    short moves, and are pushed apart until no pair is too close. For LiAlCl2.5O0.75 that starts
    about 0.25 eV/atom above the melt (CHGNet 0.3.0), not the 1.7 eV/atom of a blind packing.
    """

    use = "packing"
    version: ClassVar[int] = 1

    formula: str = Field(max_length=200)
    """Composition, such as LiAlCl2.5O0.75; coefficients are taken exactly as written."""

    atoms: int | None = Field(None, ge=1, le=1_000_000)
    """Number of atoms wanted; the nearest with exactly this composition is taken. If null, the
    formula as written, or its smallest whole multiple."""

    density_g_cm3: float | None = Field(None, gt=0, le=30)
    """Density of the cell; from the ionic radii and `packing_fraction` if null."""

    packing_fraction: float = Field(0.688, gt=0, le=1)
    """Share of the cell that the ions' Shannon spheres fill, where no density is given. The
    default gives LiAlCl2.5O0.75 2.1 g/cm³, and LiAlCl4, NaAlCl4 and KAlCl4 their crystals'
    density within 10 %."""

    min_distances: Table = ()
    """Shortest distance in Å by pair, such as {Al-O: 1.6}; else 0.88 of the sum of the ionic
    radii, and at least 2.6 Å between cations."""

    charges: Table = ()
    """Formal charge in e by element, such as {Fe: 2}; else the common oxidation number."""

    neutral: bool = True
    """Refuse a composition whose formal charges do not sum to zero."""

    @field_validator("formula")
    @classmethod
    def _readable(cls, formula: str) -> str:
        unit(parse(formula))
        return formula

    @field_validator("min_distances")
    @classmethod
    def _positive(cls, table: Table) -> Table:
        for pair, distance in table:
            if not 0 < distance < 20:
                raise ValueError(f"the distance of {pair} must lie between 0 and 20 Å")
        return table

    @model_validator(mode="after")
    def _consistent(self) -> Packing:
        elements = parse(self.formula)
        check_pairs([pair for pair, _ in self.min_distances], list(elements))
        strangers = [element for element, _ in self.charges if element not in elements]
        if strangers:
            raise ValueError(f"charges names {', '.join(strangers)}, not in {self.formula}")
        if self.neutral:
            _check_neutral(self.formula, dict(self.charges))
        return self

    def composition(self) -> Mapping[str, int]:
        """Number of atoms of each element, at the nearest feasible number of atoms."""
        smallest = unit(parse(self.formula))
        if self.atoms is None:
            return smallest
        reduced = _reduced(smallest)
        size = sum(reduced.values())
        copies = max(1, round(Fraction(self.atoms, size)))
        return {element: n * copies for element, n in reduced.items()}

    @property
    def actual_atoms(self) -> int:
        """Number of atoms that `build` places."""
        return sum(self.composition().values())

    def volume_A3(self) -> float:
        """Volume of the cell in Å³, from the density or from the ionic radii."""
        from ase.data import atomic_masses, atomic_numbers

        counts = self.composition()
        if self.density_g_cm3 is None:
            spheres = sum(n * 4 / 3 * pi * radius_angstrom(e) ** 3 for e, n in counts.items())
            return spheres / self.packing_fraction
        mass = sum(n * float(atomic_masses[atomic_numbers[e]]) for e, n in counts.items())
        return mass * G_CM3_PER_AMU_A3 / self.density_g_cm3

    def build(self, rng: np.random.Generator) -> Atoms:
        """One random packing, with formal charges as initial charges.

        Raises
        ------
        StructureError
            Naming the pair that could not be kept apart.
        """
        from ase import Atoms

        counts = self.composition()
        elements = list(counts)
        kinds = np.repeat(np.arange(len(elements)), list(counts.values()))
        length = self.volume_A3() ** (1 / 3)
        charges = np.array([self._charges()[element] for element in elements])
        packed = pack(Box(kinds, charges, self._apart(elements), np.full(3, length)), rng)
        if isinstance(packed, Overlap):
            raise self._too_dense(packed, elements)
        symbols = [elements[kind] for kind in kinds]
        return Atoms(symbols, packed, cell=[length] * 3, pbc=True, charges=charges[kinds])

    def _charges(self) -> dict[str, float]:
        known = oxidation_numbers(parse(self.formula), dict(self.charges))
        return {element: charge or 0.0 for element, charge in known.items()}

    def _distances(self) -> dict[str, float]:
        return min_distances_angstrom(self._charges(), dict(self.min_distances))

    def _apart(self, elements: list[str]) -> np.ndarray:
        table = self._distances()
        return np.array([[table[pair_key(a, b)] for b in elements] for a in elements])

    def _too_dense(self, overlap: Overlap, elements: list[str]) -> StructureError:
        a, b = sorted(elements[kind] for kind in overlap.kinds)
        wanted = self._distances()[f"{a}-{b}"]
        return StructureError(
            f"{self.actual_atoms} atoms of {self.formula} do not fit into "
            f"{self.volume_A3():.0f} Å³: {a} and {b} came as close as {overlap.distance:.2f} Å, "
            f"{wanted:.2f} Å is asked",
            where="structure",
            hint=f"lower density_g_cm3, or give min_distances: {{{a}-{b}: (a smaller one)}}",
        )


def _reduced(counts: Mapping[str, int]) -> dict[str, int]:
    divisor = gcd(*counts.values())
    return {element: n // divisor for element, n in counts.items()}


def _check_neutral(formula: str, given: Mapping[str, float]) -> None:
    amounts = parse(formula)
    known = oxidation_numbers(amounts, given)
    unknown = [element for element, charge in known.items() if charge is None]
    if unknown:
        raise ValueError(
            f"no common oxidation number of {', '.join(unknown)}; give it in `charges`, "
            "or set neutral: false"
        )
    total = sum(float(n) * (known[element] or 0.0) for element, n in amounts.items())
    if abs(total) > 1e-9:
        terms = ", ".join(f"{e} {known[e]:+g} × {float(n):g}" for e, n in amounts.items())
        raise ValueError(
            f"{formula} is not charge neutral: {terms} sum to {total:+g}; change the formula, "
            "give other `charges`, or set neutral: false"
        )

"""A pair potential with one well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from ionflow import ForceField, Potential

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator


class Morse(Potential):
    """The same Morse well between every two atoms, whatever their elements.

    U(r) = D [exp(-2 a (r - r0)) - 2 exp(-a (r - r0))], made smooth at the cutoff

    The defaults are those of copper (Girifalco and Weizer, Phys. Rev. 114, 687 (1959),
    doi 10.1103/PhysRev.114.687). A pair potential holds a metal together, but does not give its
    elastic constants, surfaces or vacancies right.
    """

    use = "morse"

    depth_eV: float = Field(0.3429, gt=0)
    """D, what it costs to pull a pair apart."""

    width_per_angstrom: float = Field(1.3588, gt=0)
    """a; the larger, the narrower the well."""

    distance_angstrom: float = Field(2.866, gt=0)
    """r0, the distance of a pair at rest."""

    cutoff_angstrom: float = Field(6.5, gt=0)
    """Distance from which on two atoms do not see each other."""

    def calculator(self) -> Calculator:
        """The force field as an ASE calculator."""
        from ionflow.calculator import FieldCalculator

        return FieldCalculator(self.force_field())

    def force_field(self, device: str = "cpu") -> ForceField:
        """The potential for many systems in one call."""
        from ionflow_example.morse_field import MorseField

        return MorseField(
            self.depth_eV, self.width_per_angstrom, self.distance_angstrom, self.cutoff_angstrom
        )

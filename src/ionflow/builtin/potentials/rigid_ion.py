"""A classical rigid-ion potential: cheap, for tests and tutorials."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from ionflow.ions import IONS
from ionflow.kinds import ForceField, Potential, Table

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator


class RigidIon(Potential):
    """Repulsion, dispersion and damped Coulomb forces between rigid ions. Not quantitative.

    It makes ionic liquids and glasses that look and flow like ones, thousands of times faster
    than a learned potential, for tests and tutorials. No number from it says anything about a
    real material: it has no polarisation, no bonds, and radii are its only parameters.

    For ions i, j of charges q and radii R at a distance r,

    U = A exp((R_i + R_j - r)/rho) + k q_i q_j erfc(alpha r)/r - B ((R_i + R_j)/r)⁶,

    each term shifted so that energy and force are zero at the cutoff (Fennell and Gezelter,
    J. Chem. Phys. 124, 234104 (2006), doi 10.1063/1.2206581). A is such that unlike ions in
    rock salt touch at R_i + R_j; between like ions it is 0.05 eV. B is 0.1 eV between anions, 0
    otherwise. With these LiAlCl2.5O0.75 keeps 2.1 g/cm³ at 1000 K without pressure, and its
    lithium moves several times faster than its framework.
    """

    use = "rigid_ion"
    version: ClassVar[int] = 1

    cutoff_angstrom: float = Field(8.0, gt=2, le=30)
    """Where all forces end. Any size of cell is right: every periodic image counts."""

    damping_per_angstrom: float = Field(0.2, ge=0, le=1)
    """alpha of the damped Coulomb interaction."""

    hardness_angstrom: float = Field(0.28, gt=0.05, le=1)
    """rho of the repulsion."""

    charge_scale: float = Field(0.85, gt=0, le=1)
    """Ions carry this share of their formal charge, to stand in for polarisation."""

    charges: Table = ()
    """Formal charge in e by element, such as {Fe: 2}; else the common oxidation number."""

    radii_angstrom: Table = ()
    """Ionic radius by element; else Shannon's."""

    @model_validator(mode="after")
    def _known(self) -> RigidIon:
        for name, table in (("charges", self.charges), ("radii_angstrom", self.radii_angstrom)):
            strangers = [element for element, _ in table if element not in IONS]
            if strangers:
                raise ValueError(f"{name} names {', '.join(strangers)}; known: {', '.join(IONS)}")
        if any(not 0 < radius < 5 for _, radius in self.radii_angstrom):
            raise ValueError("radii_angstrom must lie between 0 and 5 Å")
        return self

    def elements(self) -> frozenset[str]:
        """Elements with a tabulated ion."""
        return frozenset(IONS)

    def ions(self) -> dict[str, tuple[float, float]]:
        """Scaled charge (e) and radius (Å) of every element."""
        charges, radii = dict(self.charges), dict(self.radii_angstrom)
        return {
            element: (self.charge_scale * charges.get(element, charge), radii.get(element, radius))
            for element, (charge, radius) in IONS.items()
        }

    def force_field(self, device: str = "cpu") -> ForceField:
        """The potential as a batched function of float64 tensors; keeps no state between calls."""
        from ionflow.builtin.potentials.rigid_ion_field import RigidIonField

        return RigidIonField(
            self.ions(),
            cutoff=self.cutoff_angstrom,
            alpha=self.damping_per_angstrom,
            rho=self.hardness_angstrom,
            device=device,
        )

    def calculator(self) -> Calculator:
        """The force field as an ASE calculator."""
        from ionflow.calculator import FieldCalculator

        return FieldCalculator(self.force_field())

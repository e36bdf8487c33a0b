"""Amorphous alkali metal oxyhalides, A_a M O_y X_(3+a-2y)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from ionflow.builtin.structures.packing import Packing
from ionflow.ions import IONS
from ionflow.kinds import Generator, Table

if TYPE_CHECKING:
    from ase import Atoms


def _of_charge(charge: int) -> AfterValidator:
    allowed = [element for element, (q, _) in IONS.items() if q == charge]

    def check(element: str) -> str:
        if element not in allowed:
            raise ValueError(f"{element!r} forms no {charge:+d} ion here; take one of {allowed}")
        return element

    return AfterValidator(check)


class Oxyhalide(Generator):
    """A random packing of an alkali metal oxyhalide A_a M O_y X_(3+a-2y): AMX2.5O0.75 by default.

    It is charge neutral for every a and y: A is +1, M +3, X -1 and O -2.
    """

    use = "oxyhalide"

    A: Annotated[str, _of_charge(1)] = "Li"
    """Alkali: Li, Na, K, or another +1 ion."""

    M: Annotated[str, _of_charge(3)] = "Al"
    """Metal: Al, Ga, In, or another +3 ion."""

    X: Annotated[str, _of_charge(-1)] = "Cl"
    """Halogen: F, Cl, Br, I."""

    alkali: float = Field(1.0, ge=0, le=10)
    """a: alkali ions per M."""

    oxygen: float = Field(0.75, ge=0, le=10)
    """y: oxygen ions per M; each replaces two X."""

    atoms: int = Field(1344, ge=1, le=1_000_000)
    """Number of atoms wanted; the nearest with exactly this composition is taken."""

    density_g_cm3: float | None = Field(None, gt=0, le=30)
    """Density of the cell. If null, the ions' Shannon spheres fill 0.688 of it: 2.1 g/cm³ for
    LiAlCl2.5O0.75, and by the same rule for every other A, M and X; an npt stage corrects it."""

    min_distances: Table = ()
    """Shortest distance in Å by pair, such as {Al-O: 1.6}; as in `packing`."""

    @model_validator(mode="after")
    def _possible(self) -> Oxyhalide:
        halogen = self._amounts()[self.X]
        if halogen < 0:
            raise ValueError(
                f"alkali {self.alkali:g} and oxygen {self.oxygen:g} leave {halogen} {self.X} per "
                f"{self.M}; oxygen must not exceed (3 + alkali)/2 = {(3 + self.alkali) / 2:g}"
            )
        _ = self.packing
        return self

    @property
    def formula(self) -> str:
        """The formula with all coefficients.

        >>> Oxyhalide(A="Na").formula
        'Na1Al1O0.75Cl2.5'
        """
        return "".join(f"{e}{n:f}" for e, n in self._amounts().items() if n)

    @property
    def packing(self) -> Packing:
        """The packing that this is."""
        shared: dict[str, Any] = {
            name: getattr(self, name) for name in ("atoms", "density_g_cm3", "min_distances")
        }
        return Packing(formula=self.formula, **shared)

    @property
    def actual_atoms(self) -> int:
        """Number of atoms that `build` places."""
        return self.packing.actual_atoms

    def composition(self) -> Mapping[str, int]:
        """Number of atoms of each element, at the nearest feasible number of atoms."""
        return self.packing.composition()

    def build(self, rng: np.random.Generator) -> Atoms:
        """One random packing, with formal charges as initial charges."""
        return self.packing.build(rng)

    def _amounts(self) -> dict[str, Decimal]:
        a, y = Decimal(str(self.alkali)), Decimal(str(self.oxygen))
        halogen = 3 + a - 2 * y
        return {
            self.A: a.normalize(),
            self.M: Decimal(1),
            "O": y.normalize(),
            self.X: halogen.normalize(),
        }

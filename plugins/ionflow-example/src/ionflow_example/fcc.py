"""A crystal to start from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from ionflow import Generator

if TYPE_CHECKING:
    from ase import Atoms

Cells = Annotated[int, Field(ge=1, le=100)]


class Fcc(Generator):
    """A face-centred cubic crystal of one element."""

    use = "fcc"

    element: str = Field("Cu", pattern="^[A-Z][a-z]?$")
    """Chemical symbol."""

    lattice_angstrom: float = Field(3.61, gt=1, lt=20)
    """Edge of the cubic unit cell; that of copper by default."""

    cells: tuple[Cells, Cells, Cells] = (3, 3, 3)
    """Unit cells, of four atoms each, along x, y and z."""

    def build(self, rng: np.random.Generator) -> Atoms:
        """The perfect crystal; `rng` is not used."""
        from ase.build import bulk

        unit = bulk(self.element, "fcc", a=self.lattice_angstrom, cubic=True)
        crystal: Atoms = unit.repeat(self.cells)
        return crystal

    def composition(self) -> Mapping[str, int]:
        """Four atoms for each unit cell."""
        return {self.element: 4 * int(np.prod(self.cells))}

"""chgnet's own evaluation as an ASE calculator: the reference, and the fallback."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from chgnet.graph.converter import CrystalGraphConverter
from chgnet.model.model import CHGNet as ChgnetModel
from pymatgen.core.structure import Structure

from ionflow.errors import PhysicsError, PluginError

HEAVIEST = 94


class StockCalculator(Calculator):
    """Energy (eV), forces (eV/Å) and stress (eV/Å³) from an unmodified chgnet model."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012 (ASE)

    def __init__(self, model: ChgnetModel) -> None:
        Calculator.__init__(self)
        self.model = model
        self._graph = CrystalGraphConverter(
            atom_graph_cutoff=model.graph_converter.atom_graph_cutoff,
            bond_graph_cutoff=model.graph_converter.bond_graph_cutoff,
            on_isolated_atoms="error",
        )

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = None,
        system_changes: Any = all_changes,
    ) -> None:
        Calculator.calculate(self, atoms, properties, system_changes)
        system: Any = self.atoms
        prediction: Any = self.model.predict_graph(self._graph_of(system), task="efs")
        scale = len(system) if self.model.is_intensive else 1
        energy = float(prediction["e"]) * scale
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": prediction["f"].astype(np.float64),
            "stress": full_3x3_to_voigt_6_stress(prediction["s"].astype(np.float64)) * units.GPa,
        }

    def _graph_of(self, atoms: Any) -> Any:
        check_elements(atoms.numbers)
        if abs(atoms.cell.volume) < 1e-6:
            raise PhysicsError("CHGNet needs a periodic cell", hint="atoms.center(vacuum=10)")
        structure = Structure(
            atoms.cell.array, atoms.numbers, atoms.positions, coords_are_cartesian=True
        )
        try:
            return self._graph(structure)
        except (ValueError, IndexError, TypeError) as error:
            raise PhysicsError(
                f"chgnet cannot build the graph of {atoms.get_chemical_formula()}: {error}",
                hint="every atom needs a neighbour within the cutoff",
            ) from error


def check_elements(numbers: np.ndarray) -> None:
    """Raise PluginError if an atomic number is beyond what CHGNet was built for (1-94)."""
    unknown = sorted({int(z) for z in numbers if not 1 <= z <= HEAVIEST})
    if unknown:
        raise PluginError(
            f"CHGNet knows the elements H to Pu (Z = 1 to {HEAVIEST}), not Z = {unknown}"
        )

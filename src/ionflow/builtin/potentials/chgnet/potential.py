"""The CHGNet potential."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from ionflow.builtin.potentials.chgnet import checkpoints
from ionflow.errors import PhysicsError
from ionflow.kinds import FloatArray, ForceField, Potential

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator


class CHGNet(Potential):
    """CHGNet, a universal neural-network potential (doi:10.1038/s42256-023-00716-3)."""

    use: ClassVar[str] = "chgnet"
    outside_identity: ClassVar[frozenset[str]] = frozenset(
        {"model", "checkpoint", "sha256", "backend"}
    )

    model: Literal["0.3.0", "0.2.0", "r2scan"] = "0.3.0"
    """Bundled weights: PBE(+U), its predecessor, or r2SCAN; unused if `checkpoint` is given."""

    checkpoint: Path | None = None
    """A checkpoint of your own, in the format of chgnet's trainer; needs `sha256`."""

    sha256: str | None = Field(None, pattern=r"^[0-9a-fA-F]{64}$")
    """SHA-256 that the weights' file must have."""

    backend: Literal["auto", "stock", "torch", "kernel"] = "auto"
    """chgnet's own evaluation (stock), or ionflow's in torch or as a compiled kernel."""

    @model_validator(mode="after")
    def _pinned(self) -> CHGNet:
        if self.checkpoint is not None and self.sha256 is None:
            raise ValueError("a checkpoint of your own needs its sha256 (see: sha256sum FILE)")
        return self

    @property
    def path(self) -> Path:
        """Where the weights are."""
        if self.checkpoint is not None:
            return self.checkpoint.expanduser()
        return checkpoints.bundled(self.model)

    def content(self) -> Mapping[str, str]:
        return {"weights": checkpoints.verified(self.path, self.sha256)}

    def elements(self) -> frozenset[str]:
        from ase.data import chemical_symbols

        return frozenset(chemical_symbols[1:95])

    def calculator(self) -> Calculator:
        from ionflow.builtin.potentials.chgnet.stock import StockCalculator
        from ionflow.calculator import FieldCalculator

        field = self.force_field()
        if field is not None:
            return FieldCalculator(field)
        return StockCalculator(checkpoints.stock_model(self.path, self.content()["weights"]))

    def force_field(self, device: str = "cpu") -> ForceField | None:
        """A batched CHGNet on `device`; None where only chgnet itself can evaluate it.

        An architecture that the fast evaluation does not know is announced by a RuntimeWarning.
        """
        from ionflow.builtin.potentials.chgnet import backends

        weights = self.content()["weights"]
        return backends.field(self.backend, self.path, weights, device)

    def doubt(self, atoms: Atoms) -> str:
        """Elements without training, and forces that another bundled generation contradicts.

        0.2.0 is asked about 0.3.0 and r2scan, 0.3.0 about all else: two evaluations. Without the
        chgnet package, which bundles them, elements alone.
        """
        from ionflow.builtin.potentials.chgnet import doubt

        other = "0.2.0" if self.checkpoint is None and self.model != "0.2.0" else "0.3.0"
        stranger = doubt.untrained(atoms)
        if stranger or not doubt.is_bundled(other):
            return stranger
        own = "of your own" if self.checkpoint is not None else self.model
        try:
            forces = [_forces(potential, atoms) for potential in (self, CHGNet(model=other))]
        except PhysicsError as error:  # of the other one: its cutoff is shorter
            return f"CHGNet {other} cannot be asked: {error}"
        return doubt.disagreement(forces[0], forces[1], (own, other))

    def provenance(self, device: str = "cpu") -> dict[str, str]:
        """Which backend evaluates this potential on `device`, and why."""
        from ionflow.builtin.potentials.chgnet import backends

        backend, reason = backends.chosen(self.backend, device)
        return {"backend": backend, "reason": reason}


def _forces(potential: CHGNet, atoms: Atoms) -> FloatArray:
    copy = atoms.copy()
    copy.calc = potential.calculator()
    return np.asarray(copy.get_forces(), dtype=np.float64)

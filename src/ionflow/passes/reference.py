"""Frames of reference for displacements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ionflow.errors import DataError
from ionflow.kinds import FloatArray

if TYPE_CHECKING:
    from ionflow.passes.subject import Subject


@dataclass(frozen=True)
class Reference:
    """What displacements are relative to: a mass-weighted centre of atoms, or the box."""

    frame: Literal["barycentric", "framework", "none"] = "barycentric"
    """All atoms (barycentric), the species in `framework`, or the box (none)."""
    framework: tuple[str, ...] = ()

    def __str__(self) -> str:
        named = f" of {', '.join(self.framework)}" if self.framework else ""
        return f"{self.frame}{named}"

    @property
    def moves(self) -> bool:
        """Whether there is anything to subtract."""
        return self.frame != "none"

    def weights(self, subject: Subject) -> FloatArray:
        """The weight of each atom in the centre, (1, atom), adding up to 1 (to 0 for the box).

        Raises
        ------
        DataError
            If a species of the framework is absent, or the masses are zero.
        """
        subject.require_species(self.framework, "framework species")
        weights = np.zeros(len(subject.labels))
        if self.moves:
            members = self.framework if self.frame == "framework" else subject.species
            chosen = np.concatenate([subject.atoms[species] for species in members])
            weights[chosen] = subject.mass[chosen]
            if not weights.sum() > 0:
                raise DataError(
                    "the masses of the reference frame are zero", hint="set masses, or frame: none"
                )
            weights /= weights.sum()
        return weights[None, :]

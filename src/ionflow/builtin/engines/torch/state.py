"""All that moves: the systems of a batch at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from ase import Atoms

from ionflow.builtin.engines.torch.layout import Layout

LINKS = 3
"""Links of a Nosé-Hoover chain."""

PER_ATOM = frozenset({"numbers", "masses", "positions", "momenta", "forces"})


@dataclass
class State:
    """Systems of a batch, in ASE's units (Å, eV, amu, and Å·sqrt(amu/eV) for time).

    Positions and cells are replaced at every step, never written into: a force field may keep
    what it was given. All tensors but `numbers` are float64.
    """

    layout: Layout
    numbers: torch.Tensor
    """(atom,)"""
    masses: torch.Tensor
    """(atom, 1) amu"""
    total_masses: torch.Tensor
    """(system, 1) amu"""
    positions: torch.Tensor
    """(atom, 3) Å"""
    momenta: torch.Tensor
    """(atom, 3)"""
    cells: torch.Tensor
    """(system, 3, 3) Å"""
    chain: torch.Tensor
    """(system, link) rates of the Nosé-Hoover chain, 1/time"""
    piston: torch.Tensor
    """(system,) momentum conjugate to ln V, eV·time"""
    inertia: torch.Tensor
    """(system,) inertia of ln V, eV·time²"""
    received: torch.Tensor
    """(system,) energy that thermostat and barostat have given since the stage began, eV"""
    energies: torch.Tensor
    """(system,) eV"""
    forces: torch.Tensor
    """(atom, 3) eV/Å, without net force"""
    stresses: torch.Tensor
    """(system, 3, 3) eV/Å³"""
    sound: torch.Tensor
    """(system,) false once a system has blown up; it then stands still"""

    @classmethod
    def read(cls, systems: Sequence[Atoms], device: str) -> State:
        """The systems as tensors; momenta as they are, thermostat and barostat at rest."""

        def put(arrays: list[np.ndarray], dtype: type) -> torch.Tensor:
            return torch.from_numpy(np.concatenate(arrays).astype(dtype)).to(device)

        layout = Layout([len(atoms) for atoms in systems], device)
        masses = put([atoms.get_masses()[:, None] for atoms in systems], np.float64)
        positions = put([atoms.positions for atoms in systems], np.float64)
        cells = put([atoms.cell.array[None] for atoms in systems], np.float64)
        zero = torch.zeros(len(systems), dtype=torch.float64, device=device)
        return cls(
            layout=layout,
            numbers=put([atoms.numbers for atoms in systems], np.int64),
            masses=masses,
            total_masses=layout.sum(masses),
            positions=positions,
            momenta=put([atoms.get_momenta() for atoms in systems], np.float64),
            cells=cells,
            chain=zero[:, None].repeat(1, LINKS),
            piston=zero.clone(),
            inertia=zero.clone(),
            received=zero.clone(),
            energies=zero.clone(),
            forces=torch.zeros_like(positions),
            stresses=torch.zeros_like(cells),
            sound=torch.ones_like(zero, dtype=torch.bool),
        )

    def kinetic(self) -> torch.Tensor:
        """(system,) kinetic energy, eV."""
        doubled = self.layout.sum(self.momenta * self.momenta / self.masses)
        return 0.5 * doubled.sum(1)

    def volumes(self) -> torch.Tensor:
        """(system,) Å³."""
        a, b, c = self.cells.unbind(1)
        products: torch.Tensor = torch.linalg.cross(a, b) * c
        return products.sum(1).abs()

    def held(self, vectors: torch.Tensor) -> torch.Tensor:
        """Take from (atom, 3) momenta or forces what would move a system's centre of mass.

        The projection is the one that is orthogonal in the metric of the masses,
        p_i - m_i Σp / Σm, so that thermal noise stays thermal on what remains.
        """
        net = self.layout.sum(vectors) / self.total_masses
        return torch.addcmul(vectors, self.masses, self.layout.spread(net), value=-1)

    def part(self, first: int, last: int) -> State:
        """A copy of the systems from `first` up to, not including, `last`."""
        ends = self.layout.offsets
        atoms, systems = slice(ends[first], ends[last]), slice(first, last)
        tensors = {
            f.name: getattr(self, f.name)[atoms if f.name in PER_ATOM else systems].clone()
            for f in fields(self)
            if f.name != "layout"
        }
        return State(self.layout.part(systems), **tensors)

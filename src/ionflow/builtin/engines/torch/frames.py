"""From a state to frames and back to atoms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from ase import Atoms, units
from ase.stress import full_3x3_to_voigt_6_stress

from ionflow.builtin.engines.torch.motion import Motion
from ionflow.builtin.engines.torch.state import State
from ionflow.kinds import FloatArray, Frame, Stage
from ionflow.units import BOLTZMANN_EV_PER_K


def frames(state: State, motion: Motion, step: int, stages: Sequence[Stage]) -> list[Frame]:
    """One frame of every system; those that blew up are NaN."""
    kinetic = state.kinetic()
    temperatures = 2 * kinetic / (state.layout.freedoms * BOLTZMANN_EV_PER_K)
    scalars = torch.stack([state.energies, kinetic, temperatures, motion.conserved(state)], 1)
    ruined = state.sound.logical_not()[:, None]
    table = scalars.masked_fill(ruined, float("nan")).tolist()
    positions = _per_system(_marked(state, state.positions), state)
    wanted = any(stage.velocities for stage in stages)
    velocities = _velocities(state) if wanted else [None] * len(stages)
    cells, stresses = _host(state.cells), _host(state.stresses)
    return [
        Frame(
            step,
            positions[i],
            cells[i],
            potential_energy_eV=table[i][0],
            kinetic_energy_eV=table[i][1],
            temperature_K=table[i][2],
            stress_eV_A3=np.asarray(full_3x3_to_voigt_6_stress(stresses[i]), dtype=np.float64),
            velocities=velocities[i] if stage.velocities else None,
            conserved_energy_eV=table[i][3],
        )
        for i, stage in enumerate(stages)
    ]


def write_back(state: State, systems: Sequence[Atoms]) -> None:
    """Give atoms the end state: positions, momenta, cell, and what the baths must remember."""
    positions = _per_system(_marked(state, state.positions), state)
    momenta = _per_system(_marked(state, state.momenta), state)
    cells, chains = _host(state.cells), _host(state.chain)
    pistons = torch.stack([state.received, state.piston, state.inertia], 1).tolist()
    for i, atoms in enumerate(systems):
        atoms.set_cell(cells[i], scale_atoms=False)
        atoms.set_positions(positions[i], apply_constraint=False)
        atoms.set_momenta(momenta[i], apply_constraint=False)
        received, piston, inertia = pistons[i]
        atoms.info["ionflow"] = {
            "received_eV": received,
            "chain_rates": chains[i].tolist(),
            "piston_momentum": piston,
            "piston_inertia": inertia,
        }


def _velocities(state: State) -> list[FloatArray]:
    return _per_system(_marked(state, state.momenta / state.masses * units.fs), state)


def _marked(state: State, values: torch.Tensor) -> torch.Tensor:
    ruined = state.layout.spread(state.sound).logical_not()[:, None]
    return values.masked_fill(ruined, float("nan"))


def _per_system(values: torch.Tensor, state: State) -> list[FloatArray]:
    return np.split(_host(values), state.layout.offsets[1:-1])


def _host(values: torch.Tensor) -> FloatArray:
    return np.array(values.cpu().numpy(), dtype=np.float64)

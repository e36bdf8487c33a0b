"""One time step, on either side of the force evaluation."""

from __future__ import annotations

import torch

from ionflow.builtin.engines.torch.bath import Contact
from ionflow.builtin.engines.torch.piston import Piston
from ionflow.builtin.engines.torch.state import State
from ionflow.builtin.engines.torch.thermostats import Thermostat

WILD_A2 = 25.0
"""Mean square displacement in one step above which a system has blown up; no gas comes near."""

WILD_VOLUME = 30.0
"""Change of volume, as a factor within a segment, above which a system has blown up."""


class Motion:
    """kick, drift, thermostat, drift | forces | kick: velocity Verlet with a bath in its middle.

    Without thermostat this is velocity Verlet (doi 10.1063/1.442716), with `Langevin` BAOAB, with
    `NoseHoover` the middle scheme of Zhang et al. (doi 10.1063/1.4991621). A piston is kicked and
    drifts with the atoms.

    Parameters
    ----------
    timestep : in ASE's unit of time
    volumes : (system,) at the start of the segment, Å³
    """

    def __init__(
        self,
        timestep: float,
        thermostat: Thermostat | None,
        piston: Piston | None,
        volumes: torch.Tensor,
    ) -> None:
        self.half, self.thermostat, self.piston = timestep / 2, thermostat, piston
        self.volumes = volumes

    def part(self, systems: slice) -> Motion:
        """The same for some of the systems."""
        piston = self.piston.part(systems) if self.piston else None
        return Motion(2 * self.half, self.thermostat, piston, self.volumes[systems])

    def before_forces(self, state: State, contact: Contact) -> None:
        """From a step to where the forces of the next are due."""
        positions, cells = state.positions, state.cells
        self._kick(state, contact)
        self._drift(state, contact)
        if self.thermostat:
            self.thermostat(state, contact)
        if self.piston:
            self.piston.thermalise(state, contact)
        self._drift(state, contact)
        self._halt_wild(state, positions, cells)

    def after_forces(self, state: State, contact: Contact) -> None:
        """The step's last kick."""
        self._kick(state, contact)

    def conserved(self, state: State) -> torch.Tensor:
        """(system,) energy less what the baths have given, eV: constant but for the time step.

        The effective energy of Bussi and Parrinello (doi 10.1103/PhysRevE.75.056707).
        """
        total = state.energies + state.kinetic() - state.received
        return total + self.piston.energy(state) if self.piston else total

    def _kick(self, state: State, contact: Contact) -> None:
        state.momenta = torch.add(state.momenta, state.forces, alpha=self.half)
        if self.piston:
            self.piston.kick(state, contact.kT)

    def _drift(self, state: State, contact: Contact) -> None:
        if self.piston:
            self.piston.drift(state, contact.kT)
            return
        state.positions = torch.addcdiv(
            state.positions, state.momenta, state.masses, value=self.half
        )

    def _halt_wild(self, state: State, positions: torch.Tensor, cells: torch.Tensor) -> None:
        """Hold a system that blew up where it was, so that no field ever meets its NaN."""
        # of the atoms' own motion: a piston moves far images by any amount
        moved = state.momenta / state.masses * (2 * self.half)
        mean_square = state.layout.sum(moved * moved).sum(1) / state.layout.lengths
        state.sound = state.sound & (mean_square < WILD_A2)
        if self.piston:
            growth = state.volumes() / self.volumes
            state.sound = state.sound & (growth < WILD_VOLUME) & (growth > 1 / WILD_VOLUME)
            state.cells = torch.where(state.sound[:, None, None], state.cells, cells)
        good = state.layout.spread(state.sound)[:, None]
        state.positions = torch.where(good, state.positions, positions)

"""Thermostats: what couples momenta, and the breathing of the cell, to a heat bath.

Each acts in two places of a time step: `around` it, before and after the rest, and `within` it,
between two half drifts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

import numpy as np

from ionflow.builtin.engines.ase.cells import Cell
from ionflow.builtin.engines.ase.particles import Particles

State = dict[str, float | list[float]]

#: Fourth-order weights of Yoshida, Phys. Lett. A 150, 262 (1990), doi 10.1016/0375-9601(90)90092-3.
YOSHIDA: Final = (
    1 / (2 - 2 ** (1 / 3)),
    -(2 ** (1 / 3)) / (2 - 2 ** (1 / 3)),
    1 / (2 - 2 ** (1 / 3)),
)


#: Velocities of a chain that starts.
AT_REST: Final = [0.0, 0.0, 0.0]


class Thermostat(ABC):
    """A heat bath."""

    @abstractmethod
    def around(self, particles: Particles, cell: Cell, kT: float, dt: float) -> None:
        """Act for `dt`, half a time step."""

    @abstractmethod
    def within(self, particles: Particles, cell: Cell, kT: float, dt: float) -> None:
        """Act for `dt`, a time step."""

    def state(self) -> State:
        """What must survive a segment."""
        return {}


class NoThermostat(Thermostat):
    """Constant energy."""

    def around(self, particles: Particles, cell: Cell, kT: float, dt: float) -> None:
        """Nothing."""

    def within(self, particles: Particles, cell: Cell, kT: float, dt: float) -> None:
        """Nothing."""


class Langevin(Thermostat):
    """Friction and noise, integrated exactly, with the centre of mass at rest.

    The middle of the BAOAB splitting of Leimkuhler and Matthews, J. Chem. Phys. 138, 174102
    (2013), doi 10.1063/1.4802990. With one friction for all atoms the noise, less its net
    momentum, samples exactly the canonical distribution of the 3N - 3 internal degrees.

    Parameters
    ----------
    friction, cell_friction : 1/time, of the particles and of the breathing of the cell
    rng : the noise
    """

    def __init__(self, friction: float, cell_friction: float, rng: np.random.Generator) -> None:
        self.friction, self.cell_friction, self.rng = friction, cell_friction, rng

    def around(self, particles: Particles, cell: Cell, kT: float, dt: float) -> None:
        """Nothing."""

    def within(self, particles: Particles, cell: Cell, kT: float, dt: float) -> None:
        """Ornstein-Uhlenbeck motion of momenta and of the rate of the cell."""
        keep = np.exp(-self.friction * dt)
        noise = self.rng.standard_normal(particles.momenta.shape)
        spread = np.sqrt((1 - keep**2) * kT * particles.masses)
        particles.momenta = keep * particles.momenta + spread * noise
        particles.stop_drift()
        if cell.breathes:
            keep = np.exp(-self.cell_friction * dt)
            spread = np.sqrt((1 - keep**2) * kT / cell.mass)
            cell.rate = float(keep * cell.rate + spread * self.rng.standard_normal())


class NoseHoover(Thermostat):
    """Nosé-Hoover chains, one on the momenta and one on the rate of the cell.

    Parameters
    ----------
    particles, cell : the chains on the two
    """

    def __init__(self, particles: Chain, cell: Chain) -> None:
        self.particles, self.cell = particles, cell

    def around(self, particles: Particles, cell: Cell, kT: float, dt: float) -> None:
        """Scale momenta and rate by their chains."""
        particles.momenta = particles.momenta * self.particles.scale(
            2 * particles.kinetic_energy, kT, dt
        )
        if cell.breathes:
            cell.rate *= self.cell.scale(2 * cell.kinetic_energy, kT, dt)

    def within(self, particles: Particles, cell: Cell, kT: float, dt: float) -> None:
        """Nothing."""

    def state(self) -> State:
        """The velocities of both chains."""
        return {
            "thermostat_chain": list(self.particles.velocities),
            "barostat_chain": list(self.cell.velocities),
        }


class Chain:
    """A chain of thermostats on one kinetic energy.

    Martyna, Klein and Tuckerman, J. Chem. Phys. 97, 2635 (1992), doi 10.1063/1.463940, in the
    splitting of Martyna, Tuckerman, Tobias and Klein, Mol. Phys. 87, 1117 (1996),
    doi 10.1080/00268979600100761.

    Parameters
    ----------
    degrees : degrees of freedom of that kinetic energy
    kT : eV, at which the period of the chain is `time`
    velocities : of its three links, 1/time
    """

    def __init__(self, degrees: int, kT: float, time: float, velocities: Sequence[float]) -> None:
        self.degrees = degrees
        self.masses = [degrees * kT * time**2, kT * time**2, kT * time**2]
        self.velocities = list(velocities)

    def scale(self, twice_kinetic: float, kT: float, dt: float) -> float:
        """Move the chain by `dt`; the factor by which the velocities that it heats change."""
        factor = 1.0
        for weight in YOSHIDA:
            change = self._pass(twice_kinetic * factor**2, kT, weight * dt)
            factor *= change
        return factor

    def _pass(self, twice_kinetic: float, kT: float, dt: float) -> float:
        last = len(self.masses) - 1
        for link in range(last, -1, -1):
            self._push(link, twice_kinetic, kT, dt)
        change = float(np.exp(-dt * self.velocities[0]))
        for link in range(last + 1):
            self._push(link, twice_kinetic * change**2, kT, dt)
        return change

    def _push(self, link: int, twice_kinetic: float, kT: float, dt: float) -> None:
        v, q = self.velocities, self.masses
        drag = float(np.exp(-dt / 4 * v[link + 1])) if link + 1 < len(q) else 1.0
        heat = (
            twice_kinetic - self.degrees * kT if link == 0 else q[link - 1] * v[link - 1] ** 2 - kT
        )
        v[link] = (v[link] * drag + dt / 2 * heat / q[link]) * drag

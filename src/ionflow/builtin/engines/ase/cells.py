"""How positions and cell move under given momenta: in a fixed cell, or in one that breathes."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from ionflow.builtin.engines.ase.particles import Particles
from ionflow.errors import PhysicsError

#: A cell whose volume changes by more than this factor within one segment has blown up.
LARGEST_CHANGE = 30.0


class Cell(ABC):
    """A cell and the particles in it."""

    breathes: bool = False
    mass: float = 0.0
    rate: float = 0.0
    """d ln(length)/dt"""

    def __init__(self, particles: Particles) -> None:
        self.particles = particles
        particles.evaluate()

    @abstractmethod
    def open_kick(self, kT: float, dt: float) -> None:
        """Change momenta by the forces, before the drift."""

    @abstractmethod
    def drift(self, kT: float, dt: float) -> float:
        """Move positions and cell; the work (eV) done by what the energies leave out."""

    @abstractmethod
    def close_kick(self, kT: float, dt: float) -> None:
        """Change momenta by the forces, after the drift: the mirror of `open_kick`."""

    @property
    def kinetic_energy(self) -> float:
        """eV"""
        return 0.5 * self.mass * self.rate**2

    @property
    def energy(self) -> float:
        """Energy (eV) of the cell itself, beside that of the particles."""
        return self.kinetic_energy


class FixedCell(Cell):
    """Newton's equations, by velocity Verlet."""

    def open_kick(self, kT: float, dt: float) -> None:
        """Add force times time."""
        self.particles.momenta = self.particles.momenta + dt * self.particles.forces

    close_kick = open_kick

    def drift(self, kT: float, dt: float) -> float:
        """Add velocity times time."""
        p = self.particles
        p.positions = p.positions + dt * p.momenta / p.masses
        return 0.0


class BreathingCell(Cell):
    """Isotropic constant pressure: the equations of Martyna, Tobias and Klein.

    With N_f = 3N - 3, the rate v of the cell's length, its mass W and the stress σ,

    dr/dt = p/m + v r,  dp/dt = F - (1 + 3/N_f) v p,  dV/dt = 3 V v,
    W dv/dt = (1 + 3/N_f) Σ p²/m - V tr σ - 3 P V + 3 kT.

    J. Chem. Phys. 101, 4177 (1994), doi 10.1063/1.467468. The last term is ours: it stands for
    the pressure kT/V of the centre of mass, which is at rest, so that the volume is distributed
    as for N particles, V^N exp(-PV/kT) for an ideal gas.

    Parameters
    ----------
    pressure : eV/Å³
    time : period of the cell in an ideal gas
    kT : eV, at which it has that period
    """

    breathes = True

    def __init__(
        self, particles: Particles, *, pressure: float, time: float, kT: float, rate: float
    ) -> None:
        super().__init__(particles)
        self.pressure, self.rate = pressure, rate
        self.mass = (particles.degrees + 3) * kT * time**2
        self._coupling = 1 + 3 / particles.degrees
        self._first_volume = particles.volume

    def open_kick(self, kT: float, dt: float) -> None:
        """Change the rate, then the momenta."""
        self._push(kT, dt)
        self._kick(dt)

    def close_kick(self, kT: float, dt: float) -> None:
        """Change the momenta, then the rate."""
        self._kick(dt)
        self._push(kT, dt)

    def drift(self, kT: float, dt: float) -> float:
        """Move and stretch.

        Raises
        ------
        PhysicsError
            If the cell collapses or explodes.
        """
        p, stretch = self.particles, self.rate * dt
        p.positions = p.positions * np.exp(stretch) + dt * p.momenta / p.masses * _exprel(stretch)
        p.cell = p.cell * np.exp(stretch)
        change = p.volume / self._first_volume
        if change > LARGEST_CHANGE or change < 1 / LARGEST_CHANGE:
            raise PhysicsError(
                f"the cell's volume changed by a factor of {change:.3g} within a segment",
                hint="start nearer the right density, raise barostat_time_fs or lower timestep_fs",
            )
        return 3 * kT * stretch

    @property
    def energy(self) -> float:
        """Kinetic energy of the cell and its work against the pressure (eV)."""
        return self.kinetic_energy + self.pressure * self.particles.volume

    def _push(self, kT: float, dt: float) -> None:
        p = self.particles
        inner = self._coupling * 2 * p.kinetic_energy + p.virial
        self.rate += dt * (inner - 3 * self.pressure * p.volume + 3 * kT) / self.mass

    def _kick(self, dt: float) -> None:
        p, fading = self.particles, -self._coupling * self.rate * dt
        p.momenta = p.momenta * np.exp(fading) + dt * p.forces * _exprel(fading)


def _exprel(x: float) -> float:
    """(exp(x) - 1)/x, right at 0."""
    return float(np.expm1(x) / x) if x else 1.0

"""One system on its way through a segment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from ase.units import fs

from ionflow.builtin.engines.ase.cells import BreathingCell, Cell, FixedCell
from ionflow.builtin.engines.ase.particles import STATE, Particles, prepared
from ionflow.builtin.engines.ase.thermostats import (
    AT_REST,
    Chain,
    Langevin,
    NoseHoover,
    NoThermostat,
    State,
    Thermostat,
)
from ionflow.errors import DataError
from ionflow.kinds import Frame, Potential, Segment
from ionflow.units import BOLTZMANN_EV_PER_K, FS_PER_PS, GPA_PER_EV_A3

if TYPE_CHECKING:
    from ase import Atoms


Number = TypeVar("Number", float, list[float])
Exchange = Callable[[Particles, Cell, float, float], None]


class Settings(Protocol):
    """The parameters of an engine."""

    @property
    def timestep_fs(self) -> float: ...
    @property
    def thermostat(self) -> str: ...
    @property
    def friction_per_ps(self) -> float: ...
    @property
    def thermostat_time_fs(self) -> float: ...
    @property
    def barostat_time_fs(self) -> float: ...


class Motion:
    """One system, its integrator and its clock.

    Parameters
    ----------
    settings : parameters of the engine
    atoms : moved in place
    potential : gives a fresh calculator
    segment : what is asked
    index : of the system in its batch
    """

    def __init__(
        self, settings: Settings, atoms: Atoms, potential: Potential, segment: Segment, index: int
    ) -> None:
        self.settings, self.atoms, self.segment, self.index = settings, atoms, segment, index
        self.stage = segment.stages[index]
        self.now = segment.first_step
        rng = segment.rng(index)
        self.particles = prepared(
            atoms,
            potential.calculator(),
            starting=self.now == 0,
            kT=self._kT(self.now),
            rng=rng,
        )
        # inertia of chains and cell does not follow a ramp: it is that of the hottest moment
        self._hottest = BOLTZMANN_EV_PER_K * max(self.stage.ramp_K)
        self.heat = self._left("heat_eV", 0.0)
        self.cell = self._cell()
        self.bath = self._bath(rng)

    def frame_at(self, step: int) -> Frame:
        """Move to a step and look."""
        self.move_to(step)
        p = self.particles
        potential, kinetic = p.potential_energy, p.kinetic_energy
        return Frame(
            step=step,
            positions=p.positions.copy(),
            cell=p.cell.copy(),
            potential_energy_eV=potential,
            kinetic_energy_eV=kinetic,
            temperature_K=p.temperature_K,
            stress_eV_A3=p.stress,
            velocities=p.momenta / p.masses * fs if self.stage.velocities else None,
            conserved_energy_eV=potential + kinetic + self.cell.energy - self.heat,
        )

    def move_to(self, step: int) -> None:
        """Integrate up to an absolute step and write the state into the atoms."""
        dt = self.settings.timestep_fs * fs
        with np.errstate(over="ignore", invalid="ignore"):
            while self.now < step:
                self.now += 1
                self._step(self._kT(self.now), dt)
        self.particles.write_to(self.atoms)
        self.atoms.info[STATE] = {
            "heat_eV": self.heat,
            "cell_rate": self.cell.rate,
            **self.bath.state(),
        }

    def _step(self, kT: float, dt: float) -> None:
        self._exchange(self.bath.around, kT, dt / 2)
        self.cell.open_kick(kT, dt / 2)
        self.heat += self.cell.drift(kT, dt / 2)
        self._exchange(self.bath.within, kT, dt)
        self.heat += self.cell.drift(kT, dt / 2)
        self.particles.evaluate()
        self.cell.close_kick(kT, dt / 2)
        self._exchange(self.bath.around, kT, dt / 2)

    def _exchange(self, act: Exchange, kT: float, dt: float) -> None:
        """Let the bath act, and note the heat that it gives."""
        before = self.particles.kinetic_energy + self.cell.kinetic_energy
        act(self.particles, self.cell, kT, dt)
        self.heat += self.particles.kinetic_energy + self.cell.kinetic_energy - before

    def _kT(self, step: int) -> float:
        return BOLTZMANN_EV_PER_K * self.segment.temperature_K(step, self.index)

    def _left(self, name: str, at_rest: Number) -> Number:
        """What the previous segment left under a name; at rest in a new stage."""
        if self.now == 0:
            return at_rest
        state: State = self.atoms.info.get(STATE, {})
        value = state.get(name)
        if not isinstance(value, type(at_rest)):
            raise DataError(
                f"a stage cannot go on at step {self.now} without info[{STATE!r}][{name!r}]",
                hint="give the end state of the previous segment of this engine",
            )
        return value

    def _cell(self) -> Cell:
        if self.stage.ensemble != "npt":
            return FixedCell(self.particles)
        return BreathingCell(
            self.particles,
            pressure=self.stage.pressure_GPa / GPA_PER_EV_A3,
            time=self.settings.barostat_time_fs * fs,
            kT=self._hottest,
            rate=self._left("cell_rate", 0.0),
        )

    def _bath(self, rng: np.random.Generator) -> Thermostat:
        settings = self.settings
        if self.stage.ensemble == "nve":
            return NoThermostat()
        if settings.thermostat == "langevin":
            friction = settings.friction_per_ps / (FS_PER_PS * fs)
            return Langevin(friction, 2 / (settings.barostat_time_fs * fs), rng)
        return NoseHoover(
            Chain(
                self.particles.degrees,
                self._hottest,
                settings.thermostat_time_fs * fs,
                self._left("thermostat_chain", AT_REST),
            ),
            Chain(
                1,
                self._hottest,
                settings.barostat_time_fs * fs,
                self._left("barostat_chain", AT_REST),
            ),
        )

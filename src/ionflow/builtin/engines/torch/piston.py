"""The barostat: ln V as one more particle with Langevin dynamics."""

from __future__ import annotations

import math

import torch

from ionflow.builtin.engines.torch.bath import Contact
from ionflow.builtin.engines.torch.state import State


class Piston:
    """Isotropic Langevin piston on ε = ln V, with conjugate momentum u and inertia W.

    At fixed fractional positions s and momenta p the target exp(-(K + U + P V)/kT) V^N ds dp dV
    is that of a particle ε in the potential Φ = U(s, e^ε) + P e^ε - (N + 1) kT ε, so

    dε = u/W dt,  du = [V (P_virial - P) + (N + 1) kT] dt - γ u dt + sqrt(2 γ W kT) dW

    keeps it, as does any thermostat at fixed V, as hence does their sum. See
    docs/design/integrators.md; the idea is that of Andersen (doi 10.1063/1.439486) and Feller
    et al. (doi 10.1063/1.470648).

    Parameters
    ----------
    pressure : P, (system,) eV/Å³
    time : τ; W = V₀ τ²/κ and γ = 2/τ make the volume critically damped with this time
    compressibility : κ, Å³/eV; decides how fast the volume moves, not where to
    timestep : dt
    """

    def __init__(
        self, pressure: torch.Tensor, time: float, compressibility: float, timestep: float
    ) -> None:
        self.pressure, self.half = pressure, timestep / 2
        self.time, self.compressibility = time, compressibility
        self.kept = math.exp(-2 * timestep / time)
        self.fresh = math.sqrt(-math.expm1(-4 * timestep / time))

    def part(self, systems: slice) -> Piston:
        """The same for some of the systems."""
        return Piston(self.pressure[systems], self.time, self.compressibility, 2 * self.half)

    def start(self, state: State) -> None:
        """At rest, with the inertia that suits the volume at the start of the stage."""
        state.piston = torch.zeros_like(state.piston)
        state.inertia = state.volumes() * (self.time**2 / self.compressibility)

    def kick(self, state: State, kT: torch.Tensor) -> None:
        """Half a step of u under pressure."""
        trace = state.stresses.diagonal(dim1=1, dim2=2).sum(1)
        work = state.volumes() * (-trace / 3 - self.pressure)
        state.piston = state.piston + self.half * (work + (state.layout.lengths + 1) * kT)

    def drift(self, state: State, kT: torch.Tensor) -> None:
        """Half a step of ε and of the atoms: scale, drift at fixed volume, scale."""
        strain = state.piston / state.inertia * self.half
        root = torch.exp(strain / 6)
        wide = state.layout.spread(root)[:, None]
        step = state.momenta / state.masses * self.half
        state.positions = (state.positions * wide + step) * wide
        state.cells = state.cells * (root * root)[:, None, None]
        state.received = state.received + (state.layout.lengths + 1) * kT * strain

    def thermalise(self, state: State, contact: Contact) -> None:
        """The exact Ornstein-Uhlenbeck step of u."""
        spread = (state.inertia * contact.kT).sqrt()
        mixed = self.kept * state.piston + self.fresh * spread * contact.piston
        gain = (mixed * mixed - state.piston * state.piston) / (2 * state.inertia)
        state.piston, state.received = mixed, state.received + gain

    def energy(self, state: State) -> torch.Tensor:
        """(system,) P V and the piston's own kinetic energy, eV."""
        return self.pressure * state.volumes() + state.piston**2 / (2 * state.inertia)

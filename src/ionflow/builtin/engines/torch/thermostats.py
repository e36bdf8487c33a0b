"""Thermostats, as the middle step of an integrator."""

from __future__ import annotations

import math
from typing import Protocol

import torch

from ionflow.builtin.engines.torch.bath import Contact
from ionflow.builtin.engines.torch.state import LINKS, State


class Thermostat(Protocol):
    """Changes momenta over one whole step and books the energy that it gave."""

    def __call__(self, state: State, contact: Contact) -> None: ...


class Langevin:
    """The exact solution of dp = -γ p dt + sqrt(2 γ m kT) dW, the O of BAOAB.

    With c = exp(-γ dt): p <- c p + sqrt((1 - c²) m kT) ξ (Leimkuhler and Matthews,
    doi 10.1063/1.4802990), projected onto zero net momentum. In the coordinates p/sqrt(m) noise
    and friction are isotropic and the projection is orthogonal, so what remains is an exact
    Ornstein-Uhlenbeck process in 3N - 3 dimensions, canonical on them.

    Parameters
    ----------
    friction : γ, 1/time
    timestep : dt, time
    """

    def __init__(self, friction: float, timestep: float) -> None:
        self.kept = math.exp(-friction * timestep)
        self.fresh = math.sqrt(-math.expm1(-2 * friction * timestep))

    def __call__(self, state: State, contact: Contact) -> None:
        before = state.kinetic()
        spread = (state.masses * state.layout.spread(contact.kT)[:, None]).sqrt()
        mixed = torch.addcmul(self.kept * state.momenta, spread, contact.normal, value=self.fresh)
        state.momenta = state.held(mixed)
        state.received = state.received + (state.kinetic() - before)


class NoseHoover:
    """A Nosé-Hoover chain of three links over one whole step.

    With rates η_j = p_ηj/Q_j, Q_1 = g kT τ², Q_2 = Q_3 = kT τ² (Martyna, Klein and Tuckerman,
    doi 10.1063/1.463940), split symmetrically as by Martyna et al. (doi
    10.1080/00268979600100761). Only K/kT enters, so that a ramp needs nothing more.

    Parameters
    ----------
    time : τ
    timestep : dt
    """

    def __init__(self, time: float, timestep: float) -> None:
        self.stiffness, self.half = 1 / time**2, timestep / 2

    def __call__(self, state: State, contact: Contact) -> None:
        kinetic = state.kinetic()
        rates = list(state.chain.unbind(1))
        warmth = 2 * kinetic / (state.layout.freedoms * contact.kT)
        for link in reversed(range(LINKS)):
            self._push(rates, link, warmth, state)
        scale = torch.exp(-2 * self.half * rates[0])
        for link in range(LINKS):
            self._push(rates, link, warmth * scale * scale, state)
        state.chain = torch.stack(rates, 1)
        state.momenta = state.momenta * state.layout.spread(scale)[:, None]
        state.received = state.received + kinetic * (scale * scale - 1)

    def _push(
        self, rates: list[torch.Tensor], link: int, warmth: torch.Tensor, state: State
    ) -> None:
        """Half a step of one link: half its drag, its force, half its drag."""
        force = self.stiffness * (self._load(rates, link, warmth, state) - 1)
        if link + 1 == LINKS:
            rates[link] = rates[link] + self.half * force
            return
        drag = torch.exp(-0.5 * self.half * rates[link + 1])
        rates[link] = (rates[link] * drag + self.half * force) * drag

    def _load(
        self, rates: list[torch.Tensor], link: int, warmth: torch.Tensor, state: State
    ) -> torch.Tensor:
        """What a link rests on, in units of its thermal value."""
        if link == 0:
            return warmth
        load = rates[link - 1] ** 2 / self.stiffness
        return load * state.layout.freedoms if link == 1 else load

"""From atoms and a segment to a batch that is ready to move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from ase import Atoms, units

from ionflow.builtin.engines.torch.bath import Bath, Draw
from ionflow.builtin.engines.torch.march import Batch
from ionflow.builtin.engines.torch.motion import Motion
from ionflow.builtin.engines.torch.piston import Piston
from ionflow.builtin.engines.torch.state import State
from ionflow.builtin.engines.torch.thermostats import Langevin, NoseHoover, Thermostat
from ionflow.errors import DataError, PluginError, StructureError
from ionflow.kinds import Segment
from ionflow.units import BOLTZMANN_EV_PER_K, FS_PER_PS, GPA_PER_EV_A3

if TYPE_CHECKING:
    from ionflow.builtin.engines.torch import Torch

REMEMBERED = ("received_eV", "chain_rates", "piston_momentum", "piston_inertia")


def batch_of(engine: Torch, systems: Sequence[Atoms], segment: Segment, device: str) -> Batch:
    """The systems at the first step of the segment.

    Raises
    ------
    StructureError
        If a system is not periodic, has constraints, or has a single atom.
    DataError
        If a segment that goes on finds no state to go on from.
    PluginError
        If the systems are to follow different ensembles.
    """
    _check(systems, segment)
    streams = [segment.rng(i) for i in range(len(systems))]
    state = State.read(systems, device)
    ensemble = segment.stages[0].ensemble
    thermostat = thermostat_of(engine) if ensemble != "nve" else None
    piston = _piston(engine, segment, device) if ensemble == "npt" else None
    if segment.first_step == 0:
        _begin(state, systems, segment, streams, piston)
    else:
        _go_on(state, systems, segment)
    draw = Draw(atoms=isinstance(thermostat, Langevin), piston=piston is not None)
    members = range(len(systems))
    bath = Bath(segment, members, streams, state.layout, draw, ahead=device != "cpu")
    motion = Motion(engine.timestep_fs * units.fs, thermostat, piston, state.volumes())
    return Batch(systems, state, bath, motion, segment, segment.first_step)


def thermostat_of(engine: Torch) -> Thermostat:
    """The thermostat that an engine's fields describe."""
    timestep = engine.timestep_fs * units.fs
    if engine.thermostat == "langevin":
        return Langevin(engine.friction_per_ps / (FS_PER_PS * units.fs), timestep)
    return NoseHoover(engine.thermostat_time_fs * units.fs, timestep)


def _piston(engine: Torch, segment: Segment, device: str) -> Piston:
    pressures = [stage.pressure_GPa / GPA_PER_EV_A3 for stage in segment.stages]
    return Piston(
        torch.tensor(pressures, dtype=torch.float64, device=device),
        engine.barostat_time_fs * units.fs,
        engine.compressibility_per_GPa * GPA_PER_EV_A3,
        engine.timestep_fs * units.fs,
    )


def _begin(
    state: State,
    systems: Sequence[Atoms],
    segment: Segment,
    streams: Sequence[np.random.Generator],
    piston: Piston | None,
) -> None:
    """Step 0: thermal momenta where there are none, the centre of mass at rest."""
    momenta = [
        atoms.get_momenta() if atoms.get_momenta().any() else _thermal(atoms, segment, i, streams)
        for i, atoms in enumerate(systems)
    ]
    state.momenta = state.held(torch.from_numpy(np.concatenate(momenta)).to(state.momenta))
    if piston:
        piston.start(state)


def _thermal(
    atoms: Atoms, segment: Segment, i: int, streams: Sequence[np.random.Generator]
) -> np.ndarray:
    kT = BOLTZMANN_EV_PER_K * segment.temperature_K(0, i)
    normal = streams[i].standard_normal((len(atoms), 3))
    return np.sqrt(kT * atoms.get_masses())[:, None] * normal


def _go_on(state: State, systems: Sequence[Atoms], segment: Segment) -> None:
    """What thermostat and barostat remember, bit for bit."""
    memories = [_memory(atoms, i, segment) for i, atoms in enumerate(systems)]
    targets = (state.received, state.chain, state.piston, state.inertia)
    for name, target in zip(REMEMBERED, targets, strict=True):
        target.copy_(torch.tensor([m[name] for m in memories], dtype=torch.float64))


def _memory(atoms: Atoms, i: int, segment: Segment) -> dict[str, object]:
    memory: dict[str, object] = atoms.info.get("ionflow", {})
    missing = [name for name in REMEMBERED if name not in memory]
    if missing or not atoms.has("momenta"):
        missing += [] if atoms.has("momenta") else ["momenta"]
        raise DataError(
            f"system {i} cannot go on from step {segment.first_step}: no {', '.join(missing)}",
            where="engine torch",
            hint="a stage must go on with the engine that began it",
        )
    return memory


def _check(systems: Sequence[Atoms], segment: Segment) -> None:
    ensembles = {stage.ensemble for stage in segment.stages}
    if len(ensembles) > 1 or len(segment.stages) != len(systems):
        raise PluginError(
            f"{len(systems)} systems with {len(segment.stages)} stages of {sorted(ensembles)}; "
            "a batch has one stage for each system, all of one ensemble",
            where="engine torch",
        )
    for i, atoms in enumerate(systems):
        if fault := _unfit(atoms):
            raise StructureError(fault, where=f"engine torch, system {i}", hint="use engine 'ase'")


def _unfit(atoms: Atoms) -> str:
    if not atoms.pbc.all() or atoms.cell.rank < 3:
        return "not periodic in three directions"
    if atoms.constraints:
        return "constraints are not followed"
    if len(atoms) < 2:
        return "a single atom, whose centre of mass is held, cannot move"
    return ""

"""Batches through a segment, cut smaller where a device's memory asks for it."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from ase import Atoms

from ionflow.builtin.engines.torch.bath import Bath, Contact
from ionflow.builtin.engines.torch.frames import frames, write_back
from ionflow.builtin.engines.torch.memory import Gauge, Memory, cut
from ionflow.builtin.engines.torch.motion import Motion
from ionflow.builtin.engines.torch.state import State
from ionflow.errors import PhysicsError, PluginError
from ionflow.kinds import ForceField, Frame, Potential, Segment


@dataclass(frozen=True)
class Site:
    """Where forces come from."""

    potential: Potential
    device: str
    memory: Memory
    gauge: Gauge | None
    """None where memory is not looked at."""
    systems: int | None
    """Most systems in one call of the field; None: as many as fit."""

    def field(self) -> ForceField:
        """A fresh force field.

        Raises
        ------
        PluginError
            If the potential has none.
        """
        field = self.potential.force_field(self.device)
        if field is None:
            raise PluginError(
                f"potential '{self.potential.use}' has no force field of tensors",
                where="engine torch",
                hint="use engine 'ase', which takes any calculator",
            )
        return field


@dataclass
class Batch:
    """Systems under way together."""

    atoms: Sequence[Atoms]
    state: State
    bath: Bath
    motion: Motion
    segment: Segment
    step: int
    """Last finished step."""
    contact: Contact | None = None
    """The surroundings of a step that waits for its forces; None between steps."""

    def part(self, first: int, last: int) -> Batch:
        """The same moment of the systems from `first` up to `last`."""
        systems = slice(first, last)
        contact = self.contact
        if contact is not None:
            # all that is left to do in a step asks for no random number
            contact = Contact(contact.kT[systems], contact.normal[:0], contact.piston[:0])
        state, bath = self.state.part(first, last), self.bath.part(first, last)
        motion = self.motion.part(systems)
        return Batch(self.atoms[systems], state, bath, motion, self.segment, self.step, contact)


def together(batches: Sequence[Batch], site: Site) -> Iterator[list[Frame]]:
    """Frames of all batches; one after the other moves, the last while its frames are read."""
    *early, last = batches
    waiting = [list(alone(batch, site)) for batch in early]
    for parts in zip(*waiting, alone(last, site), strict=True):
        yield [frame for part in parts for frame in part]


def alone(batch: Batch, site: Site) -> Iterator[list[Frame]]:
    """Frames of one batch; where its forces do not fit in memory, of its halves from there on.

    Raises
    ------
    PhysicsError
        If one system alone does not fit.
    """
    try:
        yield from _march(batch, site.field())
        return
    except torch.OutOfMemoryError as fault:
        story = str(fault)
    # outside the handler: its traceback would keep the failed evaluation's memory
    yield from together(_halves(batch, site, story), site)


def fitted(batch: Batch, site: Site) -> list[Batch]:
    """The batch, cut so that each part fits by the memory model of its device."""
    sizes = batch.state.layout.sizes
    atoms = site.memory.bound
    if site.gauge is not None and len(sizes) > 1:
        if not site.memory.taken:
            _probe(batch.state, site, site.gauge)
        atoms = site.memory.room(site.gauge.free()) if site.memory.taken else atoms
    groups = cut(sizes, atoms, site.systems)
    if len(groups) == 1:
        return [batch]
    parts = [batch.part(first, last) for first, last in groups]
    batch.bath.close()
    return parts


def evaluate(state: State, field: ForceField) -> None:
    """Energies, forces and stresses where the atoms are.

    Net forces, which a translation-invariant field has only by rounding, are taken away: the
    centre of mass is a coordinate that is held.
    """
    energies, forces, stresses = field(
        state.positions, state.cells, state.numbers, state.layout.system
    )
    shapes = tuple(energies.shape), tuple(forces.shape), tuple(stresses.shape)
    asked = state.piston.shape, state.positions.shape, state.cells.shape
    if shapes != asked:
        raise PluginError(
            f"returned energies, forces, stresses of shapes {shapes}; asked were {asked}",
            where=f"force field {type(field).__name__}",
        )
    state.energies = energies.detach().to(torch.float64)
    state.forces = state.held(forces.detach().to(torch.float64))
    state.stresses = stresses.detach().to(torch.float64)


def _march(batch: Batch, field: ForceField) -> Iterator[list[Frame]]:
    state, motion, segment = batch.state, batch.motion, batch.segment
    due = segment.frame_steps()
    stages = [segment.stages[member] for member in batch.bath.members]
    try:
        while True:
            evaluate(state, field)
            if batch.contact is not None:
                motion.after_forces(state, batch.contact)
                batch.contact, batch.step = None, batch.step + 1
            if batch.step in due:
                yield frames(state, motion, batch.step, stages)
            if batch.step == segment.last_step:
                break
            batch.contact = batch.bath.step()
            motion.before_forces(state, batch.contact)
    finally:
        batch.bath.close()
    write_back(state, batch.atoms)


def _halves(batch: Batch, site: Site, story: str) -> list[Batch]:
    sizes = batch.state.layout.sizes
    if len(sizes) == 1:
        raise PhysicsError(
            f"one system of {sizes[0]} atoms does not fit in the memory of {site.device}: {story}",
            where="engine torch",
            hint="use fewer atoms, a device with more memory, or device: cpu",
        )
    site.memory.refuse(sum(sizes))
    if site.device != "cpu":
        gc.collect()  # a captured graph keeps its memory as long as anything keeps it
        torch.cuda.empty_cache()
    middle = len(sizes) // 2
    warnings.warn(
        f"out of memory on {site.device} with {len(sizes)} systems at step {batch.step}; "
        f"going on from there with {middle} and {len(sizes) - middle}",
        RuntimeWarning,
        stacklevel=2,
    )
    return [batch.part(0, middle), batch.part(middle, len(sizes))]


def _probe(state: State, site: Site, gauge: Gauge) -> None:
    """Measure evaluations of one system and of a few."""
    for count in (1, min(4, len(state.layout.sizes))):
        part = state.part(0, count)
        try:
            taken = gauge.peak(lambda part=part: evaluate(part, site.field()))  # type: ignore[misc]
        except torch.OutOfMemoryError:
            site.memory.refuse(sum(part.layout.sizes))
            return
        site.memory.learn(sum(part.layout.sizes), taken)

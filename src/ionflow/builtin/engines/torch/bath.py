"""What the surroundings bring to each step: target temperatures and random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from ionflow.builtin.engines.torch.layout import Layout
from ionflow.kinds import Segment
from ionflow.units import BOLTZMANN_EV_PER_K

BLOCK_BYTES = 1 << 24


class Contact(NamedTuple):
    """The surroundings during one step."""

    kT: torch.Tensor
    """(system,) eV"""
    normal: torch.Tensor
    """(atom, 3) standard normal numbers; no rows where the thermostat needs none"""
    piston: torch.Tensor
    """(system,) standard normal numbers; empty where there is no barostat"""


@dataclass(frozen=True)
class Draw:
    """How many normal numbers a step takes."""

    atoms: bool
    piston: bool

    def width(self, size: int) -> int:
        """Numbers for one step of one system."""
        return 3 * size * self.atoms + self.piston


class Bath:
    """Temperatures and random numbers of a batch, made on the host in blocks of steps.

    Every system draws from its own generator, step after step, so that its numbers depend
    neither on the company nor on the size of the blocks.

    Parameters
    ----------
    segment : gives the target temperatures
    members : which of the segment's systems these are
    streams : one generator for each of them
    layout : their sizes, and the device that the numbers go to
    step : first step to be taken
    ahead : draw the next block in a thread while this one is used
    """

    def __init__(
        self,
        segment: Segment,
        members: Sequence[int],
        streams: Sequence[np.random.Generator],
        layout: Layout,
        draw: Draw,
        ahead: bool = False,
    ) -> None:
        self.segment, self.members, self.streams = segment, list(members), list(streams)
        self.layout, self.draw = layout, draw
        self._next = segment.first_step
        self._blocks: list[Contact] = []
        self._row = 0
        self._thread = ThreadPoolExecutor(1) if ahead else None
        self._pending: Future[Contact] | None = None

    def step(self) -> Contact:
        """The surroundings of the next step."""
        if self._blocks and self._row == len(self._blocks[0].kT):
            self._blocks.pop(0)
            self._row = 0
        if not self._blocks:
            self._blocks.append(self._fetch())
        block, row = self._blocks[0], self._row
        self._row += 1
        return Contact(block.kT[row], block.normal[row], block.piston[row])

    def part(self, first: int, last: int) -> Bath:
        """The same for the systems from `first` up to `last`, going on where this one stands.

        Parts share their streams with the whole: go on with the parts or with the whole.
        """
        self._settle()
        systems, ends = slice(first, last), self.layout.offsets
        rows = slice(ends[first], ends[last]) if self.draw.atoms else slice(0)
        part = Bath(
            self.segment,
            self.members[systems],
            self.streams[systems],
            self.layout.part(systems),
            self.draw,
            self._thread is not None,
        )
        part._next, part._row = self._next, self._row
        part._blocks = [
            Contact(block.kT[:, systems], block.normal[:, rows], block.piston[:, systems])
            for block in self._blocks
        ]
        return part

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.shutdown()

    def _settle(self) -> None:
        if self._pending is not None:
            self._blocks.append(self._upload(self._pending.result()))
            self._pending = None

    def _fetch(self) -> Contact:
        block = self._pending.result() if self._pending else self._make()
        self._pending = None
        if self._thread is not None and self._next < self.segment.last_step:
            self._pending = self._thread.submit(self._make)
        return self._upload(block)

    def _make(self) -> Contact:
        size = max(1, sum(map(self.draw.width, self.layout.sizes)))
        count = min(max(1, BLOCK_BYTES // (8 * size)), 512, self.segment.last_step - self._next)
        # the temperature of a step is that of its end
        steps = range(self._next + 1, self._next + count + 1)
        self._next += count
        block = Contact(self._temperatures(steps), *self._numbers(count))
        if self.layout.device == "cpu":
            return block
        return Contact(*(part.pin_memory() for part in block))

    def _temperatures(self, steps: range) -> torch.Tensor:
        stages, target = self.segment.stages, self.segment.temperature_K
        columns = [
            [target(steps[0], m)] * len(steps)
            if stages[m].is_steady
            else [target(step, m) for step in steps]
            for m in self.members
        ]
        return torch.tensor(columns, dtype=torch.float64).T.contiguous() * BOLTZMANN_EV_PER_K

    def _numbers(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        draws = [
            stream.standard_normal((count, self.draw.width(size)))
            for stream, size in zip(self.streams, self.layout.sizes, strict=True)
        ]
        normal, piston = np.empty((count, 0, 3)), np.empty((count, 0))
        if self.draw.piston:
            piston = np.stack([numbers[:, -1] for numbers in draws], axis=1)
            draws = [numbers[:, :-1] for numbers in draws]
        if self.draw.atoms:
            normal = np.concatenate([n.reshape(count, -1, 3) for n in draws], axis=1)
        return torch.from_numpy(normal), torch.from_numpy(piston)

    def _upload(self, block: Contact) -> Contact:
        # from pinned memory, so that the host does not wait for the device
        return Contact(*(part.to(self.layout.device, non_blocking=True) for part in block))

"""How many atoms fit on a device: fitted to what evaluations took, corrected by failures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Protocol

import torch

from ionflow.kinds import Potential

SHARE = 0.75
"""Of the free memory; the rest is for neighbours that a melt gains and for fragmentation."""


class Gauge(Protocol):
    """Reads the memory of a device, in bytes."""

    def peak(self, work: Callable[[], object]) -> int:
        """What some work takes at its highest, beyond what was taken before."""
        ...

    def free(self) -> int:
        """What is left for work."""
        ...


class CudaGauge:
    """The memory of the current CUDA device."""

    def peak(self, work: Callable[[], object]) -> int:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before

    def free(self) -> int:
        unused = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return torch.cuda.mem_get_info()[0] + unused


class Memory:
    """Bytes = a + b * atoms, and a bound where the device said no."""

    def __init__(self) -> None:
        self.taken: dict[int, int] = {}
        self.bound: int | None = None

    def learn(self, atoms: int, taken: int) -> None:
        """One evaluation of so many atoms took so many bytes."""
        self.taken[atoms] = taken

    def refuse(self, atoms: int) -> None:
        """So many atoms did not fit."""
        self.bound = min(atoms // 2, self.bound or atoms)

    def room(self, free: int) -> int:
        """Atoms that fit in `free` bytes; at least one."""
        (least, low), (most, high) = min(self.taken.items()), max(self.taken.items())
        slope = (high - low) / (most - least) if most > least else 0.0
        slope = slope if slope > 0 else max(high / most, 1.0)
        fits = int((SHARE * free - (high - slope * most)) / slope)
        return max(1, min(fits, self.bound or fits))


@lru_cache(maxsize=16)
def memory_of(potential: Potential, device: str) -> Memory:
    """What this process knows of a potential's appetite on a device."""
    return Memory()


def cut(sizes: Iterable[int], atoms: int | None, systems: int | None) -> list[tuple[int, int]]:
    """Runs of consecutive systems within both bounds, as (first, one past the last).

    >>> cut([10, 10, 10, 50], atoms=25, systems=None)
    [(0, 2), (2, 3), (3, 4)]
    """
    groups, first, load, count = [], 0, 0, 0
    for i, size in enumerate(sizes):
        full = atoms is not None and load + size > atoms
        if i > first and (full or i - first == systems):
            groups.append((first, i))
            first, load = i, 0
        load, count = load + size, i + 1
    return [*groups, (first, count)]

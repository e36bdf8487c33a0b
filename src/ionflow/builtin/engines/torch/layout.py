"""Which atom belongs to which system of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch


class Layout:
    """Atoms of many systems laid end to end: sums over each system, and values spread back.

    Sums are taken in the order of a system's own atoms, so that on a host a system's sum has the
    same bits whatever company it is in; nowhere are they taken by atomic adds, so that they are
    the same in every run.

    Parameters
    ----------
    sizes : number of atoms of each system
    device : where the tensors live

    Attributes
    ----------
    system : (atom,) index of the system of each atom
    lengths : (system,) number of atoms
    freedoms : (system,) degrees of freedom, 3N - 3: the centre of mass is held
    """

    def __init__(self, sizes: Sequence[int], device: str) -> None:
        self.sizes, self.device = tuple(sizes), device
        self.lengths = torch.tensor(self.sizes, device=device)
        self.system = torch.repeat_interleave(
            torch.arange(len(sizes)), torch.tensor(self.sizes)
        ).to(device)
        self.freedoms = 3.0 * self.lengths.to(torch.float64) - 3.0
        self._padding = None if device == "cpu" else self._pad()

    @property
    def offsets(self) -> list[int]:
        """First atom of each system, and the number of all atoms."""
        ends = [0]
        for size in self.sizes:
            ends.append(ends[-1] + size)
        return ends

    def part(self, systems: slice) -> Layout:
        """The same for some of the systems."""
        return Layout(self.sizes[systems], self.device)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """(atom, k) to (system, k)."""
        if self._padding is None:
            reduced: torch.Tensor = torch.segment_reduce(
                values, "sum", lengths=self.lengths, unsafe=True
            )
            return reduced
        zero = values.new_zeros(1, values.shape[1])
        padded = torch.cat([values, zero]).index_select(0, self._padding)
        return padded.view(len(self.sizes), -1, values.shape[1]).sum(1)

    def spread(self, values: torch.Tensor) -> torch.Tensor:
        """(system, ...) to (atom, ...)."""
        return values.index_select(0, self.system)

    def _pad(self) -> torch.Tensor:
        # the row after the last atom holds zeros
        widest, count = max(self.sizes), sum(self.sizes)
        rows = torch.full((len(self.sizes), widest), count)
        for row, first, size in zip(rows, self.offsets, self.sizes, strict=False):
            row[:size] = torch.arange(first, first + size)
        return rows.flatten().to(self.device)

"""Every pair of atoms within the cutoff, found anew at each step.

There is no skin and no history: all pairs of a system are tried with all images that can reach,
which on a GPU costs less than a hundredth of the network up to thousands of atoms in a system. So
nothing has to be decided on the host, a barostat spoils nothing, and the same positions give the
same bits however a trajectory came to them.

The list is full (each pair seen from both ends) and in the order of its keys, which rise with
centre, neighbour and image: `reverse` edges are found by bisection.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

#: Images within ±15 cells fit a key; a key takes 24 bits for each of two atoms.
IMAGE_BITS, ATOM_BITS = 5, 24
HALF = 1 << (IMAGE_BITS - 1)
MAX_ATOMS = 1 << ATOM_BITS
AFTER_ALL = torch.iinfo(torch.int64).max
# A pair must be found from both its ends or from none: rounding decides on the distance alone,
# which is the same to the bit from both, and never on the range of images that are tried.
MARGIN = 1 + 1e-9


@dataclass(frozen=True)
class Batch:
    """Which atom belongs to which system; the same for as long as a batch lives."""

    system: Tensor
    """(atom,) int64, ascending"""
    first: Tensor
    """(system + 1,) int64, first atom of each system, then the number of atoms"""
    sizes: tuple[int, ...]
    """Atoms of each system"""

    @classmethod
    def of(cls, system: Tensor, systems: int) -> Batch:
        """From the system of each atom; reads the sizes back to the host."""
        sizes = torch.bincount(system, minlength=systems)
        first = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        return cls(system, first, tuple(sizes.tolist()))

    @property
    def atoms(self) -> int:
        """Number of atoms of all systems."""
        return sum(self.sizes)


@dataclass(frozen=True)
class Images:
    """Where the atoms are in their cells, and which images of them can reach."""

    fractions: Tensor
    """(atom, 3) in [0, 1], float64"""
    cells: Tensor
    """(system, 3, 3) Å, float64"""
    reach: Tensor
    """(system, 3) cutoff over the distance between opposite faces"""
    tries: Tensor
    """(system, 3) int64, number of images to try along each axis"""

    @classmethod
    def of(cls, positions: Tensor, cells: Tensor, batch: Batch, cutoff: float) -> Images:
        """Of (atom, 3) positions in (system, 3, 3) cells; nothing is read back to the host."""
        inverse = inverses(cells)
        # column k of the inverse is the normal of face k over the distance between the faces
        reach = inverse.square().sum(1).sqrt() * (cutoff * MARGIN)
        each = inverse.index_select(0, batch.system)
        fractions = (positions[:, :, None] * each).sum(1)
        tries = (2 * reach).floor().long() + 1
        return cls(fractions - fractions.floor(), cells, reach, tries)


def inverses(cells: Tensor) -> Tensor:
    """(system, 3, 3) inverses by cofactors: torch.linalg would wait for the device."""
    a, b, c = cells.unbind(1)
    cofactors = torch.stack(
        [torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], dim=2
    )
    return cofactors / (a * cofactors[:, :, 0]).sum(1)[:, None, None]


@dataclass(frozen=True)
class Pairs:
    """Directed edges centre → neighbour, in the order of their keys, padded to a capacity."""

    needed: Tensor
    """() int64, number of edges, also of those beyond the capacity"""
    start: Tensor
    """(atom + 1,) int64, first edge of each atom, then the number of edges, at most the capacity"""
    centre: Tensor
    """(capacity,) int64; 0 behind the last edge, as all that follows"""
    neighbour: Tensor
    key: Tensor
    """(capacity,) int64, ascending; AFTER_ALL behind the last edge"""
    reverse_key: Tensor
    """(capacity,) int64, key of the same edge seen from the neighbour"""
    vectors: Tensor
    """(3, capacity) Å, float64, centre → neighbour"""


def degrees(images: Images, batch: Batch, cutoff: float) -> Tensor:
    """(atom,) number of edges of each atom. The plain version; reads sizes on the host."""
    centre, *_ = _all(images, batch, cutoff)
    return torch.bincount(centre, minlength=batch.atoms)


def find(images: Images, batch: Batch, cutoff: float, capacity: int) -> Pairs:
    """All edges. The plain version, for any device; `pairs_kernel.find` is the fast one."""
    centre, neighbour, shift, vectors = _all(images, batch, cutoff)
    count = len(centre)
    start = torch.bincount(centre, minlength=batch.atoms).cumsum(0).clamp(max=capacity)

    def padded(values: Tensor, fill: int = 0) -> Tensor:
        tail = values.new_full((max(0, capacity - count), *values.shape[1:]), fill)
        return torch.cat([values[:capacity], tail])

    return Pairs(
        needed=torch.tensor(count, device=centre.device),
        start=torch.cat([start.new_zeros(1), start]),
        centre=padded(centre),
        neighbour=padded(neighbour),
        key=padded(key(centre, neighbour, shift), AFTER_ALL),
        reverse_key=padded(key(neighbour, centre, -shift)),
        vectors=padded(vectors).T.contiguous(),
    )


def key(centre: Tensor, neighbour: Tensor, shift: Tensor) -> Tensor:
    """(edge,) one number for each edge. shift: (edge, 3) cells, from -16 to 15."""
    a, b, c = (shift + HALF).unbind(1)
    image = (((a << IMAGE_BITS) | b) << IMAGE_BITS) | c
    return (((centre << ATOM_BITS) | neighbour) << (3 * IMAGE_BITS)) | image


def _all(images: Images, batch: Batch, cutoff: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    parts = [_of_system(images, s, batch, cutoff) for s in range(len(batch.sizes))]
    centre, neighbour, shift, vectors = (torch.cat(part) for part in zip(*parts, strict=True))
    return centre, neighbour, shift, vectors


def _of_system(
    images: Images, system: int, batch: Batch, cutoff: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    first = sum(batch.sizes[:system])
    fractions = images.fractions[first : first + batch.sizes[system]]
    between = fractions[None, :] - fractions[:, None]
    lowest = (-images.reach[system] - between).ceil()
    ranges = [torch.arange(n, device=between.device) for n in images.tries[system].tolist()]
    offsets = torch.cartesian_prod(*ranges).view(-1, 3)
    shift = lowest[:, :, None] + offsets
    vectors = (between[:, :, None] + shift) @ images.cells[system]
    itself = torch.eye(len(fractions), dtype=torch.bool, device=between.device)[:, :, None]
    found = (vectors.square().sum(-1) < cutoff**2) & ~(itself & (shift == 0).all(-1))
    centre, neighbour, _ = found.nonzero(as_tuple=True)
    return centre + first, neighbour + first, shift[found].long(), vectors[found]

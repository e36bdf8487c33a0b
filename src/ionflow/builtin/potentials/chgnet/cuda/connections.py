"""What the network needs to know about its edges, in shapes that never change.

Every array is padded to a capacity, and every step is a gather, a running sum or a bisection: no
number is read back to the host, so all of it can be replayed in a CUDA graph. What exceeds a
capacity is counted in `needed` and left out, and the results are then marked as void.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ionflow.builtin.potentials.chgnet.cuda.pairs import Batch, Pairs


@dataclass(frozen=True)
class Capacity:
    """Lengths of the padded arrays."""

    edges: int
    """directed edges within the long cutoff"""
    short: int
    """directed edges within the short cutoff; even"""
    angles: int
    """ordered pairs of short edges with the same centre"""

    @classmethod
    def for_(cls, needed: tuple[int, int, int]) -> Capacity:
        """Room for `needed` edges, short edges and angles, and for what motion adds to them."""
        edges, short, angles = needed
        return cls(_room(edges, 1.15), _room(short, 1.25), _room(angles, 1.5))

    def fullness(self, needed: tuple[int, int, int]) -> float:
        """Largest share of a capacity that is in use; above 1 there was an overflow."""
        capacities = self.edges, self.short, self.angles
        return max(n / c for n, c in zip(needed, capacities, strict=True))


def _room(count: int, factor: float) -> int:
    return 256 * (int(count * factor) // 256 + 2)


@dataclass(frozen=True)
class Connections:
    """Edges, short bonds (each stands once, for both its edges) and angles. All int64."""

    needed: Tensor
    """(3,) edges, short edges and angles, also those beyond the capacity"""
    alone: Tensor
    """() number of atoms without any edge"""
    edges: Tensor
    """() number of edges in the arrays"""
    bonds: Tensor
    """() number of short bonds"""
    angles: Tensor
    """() number of angles"""
    start: Tensor
    """(atom + 1,) first edge of each atom"""
    centre: Tensor
    """(edge,) atom"""
    neighbour: Tensor
    """(edge,) atom"""
    reverse: Tensor
    """(edge,) the same edge seen from the neighbour"""
    bond: Tensor
    """(edge,) its short bond, or -1"""
    near: Tensor
    """(edge,) its number among short edges; 0 where it is none"""
    edge_of: Tensor
    """(short,) its number among all edges"""
    twin: Tensor
    """(short,) the same short edge seen from the neighbour"""
    bond_of: Tensor
    """(short,) its bond"""
    there: Tensor
    """(bond,) the first of its two short edges"""
    back: Tensor
    """(bond,) the second"""
    angle_start: Tensor
    """(short + 1,) first angle of each short edge"""
    atom_angle_start: Tensor
    """(atom + 1,) first angle of each atom"""
    left: Tensor
    """(angle,) short edge"""
    right: Tensor
    """(angle,) the other short edge of the same centre"""
    opposite: Tensor
    """(angle,) the same angle with left and right exchanged"""

    @property
    def left_bond(self) -> Tensor:
        """(angle,) bond that receives"""
        return self.bond_of.index_select(0, self.left)

    @property
    def right_bond(self) -> Tensor:
        """(angle,) the other bond"""
        return self.bond_of.index_select(0, self.right)

    @property
    def corner(self) -> Tensor:
        """(angle,) atom where they meet"""
        return self.centre.index_select(0, self.edge_of.index_select(0, self.left))


def connect(pairs: Pairs, batch: Batch, capacity: Capacity, short_cutoff: float) -> Connections:
    """Find reverse edges, short bonds and angles of the edges in `pairs`."""
    edges = pairs.start[-1]
    reverse = torch.searchsorted(pairs.key, pairs.reverse_key).clamp_(max=capacity.edges - 1)
    length = pairs.vectors.square().sum(0)
    is_short = (length < short_cutoff**2) & (_range(pairs.centre) < edges)
    rank = is_short.cumsum(0)
    near = _within((rank - 1) * is_short, capacity.short)
    edge_of = _within(_places(rank, capacity.short), capacity.edges)
    short_start = _behind_zero(rank).index_select(0, pairs.start).clamp_(max=capacity.short)

    number = _range(edge_of)
    alive = number < rank[-1]
    twin = near.index_select(0, reverse.index_select(0, edge_of))
    bond_rank = ((number < twin) & alive).cumsum(0)
    there = _within(_places(bond_rank, capacity.short // 2), capacity.short)
    bond_of = bond_rank.index_select(0, torch.minimum(number, twin)) - 1
    bond_of = _within(bond_of, capacity.short // 2)
    bond = torch.where(is_short, bond_of.index_select(0, near), -1)

    centre = pairs.centre.index_select(0, edge_of)
    begin = short_start.index_select(0, centre)
    others = (short_start.index_select(0, centre + 1) - begin - 1).clamp_(min=0) * alive
    angle_start = _behind_zero(others.cumsum(0))
    angles, angle_start = angle_start[-1], angle_start.clamp(max=capacity.angles)
    left, right, opposite = _angles(angle_start, begin, capacity)
    return Connections(
        needed=torch.stack([pairs.needed, rank[-1], angles]),
        alone=(pairs.start.diff() == 0).sum(),
        edges=edges,
        bonds=bond_rank[-1],
        angles=angle_start[-1],
        start=pairs.start,
        centre=pairs.centre,
        neighbour=pairs.neighbour,
        reverse=reverse,
        bond=bond,
        near=near,
        edge_of=edge_of,
        twin=twin,
        bond_of=bond_of,
        there=there,
        back=twin.index_select(0, there),
        angle_start=angle_start,
        atom_angle_start=angle_start.index_select(0, short_start),
        left=left,
        right=right,
        opposite=opposite,
    )


def _angles(
    angle_start: Tensor, begin: Tensor, capacity: Capacity
) -> tuple[Tensor, Tensor, Tensor]:
    """Angles of a short edge follow one another, in the order of the other edges of its centre."""
    angle = torch.arange(capacity.angles, device=begin.device)
    left = torch.searchsorted(angle_start[1:], angle, right=True).clamp_(max=capacity.short - 1)
    first = begin.index_select(0, left)
    right = first + angle - angle_start.index_select(0, left)
    right = _within(right + (right >= left), capacity.short)
    opposite = angle_start.index_select(0, right) + left - first - (left > right).long()
    return left, right, _within(opposite, capacity.angles)


def _range(like: Tensor) -> Tensor:
    return torch.arange(like.shape[0], device=like.device)


def _places(rank: Tensor, count: int) -> Tensor:
    """(count,) where a running count first reaches 1, 2, 3, ..."""
    return torch.searchsorted(rank, torch.arange(1, count + 1, device=rank.device))


def _within(index: Tensor, length: int) -> Tensor:
    """Nothing outside an array is ever read, not even after an overflow."""
    return index.clamp_(0, length - 1)


def _behind_zero(values: Tensor) -> Tensor:
    return torch.cat([values.new_zeros(1), values])

"""Reverse edges, short bonds and angles of the CUDA backend against loops in Python."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ionflow.builtin.potentials.chgnet.cuda.connections import Capacity, Connections, connect
from ionflow.builtin.potentials.chgnet.cuda.pairs import Batch, Images, Pairs, find

CUTOFF, SHORT = 6.0, 3.0


def connected(
    seed: int, sizes: tuple[int, ...], capacity: Capacity | None = None, side: float = 6.5
) -> tuple[Pairs, Connections]:
    rng = np.random.default_rng(seed)
    boxes = side * np.eye(3) + rng.uniform(-1.5, 1.5, (len(sizes), 3, 3))
    places = [rng.uniform(0, 1, (n, 3)) @ box for n, box in zip(sizes, boxes, strict=True)]
    system = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    owners, cells = Batch.of(system, len(sizes)), torch.from_numpy(boxes)
    images = Images.of(torch.from_numpy(np.concatenate(places)), cells, owners, CUTOFF)
    capacity = capacity or Capacity(4000, 1000, 20000)
    pairs = find(images, owners, CUTOFF, capacity.edges)
    return pairs, connect(pairs, owners, capacity, SHORT)


def brute_force(pairs: Pairs) -> tuple[list[int], list[tuple[int, int]]]:
    """Short edges, and ordered pairs (edge, edge) of them with the same centre."""
    count = int(pairs.start[-1])
    length = pairs.vectors.norm(dim=0)
    short = [e for e in range(count) if length[e] < SHORT]
    same = [(p, q) for p in short for q in short if p != q and pairs.centre[p] == pairs.centre[q]]
    return short, same


SIZES = st.lists(st.integers(1, 8), min_size=1, max_size=3).map(tuple)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), SIZES)
def test_edges_and_their_reverse(seed: int, sizes: tuple[int, ...]) -> None:
    pairs, graph = connected(seed, sizes)
    edges = int(graph.edges)
    back = graph.reverse[:edges]
    assert torch.equal(back[back], torch.arange(edges))
    assert torch.equal(graph.centre[back], graph.neighbour[:edges])
    assert torch.equal(pairs.vectors[:, back], -pairs.vectors[:, :edges])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), SIZES)
def test_short_bonds_stand_once_for_both_edges(seed: int, sizes: tuple[int, ...]) -> None:
    pairs, graph = connected(seed, sizes)
    short, _ = brute_force(pairs)
    bonds = int(graph.bonds)
    assert int(graph.needed[1]) == len(short) == 2 * bonds
    assert graph.edge_of[: len(short)].tolist() == short
    assert graph.near[short].tolist() == list(range(len(short)))
    assert graph.bond[: int(graph.edges)].ge(0).nonzero().flatten().tolist() == short
    there, back = graph.there[:bonds], graph.back[:bonds]
    assert sorted([*there.tolist(), *back.tolist()]) == list(range(len(short)))
    assert torch.equal(graph.bond_of[there], torch.arange(bonds))
    assert torch.equal(graph.bond_of[back], torch.arange(bonds))
    assert torch.equal(graph.reverse[graph.edge_of[there]], graph.edge_of[back])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), SIZES)
def test_angles_are_all_ordered_pairs(seed: int, sizes: tuple[int, ...]) -> None:
    pairs, graph = connected(seed, sizes)
    _, expected = brute_force(pairs)
    angles = int(graph.angles)
    assert int(graph.needed[2]) == angles == len(expected)
    left, right = graph.left[:angles], graph.right[:angles]
    found = list(zip(graph.edge_of[left].tolist(), graph.edge_of[right].tolist(), strict=True))
    assert sorted(found) == sorted(expected)
    assert len(set(found)) == angles
    other = graph.opposite[:angles]
    assert torch.equal(graph.left[other], right)
    assert torch.equal(graph.right[other], left)
    # angles of a short edge, and of an atom, follow one another
    assert torch.equal(left, left.sort().values)
    counts = torch.bincount(graph.corner[:angles], minlength=sum(sizes))
    assert torch.equal(graph.atom_angle_start.diff(), counts)


def test_room_does_not_change_what_is_found() -> None:
    _, tight = connected(1, (7, 5))
    capacity = Capacity(9000, 3000, 40000)
    _, wide = connected(1, (7, 5), capacity)
    lengths = {"centre": "edges", "neighbour": "edges", "reverse": "edges", "bond": "edges"}
    lengths |= {"there": "bonds", "back": "bonds", "left": "angles", "right": "angles"}
    for name, count in lengths.items():
        rows = int(getattr(tight, count))
        assert torch.equal(getattr(tight, name)[:rows], getattr(wide, name)[:rows]), name


@pytest.mark.parametrize(
    "capacity",
    [Capacity(300, 1000, 20000), Capacity(4000, 30, 20000), Capacity(4000, 1000, 50)],
    ids=["edges", "short", "angles"],
)
def test_after_an_overflow_nothing_points_outside(capacity: Capacity) -> None:
    _, graph = connected(2, (8, 8), capacity, side=5.5)
    needed = tuple(graph.needed.tolist())
    assert capacity.fullness(needed) > 1
    atoms, bonds = 16, capacity.short // 2
    bounds = {"start": capacity.edges + 1, "centre": atoms, "neighbour": atoms}
    bounds |= {"reverse": capacity.edges, "edge_of": capacity.edges, "bond": bonds}
    bounds |= {"near": capacity.short, "twin": capacity.short, "there": capacity.short}
    bounds |= {"back": capacity.short, "left": capacity.short, "right": capacity.short}
    bounds |= {"opposite": capacity.angles, "angle_start": capacity.angles + 1}
    bounds |= {"atom_angle_start": capacity.angles + 1, "bond_of": bonds}
    for name, bound in bounds.items():
        values = getattr(graph, name)
        assert int(values.max()) < bound, name
        assert int(values.min()) >= (-1 if name == "bond" else 0), name


def test_without_short_bonds_there_is_nothing_to_pair() -> None:
    _, graph = connected(4, (1,), side=5.5)
    assert graph.needed.tolist()[1:] == [0, 0]
    assert int(graph.bonds) == int(graph.angles) == 0
    assert int(graph.alone) == 0


def test_isolated_atoms_are_counted() -> None:
    owners = Batch.of(torch.tensor([0, 0, 1]), 2)
    places = torch.tensor([[0.0, 0, 0], [1.5, 0, 0], [0, 0, 0]], dtype=torch.float64)
    cells = 20 * torch.eye(3, dtype=torch.float64).expand(2, 3, 3)
    pairs = find(Images.of(places, cells, owners, CUTOFF), owners, CUTOFF, 256)
    graph = connect(pairs, owners, Capacity(256, 256, 256), SHORT)
    assert graph.needed.tolist() == [2, 2, 0]
    assert int(graph.alone) == 1


def test_capacity_leaves_room_and_says_how_full_it_is() -> None:
    capacity = Capacity.for_((50_000, 5_000, 20_000))
    assert 0.8 < capacity.fullness((50_000, 5_000, 20_000)) < 0.95
    assert capacity.fullness((50_000, 5_000, 40_000)) > 1
    assert all(getattr(capacity, f.name) % 256 == 0 for f in fields(capacity))

"""The pairs of the CUDA backend, by its plain version, against an independent neighbour list."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from vesin import NeighborList

from ionflow.builtin.potentials.chgnet.cuda import pairs
from ionflow.builtin.potentials.chgnet.cuda.pairs import AFTER_ALL, Batch, Images, find

CUTOFF = 6.0


def cells(count: int, rng: np.random.Generator) -> np.ndarray:
    """Sheared cells down to 5 Å."""
    sides = rng.uniform(5, 9, (count, 3, 1))
    return sides * np.eye(3) + rng.uniform(-2, 2, (count, 3, 3)) * (1 - np.eye(3))


def batch(seed: int, sizes: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor, Batch]:
    rng = np.random.default_rng(seed)
    boxes = cells(len(sizes), rng)
    places = [rng.uniform(-1.5, 2.5, (n, 3)) @ box for n, box in zip(sizes, boxes, strict=True)]
    system = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    owners = Batch.of(system, len(sizes))
    return torch.from_numpy(np.concatenate(places)), torch.from_numpy(boxes), owners


def vesin(positions: np.ndarray, box: np.ndarray) -> np.ndarray:
    """(edge, 5) centre, neighbour, vector, sorted; of atoms moved into the cell."""
    fractions = positions @ np.linalg.inv(box)
    wrapped = (fractions - np.floor(fractions)) @ box
    search = NeighborList(cutoff=CUTOFF, full_list=True)
    i, j, vectors = search.compute(points=wrapped, box=box, periodic=True, quantities="ijD")
    return sorted_rows(np.column_stack([i, j, vectors]))


def sorted_rows(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort(np.round(rows, 6).T[::-1])]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 12), min_size=1, max_size=3).map(tuple))
def test_all_pairs_are_found_and_no_others(seed: int, sizes: tuple[int, ...]) -> None:
    positions, boxes, owners = batch(seed, sizes)
    images = Images.of(positions, boxes, owners, CUTOFF)
    degrees = pairs.degrees(images, owners, CUTOFF)
    found = find(images, owners, CUTOFF, int(degrees.sum()) + 7)
    assert torch.equal(found.start.diff(), degrees)
    for s, box in enumerate(boxes.numpy()):
        first, end = int(owners.first[s]), int(owners.first[s + 1])
        edges = slice(int(found.start[first]), int(found.start[end]))
        rows = torch.stack(
            [found.centre[edges] - first, found.neighbour[edges] - first], 1
        ).double()
        mine = sorted_rows(torch.cat([rows, found.vectors[:, edges].T], 1).numpy())
        expected = vesin(positions[first:end].numpy(), box)
        assert mine.shape == expected.shape
        np.testing.assert_allclose(mine, expected, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_keys_rise_and_name_the_reverse_edge(seed: int) -> None:
    positions, boxes, owners = batch(seed, (7, 4))
    images = Images.of(positions, boxes, owners, CUTOFF)
    count = int(pairs.degrees(images, owners, CUTOFF).sum())
    found = find(images, owners, CUTOFF, count + 50)
    assert bool((found.key[:count].diff() > 0).all())
    assert bool((found.key[count:] == AFTER_ALL).all())
    back = torch.searchsorted(found.key, found.reverse_key[:count])
    assert torch.equal(found.key[back], found.reverse_key[:count])
    assert torch.equal(found.vectors[:, back], -found.vectors[:, :count])  # to the bit


def test_whole_cells_between_atoms_change_nothing() -> None:
    positions, boxes, owners = batch(3, (9,))
    moved = positions.clone()
    moved[4] += 3 * boxes[0, 0] - 2 * boxes[0, 2]
    one, two = (
        find(Images.of(p, boxes, owners, CUTOFF), owners, CUTOFF, 4000) for p in (positions, moved)
    )
    assert int(one.needed) == int(two.needed) < 4000
    torch.testing.assert_close(one.vectors, two.vectors, atol=1e-9, rtol=0)


def test_what_exceeds_the_capacity_is_counted() -> None:
    positions, boxes, owners = batch(5, (6, 6))
    found = find(Images.of(positions, boxes, owners, CUTOFF), owners, CUTOFF, 100)
    assert int(found.needed) > 100
    assert int(found.start[-1]) == int(found.start.max()) == 100
    assert found.key.shape == (100,)


def test_inverse_without_linear_algebra() -> None:
    boxes = torch.from_numpy(cells(20, np.random.default_rng(0)))
    unit = torch.eye(3, dtype=torch.float64).expand_as(boxes)
    torch.testing.assert_close(pairs.inverses(boxes) @ boxes, unit, atol=1e-13, rtol=0)


@pytest.mark.parametrize("box", [5.0, 6.0, 11.9, 12.1, 30.0])
def test_one_image_is_tried_where_one_can_reach(box: float) -> None:
    owners = Batch.of(torch.zeros(1, dtype=torch.int64), 1)
    cell = box * torch.eye(3, dtype=torch.float64)[None]
    images = Images.of(torch.zeros(1, 3, dtype=torch.float64), cell, owners, CUTOFF)
    assert images.tries.tolist() == [[int(2 * CUTOFF / box * (1 + 1e-9)) + 1] * 3]

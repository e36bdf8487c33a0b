import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list

from ionflow.passes import pairs
from ionflow.passes.pairs import Pairs, pairs_within

CELLS = {
    "cube": np.eye(3) * 12.0,
    "skewed": np.array([[12.0, 0, 0], [4, 11, 0], [-3, 2, 13]]),
    "left-handed": np.array([[0, 12.0, 0], [12, 0, 0], [0, 1, 14]]),
}


def gas(cell: np.ndarray, count: int) -> np.ndarray:
    rng = np.random.default_rng(count)
    return (rng.random((count, 3)) + rng.integers(-3, 4, (count, 3))) @ cell  # unwrapped


def table(i, j, distance) -> np.ndarray:
    """Both ways, in an order that does not depend on who found them."""
    rows = np.stack([np.concatenate([i, j]), np.concatenate([j, i]), np.tile(distance, 2)], 1)
    return rows[np.lexsort((rows[:, 2].round(9), rows[:, 1], rows[:, 0]))]


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(
    ("count", "cutoff"), [(61, 4.9), (80, 5.2), (80, 2.0), (80, 9.0), (2, 9.0)]
)
def test_pairs_are_those_of_ase(name, count, cutoff) -> None:
    cell, x = CELLS[name], gas(CELLS[name], count)
    found = pairs_within(x, cell, cutoff)
    i, j, d = neighbor_list("ijd", Atoms(f"H{count}", positions=x, cell=cell, pbc=True), cutoff)
    theirs = np.stack([i, j, d], 1)[np.lexsort((d.round(9), j, i))]
    np.testing.assert_allclose(table(found.i, found.j, found.distance), theirs, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(found.vector, axis=1), found.distance, atol=1e-9)
    images = (found.vector - (x[found.j] - x[found.i])) @ np.linalg.inv(cell)
    np.testing.assert_allclose(images, images.round(), atol=1e-9)


def test_both_searches_find_the_same() -> None:
    x = gas(CELLS["skewed"], 90)
    dense, cells = (
        search(x, CELLS["skewed"], 4.5) for search in (pairs._among_all, pairs._by_cells)
    )
    ours, theirs = (table(p.i, p.j, p.distance) for p in (dense, cells))
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
    assert pairs._dense(90, CELLS["skewed"], 4.5)
    assert not pairs._dense(90, CELLS["skewed"], 6.0)  # beyond half of a height
    assert not pairs._dense(90, CELLS["skewed"], 1.0)  # few: cells of neighbours are faster


def test_vectors_are_made_only_when_asked_for() -> None:
    asked = []

    def vector() -> np.ndarray:
        asked.append(1)
        return np.array([[1.0, 0, 0], [0, 2.0, 0]])

    found = Pairs(np.array([0, 1]), np.array([1, 2]), np.array([1.0, 2.0]), vector)
    some = found.both_ways().where(np.array([False, True, True, False]))
    assert not asked
    np.testing.assert_array_equal(some.vector, [[0, 2, 0], [-1, 0, 0]])
    assert found.vector is found.vector
    assert asked == [1]

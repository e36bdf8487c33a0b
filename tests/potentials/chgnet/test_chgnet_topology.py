"""The neighbour list, its filter and the angles against brute force over images."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ionflow.builtin.potentials.chgnet import kernel, topology
from ionflow.errors import PhysicsError

CUTOFF, SHORT, SKIN = 6.0, 3.0, 0.75


def all_bonds(positions, cell, cutoff):
    """Every undirected bond as (first, second, shift), canonical, by O(N²) over enough images."""
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    inverse = np.linalg.inv(cell)
    spread = np.abs(positions @ inverse).max() * 2
    reach = np.ceil(cutoff / heights + spread).astype(int)
    shifts = np.array(list(itertools.product(*(range(-r, r + 1) for r in reach))))
    bonds = set()
    for i, j in itertools.product(range(len(positions)), repeat=2):
        distance = np.linalg.norm(positions[j] - positions[i] + shifts @ cell, axis=1)
        for shift in shifts[distance < cutoff]:
            if i != j or shift.any():
                bonds.add(canonical(i, j, shift))
    return bonds


def canonical(i, j, shift):
    there, back = (int(i), int(j), *map(int, shift)), (int(j), int(i), *map(int, -shift))
    return min(there, back)


def bonds_of(lists, positions, cell, cutoff):
    spans = topology.vectors(lists, positions, cell)
    kept = np.linalg.norm(spans, axis=1) < cutoff
    found = [
        canonical(i, j, np.rint(shift))
        for i, j, shift in zip(
            lists.first[kept], lists.second[kept], lists.shifts[kept], strict=True
        )
    ]
    assert len(found) == len(set(found)), "a bond stands twice"
    return set(found)


def graph_of(lists, positions, cell):
    spans = topology.vectors(lists, positions, cell)
    return topology.graph(lists.first, lists.second, spans, len(positions), CUTOFF, SHORT)


def assume_bonded(lists, positions, cell):
    """An atom that is alone is refused; that has a test of its own."""
    kept = np.linalg.norm(topology.vectors(lists, positions, cell), axis=1) < CUTOFF
    assume(len(set(lists.first[kept]) | set(lists.second[kept])) == len(positions))


@st.composite
def systems(draw):
    """One to five atoms, also far outside a cell of 5 Å and more, strongly sheared."""
    lengths = np.array(draw(st.tuples(*[st.floats(5.0, 9.0)] * 3)))
    cell = np.diag(lengths)
    cell[1, 0], cell[2, 0], cell[2, 1] = draw(st.tuples(*[st.floats(-6.0, 6.0)] * 3))
    count = draw(st.integers(1, 5))
    fractions = draw(
        st.lists(st.tuples(*[st.floats(-2.0, 2.0)] * 3), min_size=count, max_size=count)
    )
    return np.array(fractions) @ cell, cell


@settings(max_examples=60, deadline=None)
@given(systems())
def test_bonds_equal_brute_force(system):
    positions, cell = system
    lists = topology.NeighbourList(CUTOFF, SKIN)
    assert lists.update(positions, cell)
    assert bonds_of(lists, positions, cell, CUTOFF) == all_bonds(positions, cell, CUTOFF)


@settings(max_examples=60, deadline=None)
@given(systems(), st.integers(0, 2**32 - 1))
def test_a_list_that_holds_is_complete_under_motion_and_strain(system, seed):
    positions, cell = system
    rng = np.random.default_rng(seed)
    lists = topology.NeighbourList(CUTOFF, SKIN)
    lists.update(positions, cell)
    deformation = np.eye(3) + rng.normal(0, 0.02, (3, 3))
    moved = positions @ deformation + rng.normal(0, 0.1, positions.shape)
    strained = cell @ deformation
    lists.update(moved, strained)
    assert bonds_of(lists, moved, strained, CUTOFF) == all_bonds(moved, strained, CUTOFF)


@settings(max_examples=40, deadline=None)
@given(systems())
def test_angles_are_all_pairs_of_directed_short_bonds_at_an_atom(system):
    positions, cell = system
    lists = topology.NeighbourList(CUTOFF, SKIN)
    lists.update(positions, cell)
    assume_bonded(lists, positions, cell)
    graph = graph_of(lists, positions, cell)
    directed = {}
    for bond in range(graph.short):
        directed.setdefault(graph.first[bond], []).append(2 * bond)
        directed.setdefault(graph.second[bond], []).append(2 * bond + 1)
    wanted = {
        frozenset(pair) for bonds in directed.values() for pair in itertools.combinations(bonds, 2)
    }
    found = [
        frozenset(pair) for pair in zip(graph.left.tolist(), graph.right.tolist(), strict=True)
    ]
    assert set(found) == wanted
    assert len(found) == len(wanted)
    assert (np.linalg.norm(graph.vectors[: graph.short], axis=1) < SHORT).all()
    assert (np.linalg.norm(graph.vectors[graph.short :], axis=1) >= SHORT).all()


def test_a_cell_that_breathes_with_its_atoms_does_not_rebuild_the_list(glass):
    lists = topology.NeighbourList(CUTOFF, SKIN)
    cell = glass.cell.array
    lists.update(glass.positions, cell)
    for step in range(50):
        scale = 1 + 0.02 * np.sin(step / 5)
        assert not lists.update(glass.positions * scale, cell * scale)
    assert lists.update(glass.positions * 0.8, cell * 0.8)
    assert lists.builds == 2


def test_a_drift_of_all_atoms_does_not_rebuild_the_list(glass):
    lists = topology.NeighbourList(CUTOFF, SKIN)
    lists.update(glass.positions, glass.cell.array)
    assert not lists.update(glass.positions + 40.0, glass.cell.array)


def test_joined_graphs_are_the_parts_behind_one_another(glass):
    smaller = glass[[atom.index for atom in glass if atom.symbol != "Al"]]
    parts = []
    for atoms in (glass, smaller):
        lists = topology.NeighbourList(CUTOFF, SKIN)
        lists.update(atoms.positions, atoms.cell.array)
        parts.append(graph_of(lists, atoms.positions, atoms.cell.array))
    whole = topology.joined(parts)
    assert whole.atoms == len(glass) + len(smaller)
    assert whole.short == sum(part.short for part in parts)
    lengths = np.linalg.norm(whole.vectors, axis=1)
    assert (lengths[: whole.short] < SHORT).all()
    assert (lengths[whole.short :] >= SHORT).all()
    centres = np.concatenate([parts[0].centres(), parts[1].centres() + len(glass)])
    np.testing.assert_array_equal(whole.centres(), centres)
    np.testing.assert_array_equal(whole.signs(), np.concatenate([p.signs() for p in parts]))


def test_an_isolated_atom_and_a_flat_cell_are_errors():
    lists = topology.NeighbourList(CUTOFF, SKIN)
    positions, cell = np.array([[0.0, 0, 0], [10, 0, 0]]), np.eye(3) * 20
    lists.update(positions, cell)
    spans = topology.vectors(lists, positions, cell)
    with pytest.raises(PhysicsError, match=r"isolated atom.*index 0"):
        topology.graph(lists.first, lists.second, spans, 2, CUTOFF, SHORT)
    with pytest.raises(PhysicsError, match="periodic cell"):
        topology.NeighbourList(CUTOFF, SKIN).update(positions, np.diag([5.0, 5.0, 0.0]))


@pytest.mark.skipif(kernel.path() is None, reason="ionflow was built without kernel")
@settings(max_examples=40, deadline=None)
@given(systems())
def test_the_compiled_filter_is_the_same(system):
    positions, cell = system
    lists = topology.NeighbourList(CUTOFF, SKIN)
    lists.update(positions, cell)
    assume_bonded(lists, positions, cell)
    wanted = graph_of(lists, positions, cell)
    found = kernel.available()[0].graph(lists, positions, cell, CUTOFF, SHORT)
    assert (found.atoms, found.short) == (wanted.atoms, wanted.short)
    for name in ("first", "second", "left", "right"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    np.testing.assert_allclose(found.vectors, wanted.vectors, rtol=0, atol=1e-12)

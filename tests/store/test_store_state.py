"""The end state comes back bit for bit."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.constraints import FixAtoms, FixCom, FixedPlane
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ionflow.errors import StoreError
from ionflow.store import State, Store
from ionflow.store.archive import Archive, pack
from ionflow.store.state import read_state, state_members

floats = st.floats(width=64)  # NaN with any payload, infinities, subnormals, -0.0
extras = st.sampled_from(["<f8", ">f8", "<f4", "<f2", "|i1", "<u8", "|b1", "<c16", "<U3", "|S4"])


@st.composite
def atoms_of_any_kind(draw: st.DrawFn) -> Atoms:
    count = draw(st.integers(0, 5))
    vectors = hnp.arrays(np.float64, (count, 3), elements=floats)
    atoms = Atoms(numbers=draw(hnp.arrays(np.int64, count, elements=st.integers(0, 118))))
    atoms.arrays["positions"] = draw(vectors)
    atoms.arrays["momenta"] = draw(vectors)
    atoms.cell[:] = draw(hnp.arrays(np.float64, (3, 3), elements=floats))
    atoms.pbc = draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    if draw(st.booleans()):
        atoms.arrays["masses"] = draw(hnp.arrays(np.float64, count, elements=floats))
    for name in draw(st.sets(st.text(min_size=1, max_size=5), max_size=3)):
        shape = (count, *draw(st.lists(st.integers(0, 3), max_size=2)))
        atoms.arrays.setdefault(name, draw(hnp.arrays(np.dtype(draw(extras)), shape)))
    finite = st.floats(allow_nan=False, allow_infinity=False)
    atoms.info["ionflow"] = draw(st.dictionaries(st.text(), finite | st.lists(finite), min_size=1))
    return atoms


def bits(atoms: Atoms) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {n: (a.dtype.str, a.shape, a.tobytes()) for n, a in atoms.arrays.items()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(atoms_of_any_kind(), st.integers(0, 2**62))
def test_round_trip_through_a_file_is_exact(
    tmp_path_factory: pytest.TempPathFactory, atoms: Atoms, step: int
) -> None:
    path = tmp_path_factory.mktemp("state") / "state.zip"
    path.write_bytes(pack({}, state_members(State.from_atoms(atoms, step))))
    with Archive(path) as archive:
        state = read_state(archive)
    back = state.to_atoms()
    assert state == State.from_atoms(atoms, step)
    assert bits(back) == bits(atoms)
    assert list(back.arrays) == list(atoms.arrays)
    assert back.cell.array.tobytes() == atoms.cell.array.tobytes()
    assert back.pbc.tolist() == atoms.pbc.tolist()
    assert back.info == atoms.info
    assert State.from_atoms(back, step) == state


def test_constraints_are_kept_and_do_not_change_momenta(salt) -> None:
    atoms = salt.atoms(0)
    atoms.set_constraint([FixAtoms([0, 3]), FixedPlane(5, (1, 1, 0)), FixCom()])
    back = State.from_atoms(atoms, 10).to_atoms()
    assert bits(back) == bits(atoms)
    described = [[str(c.todict()) for c in a.constraints] for a in (atoms, back)]
    assert described[0] == described[1]


def test_a_state_shares_no_memory_with_the_atoms(salt) -> None:
    atoms = salt.atoms(0)
    state = State.from_atoms(atoms, 1)
    before = pickle.loads(pickle.dumps(state))
    atoms.positions += 1
    atoms.info["ionflow"]["eta"][0] = 9
    state.to_atoms().positions += 1
    assert state == before


def test_one_bit_makes_another_state(salt) -> None:
    atoms = salt.atoms(0)
    state = State.from_atoms(atoms, 1)
    atoms.positions[3, 1] = np.nextafter(atoms.positions[3, 1], np.inf)
    assert State.from_atoms(atoms, 1) != state


@pytest.mark.parametrize("value", [np.nan, object()])
def test_a_thermostat_that_json_cannot_hold_is_refused(store: Store, salt, key, value) -> None:
    atoms = salt.atoms(0)
    atoms.info["ionflow"]["eta"] = [0.0, value]
    with pytest.raises(StoreError):
        store.commit_segment(
            key, 0, 0, 50, salt.dataset(0), State.from_atoms(atoms, salt.length), {}
        )
    assert store.segments(key) == []


def test_structures_come_back_with_all_their_info(store: Store, salt, key) -> None:
    atoms = salt.atoms(0)
    atoms.info["note"] = {"attempts": 3, "density_g_cm3": 2.5}
    assert not store.has_structure(key)
    store.write_structure(key, atoms)
    back = store.read_structure(key)
    assert store.has_structure(key)
    assert bits(back) == bits(atoms)
    assert back.info == atoms.info


def test_the_first_structure_stays(store: Store, salt, key) -> None:
    store.write_structure(key, salt.atoms(0))
    store.write_structure(key, salt.atoms(1))
    assert bits(store.read_structure(key)) == bits(salt.atoms(0))


def test_a_missing_structure_is_named(store: Store, key) -> None:
    with pytest.raises(StoreError, match="missing") as error:
        store.read_structure(key)
    assert Path(error.value.where).name == f"{key}.zarr.zip"

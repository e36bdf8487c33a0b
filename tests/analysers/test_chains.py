from collections import Counter
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import xarray as xr
from ase import Atoms
from ase.io import read
from ase.neighborlist import neighbor_list

from ionflow.builtin.analysers.network.bonding import Bonds, mask
from ionflow.builtin.analysers.network.chains import Chains
from ionflow.builtin.analysers.network.contacts import Contacts
from ionflow.builtin.analysers.network.fragments import Fragments
from ionflow.builtin.analysers.network.glass import INVARIANTS, Verdict, ideals, quality
from ionflow.errors import DataError
from ionflow.passes import Blocks, Frame, Subject, together
from ionflow.testing import check_analyser
from networks import (
    CHARGES,
    CUTOFFS,
    STEP,
    atoms_of,
    beside,
    chain,
    edge_dimer,
    lattice,
    neutral,
    ring,
    star,
)

GLASS = Path(__file__).parent.parent / "data" / "LiAlCl2.5O0.75_84.xyz"
GIVEN = {"Al-O": 2.4, "Al-Cl": 2.9}


def still(trajectory, places, cell=200.0, frames=3) -> xr.Dataset:
    symbols, x, charges = atoms_of(places)
    box = np.diag(np.broadcast_to(cell, 3).astype(float))
    return trajectory(np.repeat(x[None], frames, axis=0), symbols, charges, box)


def analysed(trajectory, places, cell=200.0, **fields) -> xr.Dataset:
    cutoffs = {pair: r for pair, r in CUTOFFS.items() if pair[3:] in places}
    return Chains(cutoffs=cutoffs, **fields).analyse(still(trajectory, places, cell))


def invariant(result: xr.Dataset, name: str, what: str = "value"):
    return result[f"invariant_{what}"].sel(invariant=name).item()


def test_the_ideal_glass_is_good(trajectory) -> None:
    """A4[M4O3X10]: number average 4, no rings, charge -4, every invariant met."""
    result = analysed(trajectory, neutral(beside(chain(4), chain(4))))
    for through in ("bridging", "any"):
        own = result.sel(through=through)
        assert own["number_average_length"] == 4
        assert own["weight_average_length"] == 4
        assert own["links_per_centre"] == 0.75
        assert own["cycle_rank_per_centre"] == 0
        assert own["linear_fraction"] == 1
        assert own["branching_fraction"] == 0
        assert own["neighbour_fraction"].values.tolist() == [0, 0.5, 0.5, 0, 0, 0, 0]
        assert own["length_fraction"].values.tolist() == [0, 0, 0, 1]
        assert own["percolation"] == "none seen"
    assert result["fragment_formula"].values.tolist() == ["Al4O3Cl10 4-"]
    assert result["fragment_count"] == 2
    assert result["fragment_charge"] == -4
    held = result["anion_fraction"].sel(held_by=2)
    assert held.sel(anion="O") == 1
    assert held.sel(anion="Cl") == 0
    np.testing.assert_allclose(result["contacts_per_centre"], [0.75, 0, 0])
    np.testing.assert_allclose(result["invariant_value"], result["invariant_ideal"])
    assert set(result["invariant_verdict"].values.tolist()) == {"met"}
    assert result["quality"] == "good glass"


def test_chains_of_several_lengths(trajectory) -> None:
    """Lengths 1, 1, 2, 6: number average 10/4, weight average (1 + 1 + 4 + 36)/10."""
    result = analysed(trajectory, neutral(beside(chain(1), chain(1), chain(2), chain(6))))
    own = result.sel(through="bridging")
    assert own["number_average_length"] == 2.5
    assert own["weight_average_length"] == pytest.approx(4.2)
    assert own["longest"] == 6
    np.testing.assert_allclose(own["length_fraction"], [0.5, 0.25, 0, 0, 0, 0.25])
    np.testing.assert_allclose(own["length_weight"], [0.2, 0.2, 0, 0, 0, 0.6])
    # four fragments that never change: the error of a mean of four, and of a share of four
    spread = np.std([1, 1, 2, 6], ddof=1) / 2
    assert own["number_average_length_stderr_blocks"] == 0
    assert own["number_average_length_stderr"] == pytest.approx(spread)
    assert own["length_fraction_stderr"].sel(length=6) == pytest.approx(np.sqrt(3 / 16 / 3))
    formulas = dict(zip(result["fragment_formula"].values.tolist(), result["fragment_count"].values,
                        strict=True))  # fmt: skip
    assert formulas == {"AlCl4 1-": 2, "Al2OCl6 2-": 1, "Al6O5Cl14 6-": 1}
    charges = -result["fragment_centres"].values  # an ideal fragment of n centres has charge -n
    np.testing.assert_allclose(result["fragment_charge"], charges)


def test_edge_sharing_through_terminal_anions(trajectory) -> None:
    """Al2Cl6: no chain through O; through any anion a pair that shares an edge, one ring."""
    result = analysed(trajectory, edge_dimer())
    assert result["number_average_length"].values.tolist() == [1, 2]
    # a single fragment: nobody knows how far it stands for others
    assert result["number_average_length_stderr"].isnull().values.tolist() == [False, True]
    assert result["number_average_length_stderr_blocks"].sel(through="any") == 0
    assert result["rings_per_centre"].values.tolist() == [0, 0.5]
    assert result["links_per_centre"].values.tolist() == [0, 1]
    assert result["linear_fraction"].values.tolist() == [1, 0]
    assert result["contacts_per_centre"].values.tolist() == [0, 0.5, 0]
    assert result["fragment_formula"].values.tolist() == ["Al2Cl6"]
    np.testing.assert_allclose(result["anion_fraction"].sel(anion="Cl"), [0, 4 / 6, 2 / 6, 0, 0])
    assert invariant(result, "terminal_fraction") == pytest.approx(4 / 6)
    assert invariant(result, "bridging_fraction", "verdict") == "not defined"
    assert str(result["quality"].item()).startswith("poor glass: coordination number 4 (ideal 3")


def test_rings_and_branches(trajectory) -> None:
    result = analysed(trajectory, beside(ring(5), star(3), neutral(chain(2))))
    own = result.sel(through="bridging")
    assert own["number_average_length"] == pytest.approx(11 / 3)
    assert own["cycle_rank_per_centre"] * 11 == pytest.approx(1)
    assert own["rings_per_centre"] * 11 == pytest.approx(1)
    assert own["branching_fraction"] * 11 == pytest.approx(1)
    assert own["linear_fraction"] * 11 == pytest.approx(2)
    assert own["links_per_centre"] * 11 == pytest.approx(5 + 3 + 1)
    np.testing.assert_allclose(own["neighbour_fraction"][:4] * 11, [0, 3 + 2, 5, 1])


def test_an_anion_that_holds_three(trajectory) -> None:
    """OM3: two links, no ring, but no chain either."""
    out = np.array([[1.8, 0, 0], [-0.9, 1.5588, 0], [-0.9, -1.5588, 0]])
    places = {"Al": out, "O": np.zeros((1, 3)), "Cl": np.array([[50.0, 0, 0]])}
    result = analysed(trajectory, places).sel(through="bridging")
    assert result["number_average_length"] == 3
    assert result["links_per_centre"] == pytest.approx(2 / 3)
    assert result["rings_per_centre"] == 0
    assert result["linear_fraction"] == 0
    assert result["anion_fraction"].sel(anion="O", held_by=3) == 1
    assert result["anion_fraction"].sel(anion="Cl", held_by=0) == 1
    assert result["anion_class"].sel(held_by=0) == "free"
    assert "Cl" in result["fragment_formula"]  # the charges do not add up: none are stated
    assert result["fragment_charge"].isnull().all()
    assert result.attrs["fragment_charges"].startswith("unknown: the charges add up to")


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_a_centre_that_is_bonded_to_its_own_image(trajectory, dimensions) -> None:
    """A cell smaller than the second shell: an endless chain, net or frame, and no ring in it."""
    cell = np.where(np.arange(3) < dimensions, STEP, 30.0)
    result = analysed(trajectory, lattice(dimensions), cell).sel(through="bridging")
    assert result["percolation_dimension"] == dimensions
    assert result["percolating_fraction"] == 1
    assert result["percolating_centres"] == 1
    assert "100 %" in str(result["percolation"].item())
    assert result["cycle_rank_per_centre"] == dimensions
    assert result["rings_per_centre"] == 0
    assert result["neighbour_fraction"].sel(neighbours=2 * dimensions) == 1
    assert result["linear_fraction"] == (dimensions == 1)
    assert invariant(result, "number_average_length", "verdict") == "not defined"


def test_a_chain_that_winds_around_the_cell(trajectory) -> None:
    """Six centres, an O after each, positions unwrapped over many cells."""
    places = chain(7)
    places = {"Al": places["Al"][:6], "O": places["O"][:6]}
    places["O"] = places["O"] + [11 * 6 * STEP, -3 * 40.0, 0]
    result = analysed(trajectory, places, [6 * STEP, 40.0, 40.0]).sel(through="bridging")
    assert result["percolation_dimension"] == 1
    assert result["rings_per_centre"] == 0
    assert result["linear_fraction"] == 1
    assert result["number_average_length"] == 6


# -- random networks against networkx ---------------------------------------------------------


def gas(seed: int) -> tuple[Atoms, Frame]:
    """Random centres and anions in a skewed cell, unwrapped, so dense that some percolate."""
    rng = np.random.default_rng(seed)
    atoms = Atoms("Al14O16Cl9", cell=[[9, 0, 0], [2, 8, 0], [-1, 3, 9]], pbc=True)
    scaled = rng.random((39, 3))
    atoms.set_scaled_positions(scaled)
    x = (scaled + rng.integers(-20, 20, scaled.shape)) @ atoms.cell.array
    data = xr.Dataset(
        {
            "positions": (("time", "atom", "xyz"), x[None]),
            "cell": (("time", "vector", "xyz"), atoms.cell.array[None]),
        },
        {"element": ("atom", atoms.get_chemical_symbols())},
    )
    return atoms, Frame(Subject(data), 0, x, 2.8)


def bonds_of(atoms: Atoms, cutoff: float):
    """Bonds of centres to anions, by ASE: (centre, anion, image of the anion)."""
    i, j, shift = neighbor_list("ijS", atoms, cutoff)
    symbols = np.array(atoms.get_chemical_symbols())
    own = (symbols[i] == "Al") & (symbols[j] != "Al")
    return zip(i[own].tolist(), j[own].tolist(), shift[own].tolist(), strict=True)


def graph_of(atoms: Atoms, cutoff: float) -> nx.Graph:
    """Centres, anions and each bond are nodes, so that double bonds are cycles."""
    graph = nx.Graph()
    graph.add_nodes_from(range(len(atoms)))
    for k, (i, j, _) in enumerate(bonds_of(atoms, cutoff)):
        graph.add_edges_from([(i, ("bond", k)), (("bond", k), j)])
    return graph


@pytest.mark.parametrize("seed", range(12))
def test_fragments_equal_those_of_networkx(seed) -> None:
    atoms, frame = gas(seed)
    cutoff = 2.1 + 0.06 * seed
    bonds = Bonds(((("Al", "O"), cutoff), (("Al", "Cl"), cutoff)))
    found = Fragments.of(bonds.pairs(frame), frame)
    parts = [{n for n in c if not isinstance(n, tuple)}
             for c in nx.connected_components(graph_of(atoms, cutoff))]  # fmt: skip
    ours = [set(np.flatnonzero(found.label == k)) for k in range(found.count)]
    assert sorted(map(sorted, ours)) == sorted(map(sorted, parts))
    # in a supercell of p³ cells a fragment falls into p^(3 - dimension) pieces
    assert seed < 7 or found.dimension.any()
    p = 3
    big = atoms.repeat(p)
    pieces = list(nx.connected_components(graph_of(big, cutoff)))
    for k, members in enumerate(ours):
        one = min(members)
        copies = [one + m * len(atoms) for m in range(p**3)]
        count = len({id(c) for m in copies for c in pieces if m in c})
        assert count == p ** (3 - found.dimension[k])


@pytest.mark.parametrize("seed", range(8))
def test_rings_links_and_contacts_of_random_networks(seed) -> None:
    atoms, frame = gas(100 + seed)
    cutoff = 1.7 + 0.1 * seed
    bonds = Bonds(((("Al", "O"), cutoff), (("Al", "Cl"), cutoff)))
    analyser = Chains(cutoffs={"Al-O": cutoff, "Al-Cl": cutoff})
    own = analyser.analyse(
        frame.subject.data.assign_coords(time=("time", [0.0]), charge=("atom", np.zeros(39)))
    ).sel(through="any")
    graph = graph_of(atoms, cutoff)
    assert own["cycle_rank_per_centre"] * 14 == pytest.approx(len(nx.cycle_basis(graph)))
    parts = [sum(n in range(14) for n in c) for c in nx.connected_components(graph)]
    sizes = np.array([n for n in parts if n])
    assert own["number_average_length"] == pytest.approx(sizes.mean())
    assert own["weight_average_length"] == pytest.approx((sizes**2).sum() / sizes.sum())
    identity = 1 - own["links_per_centre"] + own["cycle_rank_per_centre"]
    assert identity == pytest.approx(1 / own["number_average_length"])
    # contacts: centres and images that share anions, one anion at a time
    around: dict[int, list] = {}
    for i, j, shift in bonds_of(atoms, cutoff):
        around.setdefault(j, []).append((i, -np.array(shift)))
    shared: Counter = Counter()
    for ends in around.values():
        for a, at in ends:
            for b, to in ends:
                if (a, *at) != (b, *to):
                    shared[a, b, *(to - at)] += 1
    found = Contacts.of(bonds.pairs(frame), mask(frame.subject, ["Al"]), frame)
    # each was counted from both ends
    assert Counter(found.shared.tolist()) == Counter(
        {k: n // 2 for k, n in Counter(shared.values()).items()}
    )
    near = np.bincount([a for a, *_ in shared], minlength=39)
    np.testing.assert_array_equal(found.neighbours(39), near)


# -- fragments with alkali --------------------------------------------------------------------


def test_guests_join_one_fragment_each(trajectory) -> None:
    """An alkali between two fragments joins the one that it has more bonds with, or nearest."""
    places = {
        "Li": np.array([[0, 2.9, 0], [90.0, 0, 0], [0, 9.7, 0]]),
        "Al": np.array([[0, 0, 0], [0, 10.0, 0]]),
        "Cl": np.array(
            [[1.5, 1.5, 0], [-1.5, 1.5, 0], [0, 8.0, 0], [0, 11.9, 0.0], [0, 12.5, 0.9]]
        ),
    }
    data = still(trajectory, places)
    subject = Subject(data)
    frame = Frame(subject, 0, subject.positions([0])[0], 6.0)
    bonds = Bonds(((("Al", "Cl"), 2.5),))
    found = Fragments.of(bonds.pairs(frame), frame)
    near = Bonds(((("Li", "Cl"), 6.0),)).pairs(frame)
    alkali = mask(subject, ["Li"])
    joined = found.joined(near, alkali)
    formulas = sorted(map(tuple, joined.composition(subject).tolist()))
    assert joined.count == found.count - 2
    assert (1, 0, 0) in formulas  # the one that is far away
    assert joined.label[0] == joined.label[3]  # two bonds here, one to the other
    assert joined.label[2] == joined.label[4]  # three bonds
    np.testing.assert_allclose(joined.total(subject.data["charge"]).sum(), 3 + 6 - 5)
    tie = Bonds(((("Li", "Cl"), 2.3),)).pairs(frame)
    assert found.joined(tie, alkali).count <= found.count


# -- the glass ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def glass(trajectory) -> xr.Dataset:
    atoms = read(GLASS)
    x = atoms.positions + np.random.default_rng(5).normal(0, 0.06, (24, len(atoms), 3))
    symbols = atoms.get_chemical_symbols()
    return trajectory(x, symbols, [CHARGES[s] for s in symbols], atoms.cell.array)


def test_a_bad_quench_is_called_a_poor_glass(trajectory) -> None:
    """By hand from a list of neighbours: 72 bonds of 16 Al; O: 4 end, 5 bridge, 3 hold three."""
    atoms = read(GLASS)
    symbols = atoms.get_chemical_symbols()
    data = trajectory(
        atoms.positions[None].repeat(2, axis=0),
        symbols,
        [CHARGES[s] for s in symbols],
        atoms.cell.array,
    )
    result = Chains(cutoffs={"Al-O": 2.4, "Al-Cl": 3.0}).analyse(data)
    assert invariant(result, "coordination_number") == 72 / 16
    np.testing.assert_allclose(result["anion_fraction"].sel(anion="O") * 12, [0, 4, 5, 3, 0])
    np.testing.assert_allclose(result["links_per_centre"].sel(through="bridging"), (5 + 2 * 3) / 16)
    assert invariant(result, "coordination_number", "verdict") == "missed"
    text = str(result["quality"].item())
    assert text.startswith("poor glass: coordination number 4.5 (ideal 4, tolerance 0.25)")
    wide = Chains(
        cutoffs={"Al-O": 2.4, "Al-Cl": 3.0}, tolerance=dict.fromkeys(INVARIANTS, 9.0)
    ).analyse(data)
    assert wide["quality"] == "good glass"


def test_conformance_blocks_and_chunks(glass) -> None:
    check_analyser(Chains(cutoffs=GIVEN), glass)
    analyser = Chains(max_frames=8, cutoffs=GIVEN)
    (cut,) = together([analyser], glass, Blocks(frames=7, atoms=2))
    xr.testing.assert_allclose(cut, analyser.analyse(glass), rtol=1e-12)
    assert cut.attrs["frames"] == 8
    for name in ("length_fraction", "length_weight", "neighbour_fraction"):
        np.testing.assert_allclose(cut[name].sum(cut[name].dims[1]), 1)
    np.testing.assert_allclose(cut["anion_fraction"].sum("held_by"), 1)
    mean = (cut["length_fraction"] * cut["length"]).sum("length")
    np.testing.assert_allclose(mean, cut["number_average_length"])
    weight = (cut["length_weight"] * cut["length"]).sum("length")
    np.testing.assert_allclose(weight, cut["weight_average_length"])


# -- verdicts -----------------------------------------------------------------------------------


def test_ideals_follow_from_the_composition() -> None:
    four = ideals(16, 12, 40)
    assert [four[name] for name in INVARIANTS] == [4, 1.5, 0.75, 4, 0, 1, 1, 0]
    assert ideals(10, 0, 40)["number_average_length"] == 1  # AMX4
    half = ideals(10, 5, 30)  # AMX3O0.5: pairs
    assert (half["number_average_length"], half["coordination_number"]) == (2, 4)
    tantalum = ideals(10, 10, 40)  # AMX4O: endless, six around each
    assert tantalum["coordination_number"] == 6
    assert np.isnan(tantalum["number_average_length"])


def test_a_verdict_says_when_the_error_is_too_large() -> None:
    assert Verdict("a", 4.2, 0.01, 4, 0.25).word == "met"
    assert Verdict("a", 4.2, 0.1, 4, 0.25).word == "undecided"
    assert Verdict("a", 4.5, 0.1, 4, 0.25).word == "missed"
    assert Verdict("a", np.nan, 0.1, 4, 0.25).word == "not defined"
    assert Verdict("a", 4.2, np.nan, 4, 0.25).word == "met"
    doubtful = Verdict("coordination_number", 4.2, 0.1, 4, 0.25)
    assert quality([doubtful]) == (
        "undecided: coordination number 4.2 ± 0.1 (ideal 4, tolerance 0.25)"
    )


def test_faults(glass) -> None:
    with pytest.raises(ValueError, match="coordination is none of coordination_number"):
        Chains(tolerance={"coordination": 1.0})
    with pytest.raises(DataError, match="no species of the trajectory is centre"):
        Chains().analyse(glass.isel(atom=glass["element"].values != "Al"))

"""Conductivity and transference of clusters, against numbers worked out by hand."""

import numpy as np
import pytest
import xarray as xr

from ionflow.builtin.analysers.transport.clusters import majority
from ionflow.builtin.analysers.transport.conductivity import Conductivity
from ionflow.builtin.analysers.transport.transference import Transference
from ionflow.errors import DataError
from ionflow.passes import Blocks, together

ARMS = np.array([[1.3, 1.3, 1.3], [-1.3, -1.3, 1.3], [-1.3, 1.3, -1.3], [1.3, -1.3, -1.3]])
SIDE = 60.0
NUMBER = 8
SYMBOLS = ["Al"] * NUMBER + ["Cl"] * 4 * NUMBER + ["Li"] * NUMBER
CHARGES = [3.0] * NUMBER + [-1.0] * 4 * NUMBER + [1.0] * NUMBER
CUTOFFS = {"Al-Cl": 3.2, "Li-Cl": 4.0}
CELL = np.eye(3) * SIDE


def salt(walk, rng: np.random.Generator, frames: int, bound: bool) -> np.ndarray:
    """AlCl4 that move as one; alkali that go with them or on their own."""
    grid = np.stack(np.meshgrid(*[[10.0, 40.0]] * 3), axis=-1).reshape(8, 3)
    moved = walk(rng, frames, NUMBER, 0.5)
    al = grid + moved
    cl = (al[:, :, None] + ARMS).reshape(frames, 4 * NUMBER, 3)
    li = al + np.array([3.0, 3.0, 0.0]) if bound else grid + 15.0 + walk(rng, frames, NUMBER, 0.7)
    return np.concatenate([al, cl, li], axis=1)


def trajectories(trajectory, walk, bound: bool) -> xr.Dataset:
    return trajectory(salt(walk, np.random.default_rng(2), 300, bound), SYMBOLS, CHARGES, CELL)


@pytest.fixture(scope="module")
def free(trajectory, walk) -> xr.Dataset:
    return trajectories(trajectory, walk, bound=False)


def conductivity(result: xr.Dataset, definition: str) -> float:
    return float(result["conductivity"].sel(definition=definition))


def test_fragments_carry_their_net_charge(free) -> None:
    """Eight AlCl4⁻ of charge 1 instead of 8·9 + 32·1: σ is that of 8 anions and 8 alkali."""
    result = Conductivity(frame="none", cutoffs=CUTOFFS).analyse(free)
    terms = result["conductivity_species"]
    li, cl = (float(terms.sel(species=s)) for s in ("Li", "Cl"))
    # the 32 chlorides stand for 8 clusters of charge -1, which move as they do
    expected = li + cl * 8 / 32
    assert conductivity(result, "cluster_nernst_einstein") == pytest.approx(expected, rel=1e-6)
    assert conductivity(result, "nernst_einstein") > 3 * expected
    numbers = result["clusters"].sel(definition_cluster="cluster_nernst_einstein")
    assert numbers.sel(cluster_charge=-1.0) == pytest.approx(8)
    assert numbers.sel(cluster_charge=1.0) == pytest.approx(8)
    assert (result["percolating_fraction"] == 0).all()
    assert "Al-Cl 3.20" in result.attrs["clusters"]


def test_units_by_hand(free) -> None:
    """σ = 8 e²(D_Li + D_AlCl4)/(V kB T), D = 0.7²/2/0.1 and 0.5²/2/0.1 Å²/ps, V = 60³ Å³."""
    result = Conductivity(frame="none", cutoffs=CUTOFFS).analyse(free)
    by_hand = 8 * (2.45 + 1.25) / (216000 * 0.0861733) * 16.0217663
    found = result.sel(definition="cluster_nernst_einstein")
    stderr = float(found["conductivity_stderr"])
    assert float(found["conductivity"]) == pytest.approx(by_hand, abs=3 * stderr)
    assert stderr < 0.2 * by_hand


def test_neutral_clusters_drop_out(trajectory, walk) -> None:
    pairs = trajectories(trajectory, walk, bound=True)
    result = Conductivity(frame="none", cutoffs=CUTOFFS).analyse(pairs)
    bound = result.sel(definition="cluster_nernst_einstein_bound")
    assert bound["conductivity"].isnull() or abs(bound["conductivity"]) < 1e-9
    numbers = result["clusters"].sel(definition_cluster="cluster_nernst_einstein_bound")
    assert numbers.sel(cluster_charge=0.0) == pytest.approx(8)
    einstein = result.sel(definition="einstein")
    assert einstein["conductivity"].isnull() or float(einstein["conductivity"]) < 0.05 * float(
        conductivity(result, "nernst_einstein")
    )


def test_share_of_the_current_of_clusters(free) -> None:
    """AlCl4⁻: aluminium goes with the anion, against its own charge: t_Al = −3 of that of 1."""
    result = Transference(frame="none", cutoffs=CUTOFFS).analyse(free)
    sigma = Conductivity(frame="none", cutoffs=CUTOFFS).analyse(free)
    t = result["transference_number"].sel(definition="cluster_nernst_einstein")
    terms = sigma["conductivity_species"]
    li, anion = float(terms.sel(species="Li")), float(terms.sel(species="Cl")) / 4
    total = li + anion
    assert float(t.sel(species="Li")) == pytest.approx(li / total, rel=1e-6)
    assert float(t.sel(species="Al")) == pytest.approx(-3 * anion / total, rel=1e-6)
    assert float(t.sel(species="Cl")) == pytest.approx(4 * anion / total, rel=1e-6)
    assert float(t.sum()) == pytest.approx(1)
    alone = result["transference_number"].sel(definition="nernst_einstein", species="Li")
    assert alone < t.sel(species="Li")


def test_a_cluster_across_the_box_has_no_charge(trajectory, rng) -> None:
    """A chain Al-Cl-Al-Cl … that closes on itself through the periodic boundary."""
    x = np.zeros((60, 10, 3))
    x[:, :10, 0] = np.arange(10) * 2.0
    x += 5.0 + np.cumsum(rng.normal(0, 0.01, (60, 1, 3)), axis=0)
    symbols, charges = ["Al", "Cl"] * 5, [1.0, -1.0] * 5
    result = Conductivity(cutoffs={"Al-Cl": 2.5}).analyse(trajectory(x, symbols, charges))
    found = result.sel(definition="cluster_nernst_einstein")
    assert str(found["verdict"].values) == "percolating"
    assert found["conductivity"].isnull()
    share = result["percolating_fraction"].sel(definition_cluster="cluster_nernst_einstein")
    assert share == 1


def test_without_bonds_there_are_no_clusters(trajectory, walk, rng) -> None:
    x = rng.random((1, 24, 3)) * 20 + walk(rng, 200, 24, 0.5)
    gas = trajectory(x, ["Al"] * 6 + ["Cl"] * 18, [3.0] * 6 + [-1.0] * 18)
    salt_of_two = trajectory(x, ["Li"] * 12 + ["Cl"] * 12, [1.0] * 12 + [-1.0] * 12)
    for data, why in ((gas, "no first shell"), (salt_of_two, "no network centres")):
        result = Conductivity().analyse(data)
        clustered = result.sel(
            definition=["cluster_nernst_einstein", "cluster_nernst_einstein_bound"]
        )
        assert (clustered["verdict"] == "no clusters").all()
        assert clustered["conductivity"].isnull().all()
        assert why in result.attrs["clusters"]
        assert result["conductivity"].sel(definition="nernst_einstein").notnull()


def test_the_majority_is_of_the_more_numerous_sign() -> None:
    q = np.array([1.0, 3.0, -2.0, -1.0])
    members = np.array([[0, 4, 3, 10], [1, 0, 0, 0], [2, 0, 0, 1], [1, 0, 0, 1], [0, 1, 1, 1]])
    expected = [[0, 0, 0, 1], [1, 0, 0, 0], [1, 0, 0, 0], [0.5, 0, 0, 0.5], [0, 0, 0.5, 0.5]]
    np.testing.assert_array_equal(majority(members, q), expected)


def test_cutoffs_of_pairs_that_there_are_not_are_a_fault(free) -> None:
    with pytest.raises(DataError, match="Al-Br"):
        Conductivity(cutoffs={"Al-Br": 3.0}).analyse(free)


def test_blocks_do_not_matter(free) -> None:
    analyser = Conductivity(cutoffs=CUTOFFS)
    (cut,) = together([analyser], free, Blocks(frames=7, atoms=2))
    assert isinstance(cut, xr.Dataset)
    xr.testing.assert_allclose(cut, analyser.analyse(free), rtol=1e-7)

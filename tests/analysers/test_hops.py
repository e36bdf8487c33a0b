"""Ions that rattle in cages on a lattice and hop with known rate, length and memory."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from scipy.stats import CensoredData, ecdf

from ionflow.builtin.analysers.hops.cages import (
    CageSteps,
    Candidates,
    Hops,
    hop_functional,
    hops_of,
)
from ionflow.builtin.analysers.hops.hopping import Tally, dwell_survival, walk_factors
from ionflow.builtin.analysers.hops.hops import HopAnalysis
from ionflow.errors import DataError
from ionflow.passes import Blocks, Paths, together
from ionflow.testing import check_analyser

FRAME_PS = 0.1
LENGTH = 3.0
DIRECTIONS = np.vstack([np.eye(3), -np.eye(3)])
WINDOW = 10


def lattice(
    rng: np.random.Generator, frames: int, ions: int, rate: float, back: float = 1 / 6
) -> np.ndarray:
    """Sites (time, ion, xyz); after the first, a hop turns back with a known probability."""
    due = rng.random((frames, ions)) < rate * FRAME_PS
    due[0] = False
    where = np.zeros((frames, ions), dtype=int)
    last = rng.integers(6, size=ions)
    for t in range(frames):
        others = (last + 3 + rng.integers(1, 6, ions)) % 6
        chosen = np.where(rng.random(ions) < back, (last + 3) % 6, others)
        last = np.where(due[t], chosen, last)
        where[t] = last
    steps = DIRECTIONS[where] * LENGTH * due[..., None]
    return np.cumsum(steps, axis=0) + rng.uniform(0, 20, (1, ions, 3))


@pytest.fixture(scope="module")
def hopping(trajectory, rattle) -> Callable[..., xr.Dataset]:
    def make(seed: int, rate: float, back: float = 1 / 6, frames: int = 2000, width: float = 0.3):
        rng = np.random.default_rng(seed)
        x = lattice(rng, frames, 32, rate, back) + rattle(rng, frames, 32, width, 2.0)
        return trajectory(x, ["Li"] * 32)

    return make


def analysed(data: xr.Dataset, **fields) -> xr.Dataset:
    return HopAnalysis(frame="none", **fields).analyse(data).sel(species="Li")


@pytest.fixture(scope="module")
def slow(hopping) -> list[xr.Dataset]:
    """Ten trajectories of ions that hop 0.03 times a ps, and turn back in 4 of 10 cases."""
    return [analysed(hopping(seed, 0.03, 0.4)) for seed in range(10)]


def pull(results: list[xr.Dataset], name: str, exact: float) -> np.ndarray:
    """Deviations in units of the standard errors that are claimed."""
    return np.array([float((r[name] - exact) / r[f"{name}_stderr"]) for r in results])


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("rate", 0.03),
        ("residence_time", 1 / 0.03),
        ("back_jump_fraction", 0.4),
        ("cos_consecutive", -0.4 + 0.6 / 5),
        ("random_walk_D", 0.03 * LENGTH**2 / 6 * 1e-4),
    ],
)
def test_a_walker_on_a_lattice_is_found_with_the_errors_claimed(slow, name, exact) -> None:
    found = pull(slow, name, exact)
    assert abs(found.mean()) < 3 / np.sqrt(len(slow))
    assert (abs(found) < 3.5).all()
    assert found.std() < 1.8


def test_lengths_and_runs_of_hops(slow) -> None:
    lengths = np.array([float(r["hop_length"]) for r in slow])
    assert lengths.mean() == pytest.approx(LENGTH, rel=0.01)
    density = slow[0]["hop_length_density"]
    assert float(density.sum() * 0.1) == pytest.approx(1)
    assert density["length"][int(np.argmax(density.values))] == pytest.approx(LENGTH, abs=0.1)
    runs = np.mean([r["correlation_factor_n"] for r in slow], axis=0)
    assert runs[0] == pytest.approx(1)
    assert runs[1] == pytest.approx(1 - 0.28, abs=0.05)
    c = -0.28
    n = np.arange(1, 9)
    exact = (1 + c) / (1 - c) - 2 * c * (1 - c**n) / (n * (1 - c) ** 2)
    np.testing.assert_allclose(runs[:8], exact, atol=0.12)


def test_the_correlation_factor_is_that_of_a_walk_that_remembers_a_step(hopping) -> None:
    """f = (1 + c)/(1 - c); 1 without memory."""
    bound, free = (analysed(hopping(11, 0.2, back, frames=5000)) for back in (0.4, 1 / 6))
    for r, exact in ((bound, 0.72 / 1.28), (free, 1.0)):
        assert abs(r["correlation_factor"] - exact) < 2.5 * r["correlation_factor_stderr"]
        assert r["correlation_factor_n"][-1] == pytest.approx(exact, abs=0.08)
        whole = r["random_walk_D"] * r["correlation_factor"]
        assert whole == pytest.approx(float(r["diffusion_coefficient"]))
        lower, upper = r["correlation_factor_ci95"].values
        assert lower < exact < upper


def test_the_threshold_hardly_matters_where_cages_are_narrow(slow) -> None:
    for r in slow:
        assert r["verdict"] == "hops"
        assert r["threshold"] == pytest.approx(3 * 6 * 0.3**2, rel=0.35)
        at = r["rate_at"] / r["rate_seen"]
        np.testing.assert_allclose(at.sel(factor=slice(0.7, 1.4)), 1, atol=0.03)
        assert abs(r["threshold_sensitivity"]) < 0.05


def test_errors_are_those_of_counting_for_independent_hops(slow) -> None:
    for r in slow:
        n = float(r["n_hops"])
        claimed = r["rate_stderr_poisson"] / r["rate_seen"]
        assert claimed == pytest.approx(1 / np.sqrt(n), rel=0.1)
        assert r["rate_stderr"] >= r["rate_stderr_poisson"]
    dispersion = np.mean([float(r["dispersion_ions"]) for r in slow])
    assert dispersion == pytest.approx(1, abs=0.15)


def test_shallow_cages_widen_the_error(trajectory, rattle) -> None:
    """Half of the ions hop nine times as often: the counts of ions spread, and the rate's error."""
    rng = np.random.default_rng(1)
    x = np.concatenate([lattice(rng, 2000, 16, rate) for rate in (0.01, 0.09)], axis=1)
    r = analysed(trajectory(x + rattle(rng, 2000, 32, 0.3, 2.0), ["Li"] * 32))
    assert r["dispersion_ions"] > 4
    assert r["rate_stderr"] >= r["rate_stderr_ions"] > 2 * r["rate_stderr_poisson"]


@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_hops_that_hide_each_other_are_corrected_for(hopping, rate) -> None:
    for seed in range(2):
        r = analysed(hopping(seed, rate))
        assert r["rate_seen"] < rate
        assert abs(r["rate"] - rate) < 2.5 * r["rate_stderr"]
        assert r["unresolved_fraction"] == pytest.approx(0.7 * rate, rel=0.3)
        assert r["verdict"] == "hops"


def test_ions_too_fast_for_the_window_are_said_to_be(hopping) -> None:
    r = analysed(hopping(1, 0.3), window_ps=3.0)
    assert r["verdict"] == "fast"
    assert r["unresolved_fraction"] > 0.2


def test_hops_no_longer_than_the_rattling_are_said_to_be_blurred(hopping) -> None:
    r = analysed(hopping(1, 0.03, width=0.65))
    assert r["verdict"] == "blurred"
    assert r["threshold_sensitivity"] > 0.5
    assert analysed(hopping(1, 0.03, width=0.4))["verdict"] == "hops"


def test_free_walkers_have_no_hops(trajectory, walk, rng) -> None:
    r = analysed(trajectory(walk(rng, 600, 16, 0.4), ["Li"] * 16))
    assert r["verdict"] == "no_cage"
    for name in ("rate", "residence_time", "hop_length", "back_jump_fraction", "random_walk_D"):
        assert np.isnan(r[name]), name
    assert np.isfinite(analysed(trajectory(walk(rng, 600, 16, 0.4), ["Li"] * 16),
                                threshold_A2=3.0)["rate"])  # fmt: skip


def test_ions_that_stay_give_a_bound(trajectory, rattle, rng) -> None:
    r = analysed(trajectory(rattle(rng, 1000, 24, 0.3, 2.0), ["Li"] * 24))
    assert r["verdict"] == "none_seen"
    assert np.isnan(r["rate"])
    assert r["upper_bound"] == pytest.approx(3 / (24 * float(r["observed_time"])))
    assert np.isnan(r["correlation_factor"])
    assert analysed(trajectory(np.ones((100, 4, 3)), ["Li"] * 4))["verdict"] == "none_seen"


def test_the_functional_is_its_definition() -> None:
    rng = np.random.default_rng(2)
    x = np.cumsum(rng.normal(size=(2, 3, 60)), axis=-1)
    h = hop_functional(x, 7)
    assert h.shape == (2, 60 - 14 + 1)
    for t in (7, 8, 30, 53):
        a, b = x[..., t - 7 : t], x[..., t : t + 7]
        from_b = ((a - b.mean(axis=-1, keepdims=True)) ** 2).sum(axis=1).mean(axis=-1)
        from_a = ((b - a.mean(axis=-1, keepdims=True)) ** 2).sum(axis=1).mean(axis=-1)
        np.testing.assert_allclose(h[:, t - 7], np.sqrt(from_a * from_b))


def test_cages_are_the_means_between_cuts() -> None:
    """Hops add up to the way from the first cage to the last."""
    rng = np.random.default_rng(3)
    x = lattice(rng, 600, 5, 0.05).transpose(1, 2, 0) + rng.normal(0, 0.1, (5, 3, 600))
    step = CageSteps(("Li",), WINDOW)
    state: list[Candidates] = []
    step.add(state, Paths("Li", np.arange(5), x))
    hops = hops_of(state[0], 600, WINDOW, 2.0, 0.8)
    cages = zip(hops.cage_ion, hops.cage_start, hops.cage_end, hops.site, strict=True)
    for ion, start, end, site in cages:
        np.testing.assert_allclose(site, x[ion, :, start:end].mean(axis=-1), atol=1e-9)
    assert (np.linalg.norm(hops.vector, axis=-1) > 2.5).all()
    first, last = (np.searchsorted(hops.cage_ion, np.arange(5), side=s) for s in ("left", "right"))
    for ion in range(5):
        way = hops.site[last[ion] - 1] - hops.site[first[ion]]
        np.testing.assert_allclose(hops.vector[hops.ion == ion].sum(axis=0), way, atol=1e-9)


def made(ion: list[int], start: list[int], site: np.ndarray | None = None) -> Hops:
    """Hops of two ions through 1000 frames by the frames at which their cages begin."""
    starts = np.array(start)
    ends = np.append(starts[1:], 1000)
    ends[ends == 0] = 1000
    where = np.zeros((len(ion), 3)) if site is None else site
    return Hops(np.arange(2), 1000, 10, np.array(ion), starts, ends, where)


def test_dwell_times_are_kaplan_and_meiers() -> None:
    hops = made([0, 0, 0, 0, 1, 1, 1], [0, 100, 300, 340, 0, 600, 800])
    ours = dwell_survival(hops)
    theirs = ecdf(CensoredData(uncensored=[200, 40, 200], right=[989 - 340, 989 - 800])).sf
    np.testing.assert_allclose(ours[[10, 40, 100, 195, 200, 640]],
                               theirs.evaluate([10, 40, 100, 195, 200, 640]))  # fmt: skip
    assert np.isnan(ours[700])


def test_runs_of_hops_do_not_pass_from_ion_to_ion() -> None:
    site = np.array([[0, 0, 0], [3, 0, 0], [0, 0, 0], [50, 0, 0], [50, 3, 0], [50, 6, 0]])
    hops = made([0, 0, 0, 1, 1, 1], [0, 100, 200, 0, 100, 300], site.astype(float))
    np.testing.assert_allclose(walk_factors(hops, 3), [1, 0.5 * (0 + 36) / (2 * 9), np.nan])
    tally = Tally(hops, 4)
    assert tally.by_ion(np.ones(4), np.arange(4)).tolist() == [2, 2]
    assert tally.by_block(np.ones(4), np.arange(4)).tolist() == [3, 1, 0, 0]


def pairs(trajectory, rattle, together: bool) -> xr.Dataset:
    """Sixteen pairs 4 Å apart, far from each other, whose partners hop at one time or each by
    itself."""
    rng = np.random.default_rng(4)
    frames, count = 4000, 16
    corners = np.stack(np.meshgrid(*[np.arange(3) * 16.0] * 3), -1).reshape(-1, 3)[:count]

    def shuttling() -> np.ndarray:
        """To and fro along y."""
        return (np.cumsum(rng.random((frames, count)) < 0.03 * FRAME_PS, axis=0) % 2) * LENGTH

    one = shuttling()
    other = one if together else shuttling()
    x = np.stack([corners, corners + np.array([4.0, 0, 0])])[:, None].repeat(frames, axis=1)
    x[..., 1] += np.stack([one, other])
    x = np.concatenate(list(x), axis=1) + rattle(rng, frames, 2 * count, 0.3, 2.0)
    data = trajectory(x, ["Li"] * (2 * count), cell=np.eye(3) * 48.0)
    return analysed(data, pair_angstrom=8.0)


def test_ions_that_hop_together_are_told_from_those_that_do_not(trajectory, rattle) -> None:
    bound, free = (pairs(trajectory, rattle, together) for together in (True, False))
    # the partner always hops along; by chance it would 0.03 / ps · 2.1 ps
    assert bound["pair_hop_probability"] == pytest.approx(1, abs=0.03)
    assert bound["pair_hop_probability_independent"] == pytest.approx(0.06, abs=0.02)
    assert bound["pair_hop_ratio"] == pytest.approx(1 / 0.063, rel=0.25)
    assert bound["pair_hop_excess"] > 20 * bound["pair_hop_excess_stderr"]
    assert abs(free["pair_hop_ratio"] - 1) < 3 * free["pair_hop_ratio_stderr"]
    assert abs(free["pair_hop_excess"]) < 3 * free["pair_hop_excess_stderr"]
    near = bound["pair_hop_ratio_r"].sel(distance=slice(4, 5))
    assert (near > 8).any()
    # two ions of a pair hop at one time: the count of blocks spreads twice as much
    assert bound["dispersion_blocks"] > free["dispersion_blocks"]


def test_parts_of_the_trajectory_do_not_matter(trajectory, rattle) -> None:
    rng = np.random.default_rng(5)
    x = lattice(rng, 400, 12, 0.05) + rattle(rng, 400, 12, 0.3, 2.0)
    data = trajectory(x, ["Li"] * 8 + ["Na"] * 4).chunk(time=50)
    analyser = HopAnalysis()
    (whole,) = together([analyser], data)
    (parts,) = together([analyser], data, Blocks(frames=7, atoms=5))
    assert isinstance(whole, xr.Dataset)
    xr.testing.assert_allclose(whole, parts)
    assert whole["species"].values.tolist() == ["Li", "Na"]


def test_events_are_listed_in_order_of_time(hopping) -> None:
    r = HopAnalysis(frame="none", max_events=20).analyse(hopping(6, 0.05))
    assert r.sizes["event"] == 20
    assert (np.diff(r["event_time"]) >= 0).all()
    np.testing.assert_allclose(np.linalg.norm(r["event_vector"], axis=-1), r["event_length"])
    assert set(r["event_species"].values.tolist()) == {"Li"}


def test_keeps_the_contract_of_an_analyser(hopping) -> None:
    check_analyser(HopAnalysis(frame="none", shuffles=2), hopping(7, 0.05, frames=300))


def test_what_cannot_be_analysed_is_an_error(hopping, trajectory, walk, rng) -> None:
    with pytest.raises(DataError, match=r"20 frames.*need 40.*window_ps"):
        analysed(hopping(8, 0.05, frames=20))
    with pytest.raises(DataError, match="species Rb are not in the trajectory"):
        HopAnalysis(species=("Rb",)).analyse(hopping(8, 0.05, frames=100))
    with pytest.raises(DataError, match="alkali"):
        HopAnalysis().analyse(trajectory(walk(rng, 100, 4, 0.1), ["Al"] * 4))

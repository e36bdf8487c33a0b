"""Ions in channels, layers, networks and cages that are known, and in potentials that are known."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import networkx as nx
import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter, gaussian_filter1d, label, minimum_filter

from ionflow.builtin.analysers.hops.basins import basins_of
from ionflow.builtin.analysers.hops.density_map import DensityMap
from ionflow.builtin.analysers.hops.landscape import landscape_of, smoothed
from ionflow.builtin.analysers.hops.percolation import network_of, percolation
from ionflow.errors import DataError
from ionflow.passes import Blocks, together
from ionflow.testing import check_analyser
from ionflow.units import BOLTZMANN_EV_PER_K

SIDE = 8.0
CUBE = np.eye(3) * SIDE
KELVIN = 1000.0
KT = BOLTZMANN_EV_PER_K * KELVIN
SKEWED = np.array([[8.0, 0, 0], [2.0, 7.5, 0], [-1.5, 1.0, 8.5]])
#: fewer voxels than a user would take: these channels are wide
FEW = DensityMap(frame="none", points=16, smoothing_angstrom=0.5)


def field(seed: int, points: int, width: float = 1.2) -> np.ndarray:
    """A random smooth landscape."""
    noise = np.random.default_rng(seed).normal(size=(points,) * 3)
    return gaussian_filter(noise, width, mode="wrap") * 10


def inside(
    rng: np.random.Generator, region: Callable[[np.ndarray], np.ndarray], frames: int, ions: int
) -> np.ndarray:
    """Fractions of a cell, even over a region, (time, ion, vector)."""
    points = rng.random((60 * frames * ions, 3))
    kept = points[region(points)][: frames * ions]
    assert len(kept) == frames * ions
    return kept.reshape(frames, ions, 3)


def middle(values: np.ndarray) -> np.ndarray:
    """Whether fractions lie in a band around a half."""
    return abs(values - 0.5) < 0.17


REGIONS = {
    "cages": (0, lambda p: middle(p).all(axis=1)),
    "channel": (1, lambda p: middle(p[:, :2]).all(axis=1)),
    "slanted channel": (
        1,
        lambda p: middle(np.stack([p[:, 0], (p[:, 1] - p[:, 2]) % 1], 1)).all(1),
    ),
    "layer": (2, lambda p: middle(p[:, 0])),
    "crossed channels": (3, lambda p: middle(p).sum(axis=1) >= 2),
    # two channels that never meet do not make a plane
    "separate channels": (
        1,
        lambda p: (abs(p[:, :2] - 0.25) < 0.08).all(1) | (abs(p[:, 1:] - 0.75) < 0.08).all(1),
    ),
}


@pytest.mark.parametrize("cell", [CUBE, SKEWED], ids=["cube", "skewed"])
@pytest.mark.parametrize("name", REGIONS)
def test_channels_percolate_in_their_own_dimensions(trajectory, rng, name, cell) -> None:
    dimensions, region = REGIONS[name]
    x = inside(rng, region, 400, 20) @ cell
    r = FEW.analyse(trajectory(x, ["Li"] * 20, cell=cell))
    assert r["dimensionality"] == dimensions
    barrier = r["percolation_barrier"].values
    assert np.isfinite(barrier).tolist() == [d <= dimensions for d in (1, 2, 3)]
    verdicts = r["percolation_verdict"].values.tolist()
    assert verdicts[dimensions:] == ["does not percolate"] * (3 - dimensions)
    # even inside: what is left of a barrier is noise and the smoothed edges
    assert (barrier[:dimensions] < 1.0 * KT).all()


def test_an_ideal_gas_has_its_density_everywhere(trajectory, rng) -> None:
    x = rng.random((1500, 40, 3)) @ SKEWED + rng.integers(-5, 6, (1500, 40, 3)) @ SKEWED
    r = DensityMap(frame="none", points=12, smoothing_angstrom=0.8).analyse(
        trajectory(x, ["Li"] * 40, cell=SKEWED)
    )
    volume = np.linalg.det(SKEWED)
    assert float(r["density"].mean()) == pytest.approx(40 / volume, rel=1e-6)
    np.testing.assert_allclose(r["density"], 40 / volume, rtol=0.08)
    assert (r["percolation_barrier"] < 0.1 * KT).all()
    assert r["percolation_verdict"].values.tolist() == ["converged"] * 3
    assert float(r["node_occupancy"].sum()) == pytest.approx(40)
    # of 60000 visits in 1728 voxels, half of the difference of two halves: sqrt(1728/60000/pi/…)
    assert r["density_difference"] < 0.15


def metropolis(
    rng: np.random.Generator, energy: Callable[[np.ndarray], np.ndarray], walkers: int, steps: int
) -> np.ndarray:
    """Positions (time, walker, xyz), in units of kT = 1, from walkers that have settled."""
    x = rng.random((walkers, 3)) * SIDE
    now, path = energy(x), []
    for step in range(steps + 300):
        trial = x + rng.normal(0, 0.8, x.shape)
        there = energy(trial)
        taken = rng.random(walkers) < np.exp(np.minimum(now - there, 0))
        x, now = np.where(taken[:, None], trial, x), np.where(taken, there, now)
        if step >= 300:
            path.append(x)
    return np.array(path)


def two_wells(x: np.ndarray) -> np.ndarray:
    """Two wells in a period along x, of different depth; one along y and z."""
    wave = 2 * np.pi * x / SIDE
    along = 1.2 * np.cos(2 * wave[..., 0]) - 0.6 * np.cos(wave[..., 0])
    return along - 2.0 * (np.cos(wave[..., 1]) + np.cos(wave[..., 2]))


def exact_curve(energy: Callable[[np.ndarray], np.ndarray], width: float) -> np.ndarray:
    """F along x at the best y and z, after smoothing, in kT above its minimum."""
    points = 2048
    x = np.zeros((points, 3))
    x[:, 0] = np.arange(points) / points * SIDE
    weight = np.exp(-energy(x))
    rho = gaussian_filter1d(weight / weight.sum(), width * points / SIDE, mode="wrap")
    return -np.log(rho / rho.max())


def test_two_wells_have_the_free_energies_of_their_potential(trajectory) -> None:
    """Wells at x = L/4-ish and 3L/4-ish of equal depth, saddles of 3.0 and 1.8 kT between them."""
    x = metropolis(np.random.default_rng(1), two_wells, 500, 900)
    r = DensityMap(
        frame="none", points=20, smoothing_angstrom=0.5, min_depth_kT=0.6, species=("Li",)
    ).analyse(trajectory(x, ["Li"] * 500, cell=CUBE))
    curve = exact_curve(two_wells, 0.5)
    tops = np.sort([curve[0], curve[1024]])
    assert r["n_nodes"] == 2
    np.testing.assert_allclose(r["node_free_energy"] / KT, 0, atol=0.12)
    np.testing.assert_allclose(r["node_occupancy"], 250, rtol=0.05)
    along = r["edge_free_energy"].values[(r["edge_barrier"] > 0).all("end")][:2] / KT
    np.testing.assert_allclose(along, tops, atol=0.15)
    # to go all the way along x takes the higher of the two
    assert r["percolation_barrier"][0] / KT == pytest.approx(tops[1], abs=0.15)
    stderr = float(r["percolation_barrier_stderr"][0]) / KT
    assert stderr < 0.2
    assert r["percolation_verdict"][0] == "converged"
    lower, upper = r["percolation_barrier_ci95"].values[0]
    assert lower <= r["percolation_barrier"][0] <= upper


def deep_and_shallow(x: np.ndarray) -> np.ndarray:
    wave = 2 * np.pi * x / SIDE
    along = 1.2 * np.cos(2 * wave[..., 0]) + 0.5 * np.sin(wave[..., 0])
    return along - 2.0 * (np.cos(wave[..., 1]) + np.cos(wave[..., 2]))


def test_wells_of_different_depth_differ_as_they_should(trajectory) -> None:
    x = metropolis(np.random.default_rng(2), deep_and_shallow, 500, 900)
    r = DensityMap(frame="none", points=20, smoothing_angstrom=0.5, min_depth_kT=0.5).analyse(
        trajectory(x, ["Li"] * 500, cell=CUBE)
    )
    curve = exact_curve(deep_and_shallow, 0.5)
    depths = np.sort([curve[:1024].min(), curve[1024:].min()])
    assert r["n_nodes"] == 2
    np.testing.assert_allclose(np.sort(r["node_free_energy"]) / KT, depths, atol=0.12)
    # the occupancies are those of the two basins of the potential itself
    fine = np.arange(2048) / 2048 * SIDE
    weight = np.exp(-deep_and_shallow(np.stack([fine, 0 * fine, 0 * fine], axis=1)))
    tops = [
        int(np.argmax(curve[:512])),
        1024 + int(np.argmax(curve[1024 - 256 : 1024 + 256])) - 256,
    ]
    share = weight[tops[0] : tops[1]].sum() / weight.sum()
    exact = np.sort([share, 1 - share]) * 500
    np.testing.assert_allclose(np.sort(r["node_occupancy"]), exact, rtol=0.08)


def test_smoothing_is_scipys_in_a_cube_and_keeps_the_number() -> None:
    visits = np.random.default_rng(3).integers(0, 5, (16, 16, 16)).astype(float)
    ours = smoothed(visits, np.eye(3) * SIDE, 0.9)
    theirs = gaussian_filter(visits, 0.9 * 16 / SIDE, mode="wrap", truncate=8)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert smoothed(visits, SKEWED, 0.9).sum() == pytest.approx(visits.sum())
    np.testing.assert_array_equal(smoothed(visits, SKEWED, 0.0), visits)


def test_a_single_visit_is_a_gaussian_in_a_skewed_cell() -> None:
    counts = np.zeros((24, 24, 24), dtype=np.int64)
    counts[3, 20, 1] = 1
    rho = landscape_of(counts, 1, SKEWED, 0.7).density
    index = np.stack(np.meshgrid(*[np.arange(24)] * 3, indexing="ij"), -1) - [3, 20, 1]
    images = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    places = ((index / 24 + 12.5) % 1 - 0.5)[..., None, :] + images
    squared = ((places @ SKEWED) ** 2).sum(-1)
    exact = np.exp(-squared / (2 * 0.49)).sum(-1) / (2 * np.pi * 0.49) ** 1.5
    np.testing.assert_allclose(rho, exact, atol=1e-3 * exact.max())


def rank_of(mask: np.ndarray, tiles: int = 5) -> int:
    """Dimensions in which a periodic region percolates, from labels of a large patch of copies."""
    points = mask.shape[0]
    found, _ = label(np.tile(mask, (tiles,) * 3))
    blocks = found.reshape(tiles, points, tiles, points, tiles, points)
    home = blocks[tiles // 2, :, tiles // 2, :, tiles // 2, :]
    best = 0
    for number in np.unique(home[home > 0]):
        seed = np.argwhere(home == number)[0]
        same = blocks[:, seed[0], :, seed[1], :, seed[2]] == number
        best = max(best, int(np.linalg.matrix_rank(np.argwhere(same) - tiles // 2)))
    return best


@pytest.mark.parametrize("seed", range(6))
def test_percolation_is_that_of_labelled_copies(seed) -> None:
    landscape = field(seed, 7)
    barriers = percolation(basins_of(landscape))
    assert (np.diff(barriers) >= 0).all()
    for dimension, barrier in enumerate(barriers, start=1):
        assert rank_of(landscape <= barrier) >= dimension
        assert rank_of(landscape < barrier) < dimension


def grid_graph(landscape: np.ndarray) -> nx.Graph:
    graph = nx.Graph()
    flat, index = landscape.ravel(), np.arange(landscape.size).reshape(landscape.shape)
    for axis in range(3):
        other = np.roll(index, -1, axis).ravel()
        weights = np.maximum(flat, flat[other])
        graph.add_weighted_edges_from(zip(index.ravel(), other, weights, strict=True))
    return graph


@pytest.mark.parametrize("least", [0.0, 0.8])
def test_saddles_are_networkx_lowest_passes(least) -> None:
    """Between any two nodes the network and the grid have the same least highest point."""
    landscape = field(7, 12)
    network = network_of(basins_of(landscape), least)
    assert 2 < len(network.minimum) < 60
    forest = nx.minimum_spanning_tree(grid_graph(landscape))
    ours = nx.Graph()
    for (one, other), height in zip(network.saddles.ends, network.saddles.height, strict=True):
        if one != other and height < ours.get_edge_data(one, other, {"weight": np.inf})["weight"]:
            ours.add_edge(int(one), int(other), weight=float(height))
    for one, other in itertools.combinations(range(min(8, len(network.minimum))), 2):
        path = nx.shortest_path(forest, network.minimum[one], network.minimum[other])
        theirs = max(landscape.ravel()[path])
        way = nx.shortest_path(nx.minimum_spanning_tree(ours), one, other)
        highest = max(ours[a][b]["weight"] for a, b in itertools.pairwise(way))
        assert highest == pytest.approx(theirs)


def test_basins_are_the_local_minima() -> None:
    landscape = field(8, 16)
    faces = np.zeros((3, 3, 3), dtype=bool)
    faces[1, 1, :] = faces[1, :, 1] = faces[:, 1, 1] = True
    lowest = landscape == minimum_filter(landscape, footprint=faces, mode="wrap")
    basins = basins_of(landscape)
    np.testing.assert_array_equal(basins.minimum, np.flatnonzero(lowest))
    everything = network_of(basins, 0.0)
    np.testing.assert_array_equal(everything.minimum, basins.minimum)
    assert len(network_of(basins, 1e9).minimum) == 1


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1, 1)), (2, (2, 1, 1)), (8, (2, 2, 2))])
def test_an_egg_box_has_as_many_nodes_as_cups(count, shape) -> None:
    waves = [2 * np.pi * n * (np.arange(16) + 0.5) / 16 for n in shape]
    landscape = -sum(np.cos(w).reshape([-1 if a == k else 1 for a in range(3)])
                     for k, w in enumerate(waves))  # fmt: skip
    network = network_of(basins_of(landscape + 1e-9 * field(9, 16)), 0.5)
    assert len(network.minimum) == count
    # six ways out of each cup, counted from both of their ends
    lowest = network.saddles.where(network.saddles.height < 0)
    assert 2 * len(lowest.height) == 6 * count


def test_the_unknown_is_not_crossed() -> None:
    landscape = np.zeros((8, 8, 8))
    landscape[4] = np.nan
    basins = basins_of(landscape)
    assert (basins.label.reshape(8, 8, 8)[4] == -1).all()
    np.testing.assert_allclose(percolation(basins), [0, 0, np.nan])


def test_a_drifting_framework_and_its_ions_leave_the_map_where_it_is(trajectory, rng) -> None:
    frames = 300
    ions = inside(rng, REGIONS["channel"][1], frames, 10) * SIDE
    walls = rng.random((6, 3)) * SIDE + rng.normal(0, 0.05, (frames, 6, 3))
    walls -= walls.mean(axis=1, keepdims=True) - walls[0].mean(axis=0)
    x = np.concatenate([ions, walls], axis=1)
    drift = np.linspace(0, 11, frames)[:, None, None] * [1.0, 0.3, -0.2]
    symbols = ["Li"] * 10 + ["Al"] * 6
    still, moved = (
        DensityMap(points=16).analyse(trajectory(y, symbols, cell=CUBE)) for y in (x, x + drift)
    )
    assert still.attrs["frame"] == "framework of Al"
    np.testing.assert_allclose(moved["density"], still["density"], atol=1e-5)
    # and the ions lie where they were in the box, relative to the framework
    apart = (still["node_position"][0] - still["framework_position"][0]).values
    assert still["framework_element"].values.tolist() == ["Al"] * 6
    places = still["framework_position"].values - walls.mean(axis=0)
    np.testing.assert_allclose(places - np.round(places / SIDE) * SIDE, 0, atol=1e-5)
    best = apart + walls.mean(axis=0)[0]
    assert middle(best[:2] / SIDE % 1).all()


def test_a_cell_that_breathes_is_mapped_by_fractions(trajectory, rng) -> None:
    scaled = inside(rng, REGIONS["channel"][1], 300, 10)
    sides = SIDE * (1 + 0.05 * np.sin(np.arange(300)))
    data = trajectory(scaled * sides[:, None, None], ["Li"] * 10)
    data["cell"] = (
        data["cell"] * 0
        + sides[:, None, None]
        * xr.DataArray(np.eye(3), dims=("vector", "xyz")).transpose(*data["cell"].dims[1:]).values
    )
    fixed = FEW.analyse(
        trajectory(scaled * sides.mean(), ["Li"] * 10, cell=np.eye(3) * sides.mean())
    )
    np.testing.assert_allclose(FEW.analyse(data)["density"], fixed["density"], atol=1e-4)


def test_halves_that_disagree_are_not_converged(trajectory, rng) -> None:
    """A gate that opens in the second half alone."""
    shut = inside(rng, lambda p: middle(p[:, :2]).all(1) & (abs(p[:, 2] - 0.5) < 0.4), 200, 20)
    open_ = inside(rng, REGIONS["channel"][1], 200, 20)
    r = FEW.analyse(trajectory(np.concatenate([shut, open_]) * SIDE, ["Li"] * 20, cell=CUBE))
    assert r["percolation_verdict"][0] == "not converged"
    assert r["density_difference"] > 0.1


def test_parts_of_the_trajectory_do_not_matter(trajectory, rng) -> None:
    x = rng.random((100, 30, 3)) * SIDE
    data = trajectory(x, ["Li"] * 20 + ["Cl"] * 10, cell=CUBE).chunk(time=9)
    analyser = DensityMap(points=10)
    (whole,) = together([analyser], data)
    (parts,) = together([analyser], data, Blocks(frames=7, atoms=4))
    assert isinstance(whole, xr.Dataset)
    xr.testing.assert_allclose(whole, parts, rtol=1e-5)


def test_keeps_the_contract_of_an_analyser() -> None:
    check_analyser(DensityMap(points=8))


def test_what_cannot_be_mapped_is_an_error(trajectory, rng) -> None:
    x = rng.random((50, 4, 3)) * SIDE
    with pytest.raises(DataError, match=r"all species are mobile.*frame: none"):
        DensityMap().analyse(trajectory(x, ["Li"] * 4))
    with pytest.raises(DataError, match="species Na are not"):
        DensityMap(species=("Na",)).analyse(trajectory(x, ["Li"] * 4))
    with pytest.raises(DataError, match="no temperature"):
        FEW.analyse(trajectory(x, ["Li"] * 4).drop_vars("temperature"))
    known = FEW.model_copy(update={"temperature_K": 500.0})
    assert known.analyse(trajectory(x, ["Li"] * 4).drop_vars("temperature"))["n_nodes"] >= 1

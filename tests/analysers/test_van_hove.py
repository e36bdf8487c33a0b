import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError
from scipy.stats import maxwell

from ionflow.builtin.analysers.dynamics import distinct
from ionflow.builtin.analysers.dynamics.van_hove import VanHove
from ionflow.builtin.analysers.structure.rdf import Rdf
from ionflow.errors import DataError
from ionflow.passes import Blocks, together
from ionflow.testing import check_analyser

SYMBOLS = ["Li"] * 30 + ["O"] * 20
SIDE = 20.0


@pytest.fixture
def walking(trajectory, walk, rng) -> xr.Dataset:
    start = rng.uniform(0, SIDE, (len(SYMBOLS), 3))
    return trajectory(start + walk(rng, 400, len(SYMBOLS), 0.2), SYMBOLS)


def integral(result: xr.Dataset) -> xr.DataArray:
    width = float(result["r"][1] - result["r"][0])
    return (result["p_self"] * width).sum("r") + result["beyond"]


class TestSelf:
    def test_of_free_walkers_is_gaussian(self, trajectory, walk, rng) -> None:
        data = trajectory(walk(rng, 3000, 50, 0.3), ["Li"] * 50)
        analyser = VanHove(frame="none", lag_ps=(0.5, 2.0, 5.0), distinct_origins=1, bins=40)
        result = analyser.analyse(data).sel(species="Li")
        edges = np.linspace(0, 8, 41)
        for lag in (5, 20, 50):
            at = result.sel(lag=lag * 0.1)
            exact = np.diff(maxwell.cdf(edges, scale=0.3 * np.sqrt(lag))) / 0.2
            known = exact > 1e-3
            deviation = ((at["p_self"] - exact) / at["p_self_stderr"]).values[known]
            assert abs(deviation).max() < 6
            assert np.mean(deviation**2) < 2.5
            np.testing.assert_allclose(
                at["g_self"], at["p_self"] * 0.2 / (4 / 3 * np.pi * np.diff(edges**3))
            )

    def test_integrates_to_one(self, walking) -> None:
        result = VanHove(r_max_angstrom=3.0).analyse(walking)
        np.testing.assert_allclose(integral(result), 1, rtol=1e-12)
        assert result["beyond"].isel(lag=-1).min() > 0.5

    def test_is_all_at_the_origin_at_lag_zero(self, walking) -> None:
        result = VanHove().analyse(walking).sel(lag=0)
        assert result["p_self"].isel(r=0).values.tolist() == pytest.approx([20, 20])
        assert not result["p_self"].isel(r=slice(1, None)).any()

    def test_equals_a_histogram_of_all_displacements(self, walking) -> None:
        result = VanHove(frame="none", lag_ps=(1.7,)).analyse(walking).sel(lag=1.7)
        x = walking["positions"].values
        moved = np.linalg.norm(x[17:] - x[:-17], axis=-1)[:, :30].ravel()
        counts, _ = np.histogram(moved, 160, (0, 8))
        np.testing.assert_allclose(result["p_self"].sel(species="Li"), counts / len(moved) / 0.05)


class TestDistinct:
    def test_at_lag_zero_is_g(self, walking) -> None:
        some = walking.isel(time=slice(0, 395, 10))
        ours = VanHove(lag_ps=(1.0,), distinct_origins=500).analyse(some).sel(lag=0)
        theirs = Rdf(bins=160).analyse(some.isel(time=slice(-1)))
        np.testing.assert_allclose(ours["g_distinct"], theirs["g"], atol=0.02)
        assert ours["pair"].values.tolist() == theirs["pair"].values.tolist()

    @pytest.mark.parametrize("lag", [0, 25])
    def test_equals_freud(self, walking, lag) -> None:
        freud = pytest.importorskip("freud")
        analyser = VanHove(frame="none", lag_ps=(2.5,), distinct_origins=20, bins=50)
        ours = analyser.analyse(walking).isel(lag=int(lag > 0)).sel(pair="Li-O")
        box = freud.box.Box.cube(SIDE)
        theirs = freud.density.RDF(50, 8.0)
        x = walking["positions"].values
        origins = np.arange(0, 375, 19)
        assert len(origins) == ours.attrs["origins_distinct"]
        for t in origins:
            theirs.compute(
                (box, box.wrap(x[t + lag, 30:])),
                query_points=box.wrap(x[t, :30]),
                neighbors={"r_max": 8.0, "exclude_ii": False},
                reset=False,
            )
        np.testing.assert_allclose(ours["g_distinct"], theirs.rdf, rtol=1e-4, atol=1e-5)

    def test_of_free_walkers_is_one(self, trajectory, walk, rng) -> None:
        start = rng.uniform(0, SIDE, (len(SYMBOLS), 3))
        data = trajectory(start + walk(rng, 400, len(SYMBOLS), 4.0), SYMBOLS)
        result = VanHove(bins=20, distinct_origins=200).analyse(data)
        # at first an atom meets one fewer of its own kind than the density says; once it has gone
        # far, its own images are as good as others
        first = xr.DataArray([1 - 1 / 30, 1.0, 1.0, 1 - 1 / 20], dims="pair")
        far = result.sel(r=slice(4, None)).isel(lag=[0, -2, -1])
        exact = xr.where(far["lag"] == 0, first, 1.0)
        assert abs(far["g_distinct"].mean("r") - exact).max() < 0.03
        deviation = (far["g_distinct"] - exact) / far["g_distinct_stderr"]
        assert float((deviation**2).mean()) < 4

    def test_ions_in_a_file_take_each_others_places(self, trajectory, rng) -> None:
        # a ring of eight sites along x, whose ions go on by one site every tenth frame
        sites, spacing = 8, SIDE / 8
        step = np.arange(200) // 10
        x = np.zeros((200, sites, 3))
        x[..., 0] = (np.arange(sites) + step[:, None]) * spacing
        data = trajectory(x + rng.normal(0, 0.02, x.shape), ["Li"] * sites)
        result = VanHove(frame="none", lag_ps=(1.0,), bins=16).analyse(data).sel(pair="Li-Li")
        shell = 4 / 3 * np.pi * 0.5**3
        followers = result["g_distinct"].isel(r=0) * sites / SIDE**3 * shell
        np.testing.assert_allclose(followers, [0, 1], atol=1e-12)
        # seen from their own centre they do not move at all
        still = VanHove(lag_ps=(1.0,), bins=16).analyse(data)
        assert float(still["g_distinct"].sel(pair="Li-Li", lag=1.0).isel(r=0)) == 0
        assert float(still["p_self"].isel(species=0, lag=1, r=0)) == pytest.approx(2)

    @pytest.mark.parametrize("tilt", [0.0, 4.0])
    def test_both_ways_to_find_pairs_agree(self, rng, tilt, monkeypatch) -> None:
        cell = np.array([[SIDE, 0, 0], [tilt, SIDE, 0], [-tilt / 2, tilt, 22.0]])
        first = rng.uniform(0, SIDE, (60, 3))
        second = first + rng.normal(0, 3, (60, 3)) + rng.integers(-1, 2, (60, 3)) @ cell
        found = []
        for most in (3000, 0):
            monkeypatch.setattr(distinct, "NEAREST_ATOMS", most)
            i, j, distance = distinct.distinct_pairs(first, second, cell, 8.0)
            order = np.lexsort((j, i))
            found.append((i[order], j[order], distance[order]))
        for one, other in zip(*found, strict=True):
            np.testing.assert_allclose(one, other)
        # an atom that went around the cell is met by the image of where it was
        assert (found[0][0] == found[0][1]).any()

    def test_small_cells_hold_several_images(self, trajectory, rng) -> None:
        x = rng.uniform(0, 6, (1, 12, 3)) + rng.normal(0, 0.1, (40, 12, 3))
        data = trajectory(x, ["Li"] * 12, cell=np.eye(3) * 6.0)
        ours = VanHove(lag_ps=(0.1,), distinct_origins=500).analyse(data)
        theirs = Rdf(bins=160).analyse(data.isel(time=slice(39)))
        np.testing.assert_allclose(ours["g_distinct"].isel(lag=0), theirs["g"], atol=0.15)
        np.testing.assert_allclose(
            ours["g_distinct"].isel(lag=0).mean("r"), theirs["g"].mean("r"), rtol=1e-3
        )


def test_lags_are_whole_frames(walking) -> None:
    assert VanHove(lag_ps=(1.04, 0.2)).analyse(walking)["lag"].values.tolist() == [0, 0.2, 1.0]
    assert VanHove().analyse(walking).sizes["lag"] == 7


def test_lazy_blocks_give_the_same(walking) -> None:
    short = walking.isel(time=slice(120), atom=slice(22, 37))
    analyser = VanHove(r_max_angstrom=12.0, bins=30)
    whole = analyser.analyse(short)
    (cut,) = together([analyser], short.chunk(time=37), Blocks(frames=7, atoms=2))
    xr.testing.assert_allclose(cut, whole)


def test_keeps_the_contract() -> None:
    check_analyser(VanHove(bins=20, lags=2, distinct_origins=3))


def test_faults_say_what_to_do(walking) -> None:
    with pytest.raises(DataError, match=r"lag_ps 0.01, 99 do not fit.*lags are from 0.1 ps"):
        VanHove(lag_ps=(0.01, 1.0, 99.0)).analyse(walking)
    with pytest.raises(ValidationError, match="lags are positive"):
        VanHove(lag_ps=(-1.0,))
    with pytest.raises(DataError, match="record: true"):
        VanHove().analyse(walking.drop_vars("positions"))

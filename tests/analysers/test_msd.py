from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr
from ase.data import atomic_masses, atomic_numbers
from pydantic import ValidationError

from ionflow.builtin.analysers.dynamics.motion import Independence
from ionflow.builtin.analysers.dynamics.msd import Msd
from ionflow.errors import DataError
from ionflow.passes import Blocks, Paths, PerAtom, Reference, Subject, together
from ionflow.passes.running import measure_all

SYMBOLS = ["Li"] * 5 + ["Al"] * 2 + ["Cl"] * 6


@pytest.fixture
def walking(trajectory, walk, rng) -> xr.Dataset:
    return trajectory(10 + walk(rng, 200, len(SYMBOLS), 0.4), SYMBOLS)


def test_equals_mdanalysis(walking) -> None:
    mda = pytest.importorskip("MDAnalysis")
    from MDAnalysis.analysis.msd import EinsteinMSD

    universe = mda.Universe.empty(len(SYMBOLS), trajectory=True)
    universe.add_TopologyAttr("name", SYMBOLS)
    universe.load_new(walking["positions"].values.astype(np.float32))
    theirs = EinsteinMSD(universe, select="name Li", msd_type="xyz", fft=False).run()
    ours = Msd(frame="none").analyse(walking).sel(species="Li")
    lags = np.rint(ours["lag"].values / 0.1).astype(int)
    np.testing.assert_allclose(ours["msd"], theirs.results.timeseries[lags], rtol=1e-5)


def test_directions_add_up_and_everything_is_labelled(walking) -> None:
    result = Msd().analyse(walking.assign_coords(A="Li", temperature_K=800.0, replica=1))
    np.testing.assert_allclose(result["msd_direction"].sum("xyz"), result["msd"])
    assert result["species"].values.tolist() == ["Li", "Al", "Cl"]
    assert result["n_atoms"].values.tolist() == [5, 2, 6]
    assert all({"units", "long_name"} <= set(v.attrs) for v in result.data_vars.values())
    assert (result.A, result.temperature_K, result.replica) == ("Li", 800.0, 1)
    assert result["lag"].attrs["units"] == "ps"
    assert result.attrs["frame"] == "barycentric"


def test_free_walkers_follow_six_d_t(trajectory, walk, rng) -> None:
    result = Msd(frame="none").analyse(trajectory(walk(rng, 2000, 40, 0.3), ["Li"] * 40))
    early = result.sel(species="Li", lag=slice(0, 5))
    expected = 3 * 0.09 * early["lag"] / 0.1
    assert (abs(early["msd"] - expected) < 5 * early["msd_stderr"]).all()


def test_equals_tidynamics(walking) -> None:
    tidynamics = pytest.importorskip("tidynamics")
    positions = walking["positions"].values
    centre = np.average(positions, axis=1, weights=walking["mass"].values)[:, None]
    theirs = np.stack([tidynamics.msd(path) for path in (positions - centre).swapaxes(0, 1)])
    ours = Msd().analyse(walking)
    lags = np.rint(ours["lag"].values / 0.1).astype(int)
    np.testing.assert_allclose(ours["msd_atom"], theirs[:, lags], rtol=1e-9)
    np.testing.assert_allclose(ours["msd"].sel(species="Al"), theirs[5:7].mean(axis=0)[lags])


def test_langevin_particles_fly_and_then_diffuse(trajectory, langevin, rng) -> None:
    friction, speed = 2.0, 3.0
    x, _ = langevin(rng, (3000, 60), 0.1, friction, speed)
    result = Msd(frame="none").analyse(trajectory(x, ["Li"] * 60)).sel(species="Li")
    t = friction * result["lag"]
    exact = 6 * (speed / friction) ** 2 * (t - 1 + np.exp(-t))
    assert (abs(result["msd"] - exact) < 4 * result["msd_stderr"]).all()
    assert float(result["msd"][0]) == pytest.approx(float(exact[0]), rel=0.02)


@pytest.mark.parametrize("frame", ["barycentric", "framework"])
def test_a_common_drift_changes_nothing(walking, frame) -> None:
    analyser = Msd(frame=frame, framework=("Al", "Cl") if frame == "framework" else ())
    drift = xr.DataArray(np.linspace(0, 50, 200), dims="time")
    moved = walking.assign(positions=walking["positions"] + drift)
    xr.testing.assert_allclose(analyser.analyse(moved), analyser.analyse(walking))
    bare = Msd(frame="none")
    assert (bare.analyse(moved)["msd"] > bare.analyse(walking)["msd"]).any()


@dataclass(frozen=True)
class Momentum(PerAtom[list[np.ndarray]]):
    """Σ m r over all atoms, (xyz, time)."""

    def start(self, subject: Subject) -> list[np.ndarray]:
        return []

    def add(self, state: list[np.ndarray], paths: Paths) -> None:
        state.append(np.tensordot(MASS[paths.species] * np.ones(len(paths.atoms)), paths.values, 1))

    def merge(self, first: list[np.ndarray], second: list[np.ndarray]) -> list[np.ndarray]:
        return first + second


MASS = {s: float(atomic_masses[atomic_numbers[s]]) for s in SYMBOLS}


def test_the_frame_is_mass_weighted(walking) -> None:
    (parts,) = measure_all(
        Subject(walking), [Momentum(reference=Reference("barycentric"))]
    ).values()
    np.testing.assert_allclose(sum(parts), 0, atol=1e-8)


@pytest.mark.parametrize("atoms", [1, 2, 5])
def test_lazy_blocks_give_the_same_and_the_input_stays_lazy(walking, atoms) -> None:
    whole = Msd().analyse(walking)
    lazy = walking.chunk(time=37)
    (cut,) = together([Msd()], lazy, Blocks(frames=11, atoms=atoms))
    xr.testing.assert_allclose(cut, whole)
    assert lazy["positions"].chunks is not None


@pytest.mark.filterwarnings("ignore:.*does not have a Zarr V3 specification")
def test_a_trajectory_read_from_zarr_gives_the_same(walking, tmp_path) -> None:
    text = walking["element"].astype(np.dtypes.StringDType())
    walking.assign_coords(element=text).to_zarr(tmp_path / "t.zarr", consolidated=False)
    lazy = xr.open_zarr(tmp_path / "t.zarr", consolidated=False)
    xr.testing.assert_allclose(Msd().analyse(lazy), Msd().analyse(walking))


def test_faults_say_what_to_do(walking) -> None:
    with pytest.raises(DataError, match="record: true"):
        Msd().analyse(walking.drop_vars("positions"))
    with pytest.raises(DataError, match="K are not in the trajectory"):
        Msd(frame="framework", framework=("K",)).analyse(walking)
    with pytest.raises(DataError, match="5 frames"):
        Msd().analyse(walking.isel(time=slice(5)))
    broken = walking.copy(deep=True)
    broken["positions"][7, 3, 1] = np.nan
    with pytest.raises(DataError, match="not finite"):
        Msd().analyse(broken)
    with pytest.raises(ValidationError, match="go together"):
        Msd(frame="framework")


def independent(data: xr.Dataset, frame: str = "none") -> float:
    (found,) = measure_all(Subject(data), [Independence(reference=Reference(frame))]).values()
    return found["Li"]


class TestIndependentWalkers:
    def test_free_walkers_all_count(self, trajectory, walk, rng) -> None:
        data = trajectory(walk(rng, 600, 60, 0.3), ["Li"] * 60)
        assert independent(data) == pytest.approx(60, rel=0.12)

    def test_pairs_count_once(self, trajectory, walk, rng) -> None:
        half = walk(rng, 600, 30, 0.3)
        data = trajectory(np.concatenate([half, half], axis=1), ["Li"] * 60)
        assert independent(data) == pytest.approx(30, rel=0.15)

    def test_trapped_atoms_do_not_count(self, trajectory, walk, rng) -> None:
        x = walk(rng, 600, 60, 0.3)
        x[:, 20:] = 0.0
        assert independent(trajectory(x, ["Li"] * 60)) == pytest.approx(20, rel=0.15)

    def test_momentum_conservation_takes_one(self, trajectory, walk) -> None:
        counts = [
            independent(
                trajectory(walk(np.random.default_rng(k), 300, 4, 0.3), ["Li"] * 4), "barycentric"
            )
            for k in range(40)
        ]
        assert np.mean(counts) == pytest.approx(3, abs=0.2)

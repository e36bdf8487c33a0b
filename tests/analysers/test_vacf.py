import numpy as np
import pytest
import xarray as xr

from ionflow.builtin.analysers.dynamics.vacf import Vacf
from ionflow.errors import DataError
from ionflow.passes import Blocks, together
from ionflow.testing import check_analyser
from ionflow.units import BOLTZMANN_EV_PER_K

DT = 0.01
FRICTION = 5.0
SPEED = 3.0
SYMBOLS = ["Li"] * 30 + ["O"] * 10


def moving(trajectory, x: np.ndarray, v: np.ndarray, symbols=SYMBOLS, dt: float = DT) -> xr.Dataset:
    """Positions in Å and velocities in Å/ps, (time, atom, 3)."""
    data = trajectory(x, symbols)
    found = {"velocities": (("time", "atom", "xyz"), v / 1000.0)}
    return data.assign_coords(time=np.arange(len(x)) * dt).assign(found)


@pytest.fixture
def free(trajectory, langevin, rng) -> xr.Dataset:
    """Langevin particles: C = 3 s² exp(−γt), D = s²/γ."""
    x, v = langevin(rng, (5000, len(SYMBOLS)), DT, FRICTION, SPEED)
    return moving(trajectory, x, v)


def vibrating(trajectory, rng, frequency_THz: dict[str, float], dt: float) -> xr.Dataset:
    """Harmonic oscillators of one frequency a species, all with the same temperature."""
    symbols = [s for s in frequency_THz for _ in range(8)]
    omega = 2 * np.pi * np.array([frequency_THz[s] for s in symbols])[:, None]
    phase = rng.uniform(0, 2 * np.pi, (len(symbols), 3))
    angle = np.arange(3000)[:, None, None] * dt * omega + phase
    x = np.cos(angle) * 2.0 / omega + rng.uniform(0, 20, (len(symbols), 3))
    return moving(trajectory, x, -2.0 * np.sin(angle), symbols, dt)


class TestCorrelation:
    @pytest.mark.parametrize("frame", ["none", "barycentric"])
    def test_equals_tidynamics(self, free, frame) -> None:
        tidynamics = pytest.importorskip("tidynamics")
        ours = Vacf(frame=frame, max_lag_ps=1.0).analyse(free)
        velocities = free["velocities"].values * 1000.0
        if frame == "barycentric":
            velocities = (
                velocities - np.average(velocities, axis=1, weights=free["mass"].values)[:, None]
            )
        for species in ("Li", "O"):
            atoms = np.flatnonzero(free["element"].values == species)
            theirs = np.mean([tidynamics.acf(velocities[:, i])[:101] for i in atoms], axis=0)
            np.testing.assert_allclose(ours["vacf"].sel(species=species), theirs, atol=1e-9)

    def test_of_a_langevin_particle_is_exponential(self, free) -> None:
        result = Vacf(frame="none", max_lag_ps=1.0).analyse(free)
        exact = 3 * SPEED**2 * np.exp(-FRICTION * result["lag"])
        deviation = (result["vacf"] - exact) / result["vacf_stderr"]
        assert abs(deviation).max() < 5
        assert 0.3 < float((deviation**2).mean()) < 2.5

    def test_is_one_at_lag_zero_and_tells_the_temperature(self, free) -> None:
        result = Vacf(frame="none").analyse(free)
        np.testing.assert_allclose(result["vacf_normalised"].isel(lag=0), 1)
        mass = {"Li": 6.94, "O": 15.999}
        amu_A2_ps2 = 1.0364269e-4  # eV
        exact = [mass[s] * SPEED**2 * amu_A2_ps2 / BOLTZMANN_EV_PER_K for s in ("Li", "O")]
        found, error = result["kinetic_temperature"], result["kinetic_temperature_stderr"]
        assert (abs(found - exact) < 4 * error).all()
        assert (error < 0.05 * found).all()

    def test_a_common_drift_changes_nothing(self, free) -> None:
        drift = xr.DataArray([0.003, -0.001, 0.002], dims="xyz")
        moved = free.assign(velocities=free["velocities"] + drift)
        pushed, still = (Vacf(max_lag_ps=1.0).analyse(d)["vacf"] for d in (moved, free))
        np.testing.assert_allclose(pushed, still, atol=1e-9)
        assert abs(Vacf(frame="none").analyse(moved)["vacf"]).max() > 10


class TestSpectrum:
    def test_peaks_are_at_the_frequencies(self, trajectory, rng) -> None:
        exact = {"Li": 11.3, "O": 4.7}
        result = Vacf(frame="none").analyse(vibrating(trajectory, rng, exact, 0.005))
        spacing = float(result["frequency"][1])
        peaks = result["frequency"][result["vdos"].argmax("frequency")]
        np.testing.assert_allclose(peaks, list(exact.values()), atol=spacing)
        assert result["sampling"].values.tolist() == ["resolved", "resolved"]
        for species, frequency in exact.items():
            curve = result["vacf_normalised"].sel(species=species)
            cosine = np.cos(2 * np.pi * frequency * result["lag"])
            np.testing.assert_allclose(curve, cosine, atol=0.02)
            near = result["vdos"].sel(
                species=species, frequency=slice(frequency - 0.5, frequency + 0.5)
            )
            assert float(near.integrate("frequency")) == pytest.approx(1, abs=0.02)

    @pytest.mark.parametrize("window", ["hann", "blackman", "none"])
    def test_is_normalised_to_one_and_to_3n(self, free, window) -> None:
        result = Vacf(window=window, max_lag_ps=1.0).analyse(free)
        np.testing.assert_allclose(result["vdos"].integrate("frequency"), 1, rtol=1e-9)
        total = float(result["vdos_total"].integrate("frequency"))
        assert total == pytest.approx(3 * len(SYMBOLS))

    def test_of_a_langevin_particle_is_a_lorentzian(self, free) -> None:
        result = Vacf(frame="none", max_lag_ps=3.0, window="none").analyse(free)
        exact = 4 * FRICTION / (FRICTION**2 + (2 * np.pi * result["frequency"]) ** 2)
        deviation = ((result["vdos"] - exact) / result["vdos_stderr"]).sel(frequency=slice(0, 5))
        assert abs(deviation).max() < 5
        total = (result["vdos_total"] - 120 * exact) / result["vdos_total_stderr"]
        assert abs(total.sel(frequency=slice(0, 5))).max() < 5

    def test_vibration_faster_than_frames_is_found_out(self, trajectory, rng) -> None:
        # 18 THz in frames 0.04 ps apart looks like 7 THz, well inside of the spectrum
        data = vibrating(trajectory, rng, {"O": 18.0, "Li": 3.0}, 0.04)
        result = Vacf(frame="none").analyse(data)
        assert result["sampling"].values.tolist() == ["aliased", "resolved"]
        assert result["verdict"].values.tolist()[0] == "aliased"
        assert result["edge_weight"].sel(species="O") < 0.02
        assert np.isnan(result["vdos"].sel(species="O")).all()
        assert np.isnan(result["vdos_total"]).all()
        assert np.isfinite(result["vdos"].sel(species="Li")).all()


class TestDiffusion:
    def test_of_a_langevin_particle(self, free) -> None:
        result = Vacf(frame="none", max_lag_ps=2.0).analyse(free)
        exact = SPEED**2 / FRICTION * 1e-4
        found, error = result["diffusion_coefficient"], result["diffusion_coefficient_stderr"]
        assert result["verdict"].values.tolist() == ["converged"] * 2
        assert (abs(found - exact) < 3 * error).all()
        assert (error < 0.15 * found).all()
        running = exact * (1 - np.exp(-FRICTION * result["lag"]))
        late = abs(result["running_diffusion"] - running) / result["running_diffusion_stderr"]
        assert late.isel(lag=slice(5, None)).max() < 5
        assert (result["ci95"].sel(bound="lower") < exact).all()
        assert (result["ci95"].sel(bound="upper") > exact).all()

    def test_intervals_cover(self, trajectory, langevin) -> None:
        exact, hits = SPEED**2 / FRICTION * 1e-4, []
        for seed in range(60):
            x, v = langevin(np.random.default_rng(seed), (1500, 20), 0.02, FRICTION, SPEED)
            data = moving(trajectory, x, v, ["Li"] * 20, 0.02)
            found = Vacf(frame="none", max_lag_ps=2.0).analyse(data)
            assert found["verdict"].values[0] in ("converged", "not converged")
            low, high = found["ci68"].values[0]
            hits.append(low < exact < high)
        assert 0.5 < np.mean(hits) < 0.88

    def test_bound_atoms_have_none(self, trajectory, rng) -> None:
        result = Vacf(frame="none").analyse(vibrating(trajectory, rng, {"O": 4.7}, 0.01))
        assert result["verdict"].values.tolist() == ["caged"]
        assert np.isnan(result["diffusion_coefficient"]).all()


def test_lazy_blocks_give_the_same(free) -> None:
    short = free.isel(time=slice(300))
    analyser = Vacf(max_lag_ps=0.5)
    whole = analyser.analyse(short)
    (cut,) = together([analyser], short.chunk(time=37), Blocks(frames=7, atoms=2))
    xr.testing.assert_allclose(cut, whole)


def test_keeps_the_contract(free) -> None:
    check_analyser(Vacf(max_lag_ps=0.5), free.isel(time=slice(200)))
    result = Vacf().analyse(free.drop_vars("positions").isel(time=slice(300)))
    assert np.isnan(result["step_ratio"]).all()
    assert all({"units", "long_name"} <= set(v.attrs) for v in result.variables.values() if v.ndim)


def test_faults_say_what_to_do(free) -> None:
    with pytest.raises(DataError, match=r"no velocities.*velocities: true.*frame_ps to a few fs"):
        Vacf().analyse(free.drop_vars("velocities"))
    with pytest.raises(DataError, match="10 frames are too few"):
        Vacf().analyse(free.isel(time=slice(10)))
    with pytest.raises(DataError, match="K are not in the trajectory"):
        Vacf(frame="framework", framework=("K",)).analyse(free)

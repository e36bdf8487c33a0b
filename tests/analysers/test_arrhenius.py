import numpy as np
import pytest
import xarray as xr

from ionflow.builtin.analysers.activation import fit_activation
from ionflow.builtin.analysers.arrhenius import Arrhenius
from ionflow.builtin.analysers.diffusion import Diffusion
from ionflow.errors import DataError
from ionflow.join import join
from ionflow.units import BOLTZMANN_EV_PER_K

EA, D0 = 0.30, 2e-3
KELVIN = np.array([500.0, 600.0, 700.0, 800.0])


def exact(temperature: float | np.ndarray) -> np.ndarray:
    return D0 * np.exp(-EA / BOLTZMANN_EV_PER_K / np.asarray(temperature))


def synthetic(
    kelvin: np.ndarray = KELVIN, replicas: int = 3, relative: float = 0.1, seed: int | None = None
) -> xr.Dataset:
    """Diffusion joined over A, temperature and replica; without noise if `seed` is None."""
    shape = (2, len(kelvin), replicas, 1)
    noise = np.zeros(shape) if seed is None else np.random.default_rng(seed).normal(size=shape)
    d = exact(kelvin)[None, :, None, None] * (1 + relative * noise)
    dims = ("A", "temperature_K", "replica", "species")
    names = {"diffusion_coefficient": d, "diffusion_coefficient_stderr": relative * d}
    names["exponent"] = np.ones(shape)
    coords = {"A": ["Li", "Na"], "temperature_K": kelvin, "species": ["Li"]}
    return xr.Dataset({name: (dims, value) for name, value in names.items()}, coords)


def test_exact_rates_give_exact_activation() -> None:
    result = Arrhenius().analyse(synthetic())
    np.testing.assert_allclose(result["activation_energy"], EA, rtol=1e-9)
    np.testing.assert_allclose(result["ln_prefactor"], np.log(D0), rtol=1e-9)
    np.testing.assert_allclose(result["D_300K"], exact(300.0), rtol=1e-7)
    np.testing.assert_allclose(result["chi2"], 0, atol=1e-15)
    assert (result["dof"] == 2).all()
    assert result["diffusion_coefficient"].dims == ("A", "temperature_K", "species")
    assert all({"units", "long_name"} <= set(v.attrs) for v in result.data_vars.values())


def test_intervals_cover_the_activation_energy_and_the_extrapolation() -> None:
    hits = []
    for seed in range(60):
        result = Arrhenius().analyse(synthetic(seed=seed))
        for name, value in {"activation_energy": EA, "D_300K": float(exact(300.0))}.items():
            ends = (result[f"{name}_ci68"], result[f"{name}_ci95"])
            hits.append([(e[..., 0] < value) & (value < e[..., 1]) for e in ends])
    in68, in95 = np.mean(hits, axis=(0, 2, 3))
    assert 0.60 < in68 < 0.86
    assert in95 > 0.93


def test_two_temperatures_propagate_their_errors() -> None:
    """Ea = kB ln(D2/D1)/(1/T1 - 1/T2): its error is that of the two logarithms."""
    t1, t2 = 600.0, 900.0
    result = Arrhenius().analyse(synthetic(np.array([t1, t2]), replicas=1, relative=0.2))
    error = BOLTZMANN_EV_PER_K * np.hypot(0.2, 0.2) / (1 / t1 - 1 / t2)
    np.testing.assert_allclose(result["activation_energy"], EA)
    np.testing.assert_allclose(result["activation_energy_stderr"], error)
    assert (result["dof"] == 0).all()
    assert (result["chi2"] == 0).all()
    ends = result["activation_energy_ci95"].values[0, 0]
    assert ends[1] - ends[0] == pytest.approx(2 * 1.96 * error, rel=1e-3)
    matrix = result["covariance"].values[0, 0]
    assert matrix[1, 1] == pytest.approx(error**2)
    np.testing.assert_allclose(matrix, matrix.T)


def test_covariance_equals_a_weighted_fit_by_numpy() -> None:
    rng = np.random.default_rng(1)
    sigma = np.array([0.3, 0.1, 0.05, 0.2])
    d = exact(KELVIN) * np.exp(rng.normal(size=4) * sigma * 0.1)
    fit = fit_activation(KELVIN, d, d * sigma, np.full(4, np.inf), 300.0)
    x = -1 / (BOLTZMANN_EV_PER_K * KELVIN)
    line, matrix = np.polyfit(x, np.log(d), 1, w=1 / sigma, cov="unscaled")
    assert (fit.energy.value, fit.ln_prefactor.value) == pytest.approx(tuple(line))
    np.testing.assert_allclose(fit.covariance, matrix[::-1, ::-1])


def test_scatter_beyond_the_errors_widens_them() -> None:
    d = exact(KELVIN) * np.array([1.5, 0.6, 1.6, 0.7])
    fit = fit_activation(KELVIN, d, d * 0.01, np.full(4, np.inf), 300.0)
    still = fit_activation(KELVIN, exact(KELVIN), exact(KELVIN) * 0.01, np.full(4, np.inf), 300.0)
    assert fit.chi2 / fit.dof > 100
    assert fit.energy.stderr == pytest.approx(still.energy.stderr * np.sqrt(fit.chi2 / 2), rel=1e-9)


def test_what_is_not_known_is_nan_and_counted() -> None:
    data = synthetic()
    data = data.where(~((data["A"] == "Na") & (data["temperature_K"] > 550)))
    result = Arrhenius().analyse(data)
    lone, full = result.sel(A="Na", species="Li"), result.sel(A="Li", species="Li")
    assert np.isnan(lone["activation_energy"])
    assert lone["D_300K_ci95"].isnull().all()
    assert lone["n_temperatures"] == 1
    assert lone["n_replicas"].values.tolist() == [3, 0, 0, 0]
    assert full["n_temperatures"] == 4


def test_a_minority_of_diffusive_replicas_does_not_speak_for_all() -> None:
    data = synthetic(relative=0.05)
    two_of_three = xr.DataArray([False, True, True], dims="replica")
    caged = (data["temperature_K"] == 500) & two_of_three
    for name in ("diffusion_coefficient", "diffusion_coefficient_stderr"):
        data[name] = data[name].where(~caged)
    result = Arrhenius().analyse(data)
    assert (result["n_not_diffusive"].sel(temperature_K=500) == 2).all()
    assert result["diffusion_coefficient"].sel(temperature_K=500).isnull().all()
    assert (result["n_temperatures"] == 3).all()


def test_axes_may_be_absent() -> None:
    bare = synthetic().isel(A=0, replica=0).drop_vars("A")
    result = Arrhenius().analyse(bare)
    assert result["activation_energy"].dims == ("species",)
    np.testing.assert_allclose(result["activation_energy"], EA)
    single = Arrhenius().analyse(bare.isel(temperature_K=0))
    assert single["activation_energy"].isnull().all()
    with pytest.raises(DataError, match="temperature_K"):
        Arrhenius().analyse(bare.isel(temperature_K=0, drop=True))


def test_another_temperature_names_its_variable() -> None:
    result = Arrhenius(extrapolate_K=350).analyse(synthetic())
    np.testing.assert_allclose(result["D_350K"], exact(350.0), rtol=1e-7)


def test_from_walkers_to_activation_through_a_ragged_join(trajectory, walk) -> None:
    """The whole way, with alkalis of different name: Ea within its interval of 95 %."""
    parts = []
    for a in ("Li", "Na"):
        for t in (800.0, 1000.0):
            for r in range(2):
                rng = np.random.default_rng([int(t), r, ord(a[0])])
                step = float(np.sqrt(2 * exact(t) * 1e4 * 0.1))
                data = trajectory(walk(rng, 400, 16, step), [a] * 16)
                place = {"A": a, "temperature_K": t, "replica": r}
                parts.append(Diffusion(frame="none").analyse(data.assign_coords(place)))
    result = Arrhenius().analyse(join(parts, ["A", "temperature_K", "replica"]))
    assert result["activation_energy"].sel(A="Li", species="Na").isnull()
    for a in ("Li", "Na"):
        lower, upper = result["activation_energy_ci95"].sel(A=a, species=a).values
        assert lower < EA < upper

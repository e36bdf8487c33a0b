import numpy as np
import pytest
import xarray as xr

from ionflow.builtin.analysers.scan.activation import fit_activation
from ionflow.builtin.analysers.scan.arrhenius import (
    Arrhenius,
    ArrheniusConductivity,
    ArrheniusResidence,
)
from ionflow.builtin.analysers.transport.diffusion import Diffusion
from ionflow.errors import DataError
from ionflow.join import join
from ionflow.testing import check_analyser
from ionflow.units import BOLTZMANN_EV_PER_K
from synthetic_scan import Scan

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
    """240 draws with three replicas; the larger of two errors makes intervals rather too wide."""
    many = xr.concat([synthetic(seed=seed) for seed in range(120)], "A")
    result = Arrhenius().analyse(many.assign_coords(A=np.arange(240)))
    hits = []
    for name, value in {"activation_energy": EA, "D_300K": float(exact(300.0))}.items():
        ends = (result[f"{name}_ci68"], result[f"{name}_ci95"])
        hits.append([(e[..., 0] < value) & (value < e[..., 1]) for e in ends])
    in68, in95 = np.mean(hits, axis=(0, 2, 3))
    assert 0.64 < in68 < 0.86
    assert 0.94 < in95 < 0.995


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


@pytest.mark.parametrize("relative", [0.1, 0.3])
def test_one_replica_of_known_error_covers_as_it_says(relative: float) -> None:
    """300 materials, errors those of a scaled chi-squared variable, as D has them."""
    rng = np.random.default_rng(4)
    freedom = 2 / relative**2
    d = exact(KELVIN) * rng.chisquare(freedom, (300, 4)) / freedom
    fits = [fit_activation(KELVIN, row, relative * row, np.full(4, np.inf), 300.0) for row in d]
    for pick, value in (("energy", EA), ("ln_extrapolated", np.log(exact(300.0)))):
        found = [getattr(fit, pick) for fit in fits]
        errors = np.array([abs(one.value - value) for one in found])
        in68, in95 = (errors[:, None] < [one.halfwidths for one in found]).mean(axis=0)
        assert 0.62 < in68 < 0.78
        assert 0.93 < in95 < 0.985
    implausible = np.mean([fit.probability < 0.01 for fit in fits])
    assert implausible < 0.05


def test_the_fit_equals_that_of_scipy() -> None:
    from scipy.optimize import curve_fit

    rng = np.random.default_rng(2)
    sigma = np.array([0.3, 0.1, 0.05, 0.2])
    d = exact(KELVIN) * np.exp(rng.normal(size=4) * sigma)
    fit = fit_activation(KELVIN, d, d * sigma, np.full(4, np.inf), 300.0)
    x, y = -1 / (BOLTZMANN_EV_PER_K * KELVIN), np.log(d)
    line, matrix = curve_fit(lambda x, a, b: a + b * x, x, y, sigma=sigma, absolute_sigma=True)
    inflated = max(1.0, fit.chi2 / fit.dof)
    assert (fit.ln_prefactor.value, fit.energy.value) == pytest.approx(line, rel=1e-6)
    np.testing.assert_allclose(fit.covariance, matrix * inflated, rtol=1e-5)


def test_the_extrapolated_error_is_that_of_the_covariance() -> None:
    result = Arrhenius().analyse(synthetic(seed=3)).isel(A=0, species=0)
    towards = np.array([1.0, -1 / (BOLTZMANN_EV_PER_K * 300.0)])
    variance = towards @ result["covariance"].values @ towards
    assert float(result["ln_D_300K_stderr"]) == pytest.approx(np.sqrt(variance))


def test_a_curve_is_told_from_a_line_and_from_scatter() -> None:
    """Vogel, Fulcher and Tammann: ln D = ln D0 − B/(T − T0), whose Ea rises as it cools."""
    vogel = D0 * np.exp(-1200 / (KELVIN - 250))
    rough = exact(KELVIN) * np.array([1.5, 0.6, 1.6, 0.7])
    fits = {
        name: fit_activation(KELVIN, d, d * error, np.full(4, np.inf), 300.0)
        for name, d, error in (
            ("straight", exact(KELVIN), 0.05),
            ("curved", vogel, 0.05),
            ("scattered", rough, 0.05),
        )
    }
    assert {name: fit.verdict(0.01) for name, fit in fits.items()} == {n: n for n in fits}
    local = BOLTZMANN_EV_PER_K * 1200 * (KELVIN / (KELVIN - 250)) ** 2
    assert fits["curved"].bend.value == pytest.approx(local[0] - local[-1], rel=0.35)
    assert fits["straight"].bend.value == pytest.approx(0.0, abs=1e-9)


def test_chi2_allows_for_errors_known_from_few_replicas_only() -> None:
    """Spreads of three replicas make chi2 large by chance; its probability knows (Johansen)."""
    rng = np.random.default_rng(5)
    told, naive = [], []
    for _ in range(400):
        y = 1 + 0.05 * rng.normal(size=(3, 4))
        d = exact(KELVIN) * y.mean(axis=0)
        spread = exact(KELVIN) * y.std(axis=0, ddof=1) / np.sqrt(3)
        fit = fit_activation(KELVIN, d, spread, np.full(4, 2.0), 300.0)
        told.append(fit.probability < 0.05)
        naive.append(fit.chi2 > 5.99)
    assert np.mean(naive) > 0.14
    assert np.mean(told) < 0.08


def test_verdicts_where_temperatures_are_few() -> None:
    data = synthetic(KELVIN[:2])
    assert set(Arrhenius().analyse(data)["verdict"].values.ravel()) == {"two temperatures"}
    one = Arrhenius().analyse(data.isel(temperature_K=[0]))
    assert set(one["verdict"].values.ravel()) == {"one temperature"}
    none = Arrhenius().analyse(data.where(False))
    assert set(none["verdict"].values.ravel()) == {"no temperature"}


def test_glasses_that_temperatures_share_show_in_the_spread_of_their_own_fits() -> None:
    """A glass shifts all its temperatures alike: ln D0 spreads over glasses, Ea does not."""
    diffusion, _ = Scan(glass=0.3, relative=0.02, replicas=8).results(seed=6)
    found = Arrhenius().analyse(diffusion)
    alkali = [found.isel(A=i).sel(species=str(found["A"].values[i])) for i in range(3)]

    def typical(name: str) -> float:
        return float(np.sqrt(np.mean([(part[name] ** 2).mean() for part in alkali])))

    assert typical("activation_energy_stderr_glasses") < typical("activation_energy_stderr") / 5
    assert typical("ln_prefactor_stderr_glasses") == pytest.approx(0.3 / np.sqrt(8), rel=0.2)
    assert all((part["n_glasses"] == 8).all() for part in alkali)


def test_conductivity_is_activated_as_sigma_times_temperature() -> None:
    _, conductivity = Scan().results()
    result = ArrheniusConductivity().analyse(conductivity)
    np.testing.assert_allclose(result["activation_energy"], EA, rtol=1e-9)
    np.testing.assert_allclose(result["ln_prefactor"], np.log(1e6 * D0), rtol=1e-9)
    np.testing.assert_allclose(result["sigma_300K"], 1e6 * exact(300.0) / 300, rtol=1e-7)
    assert result["sigma_300K"].attrs["units"] == "S/cm"
    assert result["conductivity"].dims == ("A", "M", "X", "temperature_K", "definition")


def residence(replicas: int = 3) -> xr.Dataset:
    """τ = 0.2 ps exp(ε/kT) with ε = 0.25 eV in X4 and 0.35 eV in X3O1; O4 is not there."""
    energy = np.array([0.25, 0.35, np.nan])
    tau = 0.2 * np.exp(energy / (BOLTZMANN_EV_PER_K * KELVIN[:, None]))
    shape = (3, 4, replicas, 2, 3)
    tau = np.broadcast_to(tau[None, :, None, None, :], shape)
    dims = ("A", "temperature_K", "replica", "variant", "environment")
    verdict = np.where(np.isfinite(tau), "resolved", "absent")
    return xr.Dataset(
        {
            "residence_time": (dims, tau),
            "residence_time_stderr": (dims, 0.1 * tau),
            "verdict": (dims, verdict),
        },
        {
            "A": ["Li", "Na", "K"],
            "temperature_K": KELVIN,
            "variant": ["intermittent", "continuous"],
            "environment": ["X4", "X3O1", "O4"],
        },
    )


def test_escape_is_activated_as_one_over_the_residence_time() -> None:
    diffusion, _ = Scan(levels=(3, 1, 1)).results()
    diffusion = diffusion.isel(M=0, X=0, drop=True)
    result = ArrheniusResidence().analyse(residence(), diffusion)
    by = result["activation_energy"].isel(A=0, variant=0)
    np.testing.assert_allclose(by.sel(environment=["X4", "X3O1"]), [0.25, 0.35])
    assert by.sel(environment="O4").isnull()
    np.testing.assert_allclose(
        result["tau_300K"].isel(A=0, variant=0)[0],
        0.2 * np.exp(0.25 / (BOLTZMANN_EV_PER_K * 300)),
    )
    assert (result["tau_300K_ci95"].diff("bound").sel(environment="X4") > 0).all()
    assert (result["n_not_known"] == 0).all()
    np.testing.assert_allclose(result["diffusion_activation_energy"], EA)
    difference = result["energy_difference"]
    assert difference.dims == ("A", "variant", "environment")
    np.testing.assert_allclose(difference.sel(environment="X3O1"), 0.35 - EA)
    errors = [
        result[f"{name}_stderr"].sel(environment="X4")
        if "diff" not in name
        else result[f"{name}_stderr"]
        for name in ("activation_energy", "diffusion_activation_energy")
    ]
    np.testing.assert_allclose(
        result["energy_difference_stderr"].sel(environment="X4"), np.hypot(*xr.broadcast(*errors))
    )


def test_all_three_keep_what_an_analyser_promises() -> None:
    diffusion, conductivity = Scan(levels=(3, 1, 1)).results(seed=1)
    diffusion = diffusion.isel(M=0, X=0, drop=True)
    check_analyser(Arrhenius(), diffusion)
    check_analyser(ArrheniusConductivity(), conductivity)
    check_analyser(ArrheniusResidence(), [residence(), diffusion])


def test_several_alkalis_in_one_material_need_a_choice() -> None:
    diffusion, _ = Scan(levels=(3, 1, 1)).results()
    mixed = diffusion.isel(M=0, X=0, drop=True).max("species").expand_dims(species=["Li", "Na"])
    with pytest.raises(DataError, match="several of the species Li, Na"):
        ArrheniusResidence().analyse(residence(), mixed)

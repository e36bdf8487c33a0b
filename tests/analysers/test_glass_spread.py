import numpy as np
import pytest
import xarray as xr

from ionflow.builtin.analysers.scan.glass_spread import GlassSpread
from ionflow.errors import DataError
from ionflow.testing import check_analyser
from synthetic_scan import Scan

SMALL = (3, 1, 1)


def test_glasses_that_differ_are_told_from_errors() -> None:
    result = GlassSpread().analyse(*Scan(glass=0.4, relative=0.1, levels=(3, 3, 1)).results(seed=1))
    pooled = result.sel(quantity="D(alkali)")
    low, high = pooled["pooled_sd_ci95"].values
    assert low < 0.4 < high
    assert high - low < 0.4
    assert pooled["pooled_share"] > 0.8
    assert "add replicas" in str(pooled["pooled_verdict"].values)
    assert pooled["pooled_n_replicas"] == 9 * 4 * 3
    assert set(result["quantity"].values) == {
        "D(Li)", "D(Na)", "D(K)", "D(alkali)", "sigma(einstein)",
    }  # fmt: skip
    assert pooled["temperature_sd"].dims == ("temperature_K",)
    np.testing.assert_allclose(pooled["pooled_error_sd"], 0.1, rtol=0.01)


def test_equal_glasses_are_not() -> None:
    result = GlassSpread().analyse(*Scan(relative=0.2, levels=(3, 3, 1)).results(seed=2))
    pooled = result.sel(quantity="D(alkali)")
    assert pooled["pooled_verdict"] == "indistinguishable"
    assert pooled["pooled_sd_ci95"][0] == 0
    assert pooled["pooled_sd_ci95"][1] < 0.3
    assert pooled["Q_probability"].min() > 1e-4


def test_verdicts_are_seldom_wrong_without_glass_spread() -> None:
    """One false alarm in 40 at each of 108 points of a scan, and as many for overstated errors."""
    result = GlassSpread().analyse(*Scan(relative=0.2).results(seed=3))
    names, counts = np.unique(result["verdict"].sel(quantity="sigma(einstein)"), return_counts=True)
    found = dict(zip(names.tolist(), (counts / counts.sum()).tolist(), strict=True))
    assert found["indistinguishable"] > 0.88


def test_errors_that_are_too_large_are_told() -> None:
    diffusion, conductivity = Scan(relative=0.05, levels=SMALL).results(seed=4)
    diffusion["diffusion_coefficient_stderr"] = diffusion["diffusion_coefficient_stderr"] * 8
    result = GlassSpread().analyse(diffusion, conductivity).sel(quantity="D(alkali)")
    assert result["temperature_verdict"].isin(["errors overstated", "indistinguishable"]).all()
    assert result["pooled_verdict"] == "errors overstated"


def test_replicas_needed_make_the_error_asked_for() -> None:
    """(τ² + s²)/n = 0.2², with no more than the glasses' part were trajectories endless."""
    result = GlassSpread().analyse(*Scan(glass=0.5, relative=0.3, levels=(3, 3, 1)).results(seed=5))
    one = result.sel(quantity="sigma(einstein)")
    tau2, within = float(one["pooled_sd"]) ** 2, float(one["pooled_error_sd"]) ** 2
    assert one["pooled_replicas_needed"] == np.ceil((tau2 + within) / 0.04)
    assert one["pooled_replicas_needed_endless"] == np.ceil(tau2 / 0.04)
    finer = GlassSpread(target_error=0.1).analyse(*Scan(levels=SMALL).results(seed=5))
    assert finer.attrs["target_error"] == 0.1


def test_missing_numbers_and_single_replicas_are_told() -> None:
    diffusion, conductivity = Scan(levels=SMALL).results(seed=6)
    hot = diffusion["temperature_K"] > 550
    first = xr.DataArray([True, False, False], dims="replica")
    for name in ("diffusion_coefficient", "diffusion_coefficient_stderr"):
        diffusion[name] = diffusion[name].where(hot | first)
    result = GlassSpread().analyse(diffusion, conductivity)
    cold = result.sel(quantity="D(Li)", A="Li", temperature_K=500).isel(M=0, X=0)
    assert cold["verdict"] == "too few replicas"
    assert cold["n_replicas"] == 1
    assert np.isnan(cold["sd"])
    assert np.isnan(cold["replicas_needed"])
    with pytest.raises(DataError, match="no replicas"):
        GlassSpread().analyse(diffusion.isel(replica=0), conductivity.isel(replica=0))


def test_it_keeps_what_an_analyser_promises() -> None:
    check_analyser(GlassSpread(), Scan(glass=0.2, levels=(2, 1, 1)).results(seed=7))


def test_a_single_temperature_will_do() -> None:
    parts = [data.isel(temperature_K=0, drop=True) for data in Scan(levels=SMALL).results(seed=8)]
    result = GlassSpread().analyse(*parts)
    assert "temperature_sd" not in result
    assert result["pooled_sd"].dims == ("quantity",)

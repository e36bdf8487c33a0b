import numpy as np
import pytest
import xarray as xr

from ionflow.builtin.analysers.scan.arrhenius import Arrhenius
from ionflow.builtin.analysers.scan.chemistry import Chemistry
from ionflow.errors import DataError
from ionflow.testing import check_analyser
from synthetic_scan import Scan


def inputs(scan: Scan, seed: int | None) -> list[xr.Dataset]:
    diffusion, conductivity = scan.results(seed)
    return [diffusion, conductivity, Arrhenius().analyse(diffusion)]


@pytest.fixture(scope="module")
def scan() -> Scan:
    return Scan(effects=(0.3, 0.1, 0.0), kelvin=(600.0, 800.0))


@pytest.fixture(scope="module")
def result(scan) -> xr.Dataset:
    return Chemistry().analyse(*inputs(scan, 1))


def test_what_is_there_is_found(scan, result) -> None:
    """SD of ln D and ln σ: 0.3 and 0.1 times that of (−1, 0, 1) over 27 materials."""
    unit = np.sqrt(18 / 26)
    exact = [0.3 * unit, 0.1 * unit, 0.0, 0.0, np.std(scan.truth(), ddof=1)]
    for name in ("diffusion", "conductivity"):
        low, high = result[f"{name}_sd_ci95"].transpose("bound", "term", ...)
        assert (exact >= low.T).all()
        assert (exact <= high.T).all()
        verdict = result[f"{name}_verdict"].isel(temperature_K=0).squeeze()
        assert verdict.values.tolist() == ["resolved"] * 2 + ["below the error"] * 2 + ["resolved"]
    assert result["term"].values.tolist() == ["A", "M", "X", "rest", "all"]
    ratio = result["diffusion_ratio"].sel(term="A")
    np.testing.assert_allclose(ratio, np.exp(0.6), rtol=0.1)
    assert (result["diffusion_highest"].sel(term="A") == "K").all()
    assert (result["diffusion_n_materials"] == 27).all()
    np.testing.assert_allclose(result["diffusion_error_sd"], 0.1 / np.sqrt(3), rtol=0.3)


def test_insensitivity_is_a_number(result) -> None:
    """Ea is the same for all materials: the interval says so, with its upper end in eV."""
    whole = result.sel(term="all")
    assert whole["activation_energy_verdict"] == "below the error"
    low, high = whole["activation_energy_sd_ci95"].values
    assert low == 0
    assert 0 < high < 0.03
    assert whole["activation_energy_sd"].attrs["units"] == "eV"
    factor = whole["diffusion_spread_factor_ci95"]
    np.testing.assert_allclose(factor, np.exp(2 * whole["diffusion_sd_ci95"]))
    lower, upper = factor.transpose("bound", ...)
    assert (lower < np.exp(2 * np.std(Scan((0.3, 0.1, 0)).truth(), ddof=1))).all()
    assert (upper < 2.0).all()


def test_shares_add_up_where_materials_are_complete(scan) -> None:
    result = Chemistry().analyse(*inputs(scan, None))
    share = result["conductivity_share"].squeeze()
    np.testing.assert_allclose(share.sel(term="all"), 1)
    np.testing.assert_allclose(share.sel(term=["A", "M", "X", "rest"]).sum("term"), 1, rtol=0.06)
    np.testing.assert_allclose(share.sel(term="A"), 0.09 / 0.10, rtol=0.05)


def test_one_glass_of_each_material_is_told() -> None:
    lone = Scan(effects=(0.5, 0.0, 0.0), replicas=1, levels=(3, 2, 1), kelvin=(600.0, 800.0))
    result = Chemistry().analyse(*inputs(lone, 2))
    assert (result["diffusion_verdict"].sel(term="A") == "resolved, one glass each").all()
    assert (result["diffusion_verdict"].sel(term="X") == "one level").all()
    assert result["diffusion_sd"].sel(term="X").isnull().all()


def test_a_scan_of_one_material_says_too_few() -> None:
    diffusion, conductivity, arrhenius = inputs(Scan(levels=(1, 1, 1), kelvin=(600.0, 800.0)), 3)
    bare = [data.isel(A=0, M=0, X=0, drop=True) for data in (diffusion, conductivity, arrhenius)]
    result = Chemistry().analyse(*bare)
    assert result["term"].values.tolist() == ["rest", "all"]
    assert (result["diffusion_verdict"] == "too few materials").all()
    assert result["conductivity_sd"].isnull().all()


def test_materials_without_a_number_are_left_out(scan) -> None:
    diffusion, conductivity, _ = inputs(scan, 1)
    gone = (diffusion["A"] == "K") & (diffusion["M"] == "In") & (diffusion["temperature_K"] < 700)
    for name in ("diffusion_coefficient", "diffusion_coefficient_stderr"):
        diffusion[name] = diffusion[name].where(~gone)
    result = Chemistry().analyse(diffusion, conductivity, Arrhenius().analyse(diffusion))
    assert result["diffusion_n_materials"].values.tolist() == [24, 27]
    assert result["activation_energy_n_materials"] == 24


def test_results_over_other_axes_do_not_go_together(scan) -> None:
    diffusion, conductivity, arrhenius = inputs(scan, 1)
    with pytest.raises(DataError, match="axes"):
        Chemistry().analyse(diffusion, conductivity.isel(X=0, drop=True), arrhenius)
    with pytest.raises(DataError, match="none of the species"):
        Chemistry(species=("Ag",)).analyse(diffusion, conductivity, arrhenius)


def test_it_keeps_what_an_analyser_promises() -> None:
    small = Scan(effects=(0.3, 0.0, 0.0), levels=(3, 2, 1), kelvin=(600.0, 800.0))
    check_analyser(Chemistry(), inputs(small, 4))

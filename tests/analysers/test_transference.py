import numpy as np
import pytest
import xarray as xr

from ionflow.builtin.analysers.transport.estimator import Estimator, Parts
from ionflow.builtin.analysers.transport.onsager import Onsager
from ionflow.builtin.analysers.transport.transference import Transference, regression
from ionflow.passes import Blocks, together
from ionflow.testing import check_analyser

N = 12
SYMBOLS = ["Li"] * N + ["Al"] * 4 + ["Cl"] * 2 * N
CHARGES = [1.0] * N + [3.0] * 4 + [-1.0] * 2 * N


@pytest.fixture(scope="module")
def data(trajectory, walk) -> xr.Dataset:
    rng = np.random.default_rng(3)
    steps = ((N, 0.7), (4, 0.3), (2 * N, 0.5))
    x = np.concatenate([walk(rng, 500, n, s) for n, s in steps], axis=1)
    return trajectory(x, SYMBOLS, CHARGES)


@pytest.fixture(scope="module")
def result(data) -> xr.Dataset:
    return Transference(clusters=False).analyse(data)


def test_keeps_the_contract(data) -> None:
    check_analyser(Transference(), data.isel(time=slice(0, 150)))


def test_numbers_add_up_to_one(result) -> None:
    np.testing.assert_allclose(result["transference_number"].sum("species"), 1, rtol=1e-9)
    np.testing.assert_allclose(result["transference_number_frame"].sum("species"), 1, rtol=1e-9)


def test_is_that_of_the_onsager_matrix_in_both_frames(result, data) -> None:
    matrix = Onsager().analyse(data)
    q = matrix["charge"].values
    for frame in ("barycentric", "framework"):
        currents = q * (matrix["onsager"].sel(frame=frame).values @ q)
        expected = currents / float(matrix["conductivity"])
        found = result["transference_number_frame"].sel(frame=frame)
        np.testing.assert_allclose(found, expected, rtol=1e-8)
    barycentric = result["transference_number_frame"].sel(frame="barycentric")
    np.testing.assert_array_equal(
        result["transference_number"].sel(definition="einstein"), barycentric
    )


def test_independent_ions_by_hand(result) -> None:
    """t_Li = 12·0.49/(12·0.49 + 4·9·0.09 + 24·0.25) = 0.3889."""
    single = result.sel(definition="nernst_einstein", species="Li")
    shares = np.array([12 * 0.49, 36 * 0.09, 24 * 0.25])
    t, stderr = float(single["transference_number"]), float(single["transference_number_stderr"])
    # the centre of mass takes a little of the motion of the heaviest away
    assert t == pytest.approx(shares[0] / shares.sum(), abs=3 * stderr + 0.01)
    lower, upper = single["ci95"].values
    assert 0 < lower < t < upper < 1


def test_what_has_no_diffusion_coefficient_lowers_the_interval(
    trajectory, walk, rattle, rng
) -> None:
    still = rattle(rng, 400, len(SYMBOLS) - N, 0.3, 3)
    x = np.concatenate([walk(rng, 400, N, 0.7), still], axis=1)
    result = Transference(clusters=False).analyse(trajectory(x, SYMBOLS, CHARGES))
    single = result.sel(definition="nernst_einstein")
    assert single["transference_number"].sel(species="Li") == 1
    assert single["transference_number"].sel(species=["Al", "Cl"]).isnull().all()
    lower, upper = single["ci95"].sel(species="Li").values
    assert upper == 1
    assert lower == pytest.approx(1 - float(single["omitted_share"]))
    assert 0 < single["omitted_share"] < 0.3


def test_regression_has_the_textbook_error_of_a_slope() -> None:
    """With ν independent samples, t and its error are those of least squares through the origin."""
    nu, rng = 50, np.random.default_rng(0)
    moved = rng.normal(size=(nu, 3)) @ np.array([[1.0, 0.2, 0.1], [0.0, 0.7, -0.3], [0, 0, 0.5]])
    gram = moved.T @ moved / nu
    # three directions: a slope of variance 2 s²/ν has wᵀ G w = 6/ν
    estimator = Estimator(np.array([1]), np.zeros((2, 1)), (6 / nu, 0.0, 0.0))
    value, stderr = regression(estimator, Parts(gram, np.zeros((3, 3))), nu)
    total = moved.sum(axis=1)
    for k in range(3):
        fitted = (total @ moved[:, k]) / (total @ total)
        rest = moved[:, k] - fitted * total
        assert value[k] == pytest.approx(fitted)
        textbook = np.sqrt(rest @ rest / (nu - 1) / (total @ total))
        assert stderr[k] == pytest.approx(textbook)


def test_where_the_charge_does_not_diffuse_there_is_no_number(trajectory, rattle, rng) -> None:
    x = rattle(rng, 300, len(SYMBOLS), 0.3, 3)
    result = Transference(clusters=False).analyse(trajectory(x, SYMBOLS, CHARGES))
    assert result["transference_number"].isnull().all()
    assert not result["diffusive"].any()
    assert (result["verdict"] != "diffusive").all()


def test_blocks_do_not_matter(data, result) -> None:
    (cut,) = together([Transference(clusters=False)], data, Blocks(frames=7, atoms=2))
    assert isinstance(cut, xr.Dataset)
    xr.testing.assert_allclose(cut, result, rtol=1e-7)

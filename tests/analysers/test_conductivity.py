import numpy as np
import pytest
import xarray as xr

from ionflow.builtin.analysers.transport.conductivity import Conductivity
from ionflow.errors import DataError

N = 12
SYMBOLS = ["Li"] * N + ["Al"] * N + ["Cl"] * 4 * N
CHARGES = [1.0] * N + [3.0] * N + [-1.0] * 4 * N
STEP = 0.4
# σ = N q² D/(V kB T) = 12 e² · 0.8 Å²/ps / (8000 Å³ · 0.0861733 eV) = 0.0139255 e²/(eV Å ps),
# and 1 e²/(eV Å ps) is e/(1e-22 m s) = 1602.176634 S/m = 16.02176634 S/cm: by hand
EXACT_S_CM = 0.223111


def moving(rng: np.random.Generator, walk, frames: int = 400) -> np.ndarray:
    """Alkali that walk among others that rattle."""
    x = rng.normal(0, 0.2, (frames, len(SYMBOLS), 3))
    x[:, :N] += walk(rng, frames, N, STEP)
    return x


def test_independent_ions_have_one_conductivity_by_either_definition(trajectory, walk) -> None:
    hits, ratios = [], []
    for seed in range(100):
        x = moving(np.random.default_rng(seed), walk)
        single = Conductivity(frame="none", clusters=False)
        result = single.analyse(trajectory(x, SYMBOLS, CHARGES))
        both = result["conductivity"].values / EXACT_S_CM
        if not np.isfinite(both).all():
            continue
        ratios.append(both)
        hits.append(
            [
                [lower < EXACT_S_CM < upper for lower, upper in result[name].values]
                for name in ("ci68", "ci95")
            ]
        )
    assert len(ratios) >= 95
    mean, error = np.mean(ratios, axis=0), np.std(ratios, axis=0) / np.sqrt(len(ratios))
    assert (abs(mean - 1) < 3 * error).all()
    in68, in95 = np.mean(hits, axis=0)
    assert ((in68 > 0.56) & (in68 < 0.86)).all()
    assert (in95 >= 0.88).all()


def test_units_by_hand(trajectory, walk, rng) -> None:
    result = Conductivity(frame="none").analyse(trajectory(moving(rng, walk), SYMBOLS, CHARGES))
    d = result["conductivity_species"].sel(species="Li") / EXACT_S_CM
    assert d == pytest.approx(1, abs=0.2)
    assert result["volume"] == pytest.approx(8000)
    assert result["temperature_measured"] == pytest.approx(1000)
    sigma = result["conductivity"].sel(definition="nernst_einstein")
    assert sigma == pytest.approx(float(result["conductivity_species"].sel(species="Li")))


def test_pairs_of_opposite_charge_carry_no_current(trajectory, walk, rng) -> None:
    x = walk(rng, 400, N, STEP)
    bound = np.concatenate([x, x + rng.normal(0, 0.1, x.shape)], axis=1)
    symbols, charges = ["Li"] * N + ["Cl"] * N, [1.0] * N + [-1.0] * N
    result = Conductivity(frame="none").analyse(trajectory(bound, symbols, charges))
    einstein, nernst = (result.sel(definition=d) for d in ("einstein", "nernst_einstein"))
    assert nernst["diffusive"]
    assert not einstein["diffusive"]
    assert einstein["upper_bound"] < 0.05 * nernst["conductivity"]


def test_a_common_drift_changes_einstein_in_no_frame(trajectory, walk, rng) -> None:
    x = moving(rng, walk)
    drift = np.linspace(0, 30, len(x))[:, None, None]
    still, moved = (trajectory(y, SYMBOLS, CHARGES) for y in (x, x + drift))
    for frame in ("barycentric", "none"):
        one, other = (Conductivity(frame=frame).analyse(t)["charge_msd"] for t in (still, moved))
        np.testing.assert_allclose(one, other, rtol=1e-9)
    xr.testing.assert_allclose(Conductivity().analyse(still), Conductivity().analyse(moved))


def test_ions_that_stay_give_a_bound_and_no_number(trajectory, rattle, rng) -> None:
    x = rattle(rng, 300, len(SYMBOLS), 0.3, 3)
    result = Conductivity(clusters=False).analyse(trajectory(x, SYMBOLS, CHARGES))
    assert result["conductivity"].isnull().all()
    assert not result["diffusive"].any()
    assert (result["upper_bound"] > 0).all()
    assert result["omitted_bound"] == pytest.approx(float(result["upper_bound"][0]))


def test_charges_must_be_there_and_neutral(trajectory, walk, rng) -> None:
    x = moving(rng, walk, 50)
    with pytest.raises(DataError, match=r"no charges.*formal charges"):
        Conductivity().analyse(trajectory(x, SYMBOLS))
    with pytest.raises(DataError, match="add up to 12 e"):
        Conductivity().analyse(trajectory(x, SYMBOLS, [2.0] * N + CHARGES[N:]))


def test_places_in_the_scan_survive(trajectory, walk, rng) -> None:
    data = trajectory(moving(rng, walk, 100), SYMBOLS, CHARGES)
    result = Conductivity().analyse(data.assign_coords(A="Li", temperature_K=900.0))
    assert (result.A, result.temperature_K) == ("Li", 900.0)
    assert result["temperature_measured"] == pytest.approx(1000)
    assert all({"units", "long_name"} <= set(v.attrs) for v in result.data_vars.values())

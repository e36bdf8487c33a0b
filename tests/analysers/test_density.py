import numpy as np
import pytest
import xarray as xr
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from scipy.signal import lfilter

from ionflow import schema
from ionflow.builtin.analysers.structure.density import Density
from ionflow.errors import DataError
from ionflow.testing import check_analyser, synthetic_trajectory


def breathing(frames: int = 4000, keep: float = 0.9, seed: int = 1) -> xr.Dataset:
    """Rocksalt whose volume is 8 × 45 Å³ on average and fluctuates by a percent."""
    atoms = bulk("NaCl", "rocksalt", a=5.64) * (2, 2, 2)
    kicks = np.random.default_rng(seed).normal(0, 0.01 * np.sqrt(1 - keep**2), frames + 200)
    volumes = 8 * 45.0 * (1 + lfilter([1], [1, -keep], kicks)[200:])
    scale = (volumes / atoms.cell.volume) ** (1 / 3)
    return schema.trajectory(
        atoms, np.arange(frames), 2.0, {"cell": scale[:, None, None] * atoms.cell.array}
    )


def test_a_constant_cell_is_exact() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    cell = np.broadcast_to(atoms.cell.array, (20, 3, 3))
    result = Density().analyse(schema.trajectory(atoms, np.arange(20), 2.0, {"cell": cell}))
    expected = atoms.get_masses().sum() / units.kg * 1e3 / (5.64e-8) ** 3
    assert result["mass_density"] == pytest.approx(expected, rel=1e-6)
    assert result["mass_density"] == pytest.approx(2.164, abs=0.002)  # halite, 2.16 g/cm³
    assert result["number_density"] == pytest.approx(8 / 5.64**3)
    assert result["volume_stderr"] == 0
    np.testing.assert_array_equal(result["volume_ci95"], result["volume"])
    assert str(result["volume_verdict"].values) == "constant: the mean is exact"
    assert result.attrs["cell"] == "constant"
    assert np.isnan(result["pressure"])
    assert str(result["pressure_verdict"].values) == "not recorded"


def test_a_breathing_cell_has_an_error_that_knows_of_the_correlation() -> None:
    found = [Density().analyse(breathing(seed=seed)) for seed in range(40)]
    volume = np.array([float(one["volume"]) for one in found])
    stderr = np.array([float(one["volume_stderr"]) for one in found])
    assert volume.mean() == pytest.approx(360, rel=1e-3)
    exact = 3.6 * np.sqrt(19 / 4000)  # inefficiency (1 + 0.9)/(1 − 0.9)
    assert stderr.mean() == pytest.approx(exact, rel=0.15)
    assert np.sqrt(np.mean(((volume - 360) / stderr) ** 2)) < 1.4
    inside = [one["volume_ci95"][0] < 360 < one["volume_ci95"][1] for one in found]
    assert np.mean(inside) >= 0.85
    assert found[0]["volume_inefficiency"] == pytest.approx(19, rel=0.5)


def test_pressure_is_that_of_ase_with_the_sign_of_compression() -> None:
    atoms = bulk("Cu", a=3.5, cubic=True) * (2, 2, 2)  # a compressed crystal
    atoms.calc = EMT()
    frames = []
    for seed in range(6):
        width = np.sqrt(atoms.get_masses() * units.kB * 900)[:, None]
        atoms.set_momenta(np.random.default_rng(seed).normal(size=(len(atoms), 3)) * width)
        atoms.rattle(0.02, seed=seed)
        with_ideal_gas = -atoms.get_stress(include_ideal_gas=True)[:3].mean() / units.GPa
        frames.append((atoms.get_stress(), atoms.get_kinetic_energy(), with_ideal_gas))
    stress, kinetic, expected = (np.array(column) for column in zip(*frames, strict=True))
    temperature = kinetic / (1.5 * len(atoms) * units.kB)
    variables = {
        "cell": np.broadcast_to(atoms.cell.array, (6, 3, 3)),
        "stress": stress,
        "temperature": temperature,
    }
    result = Density().analyse(schema.trajectory(atoms, np.arange(6), 2.0, variables))
    assert result["pressure"] == pytest.approx(expected.mean(), rel=1e-6)
    assert result["pressure"] > 0
    assert result["temperature"] == pytest.approx(temperature.mean())
    variables["kinetic_energy"] = kinetic
    again = Density().analyse(schema.trajectory(atoms, np.arange(6), 2.0, variables))
    assert again["pressure"] == pytest.approx(float(result["pressure"]))


def test_keeps_its_promises() -> None:
    check_analyser(Density())
    check_analyser(Density(), breathing(50))
    result = Density().analyse(synthetic_trajectory())
    assert all({"units", "long_name"} <= set(v.attrs) for v in result.variables.values())
    assert result["temperature"] == pytest.approx(800, rel=0.05)


def test_a_short_series_has_no_error() -> None:
    result = Density().analyse(breathing(60, keep=0.995))
    assert np.isnan(result["volume_stderr"])
    assert str(result["volume_verdict"].values).startswith("too short")


def test_without_a_cell_there_is_none() -> None:
    with pytest.raises(DataError, match="cell"):
        Density().analyse(breathing(10).drop_vars("cell"))

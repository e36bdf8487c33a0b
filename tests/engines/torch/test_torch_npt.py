"""The barostat samples the isothermal-isobaric ensemble: exact laws, and an equation of state."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.interpolate import CubicSpline

from ionflow.builtin.engines.torch import Torch
from ionflow.units import BOLTZMANN_EV_PER_K, GPA_PER_EV_A3


def _volumes(frames, skip):
    return np.array([abs(np.linalg.det(f.cell)) for f in frames[skip:]])


def test_volume_of_an_ideal_gas_has_its_gamma_law(models):
    """p(V) ~ V^N exp(-PV/kT), to the last power of V: N+1 is told from N and N+2."""
    systems = [models.random_gas(3, 15.0, seed=1), models.random_gas(6, 13.0, seed=2)]
    conditions = [(300.0, 0.005), (600.0, 0.02)]
    engine = Torch(timestep_fs=10, barostat_time_fs=100, compressibility_per_GPa=100)
    frames = models.run(
        engine, systems, models.Analytic(),
        [models.stage("npt", t, p) for t, p in conditions], 24000, 100,
    )  # fmt: skip
    for one, atoms, (temperature, pressure) in zip(frames, systems, conditions, strict=True):
        volumes = _volumes(one, 20)
        scale = BOLTZMANN_EV_PER_K * temperature * GPA_PER_EV_A3 / pressure

        def believed(shape, volumes=volumes, scale=scale):
            return stats.kstest(volumes, stats.gamma(shape, scale=scale).cdf).pvalue

        assert believed(len(atoms) + 1) > 0.01
        assert believed(len(atoms)) < 1e-4
        assert believed(len(atoms) + 2) < 1e-4


def test_volume_of_springs_has_its_gamma_law_under_a_strong_virial(models):
    """N/2 springs of no length: p(V) ~ V^(N/2) exp(-PV/kT), and <r²> = 3kT/k at any volume."""
    systems = [models.random_gas(n, 9.0, seed=n) for n in (6, 12)]
    for atoms in systems:
        atoms.positions[1::2] = atoms.positions[::2] + 0.3
    k, temperature, pressure = 2.0, 500.0, 0.02
    engine = Torch(
        timestep_fs=3, friction_per_ps=20, barostat_time_fs=150, compressibility_per_GPa=50
    )
    frames = models.run(
        engine, systems, models.Analytic(kind="dimers", k=k),
        models.stage("npt", temperature, pressure), 24000, 75,
    )  # fmt: skip
    kT = BOLTZMANN_EV_PER_K * temperature
    for one, atoms in zip(frames, systems, strict=True):
        law = stats.gamma(len(atoms) / 2 + 1, scale=kT * GPA_PER_EV_A3 / pressure)
        volumes = _volumes(one, 20)
        assert stats.kstest(volumes[::2], law.cdf).pvalue > 0.01
        assert volumes.std() == pytest.approx(law.std(), rel=0.2)
        places = np.array([f.positions for f in one[20:]])
        square = ((places[:, 1::2] - places[:, ::2]) ** 2).sum(2).mean()
        assert square == pytest.approx(3 * kT / k, rel=0.05)


FLUID = {"temperature": 350.0, "pressure": 0.35}


@pytest.fixture(scope="module")
def law():
    """Mean and standard deviation of V: p(V) ~ exp(-(PV + F(V))/kT), F' = -P(V) by NVT runs."""
    kT = BOLTZMANN_EV_PER_K * FLUID["temperature"]
    target = FLUID["pressure"] / GPA_PER_EV_A3

    def predict(volumes, pressures):
        curve = CubicSpline(volumes, pressures)
        fine = np.linspace(volumes[0], volumes[-1], 4001)
        weight = -(target * fine - curve.antiderivative()(fine)) / kT
        weight = np.exp(weight - weight.max())
        assert weight[0] + weight[-1] < 1e-4
        mean = np.average(fine, weights=weight)
        return mean, np.sqrt(np.average((fine - mean) ** 2, weights=weight))

    return predict


def test_volume_of_a_fluid_agrees_with_an_equation_of_state_from_nvt(models, law):
    """<V>, and <dV²> = kT V kappa_T, for both thermostats, against pressures at nine volumes."""
    potential = models.Analytic(kind="lj", eps=0.02, cutoff=4.4)
    temperature = FLUID["temperature"]
    settings = {"timestep_fs": 8, "friction_per_ps": 3, "barostat_time_fs": 200}
    grid = np.linspace(690.0, 1800.0, 9)
    scan = models.run(
        Torch(**settings), [models.crystal(v ** (1 / 3)) for v in grid], potential,
        models.stage("nvt", temperature), 4000, 8,
    )  # fmt: skip
    stress = np.array([[f.stress_eV_A3[:3].mean() for f in one[100:]] for one in scan]).mean(1)
    mean, spread = law(grid, 32 * BOLTZMANN_EV_PER_K * temperature / grid - stress)

    for thermostat in ("langevin", "nose_hoover"):
        frames = models.run(
            Torch(**settings, compressibility_per_GPa=3, thermostat=thermostat),
            [models.crystal(10.0) for _ in range(12)], potential,
            models.stage("npt", temperature, FLUID["pressure"]), 4000, 10,
        )  # fmt: skip
        volumes = np.array([_volumes(one, 100) for one in frames])
        error = volumes.mean(1).std(ddof=1) / np.sqrt(len(volumes))
        assert volumes.mean() == pytest.approx(mean, abs=4 * error)
        assert error < 0.01 * mean
        assert volumes.std() == pytest.approx(spread, rel=0.08)


def test_scaling_keeps_fractional_positions_and_the_shape_of_the_cell(models):
    atoms = models.random_gas(6, 10.0)
    atoms.set_cell([[10, 0, 0], [2, 9, 0], [1, -3, 11]])
    shape = atoms.cell.array / atoms.cell.volume ** (1 / 3)
    atoms.set_masses([1e12] * 6)  # too heavy to move by themselves
    atoms.set_momenta(np.full((6, 3), 1e-9))
    places = atoms.get_scaled_positions(wrap=False)
    models.run(
        Torch(timestep_fs=2, thermostat="nose_hoover", barostat_time_fs=100), [atoms],
        models.Analytic(), models.stage("npt", 300, 0.5), 400, 400,
    )  # fmt: skip
    assert abs(atoms.cell.volume / 990 - 1) > 0.02
    np.testing.assert_allclose(atoms.cell.array / atoms.cell.volume ** (1 / 3), shape, atol=1e-10)
    np.testing.assert_allclose(atoms.get_scaled_positions(wrap=False), places, atol=1e-5)

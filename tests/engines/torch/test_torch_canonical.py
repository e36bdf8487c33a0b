"""Thermostats sample the canonical distribution, each system of a batch its own."""

from __future__ import annotations

import numpy as np
import pytest
from ase import units
from scipy import stats

from ionflow.builtin.engines.torch import Torch
from ionflow.units import BOLTZMANN_EV_PER_K

TEMPERATURES = (200.0, 500.0, 900.0)


def _decorrelated(values):
    """Every second autocorrelation time, so that Kolmogorov and Smirnov may be asked."""
    values = np.asarray(values)
    centred = values - values.mean()
    spectrum = np.abs(np.fft.rfft(centred, 2 * len(values))) ** 2
    decay = np.fft.irfft(spectrum)[: len(values)]
    first = int(np.argmax(decay < 0.1 * decay[0]))
    return values[:: max(1, first)]


def _assert_kinetic_is_gamma(frames, temperature, atoms, skip):
    kinetic = _decorrelated([f.kinetic_energy_eV for f in frames[skip:]])
    law = stats.gamma((3 * atoms - 3) / 2, scale=BOLTZMANN_EV_PER_K * temperature)
    assert len(kinetic) > 100
    assert stats.kstest(kinetic, law.cdf).pvalue > 0.005
    assert kinetic.mean() == pytest.approx(law.mean(), abs=4 * law.std() / len(kinetic) ** 0.5)


def test_langevin_kinetic_energies(models):
    systems = [models.random_gas(n, 20.0, seed=n) for n in (6, 20, 50)]
    frames = models.run(
        Torch(timestep_fs=2, friction_per_ps=20), systems, models.Analytic(kind="dimers", k=0.5),
        [models.stage("nvt", t) for t in TEMPERATURES], 20000, 25,
    )  # fmt: skip
    for one, atoms, temperature in zip(frames, systems, TEMPERATURES, strict=True):
        _assert_kinetic_is_gamma(one, temperature, len(atoms), 20)


def test_nose_hoover_kinetic_energies(models):
    systems = [models.crystal(12.6) for _ in TEMPERATURES]
    frames = models.run(
        Torch(timestep_fs=4, thermostat="nose_hoover", thermostat_time_fs=60), systems,
        models.Analytic(kind="lj"), [models.stage("nvt", t) for t in TEMPERATURES], 14000, 10,
    )  # fmt: skip
    for one, atoms, temperature in zip(frames, systems, TEMPERATURES, strict=True):
        _assert_kinetic_is_gamma(one, temperature, len(atoms), 100)


def test_langevin_momenta_are_normal_with_the_centre_of_mass_taken_out(models):
    atoms = models.random_gas(4, 9.0)  # masses 20, 10, 20, 10
    frames = models.run(
        Torch(timestep_fs=5, friction_per_ps=100), [atoms], models.Analytic(),
        models.stage("nvt", 400, record=True, velocities=True), 30000, 10,
    )[0]  # fmt: skip
    masses = atoms.get_masses()
    velocities = np.array([f.velocities for f in frames[10:]])
    variance = (velocities**2).mean((0, 2))
    expected = BOLTZMANN_EV_PER_K * 400 * (1 / masses - 1 / masses.sum()) * units.fs**2
    np.testing.assert_allclose(variance, expected, rtol=0.06)
    law = stats.norm(scale=np.sqrt(expected[0]))
    assert stats.kstest(velocities[::3, 0, 0], law.cdf).pvalue > 0.005


@pytest.mark.parametrize("timestep", [1.0, 7.0])
def test_baoab_positions_in_a_harmonic_well_are_exact_at_any_timestep(models, timestep):
    """<r²> = 3 kT/k; at 7 fs omega dt is 1.06, where other Langevin splittings are 10 % off."""
    systems = [models.random_gas(100, 30.0, seed=i) for i in range(3)]
    k = 16.0
    for atoms in systems:
        atoms.positions[1::2] = atoms.positions[::2] + 0.05
    frames = models.run(
        Torch(timestep_fs=timestep, friction_per_ps=30), systems,
        models.Analytic(kind="dimers", k=k), [models.stage("nvt", t) for t in TEMPERATURES],
        int(24000 / timestep), int(60 / timestep) + 1,
    )  # fmt: skip
    for one, temperature in zip(frames, TEMPERATURES, strict=True):
        places = np.array([f.positions for f in one[20:]])
        square = ((places[:, 1::2] - places[:, ::2]) ** 2).sum(2).mean()
        assert square == pytest.approx(3 * BOLTZMANN_EV_PER_K * temperature / k, rel=0.02)


def test_ramp_is_followed_across_segment_borders(models):
    """The mean kinetic temperature of many atoms follows 1000 K to 200 K, segment by segment."""
    engine = Torch(timestep_fs=5, friction_per_ps=200)
    atoms, seen = models.random_gas(3000, 40.0), {}
    target = models.stage("nvt", (1000.0, 200.0))
    for index in range(4):
        for frame in models.run(
            engine, [atoms], models.Analytic(), target, 50, 25, 50 * index, index, total=200
        )[0]:
            seen[frame.step] = frame.temperature_K
    assert sorted(seen) == list(range(0, 201, 25))
    for step, temperature in seen.items():
        lag = 0.0 if step == 0 else 4.0 * 1 / (2 * 200 * 0.005)  # K per step over 2 gamma dt
        assert temperature == pytest.approx(1000 - 4 * step + lag, rel=4 * np.sqrt(2 / 9000))


@pytest.mark.parametrize("thermostat", ["langevin", "nose_hoover"])
@pytest.mark.parametrize("ensemble", ["nvt", "npt"])
def test_conserved_energy_error_falls_with_the_square_of_the_timestep(models, ensemble, thermostat):
    """Also under a ramp, and with a barostat: it counts all that the baths gave."""
    errors = []
    for timestep in (2.0, 4.0):
        atoms = models.crystal(12.6)
        models.run(
            Torch(timestep_fs=2, thermostat=thermostat), [atoms], models.Analytic(kind="lj"),
            models.stage("nvt", 300), 500, 500,
        )  # fmt: skip
        frames = models.run(
            Torch(timestep_fs=timestep, thermostat=thermostat, friction_per_ps=0.2,
                  barostat_time_fs=500),
            [atoms], models.Analytic(kind="lj"), models.stage(ensemble, (300.0, 400.0)),
            int(1600 / timestep), int(16 / timestep),
        )[0]  # fmt: skip
        conserved = np.array([f.conserved_energy_eV for f in frames])
        errors.append(conserved.std())
        energy = np.array([f.potential_energy_eV + f.kinetic_energy_eV for f in frames])
        assert energy.std() > 20 * conserved.std()
    assert 2.5 < errors[1] / errors[0] < 6.5

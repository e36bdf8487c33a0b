"""Newton's equations: energy, momentum, and agreement with ASE's integrator."""

from __future__ import annotations

import numpy as np
import pytest
from ase import units
from ase.md.verlet import VelocityVerlet

from ionflow.builtin.engines.torch import Torch


def _warm(models, length=12.6, temperature=300, seed=1):
    atoms = models.crystal(length)
    momenta = np.random.default_rng(seed).standard_normal((len(atoms), 3))
    momenta *= np.sqrt(units.kB * temperature * atoms.get_masses())[:, None]
    atoms.set_momenta(momenta - momenta.mean(0))
    return atoms


def test_energy_error_falls_with_the_square_of_the_timestep(models):
    potential, errors = models.Analytic(kind="lj"), []
    for timestep in (2.0, 4.0, 8.0):
        atoms = _warm(models)
        frames = models.run(
            Torch(timestep_fs=timestep), [atoms], potential, models.stage("nve"),
            int(1600 / timestep), int(16 / timestep),
        )[0]  # fmt: skip
        energies = np.array([f.potential_energy_eV + f.kinetic_energy_eV for f in frames])
        errors.append(energies.std())
    ratios = np.array(errors[1:]) / np.array(errors[:-1])
    assert ratios == pytest.approx(4.0, rel=0.1)


def test_same_trajectory_as_ase_velocity_verlet(models):
    potential = models.Analytic(kind="lj")
    ours, theirs = _warm(models), _warm(models)
    frames = models.run(Torch(timestep_fs=4), [ours], potential, models.stage("nve"), 200, 200)[0]
    theirs.calc = potential.calculator()
    VelocityVerlet(theirs, 4 * units.fs).run(200)
    assert np.abs(theirs.positions - _warm(models).positions).max() > 0.5
    np.testing.assert_allclose(ours.positions, theirs.positions, atol=1e-8)
    np.testing.assert_allclose(ours.get_momenta(), theirs.get_momenta(), atol=1e-8)
    last = frames[-1]
    assert last.potential_energy_eV == pytest.approx(theirs.get_potential_energy(), abs=1e-9)
    assert last.kinetic_energy_eV == pytest.approx(theirs.get_kinetic_energy(), abs=1e-9)
    np.testing.assert_allclose(last.stress_eV_A3, theirs.get_stress(), atol=1e-10)
    np.testing.assert_allclose(last.positions, ours.positions, atol=0)


@pytest.mark.parametrize("thermostat", ["langevin", "nose_hoover"])
@pytest.mark.parametrize("ensemble", ["nve", "nvt", "npt"])
def test_total_momentum_stays_zero(models, ensemble, thermostat):
    atoms = models.random_gas(20, 12.0)
    models.run(
        Torch(timestep_fs=1, thermostat=thermostat), [atoms],
        models.Analytic(kind="dimers"), models.stage(ensemble), 400, 400,
    )  # fmt: skip
    assert np.abs(atoms.get_momenta()).max() > 0.1
    assert np.abs(atoms.get_momenta().sum(0)).max() < 1e-12


def test_positions_are_never_wrapped_and_velocities_are_their_slope(models):
    atoms = models.random_gas(8, 5.0)
    before = atoms.positions.copy()
    frames = models.run(
        Torch(timestep_fs=10), [atoms], models.Analytic(),
        models.stage("nve", 2000, record=True, velocities=True), 1000, 1000,
    )[0]  # fmt: skip
    flight = frames[-1].positions - before
    assert np.abs(flight).max() > 10
    np.testing.assert_allclose(flight, frames[0].velocities * 10 * 1000, rtol=1e-10)


def test_initial_momenta_are_thermal_and_only_given_where_there_are_none(models):
    systems = [models.random_gas(2000, 40.0), models.random_gas(2000, 40.0)]
    kept = models.random_gas(4, 9.0)
    kept.set_momenta([[1, 0, 0], [-1, 0, 0], [0, 2, 0], [0, -2, 0]])
    stages = [models.stage("nve", 300), models.stage("nve", 900), models.stage("nve", 900)]
    frames = models.run(Torch(), [*systems, kept], models.Analytic(), stages, 1, 1)
    spread = np.sqrt(2 / (3 * 2000))
    assert frames[0][0].temperature_K == pytest.approx(300, rel=4 * spread)
    assert frames[1][0].temperature_K == pytest.approx(900, rel=4 * spread)
    np.testing.assert_allclose(kept.get_momenta()[:, 0], [1, -1, 0, 0], atol=1e-14)
    light = systems[0].get_masses() == 10
    heat = (systems[0].get_momenta() ** 2 / systems[0].get_masses()[:, None]).mean(1)
    assert heat[light].mean() == pytest.approx(heat[~light].mean(), rel=0.1)

"""The physics of the ase engine: energies, temperatures, pressures are those of its ensembles."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import ase.md.verlet
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.md.nose_hoover_chain import NoseHooverChainThermostat
from scipy import stats

from ionflow import Potential, Segment, Stage
from ionflow.builtin.engines.ase import Ase
from ionflow.builtin.engines.ase.thermostats import AT_REST, Chain
from ionflow.builtin.potentials.ase_calculator import AseCalculator
from ionflow.builtin.potentials.rigid_ion import RigidIon
from ionflow.builtin.structures.oxyhalide import Oxyhalide
from ionflow.units import BOLTZMANN_EV_PER_K, GPA_PER_EV_A3

EMT_COPPER = AseCalculator(class_path="ase.calculators.emt.EMT")


class Numpy(Calculator):
    """Soft spheres, (strength)(1 - r²/range²)⁴, or an ideal gas: the least that a step can cost."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]

    def __init__(self, strength, reach):
        super().__init__()
        self.strength, self.reach = strength, reach

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        zeros = {"energy": 0.0, "forces": np.zeros((len(atoms), 3)), "stress": np.zeros(6)}
        self.results = self.crowd(atoms) if self.strength else zeros

    def crowd(self, atoms):
        lengths = atoms.cell.array.diagonal()
        vectors = atoms.positions[:, None] - atoms.positions
        vectors -= np.round(vectors / lengths) * lengths
        nearness = np.maximum(1 - (vectors**2).sum(-1) / self.reach**2, 0)
        np.fill_diagonal(nearness, 0)
        pairs = (8 * self.strength / self.reach**2) * nearness[..., None] ** 3 * vectors
        pull = -0.5 * (pairs * vectors).sum((0, 1)) / lengths.prod()
        return {
            "energy": 0.5 * self.strength * (nearness**4).sum(),
            "forces": pairs.sum(1),
            "stress": np.concatenate([pull, np.zeros(3)]),
        }


class Cheap(Potential):
    """`Numpy`; its shear stresses are left out, as isotropic cells do not feel them."""

    use = "cheap"
    strength_eV: float = 20.0
    range_angstrom: float = 4.0

    def calculator(self):
        return Numpy(self.strength_eV, self.range_angstrom)


CROWD, SOFTER, IDEAL = Cheap(), Cheap(range_angstrom=3.0), Cheap(strength_eV=0)


def stage(ensemble, temperature, **parameters):
    return Stage(ensemble=ensemble, temperature_K=temperature, duration_ps=1, **parameters)


def run(engine, atoms, stage, steps, *, every=10, potential=None, seed=0, cuts=1):
    frames = []
    edges = np.linspace(0, steps, cuts + 1).astype(int).tolist()
    for index, (first, last) in enumerate(pairwise(edges)):
        segment = Segment((stage,), index, first, last, steps, every, (seed,))
        batches = engine.advance([atoms], potential or CROWD, segment)
        frames += [batch[0] for batch in batches]
    return frames


def fluid(n=9, masses=(7.0, 40.0)):
    """A few soft spheres of two masses, close enough to exchange energy fast."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3)[:n]
    atoms = Atoms(f"Ar{n}", grid * 2.7 + rng.normal(0, 0.1, (n, 3)), cell=[8.1] * 3, pbc=True)
    atoms.set_masses([masses[k % 2] for k in range(n)])
    return atoms


def test_velocity_verlet_is_ases():
    atoms = bulk("Cu", cubic=True).repeat(2)
    atoms.set_momenta(10 * np.random.default_rng(0).normal(size=(len(atoms), 3)))
    atoms.set_momenta(atoms.get_momenta() - atoms.get_momenta().mean(axis=0))
    other = atoms.copy()
    run(Ase(timestep_fs=3), atoms, stage("nve", 900), 50, potential=EMT_COPPER)
    other.calc = EMT()
    ase.md.verlet.VelocityVerlet(other, 3 * units.fs).run(50)
    assert atoms.positions == pytest.approx(other.positions, abs=1e-9)
    assert atoms.get_momenta() == pytest.approx(other.get_momenta(), abs=1e-8)


def test_the_error_of_the_energy_falls_as_the_square_of_the_time_step():
    spreads = []
    for timestep, steps in ((4.0, 250), (2.0, 500), (1.0, 1000)):
        frames = run(Ase(timestep_fs=timestep), fluid(), stage("nve", 500), steps, every=1)
        spreads.append(np.std([f.conserved_energy_eV for f in frames]))
    ratios = np.array(spreads[:-1]) / spreads[1:]
    assert ratios == pytest.approx(4, rel=0.25)


def test_energy_does_not_drift():
    atoms = Oxyhalide(atoms=42).build(np.random.default_rng(0))
    run(Ase(timestep_fs=1), atoms, stage("nvt", 1000), 300, potential=RigidIon())
    frames = run(Ase(timestep_fs=1), atoms, stage("nve", 1000), 800, potential=RigidIon())
    energy = [f.conserved_energy_eV for f in frames]
    drift = abs(np.polyfit([f.step * 1e-3 for f in frames], energy, 1)[0]) / len(atoms)
    assert drift < 1e-4  # eV/atom/ps; kT is 0.086 eV


@pytest.mark.parametrize("thermostat", ["langevin", "nose_hoover"])
def test_kinetic_energies_are_canonical(thermostat):
    """Of 3N - 3 degrees of freedom: a gamma distribution, its mean and its variance."""
    atoms, kelvin = fluid(), 700.0
    engine = Ase(timestep_fs=3, thermostat=thermostat, friction_per_ps=20, thermostat_time_fs=40)
    frames = run(engine, atoms, stage("nvt", kelvin), 16_000, every=40)[20:]
    kinetic = np.array([f.kinetic_energy_eV for f in frames])
    expected = stats.gamma((3 * len(atoms) - 3) / 2, scale=BOLTZMANN_EV_PER_K * kelvin)
    assert stats.kstest(kinetic, expected.cdf).pvalue > 0.01
    error = expected.std() / np.sqrt(len(kinetic))
    assert kinetic.mean() == pytest.approx(expected.mean(), abs=4 * error)
    assert kinetic.var() == pytest.approx(expected.var(), rel=0.25)
    assert np.mean([f.temperature_K for f in frames]) == pytest.approx(kelvin, rel=0.03)


def test_each_atom_has_its_share_of_the_kinetic_energy():
    """With the centre of mass at rest an atom has 3/2 kT (1 - m/M)."""
    atoms, kelvin = fluid(n=3), 500.0
    engine = Ase(timestep_fs=5, friction_per_ps=50)
    fast = stage("nvt", kelvin, record=True, velocities=True)
    frames = run(engine, atoms, fast, 8000, every=8, potential=IDEAL)
    masses = atoms.get_masses()
    squares = np.array([(f.velocities / units.fs) ** 2 for f in frames])
    found = (0.5 * masses[:, None] * squares).sum(2).mean(0) / (BOLTZMANN_EV_PER_K * kelvin)
    assert found == pytest.approx(1.5 * (1 - masses / masses.sum()), rel=0.12)


@pytest.mark.parametrize("thermostat", ["langevin", "nose_hoover"])
@pytest.mark.parametrize("ensemble", ["nvt", "npt"])
def test_what_should_be_conserved_is_even_on_a_ramp(thermostat, ensemble):
    ramp = stage(ensemble, (900, 300), pressure_GPa=3.0)
    atoms = fluid(27)
    errors = []
    for timestep in (2.0, 1.0):
        engine = Ase(timestep_fs=timestep, thermostat=thermostat, barostat_time_fs=300)
        frames = run(engine, atoms.copy(), ramp, int(1000 / timestep), potential=SOFTER)
        conserved = np.array([f.conserved_energy_eV for f in frames])
        total = np.array([f.potential_energy_eV + f.kinetic_energy_eV for f in frames])
        errors.append(np.abs(conserved - conserved[0]).max())
        assert errors[-1] < 0.02 * np.ptp(total)
    assert errors[1] < errors[0]


def test_a_chain_is_ases_with_one_atom_less():
    rng = np.random.default_rng(0)
    momenta, mass = rng.normal(size=(5, 3)), rng.uniform(1, 5, (5, 1))
    kT, time = 0.08, 3.0
    theirs = NoseHooverChainThermostat(4, mass, kT / units.kB, time)
    ours = Chain(12, kT, time, AT_REST)
    factor, mine = 1.0, momenta.copy()
    for _ in range(20):
        momenta = theirs.integrate_nhc(momenta, 0.3)
        factor = ours.scale(float(np.sum(mine**2 / mass)), kT, 0.3)
        mine = mine * factor
    assert mine == pytest.approx(momenta, rel=1e-10)


@pytest.mark.parametrize("cuts", [1, 4])
def test_a_ramp_follows_the_absolute_step_however_it_is_cut(cuts):
    atoms = fluid(27)
    engine = Ase(timestep_fs=2, friction_per_ps=100)
    run(engine, atoms, stage("nvt", 1500), 500)
    frames = run(engine, atoms, stage("nvt", (1500, 300)), 4000, every=5, cuts=cuts)
    found = np.array([f.temperature_K for f in frames[1:]]).reshape(8, -1).mean(1)
    middle = 1500 - 1200 * (np.arange(8) + 0.5) / 8
    assert found == pytest.approx(middle, rel=0.08)


@pytest.mark.parametrize("thermostat", ["langevin", "nose_hoover"])
def test_the_volume_of_a_gas_is_that_of_the_npt_ensemble(thermostat):
    """V^N exp(-PV/kT): a gamma distribution of N + 1."""
    n, kelvin, pressure = 8, 1000.0, 0.05
    engine = Ase(
        timestep_fs=10,
        thermostat=thermostat,
        friction_per_ps=10,
        thermostat_time_fs=100,
        barostat_time_fs=200,
    )
    gas = stage("npt", kelvin, pressure_GPa=pressure)
    kT, P = BOLTZMANN_EV_PER_K * kelvin, pressure / GPA_PER_EV_A3
    atoms = Atoms(f"Ar{n}", np.random.default_rng(1).random((n, 3)) * 12, pbc=True)
    atoms.set_cell([((n + 1) * kT / P) ** (1 / 3)] * 3)
    frames = run(engine, atoms, gas, 24_000, every=50, potential=IDEAL)[20:]
    volumes = np.array([np.linalg.det(f.cell) for f in frames])
    expected = stats.gamma(n + 1, scale=kT / P)
    # volumes of frames 500 fs apart are still correlated: thin them
    assert stats.kstest(volumes[::3], expected.cdf).pvalue > 0.01
    assert volumes.mean() == pytest.approx(expected.mean(), rel=0.07)


@pytest.mark.parametrize("thermostat", ["langevin", "nose_hoover"])
def test_a_crystal_under_pressure_pushes_back(thermostat):
    atoms = bulk("Cu", cubic=True).repeat(2)
    engine = Ase(timestep_fs=4, thermostat=thermostat, barostat_time_fs=300)
    squeezed = stage("npt", 300, pressure_GPa=5.0)
    frames = run(engine, atoms, squeezed, 1500, every=5, potential=EMT_COPPER)[100:]
    volume = np.array([np.linalg.det(f.cell) for f in frames])
    kinetic = np.array([f.kinetic_energy_eV for f in frames])
    virial = -np.array([f.stress_eV_A3[:3].mean() for f in frames])
    pressure = (virial + 2 * kinetic / (3 * volume)).mean() * GPA_PER_EV_A3
    assert pressure == pytest.approx(5.0, abs=0.3)
    assert volume.mean() < 0.99 * bulk("Cu", cubic=True).repeat(2).get_volume()


@pytest.mark.parametrize("thermostat", ["langevin", "nose_hoover"])
@pytest.mark.parametrize("ensemble", ["nve", "nvt", "npt"])
def test_the_centre_of_mass_stays_at_rest(thermostat, ensemble):
    atoms = fluid(27)
    run(Ase(thermostat=thermostat), atoms, stage(ensemble, 600), 400, potential=SOFTER)
    assert np.abs(atoms.get_momenta().sum(axis=0)).max() < 1e-11


def test_heavy_atoms_are_heavy():
    light, heavy = fluid(masses=(1.0, 1.0)), fluid(masses=(100.0, 100.0))
    for atoms in (light, heavy):
        run(Ase(timestep_fs=1), atoms, stage("nve", 500), 20, potential=IDEAL)
    moved = [np.abs(a.positions - fluid().positions).mean() for a in (light, heavy)]
    assert moved[0] / moved[1] == pytest.approx(10, rel=1e-6)

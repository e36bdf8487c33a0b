"""The contracts, and the numbers: against analytic cases and an independent library."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ionflow_example.fcc import Fcc
from ionflow_example.lindemann import Lindemann
from ionflow_example.morse import Morse
from ionflow_example.morse_field import SWITCH_FROM

import ionflow
from ionflow import schema
from ionflow.errors import DataError
from ionflow.testing import (
    check_analyser,
    check_generator,
    check_potential,
    synthetic_trajectory,
)


def test_contracts():
    check_generator(Fcc())
    check_potential(Morse())
    check_analyser(Lindemann())


def test_the_distribution_contributes_its_plugins():
    ours = [e for e in ionflow.plugins().entries if e.distribution == "ionflow-example"]
    assert {e.name: e.kind for e in ours} == {
        "fcc": "generator",
        "morse": "potential",
        "lindemann": "analyser",
    }


def test_fcc_is_what_ase_builds():
    crystal = Fcc(element="Al", lattice_angstrom=4.05, cells=(2, 2, 3)).build(
        np.random.default_rng(0)
    )
    expected = bulk("Al", "fcc", a=4.05, cubic=True).repeat((2, 2, 3))
    assert np.allclose(crystal.positions, expected.positions)
    assert crystal.get_chemical_formula() == "Al48"


def rattled() -> object:
    crystal = bulk("Cu", "fcc", a=3.7, cubic=True).repeat(2)
    crystal.rattle(0.1, seed=1)
    return crystal


def test_morse_is_that_of_ase():
    from ase.calculators.morse import MorsePotential

    ours, theirs = rattled(), rattled()
    morse = Morse()
    ours.calc = morse.calculator()
    r0 = morse.distance_angstrom
    theirs.calc = MorsePotential(
        epsilon=morse.depth_eV,
        r0=r0,
        rho0=morse.width_per_angstrom * r0,
        rcut1=SWITCH_FROM * morse.cutoff_angstrom / r0,
        rcut2=morse.cutoff_angstrom / r0,
    )
    assert ours.get_potential_energy() == pytest.approx(theirs.get_potential_energy(), rel=1e-12)
    assert np.allclose(ours.get_forces(), theirs.get_forces(), atol=1e-12)
    assert np.allclose(ours.get_stress(), theirs.get_stress(), atol=1e-12)


def test_a_pair_at_rest_has_the_depth_of_the_well():
    import torch

    morse = Morse()
    field = morse.force_field()
    r0 = torch.tensor([morse.distance_angstrom], dtype=torch.float64)
    assert float(field.pair_energy(r0)) == pytest.approx(-morse.depth_eV)
    assert float(field.pair_energy(r0 + 10)) == 0.0


def trajectory(displacements: np.ndarray, edge: float = 8.0):
    """Atoms (time, atom, 3) around a grid of 4 x 4 x 4 places 2 Å apart, 0.1 ps a frame."""
    from ase import Atoms

    grid = np.stack(np.meshgrid(*3 * [np.arange(4.0) * 2]), -1).reshape(-1, 3)
    atoms = Atoms("Cu32Al32", positions=grid, cell=[edge] * 3, pbc=True)
    frames = len(displacements)
    cells = np.broadcast_to(atoms.cell.array, (frames, 3, 3)).copy()
    variables = {"positions": grid + displacements, "cell": cells}
    return schema.trajectory(atoms, range(frames), 100.0, variables)


def test_independent_vibrations_give_their_amplitude():
    rng = np.random.default_rng(2)
    amplitudes = np.repeat([0.2, 0.1], 32)[:, None]
    moved = trajectory(amplitudes * rng.normal(size=(400, 64, 3)))
    result = Lindemann(window_ps=2.0).analyse(moved)
    # a mean over n frames takes 1/n of the variance with it; the mass centre takes a little more
    expected = np.array([0.1, 0.2]) * np.sqrt(3 * (1 - 1 / 20))
    assert list(result["species"].values) == ["Al", "Cu"]
    assert result["amplitude"].values == pytest.approx(expected, rel=0.02)
    assert result["lindemann_index"].values == pytest.approx(expected / 2.0, rel=0.02)


def test_brownian_walkers_stray_as_theory_says():
    data = synthetic_trajectory(frames=2000, interval_ps=0.1, length_angstrom=12.0)
    result = Lindemann(window_ps=2.0).analyse(data)
    # variance of n places of a random walk about their mean: (n² - 1)/(6 n) of that of a step
    n, diffusion = 20, 0.5
    expected = np.sqrt(6 * diffusion * 0.1 * (n**2 - 1) / (6 * n))
    assert float(result["amplitude"].sel(species="Li")) == pytest.approx(expected, rel=0.03)


def test_a_drift_of_the_whole_crystal_does_not_count():
    drift = np.linspace(0, 50, 40)[:, None, None] * np.ones((1, 64, 3))
    assert Lindemann().analyse(trajectory(drift))["amplitude"].values == pytest.approx(0, abs=1e-9)


def test_a_trajectory_shorter_than_a_window_is_refused():
    with pytest.raises(DataError, match="a window takes 50"):
        Lindemann(window_ps=5.0).analyse(trajectory(np.zeros((10, 64, 3))))

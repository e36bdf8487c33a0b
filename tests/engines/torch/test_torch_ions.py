"""With a real force field of the house: the same physics as the engine of ASE."""

from __future__ import annotations

import numpy as np
from ase.build import bulk

from ionflow.builtin.engines.ase import Ase
from ionflow.builtin.engines.torch import Torch
from ionflow.builtin.potentials.rigid_ion import RigidIon


def _salts():
    salts = [bulk("LiCl", "rocksalt", a=5.14, cubic=True) for _ in range(2)]
    salts[1] = bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat((2, 1, 1))
    for seed, atoms in enumerate(salts):
        rng = np.random.default_rng(seed)
        atoms.positions += rng.normal(0, 0.05, (len(atoms), 3))
        momenta = rng.normal(0, 1, (len(atoms), 3))
        atoms.set_momenta(momenta - momenta.mean(0))
    return salts


def test_a_batch_moves_as_each_system_does_under_the_engine_of_ase(models):
    ours, theirs, target = _salts(), _salts(), models.stage("nve", record=True)
    frames = models.run(Torch(timestep_fs=1), ours, RigidIon(), target, 40, 20)
    for i, atoms in enumerate(theirs):
        (expected,) = models.run(Ase(timestep_fs=1), [atoms], RigidIon(), target, 40, 20)
        for a, b in zip(frames[i], expected, strict=True):
            assert a.step == b.step
            np.testing.assert_allclose(a.positions, b.positions, atol=1e-8)
            np.testing.assert_allclose(a.stress_eV_A3, b.stress_eV_A3, atol=1e-8)
            np.testing.assert_allclose(a.temperature_K, b.temperature_K, rtol=1e-8)
            np.testing.assert_allclose(a.kinetic_energy_eV, b.kinetic_energy_eV, rtol=1e-8)
        np.testing.assert_allclose(ours[i].get_momenta(), atoms.get_momenta(), atol=1e-8)

"""The plugin: which weights, which bytes, which errors."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from pydantic import ValidationError

from ionflow.builtin.potentials.chgnet import CHGNet
from ionflow.errors import PhysicsError, PluginError


def test_importing_the_plugin_imports_neither_torch_nor_chgnet():
    code = (
        "import sys, ionflow.builtin.potentials.chgnet as c; c.CHGNet().identity();"
        "assert not {'torch', 'chgnet', 'ase'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_identity_is_the_bytes_of_the_weights_wherever_they_lie(tmp_path):
    bundled = CHGNet()
    copy = tmp_path / "mine.pth.tar"
    shutil.copy(bundled.path, copy)
    mine = CHGNet(checkpoint=copy, sha256=bundled.content()["weights"], backend="stock")
    assert mine.identity() == bundled.identity()
    assert bundled.identity() != CHGNet(model="r2scan").identity()


def test_a_changed_checkpoint_is_refused_with_both_hashes(tmp_path):
    pinned = CHGNet().content()["weights"]
    changed = tmp_path / "changed.pth.tar"
    changed.write_bytes(CHGNet().path.read_bytes() + b"\0")
    with pytest.raises(PluginError) as caught:
        CHGNet(checkpoint=changed, sha256=pinned).calculator()
    assert pinned in str(caught.value)
    assert CHGNet(checkpoint=changed, sha256="0" * 64).path == changed


def test_a_checkpoint_must_be_pinned_and_exist(tmp_path):
    with pytest.raises(ValidationError, match="sha256"):
        CHGNet(checkpoint=tmp_path / "x")
    with pytest.raises(PluginError, match="cannot be read"):
        CHGNet(checkpoint=tmp_path / "x", sha256="0" * 64).content()


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    import hashlib

    path = tmp_path / "noise"
    path.write_bytes(b"not a checkpoint")
    pinned = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(PluginError, match="weights_only"):
        CHGNet(checkpoint=path, sha256=pinned).calculator()


@pytest.mark.parametrize("model", ["0.3.0", "0.2.0", "r2scan"])
def test_stock_gives_energy_forces_and_stress_in_ase_units(model):
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    atoms.rattle(0.05, seed=1)
    atoms.calc = CHGNet(model=model, backend="stock").calculator()
    energy, stress = atoms.get_potential_energy(), atoms.get_stress()
    assert atoms.get_forces().shape == (8, 3)
    strain = 1e-2
    energies = []
    for sign in (1, -1):
        strained = atoms.copy()
        strained.set_cell(atoms.cell.array * (1 + sign * strain), scale_atoms=True)
        strained.calc = atoms.calc
        energies.append(strained.get_potential_energy())
    assert energy < 0
    slope = (energies[0] - energies[1]) / (2 * strain)
    assert slope / atoms.get_volume() == pytest.approx(stress[:3].sum(), abs=2e-3)


def test_an_isolated_atom_is_an_error_that_says_so():
    atoms = Atoms("Li2", [[0, 0, 0], [10, 0, 0]], cell=np.eye(3) * 20, pbc=True)
    atoms.calc = CHGNet().calculator()
    with pytest.raises(PhysicsError, match="isolated"):
        atoms.get_potential_energy()


def test_an_element_beyond_plutonium_is_refused():
    atoms = bulk("Am", "fcc", a=4.9)
    atoms.calc = CHGNet().calculator()
    with pytest.raises(PluginError, match="95"):
        atoms.get_potential_energy()
    assert "Am" not in CHGNet().elements()

"""Batches, repetition, skins, and which backend is taken."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk

from ionflow.builtin.potentials.chgnet import CHGNet, checkpoints, kernel
from ionflow.builtin.potentials.chgnet.field import KernelField, TorchField
from ionflow.errors import PluginError

needs_kernel = pytest.mark.skipif(kernel.path() is None, reason="ionflow was built without kernel")


@pytest.fixture
def company(glass):
    """Systems of different sizes, one without any angle."""
    salt = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    salt.rattle(0.05, seed=1)
    sparse = bulk("KI", "rocksalt", a=7.07)
    return [salt, glass, sparse, bulk("Cu", "fcc", a=3.61)]


@pytest.mark.parametrize("model", ["0.3.0", "0.2.0"])
def test_a_system_does_not_feel_its_company(model, backend, company, make_field, batch):
    energies, forces, stresses = make_field(backend, model)(*batch(*company))
    assert all(part.dtype == torch.float64 for part in (energies, forces, stresses))
    start = 0
    for k, atoms in enumerate(company):
        alone = make_field(backend, model)(*batch(atoms))
        among = energies[k : k + 1], forces[start : start + len(atoms)], stresses[k : k + 1]
        for found, wanted in zip(among, alone, strict=True):
            if backend == "torch":
                torch.testing.assert_close(found, wanted, rtol=1e-6, atol=5e-6)
            else:
                assert torch.equal(found, wanted)
        start += len(atoms)


def test_the_same_input_gives_the_same_bits(backend, glass, make_field, batch):
    first, second = (make_field(backend)(*batch(glass)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_threads_do_not_change_the_bits(company, backend, make_field, batch):
    if backend == "torch":
        pytest.skip("torch promises its bits for a fixed number of threads alone")
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(make_field(backend)(*batch(*company)))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def walk(atoms, steps, seed):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        atoms.positions += rng.normal(0, 0.03, atoms.positions.shape)
        atoms.set_cell(atoms.cell.array * (1 + rng.normal(0, 2e-3)), scale_atoms=True)
        yield atoms


def test_a_field_that_keeps_its_list_equals_a_fresh_one(backend, glass, make_field, batch):
    kept = make_field(backend)
    for step, atoms in enumerate(walk(glass, 25, seed=1)):
        found = kept(*batch(atoms))
        if step % 6 == 0:
            fresh = make_field(backend)(*batch(atoms))
            for a, b in zip(found, fresh, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-6, atol=2e-5)
    assert 1 < kept.builds < 15


def test_a_segment_started_anew_repeats_its_bits(backend, glass, make_field, batch):
    field, trace = make_field(backend), []
    for atoms in walk(glass.copy(), 6, seed=2):
        trace.append(field(*batch(atoms))[1])
    field = make_field(backend)
    for atoms, forces in zip(walk(glass.copy(), 6, seed=2), trace, strict=True):
        assert torch.equal(field(*batch(atoms))[1], forces)


def test_a_field_takes_another_batch(backend, company, make_field, batch):
    field = make_field(backend)
    for systems in (company, company[:1], company[1:3]):
        energies = field(*batch(*systems))[0]
        wanted = make_field(backend)(*batch(*systems))[0]
        torch.testing.assert_close(energies, wanted, rtol=0, atol=1e-5)


def test_an_unknown_element_is_refused(backend, make_field, batch):
    atoms = bulk("Am", "fcc", a=4.9)
    with pytest.raises(PluginError, match="95"):
        make_field(backend)(*batch(atoms))


@needs_kernel
def test_the_kernel_is_the_default_on_a_cpu_and_can_be_demanded():
    assert isinstance(CHGNet().force_field(), KernelField)
    assert CHGNet().provenance()["backend"] == "kernel"
    assert isinstance(CHGNet(backend="torch").force_field(), TorchField)
    assert CHGNet(backend="stock").force_field() is None
    with pytest.raises(PluginError, match="not on mps"):
        CHGNet(backend="kernel").force_field("mps")


def test_without_a_kernel_torch_is_used_and_says_why(monkeypatch):
    monkeypatch.setattr(kernel, "path", lambda: None)
    kernel._available.cache_clear()
    try:
        assert isinstance(CHGNet().force_field(), TorchField)
        assert "not compiled" in CHGNet().provenance()["reason"]
        with pytest.raises(PluginError, match="not compiled"):
            CHGNet(backend="kernel").force_field()
    finally:
        kernel._available.cache_clear()


@needs_kernel
def test_an_instruction_set_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv(kernel.CHOICE, "abacus")
    with pytest.raises(PluginError, match="generic"):
        CHGNet(backend="kernel").force_field()


def test_an_install_without_compiler_goes_through(tmp_path):
    root = Path(__file__).parents[3]
    if not (root / "setup.py").is_file():
        pytest.skip("not a source tree")
    folders = ["--build-lib", str(tmp_path / "lib"), "--build-temp", str(tmp_path / "temp")]
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--force", *folders],
        cwd=root,
        env={**os.environ, "CC": "no-such-compiler"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "goes without its compiled CHGNet kernel" in done.stdout + done.stderr
    assert not list(tmp_path.rglob("*.so"))


def saved(model, path):
    """A checkpoint as chgnet's trainer writes it, as a potential."""
    torch.save({"model": model.as_dict()}, path)
    return CHGNet(checkpoint=path, sha256=checkpoints.sha256_of(path))


def fine_tuned():
    import copy

    original = CHGNet()
    stock = checkpoints.stock_model(original.path, original.content()["weights"])
    model, generator = copy.deepcopy(stock), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(noise, alpha=0.02 * float(parameter.abs().mean()))
    return model


def test_a_fine_tuned_checkpoint_equals_chgnet_on_it(tmp_path, glass, backend, monkeypatch):
    if backend != "torch":
        monkeypatch.setenv(kernel.CHOICE, backend)
    potential = saved(fine_tuned(), tmp_path / "tuned.pth.tar")
    name = "torch" if backend == "torch" else "kernel"
    results = []
    for choice in ("stock", name):
        atoms = glass.copy()
        atoms.calc = potential.model_copy(update={"backend": choice}).calculator()
        results.append((atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()))
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-4)
    np.testing.assert_allclose(results[0][1], results[1][1], atol=5e-4)
    np.testing.assert_allclose(results[0][2], results[1][2], atol=1e-6)


def other(**arguments):
    from chgnet.model.model import CHGNet as ChgnetModel

    torch.manual_seed(0)
    return ChgnetModel(version="mine", **arguments).eval()


@needs_kernel
def test_another_width_goes_to_torch_and_says_so(tmp_path, glass):
    narrow = other(
        **{f"{kind}_fea_dim": 32 for kind in ("atom", "bond", "angle")},
        atom_conv_hidden_dim=32,
        bond_conv_hidden_dim=32,
        mlp_hidden_dims=(32, 32),
    )
    potential = saved(narrow, tmp_path / "narrow.pth.tar")
    with pytest.warns(RuntimeWarning, match="64 wide.*using torch"):
        field = potential.force_field()
    assert isinstance(field, TorchField)
    glass.calc = potential.model_copy(update={"backend": "stock"}).calculator()
    energy = glass.get_potential_energy()
    glass.calc = potential.model_copy(update={"backend": "torch"}).calculator()
    assert glass.get_potential_energy() == pytest.approx(energy, abs=1e-4)


def test_an_unknown_architecture_falls_back_to_chgnet_and_says_so(tmp_path, glass):
    strange = saved(other(non_linearity="tanh"), tmp_path / "tanh.pth.tar")
    with pytest.warns(RuntimeWarning, match="non_linearity='tanh'.*chgnet itself"):
        glass.calc = strange.calculator()
    assert np.isfinite(glass.get_potential_energy())
    with pytest.raises(PluginError, match="non_linearity"):
        strange.model_copy(update={"backend": "torch"}).force_field()

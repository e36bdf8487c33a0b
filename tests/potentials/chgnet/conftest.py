"""What every test of CHGNet compares with: chgnet itself, in float64."""

import copy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.io import read

from ionflow.builtin.potentials.chgnet import CHGNet, checkpoints, kernel
from ionflow.builtin.potentials.chgnet.field import KernelField, TorchField
from ionflow.builtin.potentials.chgnet.weights import fold

GPA_PER_EV_A3 = 160.21766208  # chgnet's own number


class Exact:
    """Energy (eV), forces (eV/Å), stress (eV/Å³) of an unmodified chgnet model in float64."""

    def __init__(self, path):
        from chgnet.graph import CrystalGraphConverter

        model = checkpoints.stock_model(path, checkpoints.sha256_of(path))
        converter = model.graph_converter
        self.graph = CrystalGraphConverter(
            atom_graph_cutoff=converter.atom_graph_cutoff,
            bond_graph_cutoff=converter.bond_graph_cutoff,
            on_isolated_atoms="error",
        )
        self.model = copy.deepcopy(model).double()
        self.reference = self.model.composition_model.fc.weight.reshape(-1)
        self.model.composition_model = None

    def __call__(self, atoms):
        from pymatgen.core import Structure

        structure = Structure(
            atoms.cell.array, atoms.numbers, atoms.positions, coords_are_cartesian=True
        )
        graph = self.graph(structure)
        graph.atom_frac_coord = torch.tensor(structure.frac_coords, requires_grad=True)
        graph.lattice = torch.tensor(structure.lattice.matrix, requires_grad=True)
        graph.neighbor_image = graph.neighbor_image.double()
        prediction = self._predict(graph)
        scale = len(atoms) if self.model.is_intensive else 1
        reference = float(self.reference[torch.as_tensor(atoms.numbers - 1)].sum())
        energy = float(prediction["e"]) * scale + reference
        return energy, prediction["f"], prediction["s"] / GPA_PER_EV_A3

    def _predict(self, graph):
        import chgnet.model.model as source

        default = torch.get_default_dtype()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(source, "TORCH_DTYPE", torch.float64)
            torch.set_default_dtype(torch.float64)
            try:
                return self.model.predict_graph(graph, task="efs")
            finally:
                torch.set_default_dtype(default)


class Evaluator:
    """A force field called with ASE's atoms: energy, forces, stress of one system."""

    def __init__(self, field):
        self.field = field

    def __call__(self, atoms):
        energies, forces, stresses = self.field(*concatenated(atoms))
        return float(energies[0]), forces.numpy(), stresses[0].numpy()


def concatenated(*systems):
    """The arguments of a force field for some systems."""
    return (
        torch.from_numpy(np.concatenate([a.positions for a in systems])),
        torch.from_numpy(np.stack([a.cell.array for a in systems])),
        torch.from_numpy(np.concatenate([a.numbers for a in systems]).astype(np.int64)),
        torch.from_numpy(np.repeat(np.arange(len(systems)), [len(a) for a in systems])),
    )


@pytest.fixture(scope="session")
def exact():
    """`exact(model)` is a callable of atoms."""
    return cache(lambda model: Exact(CHGNet(model=model).path))


@pytest.fixture(scope="session")
def batch():
    """`batch(*systems)`: the arguments of a force field."""
    return concatenated


@pytest.fixture(scope="session")
def weights():
    """`weights(model)`, folded in float64."""
    return cache(lambda model: fold(checkpoints.read(CHGNet(model=model).path)))


def backends():
    """Every way to evaluate that this machine has."""
    names = ["torch"]
    if kernel.path() is not None:
        names += [name for name in kernel.INSTRUCTIONS if _runs(name)]
    return names


def _runs(name):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(kernel.CHOICE, name)
        try:
            return kernel.available()[0] is not None
        except kernel.PluginError:
            return False


@pytest.fixture(scope="session")
def make_field(weights):
    """`make_field(backend, model)`: backend is torch, float64, or instructions."""

    def make(backend, model="0.3.0", skin=0.75):
        if backend in ("torch", "float64"):
            dtype = torch.float64 if backend == "float64" else torch.float32
            return TorchField(weights(model), dtype=dtype, skin=skin)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(kernel.CHOICE, backend)
            return KernelField(weights(model), kernel.available()[0], skin=skin)

    return make


@pytest.fixture(scope="session")
def evaluator(make_field):
    """`evaluator(backend, model)`: the same as a callable of atoms."""
    return lambda *args, **kwargs: Evaluator(make_field(*args, **kwargs))


@pytest.fixture(scope="session")
def all_backends():
    """Names of all backends of this machine."""
    return backends()


@pytest.fixture(params=backends())
def backend(request):
    return request.param


@pytest.fixture(scope="session")
def _glass():
    return read(Path(__file__).parents[2] / "data" / "LiAlCl2.5O0.75_84.xyz")


@pytest.fixture
def glass(_glass):
    """84 atoms of a melt-quenched Li-Al-oxychloride."""
    return _glass.copy()

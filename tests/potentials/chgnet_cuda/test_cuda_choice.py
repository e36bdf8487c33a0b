"""What a CHGNet becomes on a CUDA device, and where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ionflow.builtin.potentials.chgnet import CHGNet, checkpoints, cuda
from ionflow.builtin.potentials.chgnet.cuda.parameters import Parameters
from ionflow.builtin.potentials.chgnet.cuda.watch import Watch
from ionflow.builtin.potentials.chgnet.weights import UnknownArchitectureError, fold
from ionflow.errors import PluginError


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA device")
def test_without_a_device_the_reason_is_told() -> None:
    assert cuda.available() == (False, "no CUDA device")
    assert CHGNet().provenance("cuda") == {"backend": "torch", "reason": "no CUDA device"}
    with pytest.raises(PluginError, match="no CUDA device"):
        CHGNet(backend="kernel").force_field("cuda")


@pytest.mark.parametrize("model", tuple(checkpoints.BUNDLED))
def test_every_bundled_checkpoint_fits_the_kernels(model: str) -> None:
    weights = fold(checkpoints.read(checkpoints.bundled(model)))
    parameters = Parameters.of(weights, "cpu")
    assert parameters.mixed == (model == "0.2.0")
    assert parameters.norm == (model != "0.2.0")
    assert [table.shape[1] for table in parameters.bond_tables] == [256, 640, 640, 128]
    assert [table.shape[1] for table in parameters.atom_tables] == [512, 512, 384]


def test_tables_are_what_the_layers_would_compute() -> None:
    weights = fold(checkpoints.read(checkpoints.bundled("0.3.0")))
    parameters, layer = Parameters.of(weights, "cpu"), 1
    torch.manual_seed(0)
    radial, learnt = torch.rand(5, 31).double(), torch.rand(5, 64).double()
    rows = torch.cat([radial, torch.zeros(5, 1), learnt], 1).float()
    table = rows @ parameters.bond_tables[layer]
    update, conv = weights.angle_updates[layer - 1], weights.bond_convs[layer]
    expected = [
        learnt @ weights.atom_convs[layer].bond,
        radial @ update.left_radial + learnt @ update.left,
        radial @ update.right_radial + learnt @ update.right,
        radial @ conv.left_radial + learnt @ conv.left,
        radial @ conv.right_radial + learnt @ conv.right,
    ]
    torch.testing.assert_close(table.double(), torch.cat(expected, 1), rtol=1e-4, atol=1e-4)


def test_the_angular_basis_as_one_formula() -> None:
    weights = fold(checkpoints.read(checkpoints.bundled("0.3.0")))
    p = Parameters.of(weights, "cpu")
    theta = torch.linspace(0.1, 3, 7).double()[:, None]
    found = p.angle_amplitudes * torch.sin(theta * p.angle_frequencies + p.angle_phases)
    phase = theta * weights.angle_frequencies
    constant = torch.full_like(theta, 0.5**0.5)
    expected = torch.cat([constant, phase.sin(), phase.cos(), 0 * theta], 1)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_an_architecture_that_does_not_fit_is_refused() -> None:
    weights = fold(checkpoints.read(checkpoints.bundled("0.3.0")))
    wide = replace(weights, frequencies=torch.ones(40).double())
    with pytest.raises(UnknownArchitectureError, match="40 radial functions"):
        Parameters.of(wide, "cpu")


def test_counts_are_read_a_fixed_number_of_calls_later() -> None:
    watch = Watch(2, torch.device("cpu"))
    assert watch.look(0) is None
    for call in range(5):
        watch.put(torch.tensor([call, 0, 0, 0]))
        late = watch.look(2)
        assert (None if late is None else late[0]) == (call - 2 if call >= 2 else None)
    assert [watch.look(lag) for lag in (1, 0)] == [(3, 0, 0, 0), (4, 0, 0, 0)]

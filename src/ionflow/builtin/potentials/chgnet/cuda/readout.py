"""The energy of each atom from its features, and its gradient, without autograd."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ionflow.builtin.potentials.chgnet.cuda.parameters import WIDTH, Parameters


def readout(parameters: Parameters, atoms: Tensor) -> tuple[Tensor, Tensor]:
    """(atom,) eV and its gradient (atom, 64) by the features."""
    x, mean, spread = atoms, None, None
    if parameters.readout_norm is not None:
        scale, shift = parameters.readout_norm
        x, mean, spread = torch.native_layer_norm(atoms, (WIDTH,), scale, shift, 1e-5)
    *hidden, (last, last_bias) = parameters.readout
    before = []
    for matrix, bias in hidden:
        before.append(torch.addmm(bias, x, matrix))
        x = functional.silu(before[-1])
    energies = torch.addmm(last_bias, x, last).squeeze(1)
    gradient = last.T.expand(len(atoms), -1)
    for (matrix, _), values in zip(reversed(hidden), reversed(before), strict=True):
        gradient = torch.ops.aten.silu_backward(gradient.contiguous(), values) @ matrix.T
    if mean is None or spread is None:
        return energies, gradient
    back, _, _ = torch.ops.aten.native_layer_norm_backward(
        gradient, atoms, [WIDTH], mean, spread, scale, shift, [True, False, False]
    )
    return energies, back

"""Kernels that disagree with torch on a device are not used there, and that is said."""

from __future__ import annotations

import warnings

import pytest
import torch

from ionflow import ForceField
from ionflow.builtin.potentials.chgnet.proven import ProvenField


class Well(ForceField):
    """A harmonic well about the origin, off by a little."""

    def __init__(self, energy=0.0, force=0.0, stress=0.0):
        self.off, self.calls = (energy, force, stress), 0

    def __call__(self, positions, cells, numbers, system):
        self.calls += 1
        squares = (positions**2).sum(1)
        energies = torch.zeros(len(cells), dtype=torch.float64).index_add(0, system, squares)
        energy, force, stress = self.off
        return (
            energies + energy * torch.bincount(system),
            -2 * positions + force,
            torch.full((len(cells), 3, 3), stress, dtype=torch.float64),
        )


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(0)
    positions = torch.randn((5, 3), generator=generator, dtype=torch.float64)
    cells = torch.eye(3, dtype=torch.float64).repeat(2, 1, 1) * 9
    return positions, cells, torch.ones(5, dtype=torch.int64), torch.tensor([0, 0, 1, 1, 1])


def test_agreement_is_asked_once_and_told(tensors):
    fast, plain, told = Well(energy=1e-7, force=1e-4), Well(), []
    field = ProvenField(fast, plain, lambda: told.append(True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = field(*tensors), field(*tensors)
    assert (fast.calls, plain.calls, told) == (2, 1, [True])
    assert torch.equal(first[1], second[1])


@pytest.mark.parametrize(
    "wrong", [{"energy": 1e-4}, {"force": 1e-2}, {"stress": 1e-4}, {"force": float("nan")}]
)
def test_disagreement_is_announced_and_the_plain_one_is_used(tensors, wrong):
    fast, plain, told = Well(**wrong), Well(), []
    field = ProvenField(fast, plain, lambda: told.append(True))
    with pytest.warns(RuntimeWarning, match="disagree with torch on this device"):
        first = field(*tensors)
    again = field(*tensors)
    expected = Well()(*tensors)
    for ours, theirs in zip((*first, *again), (*expected, *expected), strict=True):
        assert torch.equal(ours, theirs)
    assert (fast.calls, told) == (1, [])

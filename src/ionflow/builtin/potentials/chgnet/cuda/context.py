"""What every kernel launch of one evaluation shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ionflow.builtin.potentials.chgnet.cuda.bases import Bases
from ionflow.builtin.potentials.chgnet.cuda.connections import Connections
from ionflow.builtin.potentials.chgnet.cuda.parameters import Parameters


@dataclass(frozen=True)
class Tuning:
    """How the kernels are cut: (rows of a block, warps). Changes speed, and results by rounding.

    The defaults are those whose kernels, compiled for compute capability 9.0, keep all (the
    messages: all but a few numbers) in registers.
    """

    precision: str = "tf32x3"
    """of the kernels' matrix products: tf32x3 or ieee"""
    messages: tuple[int, int] = (64, 4)
    gates: tuple[int, int] = (32, 4)
    firsts: tuple[int, int] = (64, 4)


@dataclass(frozen=True)
class Context:
    """One evaluation: the model, and the edges and angles that it is evaluated on."""

    parameters: Parameters
    tuning: Tuning
    graph: Connections
    bases: Bases
    species: Tensor
    """(atom,) atomic number - 1"""
    angular: Tensor
    """(atom,) int64, whether the atom's system has angles"""
    left: Tensor
    """(angle,) bond that receives"""
    right: Tensor
    """(angle,) the other bond"""
    corner: Tensor
    """(angle,) atom"""
    weight: Tensor
    """(bond, 64) factor of messages along the angles of a bond"""

    @classmethod
    def of(
        cls,
        parameters: Parameters,
        tuning: Tuning,
        graph: Connections,
        bases: Bases,
        species: Tensor,
        angular: Tensor,
    ) -> Context:
        """Look up the bonds and corners of angles, and weigh the bonds."""
        angles = graph.left_bond, graph.right_bond, graph.corner
        weight = bases.near @ parameters.short_weight
        return cls(parameters, tuning, graph, bases, species, angular, *angles, weight)

    def how(self, cut: tuple[int, int]) -> dict[str, Any]:
        """Options of a kernel: no loop of it is worth a software pipeline."""
        options = {"BLOCK": cut[0], "num_warps": cut[1], "num_stages": 1}
        return options | {"PRECISION": self.tuning.precision}

    def empty(self, like: Tensor, *width: int) -> Tensor:
        """(row, width) float32, a row for each of `like`."""
        return torch.empty(len(like), *width, device=like.device)

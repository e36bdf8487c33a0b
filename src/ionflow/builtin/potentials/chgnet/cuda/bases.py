"""Radial and angular bases of all edges and angles, and their slopes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ionflow.builtin.potentials.chgnet.cuda import geometry
from ionflow.builtin.potentials.chgnet.cuda.connections import Connections
from ionflow.builtin.potentials.chgnet.cuda.parameters import BASIS, ROW, Parameters

#: chgnet takes the arc cosine of a cosine that is a little smaller, for the slope at 0 and pi.
NUDGE = 1 - 1e-6
BLOCK = 32


@dataclass(frozen=True)
class Bases:
    """float32 unless said otherwise."""

    radial: Tensor
    """(edge, 32)"""
    radial_slope: Tensor
    """(edge, 32) 1/Å"""
    near: Tensor
    """(bond, 32) within the short cutoff"""
    near_slope: Tensor
    """(bond, 32) 1/Å"""
    bonds: Tensor
    """(bond, 96), the radial basis in the first 32 columns, zero in the others"""
    cosine: Tensor
    """(angle,) float64"""
    angular: Tensor
    """(angle, 32)"""
    angular_slope: Tensor
    """(angle, 32) 1/rad"""


def bases(parameters: Parameters, graph: Connections, vectors: Tensor) -> Bases:
    """Of (3, edge) vectors in Å, float64."""
    capacity = vectors.shape[1]
    shape = (len(graph.there), BASIS)
    radial, radial_slope, near, near_slope, angular, angular_slope = (
        torch.empty(rows, BASIS, device=vectors.device)
        for rows in (capacity, capacity, shape[0], shape[0], len(graph.left), len(graph.left))
    )
    bonds = torch.zeros(shape[0], ROW, device=vectors.device)
    far = {"CUTOFF": parameters.cutoff, "POWER": parameters.exponent, "BLOCK": BLOCK}
    geometry.radial_basis[(blocks(capacity),)](
        graph.edges, vectors, capacity, graph.reverse, parameters.frequencies,
        radial, BASIS, radial_slope, ROWS=False, SLOPE=True, **far,
    )  # fmt: skip
    first = graph.edge_of.index_select(0, graph.there)
    geometry.radial_basis[(blocks(shape[0]),)](
        graph.bonds, vectors, capacity, first, parameters.frequencies,
        bonds, ROW, bonds, ROWS=True, SLOPE=False, **far,
    )  # fmt: skip
    geometry.radial_basis[(blocks(shape[0]),)](
        graph.bonds, vectors, capacity, first, parameters.short_frequencies,
        near, BASIS, near_slope, ROWS=True, SLOPE=True,
        **(far | {"CUTOFF": parameters.short_cutoff}),
    )  # fmt: skip
    cosine = torch.empty(len(graph.left), dtype=torch.float64, device=vectors.device)
    geometry.cosines[(blocks(len(cosine)),)](
        graph.angles, vectors, capacity, graph.edge_of, graph.left, graph.right, cosine,
        BLOCK=BLOCK,
    )  # fmt: skip
    geometry.angular_basis[(blocks(len(cosine)),)](
        graph.angles, torch.acos(cosine * NUDGE), parameters.angle_frequencies,
        parameters.angle_phases, parameters.angle_amplitudes, angular, angular_slope,
        BLOCK=BLOCK,
    )  # fmt: skip
    return Bases(radial, radial_slope, near, near_slope, bonds, cosine, angular, angular_slope)


def blocks(rows: int, block: int = BLOCK) -> int:
    """Programs for so many rows."""
    return -(-rows // block)

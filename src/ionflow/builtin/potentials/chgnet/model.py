"""CHGNet's energy from folded weights: one differentiable function, on any device.

Nothing here reads a number back to the host. Sums over neighbours go through `segment_sum` alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ionflow.builtin.potentials.chgnet.topology import Graph
from ionflow.builtin.potentials.chgnet.weights import AngleConv, AtomConv, Gated, Weights


@dataclass(frozen=True)
class Edges:
    """A `Graph` as tensors: directed bonds (first → second, then back) and ordered angles."""

    species: Tensor
    """(atom,) atomic number - 1"""
    has_angles: Tensor
    """(atom, 1) whether the atom's system has angles"""
    centre: Tensor
    """(2 bond,) atom"""
    neighbour: Tensor
    """(2 bond,) atom"""
    short: int
    left: Tensor
    """(angle,) short bond that receives; each pair of bonds in both orders"""
    right: Tensor
    """(angle,) the other short bond"""
    corner: Tensor
    """(angle,) atom where they meet"""
    sign: Tensor
    """(angle / 2,) float64"""

    @classmethod
    def of(cls, graph: Graph, species: Tensor, system: Tensor) -> Edges:
        """Tensors of `graph`, on the device of `species`."""

        def tensor(array: object) -> Tensor:
            return torch.as_tensor(array).to(species.device)

        first, second = tensor(graph.first), tensor(graph.second)
        left, right, corner = (
            tensor(a) for a in (graph.left // 2, graph.right // 2, graph.centres())
        )
        angles = torch.zeros(int(system.max()) + 1, dtype=torch.bool, device=species.device)
        angles[system[corner]] = True
        return cls(
            species=species,
            has_angles=angles[system][:, None],
            centre=torch.cat([first, second]),
            neighbour=torch.cat([second, first]),
            short=graph.short,
            left=torch.cat([left, right]),
            right=torch.cat([right, left]),
            corner=torch.cat([corner, corner]),
            sign=tensor(graph.signs()),
        )


def evaluate(
    weights: Weights, graph: Graph, species: Tensor, system: Tensor, systems: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Energies, and from one gradient with respect to the bonds' vectors forces and virials.

    Parameters
    ----------
    species : (atom,) atomic number - 1
    system : (atom,) ascending

    Returns
    -------
    (system,) eV, (atom, 3) eV/Å, (system, 3, 3) eV; float64
    """
    edges = Edges.of(graph, species, system)
    vectors = torch.as_tensor(graph.vectors).to(species.device).requires_grad_()
    of_atoms = energies(weights, edges, vectors)
    (slope,) = torch.autograd.grad(of_atoms.sum(), vectors)
    bonds = vectors.shape[0]
    both = torch.cat([slope, -slope])  # a bond pulls its two atoms together, or apart
    forces = segment_sum(both, edges.centre, species.shape[0])
    outer = (slope[:, :, None] * vectors.detach()[:, None, :]).reshape(bonds, 9)
    virials = segment_sum(outer, system[edges.centre[:bonds]], systems).reshape(systems, 3, 3)
    total = segment_sum(of_atoms.detach()[:, None], system, systems).squeeze(1)
    return total, forces, virials


def energies(weights: Weights, edges: Edges, vectors: Tensor) -> Tensor:
    """(atom,) eV. vectors: (bond, 3) Å, float64, first → second, short bonds first."""
    basis = Basis.of(weights, edges, vectors)
    atoms = weights.atoms.index_select(0, edges.species)
    bonds: Tensor | None = None  # what BondConvs have added to the short bonds
    turns: Tensor | None = None  # what AngleUpdates have added to the angles
    for layer, conv in enumerate(weights.atom_convs):
        atoms = atoms + atom_conv(conv, edges, atoms, bonds, basis.bonds[layer], basis.weight)
        if layer >= len(weights.bond_convs) or edges.sign.shape[0] == 0:
            continue
        bond_conv = weights.bond_convs[layer]
        messages = angle_conv(bond_conv, edges, atoms, bonds, turns, basis.bond_convs[layer])
        messages = messages.reshape(2, *basis.pair_weight.shape) * basis.pair_weight
        added = segment_sum(messages.reshape(-1, messages.shape[2]), edges.left, edges.short)
        added = added if bond_conv.out is None else added @ bond_conv.out
        bonds = added if bonds is None else bonds + added
        if layer < len(weights.angle_updates):
            update = weights.angle_updates[layer]
            added = angle_conv(update, edges, atoms, bonds, turns, basis.angle_updates[layer])
            turns = added if turns is None else turns + added
    return readout(weights, atoms) + weights.reference[edges.species].double()


@dataclass(frozen=True)
class AngleBasis:
    """What an AngleConv's first layer adds for lengths and angles alone."""

    left: Tensor
    """(short bond, 2D)"""
    right: Tensor
    """(short bond, 2D)"""
    angle: Tensor
    """(angle / 2, 2D)"""


@dataclass(frozen=True)
class Basis:
    """Everything that depends on lengths and angles alone, for all layers in one product each."""

    bonds: tuple[Tensor, ...]
    """for each AtomConv (bond, 2D)"""
    weight: Tensor
    """(bond, D) of messages along a bond"""
    pair_weight: Tensor
    """(angle / 2, D) of messages along an angle, either way"""
    bond_convs: tuple[AngleBasis, ...]
    angle_updates: tuple[AngleBasis, ...]

    @classmethod
    def of(cls, weights: Weights, edges: Edges, vectors: Tensor) -> Basis:
        """From the bonds' vectors."""
        dtype, short = weights.atoms.dtype, edges.short
        lengths, near = vectors.norm(dim=1), vectors[:short].norm(dim=1)
        radial = bessel(lengths, weights.frequencies, weights.cutoff, weights.exponent)
        *bonds, weight = _products(
            radial.to(dtype), [*(conv.radial for conv in weights.atom_convs), weights.bond_weight]
        )
        short_radial = bessel(near, weights.frequencies, weights.cutoff, weights.exponent)
        sides, angles = _angle_parts(
            weights, edges, short_radial.to(dtype), angles_of(vectors[:short], near, edges)
        )
        pairs = bessel(near, weights.short_frequencies, weights.short_cutoff, weights.exponent)
        factor = pairs.to(dtype) @ weights.short_weight
        half = edges.sign.shape[0]
        parts = tuple(
            AngleBasis(left, right, angle)
            for left, right, angle in zip(sides[::2], sides[1::2], angles, strict=True)
        )
        return cls(
            bonds=tuple(bonds),
            weight=weight,
            pair_weight=factor.index_select(0, edges.left[:half])
            * factor.index_select(0, edges.right[:half]),
            bond_convs=parts[: len(weights.bond_convs)],
            angle_updates=parts[len(weights.bond_convs) :],
        )


def _angle_parts(
    weights: Weights, edges: Edges, radial: Tensor, angles: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """For BondConvs, then AngleUpdates: left and right of each by turns, angle of each."""
    convs = (*weights.bond_convs, *weights.angle_updates)
    if not convs:
        return [], []
    angular = fourier(angles, weights.angle_frequencies).to(radial.dtype)
    sides = [side for conv in convs for side in (conv.left_radial, conv.right_radial)]
    return _products(radial, sides), _products(angular, [conv.angular for conv in convs])


def _products(rows: Tensor, matrices: Sequence[Tensor]) -> list[Tensor]:
    """`rows` times each matrix, by one product."""
    widths = [matrix.shape[1] for matrix in matrices]
    return list(torch.split(rows @ torch.cat(list(matrices), dim=1), widths, dim=1))


def bessel(lengths: Tensor, frequencies: Tensor, cutoff: float, exponent: int) -> Tensor:
    """(bond, radial) sqrt(2/c) sin(f r)/r · envelope(r/c)."""
    x = (lengths / cutoff)[:, None]
    p = float(exponent)
    bracket = -(p + 1) * (p + 2) / 2 + x * (p * (p + 2) - x * (p * (p + 1) / 2))
    envelope = torch.where(x < 1, 1 + x**exponent * bracket, torch.zeros_like(x))
    factor = envelope * (math.sqrt(2 / cutoff) / lengths[:, None])
    phase = lengths[:, None] * frequencies
    return torch.sin(phase) * factor


def angles_of(vectors: Tensor, lengths: Tensor, edges: Edges) -> Tensor:
    """(angle / 2,) rad, between the two bonds of each pair as seen from their centre."""
    unit, half = vectors / lengths[:, None], edges.sign.shape[0]
    left, right = (unit.index_select(0, side[:half]) for side in (edges.left, edges.right))
    cosine = (left * right).sum(1) * edges.sign
    return torch.acos(cosine * (1 - 1e-6))  # as chgnet does, for the slope at 0 and pi


def fourier(angles: Tensor, frequencies: Tensor) -> Tensor:
    """(angle / 2, angular) 1/sqrt(2), sin(f θ), cos(f θ); its 1/sqrt(pi) is in the weights."""
    phase = angles[:, None] * frequencies
    constant = torch.full_like(angles[:, None], math.sqrt(0.5))
    return torch.cat([constant, torch.sin(phase), torch.cos(phase)], dim=1)


def atom_conv(
    conv: AtomConv,
    edges: Edges,
    atoms: Tensor,
    bonds: Tensor | None,
    bond: Tensor,
    weight: Tensor,
) -> Tensor:
    """(atom, D) what the messages along all bonds add to their centres."""
    bias = torch.where(edges.has_angles, conv.bias_with_angles, conv.bias)
    if bonds is not None:
        near, far = torch.split(bond, [edges.short, bond.shape[0] - edges.short])
        bond = torch.cat([torch.addmm(near, bonds, conv.bond), far])
    first = (atoms @ conv.centre + bias).index_select(0, edges.centre)
    first = first + (atoms @ conv.neighbour).index_select(0, edges.neighbour)
    first = first.reshape(2, *bond.shape) + bond  # there and back
    messages = gated(conv.gated, first.reshape(-1, bond.shape[1]))
    messages = messages.reshape(2, *weight.shape) * weight
    summed = segment_sum(messages.reshape(-1, weight.shape[1]), edges.centre, atoms.shape[0])
    return torch.addmm(conv.out_bias, summed, conv.out)


def angle_conv(
    conv: AngleConv,
    edges: Edges,
    atoms: Tensor,
    bonds: Tensor | None,
    turns: Tensor | None,
    basis: AngleBasis,
) -> Tensor:
    """(angle, D) messages of a BondConv, or what an AngleUpdate adds."""
    left, right = basis.left + conv.bias, basis.right
    if bonds is not None:
        left, right = torch.addmm(left, bonds, conv.left), torch.addmm(right, bonds, conv.right)
    half = edges.sign.shape[0]
    same = (atoms @ conv.centre).index_select(0, edges.corner[:half]) + basis.angle
    first = left.index_select(0, edges.left) + right.index_select(0, edges.right)
    first = (first.reshape(2, *same.shape) + same).reshape(first.shape)
    if turns is not None:
        first = torch.addmm(first, turns, conv.angle)
    return gated(conv.gated, first)


def gated(weights: Gated, first: Tensor) -> Tensor:
    """(row, D) silu(core) · sigmoid(gate) from the (row, 2D) outputs of the first layer."""
    width = first.shape[1] // 2
    core, gate = torch.split(first, width, dim=1)
    if weights.hidden is not None:
        core_bias, gate_bias = torch.split(weights.hidden.bias, width)
        core = torch.addmm(core_bias, functional.silu(core), weights.hidden.core)
        gate = torch.addmm(gate_bias, functional.silu(gate), weights.hidden.gate)
    if weights.norm is not None:
        core_scale, gate_scale = torch.split(weights.norm.scale, width)
        core_shift, gate_shift = torch.split(weights.norm.shift, width)
        core = functional.layer_norm(core, (width,), core_scale, core_shift)
        gate = functional.layer_norm(gate, (width,), gate_scale, gate_shift)
    return functional.silu(core) * torch.sigmoid(gate)


def segment_sum(values: Tensor, index: Tensor, count: int) -> Tensor:
    """(count, D) sums of the rows of `values` that share an index."""
    zero = torch.zeros(count, values.shape[1], dtype=values.dtype, device=values.device)
    return zero.index_add(0, index, values)


def readout(weights: Weights, atoms: Tensor) -> Tensor:
    """(atom,) eV, float64, without the composition model."""
    norm = weights.readout_norm
    if norm is not None:
        atoms = functional.layer_norm(atoms, (atoms.shape[1],), norm.scale, norm.shift)
    *hidden, last = weights.readout
    for matrix, bias in hidden:
        atoms = functional.silu(torch.addmm(bias, atoms, matrix))
    matrix, bias = last  # its sum is an atom's energy, of which float32 would keep six digits
    return torch.addmm(bias.double(), atoms.double(), matrix.double()).squeeze(1)

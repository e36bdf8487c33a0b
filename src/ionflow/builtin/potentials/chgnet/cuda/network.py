"""CHGNet forward and backward as a fixed sequence of kernels and matrix products.

The products per atom and per bond are cuBLAS's, in float32; the products per edge and per angle
are inside the kernels. The order is chgnet's: AtomConv l, BondConv l, AngleUpdate l, AtomConv
l + 1, ... The tables that a layer reads are columns of one product, see `parameters`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ionflow.builtin.potentials.chgnet.cuda.angle_pass import AnglePass
from ionflow.builtin.potentials.chgnet.cuda.context import Context
from ionflow.builtin.potentials.chgnet.cuda.edge_pass import EdgePass
from ionflow.builtin.potentials.chgnet.cuda.parameters import BASIS, ROW, WIDTH
from ionflow.builtin.potentials.chgnet.cuda.readout import readout

ONE, TWO = 2 * WIDTH, 4 * WIDTH
"""Columns of the tables of one reader, and of two."""


@dataclass(frozen=True)
class Slopes:
    """Energies, and their derivatives by distances (eV/Å) and angles (eV/rad)."""

    energies: Tensor
    """(atom,) eV, without the composition model"""
    edge: Tensor
    """(3, edge), to be added up: through the weight, the core and the gate"""
    bond_embedding: Tensor
    """(bond, 96), by the rows of Bases.bonds"""
    bond_weight: Tensor
    """(bond, 64), by the weight of messages along angles"""
    angle: Tensor
    """(2, angle), to be added up: through core and gate"""


@dataclass(frozen=True)
class Passes:
    """What happened on the way forward."""

    edges: list[EdgePass] = field(default_factory=list)
    convs: list[AnglePass] = field(default_factory=list)
    updates: list[AnglePass] = field(default_factory=list)
    atoms: list[Tensor] = field(default_factory=list)
    """tables (atom, 384 or 512) after AtomConv l"""
    bonds: list[Tensor] = field(default_factory=list)
    """tables (bond, 128 to 640) before BondConv l"""


def slopes(context: Context) -> Slopes:
    """Evaluate forward and backward."""
    passes = Passes()
    energies, gradient = readout(context.parameters, forward(context, passes))
    return backward(context, passes, energies, gradient)


def forward(context: Context, passes: Passes) -> Tensor:
    """(atom, 64) features after the last AtomConv."""
    p, species = context.parameters, context.species
    atoms, rows = p.elements.index_select(0, species), context.bases.bonds
    table, bonds, turns = p.element_tables.index_select(0, species), None, None
    passes.bonds.append(rows @ p.bond_tables[0])
    for layer, block in enumerate(p.atom_convs):
        passes.edges.append(EdgePass.of(context, block, table[:, -TWO:], bonds))
        atoms = torch.addmm(atoms, passes.edges[-1].sums(context), _out(block.out))
        if block.out_bias is not None:
            atoms += block.out_bias
        if layer == p.layers - 1:
            break
        table = atoms @ p.atom_tables[layer]
        passes.atoms.append(table)
        rows = _bond_conv(context, passes, rows, turns)
        bonds = passes.bonds[-1][:, :ONE]
        if layer < len(p.angle_updates):
            tables = table[:, ONE:TWO], passes.bonds[-1][:, ONE : ONE + TWO]
            update = AnglePass.of(context, p.angle_updates[layer], tables, turns)
            passes.updates.append(update)
            turns = update.messages(context)
    return atoms


def _bond_conv(context: Context, passes: Passes, rows: Tensor, turns: Tensor | None) -> Tensor:
    """(bond, 96) rows after the next BondConv; appends their tables."""
    p, layer = context.parameters, len(passes.convs)
    tables = passes.atoms[-1][:, :ONE], passes.bonds[-1][:, -TWO:]
    conv = AnglePass.of(context, p.bond_convs[layer], tables, turns)
    passes.convs.append(conv)
    learnt = torch.addmm(rows[:, BASIS:], conv.sums(context), _out(conv.block.out))
    rows = torch.cat([rows[:, :BASIS], learnt], 1)
    passes.bonds.append(rows @ p.bond_tables[layer + 1])
    return rows


def backward(context: Context, passes: Passes, energies: Tensor, gradient: Tensor) -> Slopes:
    """From the gradient (atom, 64) of the last features to those of distances and angles."""
    p, graph, device = context.parameters, context.graph, gradient.device
    edge = torch.empty(3, len(graph.centre), device=device)
    angle = torch.zeros(2, len(graph.left), device=device)
    weights = torch.zeros(len(graph.there), WIDTH, device=device)
    rows = torch.zeros(len(graph.there), ROW, device=device)
    by_bonds, turn = torch.empty_like(passes.bonds[-1]), None
    for layer in reversed(range(p.layers)):
        step = passes.edges[layer]
        received = gradient @ _out(step.block.out).T
        step.gradients(context, received, edge, add=layer < p.layers - 1)
        if layer == 0:
            break
        by_atoms = torch.empty_like(passes.atoms[layer - 1])
        step.to_atoms(context, by_atoms[:, -TWO:])
        step.to_bonds(context, by_bonds[:, :ONE])
        if layer <= len(passes.updates) and turn is not None:
            update = passes.updates[layer - 1]
            update.gradients(context, turn, angle, add=True)
            update.to_bonds(context, by_bonds[:, ONE : ONE + TWO])
            update.to_atoms(context, by_atoms[:, ONE:TWO])
            turn = update.to_turns(turn)
        rows = torch.addmm(rows, by_bonds, p.bond_tables[layer].T)
        by_bonds, conv = torch.empty_like(passes.bonds[layer - 1]), passes.convs[layer - 1]
        received = rows[:, BASIS:] @ _out(conv.block.out).T
        product = conv.gradients(context, received, angle, add=True)
        conv.to_bonds_and_weights(context, by_bonds[:, -TWO:], _out(product), weights)
        conv.to_atoms(context, by_atoms[:, :ONE])
        turn = conv.to_turns(turn)
        gradient = torch.addmm(gradient, by_atoms, p.atom_tables[layer - 1].T)
    rows = torch.addmm(rows, by_bonds, p.bond_tables[0].T)
    return Slopes(energies, edge, rows, weights, angle)


def _out(value: Tensor | None) -> Tensor:
    if value is None:
        raise TypeError("a layer without a second matrix has no sums")
    return value

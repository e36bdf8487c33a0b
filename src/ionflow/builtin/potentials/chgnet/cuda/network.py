"""CHGNet forward and backward as a fixed sequence of kernels and matrix products.

The products per atom and per bond are cuBLAS's, in float32; the products per edge and per angle
are inside the kernels. Layers are numbered as in chgnet: AtomConv l, BondConv l, AngleUpdate l,
AtomConv l + 1, ...
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ionflow.builtin.potentials.chgnet.cuda import angles, edges, sums
from ionflow.builtin.potentials.chgnet.cuda.bases import Bases, blocks
from ionflow.builtin.potentials.chgnet.cuda.connections import Connections
from ionflow.builtin.potentials.chgnet.cuda.parameters import (
    BASIS,
    ROW,
    WIDTH,
    Block,
    Parameters,
)
from ionflow.builtin.potentials.chgnet.cuda.readout import readout


@dataclass(frozen=True)
class Tuning:
    """How the kernels are cut; changes speed, and results by rounding alone."""

    precision: str = "tf32x3"
    """of the kernels' matrix products: tf32x3 or ieee"""
    edge_block: int = 64
    edge_warps: int = 4
    edge_back_block: int = 64
    edge_back_warps: int = 8
    angle_block: int = 64
    angle_warps: int = 4
    angle_back_block: int = 64
    angle_back_warps: int = 8


@dataclass(frozen=True)
class Slopes:
    """Derivatives of the energy by distances (eV/Å) and angles (eV/rad)."""

    energies: Tensor
    """(atom,) eV, without the composition model"""
    edge: Tensor
    """(edge,)"""
    bond_embedding: Tensor
    """(bond, 96), by the rows of Bases.bonds"""
    bond_weight: Tensor
    """(bond, 64), by the weight of messages along angles"""
    angle: Tensor
    """(angle,)"""


@dataclass
class Network:
    """One evaluation; what the backward pass needs again is kept in lists, by layer."""

    parameters: Parameters
    tuning: Tuning
    graph: Connections
    bases: Bases
    species: Tensor
    """(atom,) atomic number - 1"""
    angular: Tensor
    """(atom,) int64, whether the atom's system has angles"""
    atoms: list[Tensor] = field(default_factory=list)
    """tables (atom, 256 or more) that AtomConv l reads, after those of layer l - 1's angles"""
    bonds: list[Tensor] = field(default_factory=list)
    """tables (bond, 128 to 640)"""
    turns: list[Tensor | None] = field(default_factory=list)
    """(angle, 64) what AngleUpdates have added before BondConv l"""

    def __post_init__(self) -> None:
        graph = self.graph
        self.left, self.right, self.corner = graph.left_bond, graph.right_bond, graph.corner
        self.weight = self.bases.near @ self.parameters.short_weight

    def slopes(self) -> Slopes:
        """Forward and backward."""
        energies, gradient = readout(self.parameters, self._forward())
        return self._backward(energies, gradient)

    # ---- forward --------------------------------------------------------------------------------

    def _forward(self) -> Tensor:
        p = self.parameters
        x = p.elements.index_select(0, self.species)
        rows = self.bases.bonds
        self.atoms = [p.element_tables.index_select(0, self.species)]
        self.bonds, self.turns = [rows @ p.bond_tables[0]], [None]
        for layer in range(p.layers):
            block = p.atom_convs[layer]
            x = torch.addmm(x, self._atom_sums(layer), block.out)
            if block.out_bias is not None:
                x += block.out_bias
            if layer == p.layers - 1:
                break
            self.atoms.append(x @ p.atom_tables[layer])
            learnt = torch.addmm(rows[:, BASIS:], self._bond_sums(layer), p.bond_convs[layer].out)
            rows = torch.cat([rows[:, :BASIS], learnt], 1)
            self.bonds.append(rows @ p.bond_tables[layer + 1])
            if layer < len(p.angle_updates):
                self.turns.append(self._turned(layer))
        return x

    def _atom_sums(self, layer: int) -> Tensor:
        """(atom, 64) summed messages of AtomConv `layer`."""
        graph, tuning = self.graph, self.tuning
        message = self._empty(graph.centre, WIDTH)
        edges.edge_messages[(blocks(len(message), tuning.edge_block),)](
            *self._edge_inputs(), *self._edge_tables(layer),
            *_weights(self.parameters.atom_convs[layer]), self.parameters.bond_weight, message,
            BONDS=layer > 0, **self._how(tuning.edge_block, tuning.edge_warps),
        )  # fmt: skip
        total = self._empty(self.species, WIDTH)
        sums.row_sums[(len(total),)](message, graph.start, total, WIDTH, WIDTH=WIDTH, ROWS=16)
        return total

    def _bond_sums(self, layer: int) -> Tensor:
        """(bond, 64) summed messages of BondConv `layer`."""
        graph = self.graph
        message = self._empty(graph.left, WIDTH)
        self._angle_messages(
            self.parameters.bond_convs[layer], self._bond_conv_tables(layer), layer, message, True
        )
        total = self._empty(graph.there, WIDTH)
        sums.bond_sums[(len(total),)](
            graph.bonds, message, graph.there, graph.back, graph.angle_start, total, ROWS=8,
            num_warps=2,
        )  # fmt: skip
        return total

    def _turned(self, layer: int) -> Tensor:
        """(angle, 64) what angles have learnt after AngleUpdate `layer`."""
        turns = self._empty(self.graph.left, WIDTH)
        self._angle_messages(
            self.parameters.angle_updates[layer], self._update_tables(layer), layer, turns, False
        )
        return turns

    def _angle_messages(
        self, block: Block, tables: tuple[Any, ...], layer: int, result: Tensor, hidden: bool
    ) -> None:
        first, *rest = _weights(block)
        tuning, turns = self.tuning, self.turns[layer]
        angles.angle_messages[(blocks(len(result), tuning.angle_block),)](
            self.graph.angles, self.left, self.right, self.corner, self.bases.angular, *tables,
            result if turns is None else turns,
            first, rest[0], block.turn, *rest[1:], self.weight, result,
            HIDDEN=hidden, TURNS=turns is not None,
            **self._how(tuning.angle_block, tuning.angle_warps),
        )  # fmt: skip

    # ---- backward -------------------------------------------------------------------------------

    def _backward(self, energies: Tensor, gradient: Tensor) -> Slopes:
        p, graph = self.parameters, self.graph
        edge = self._empty(graph.centre)
        angle = torch.zeros(len(graph.left), device=edge.device)
        bond_weight = torch.zeros(len(graph.there), WIDTH, device=edge.device)
        turn = self._empty(graph.left, WIDTH)
        rows = torch.zeros(len(graph.there), ROW, device=edge.device)
        by_bonds = torch.empty_like(self.bonds[-1])
        for layer in reversed(range(p.layers)):
            by_edges = self._edge_gradients(layer, gradient @ p.atom_convs[layer].out.T, edge)
            if layer == 0:
                break
            by_atoms = torch.empty_like(self.atoms[layer])
            self._to_atoms_and_bonds(by_edges, by_atoms, by_bonds)
            if layer <= len(p.angle_updates):
                self._update_gradients(layer - 1, by_atoms, by_bonds, turn, angle)
            rows = torch.addmm(rows, by_bonds, p.bond_tables[layer].T)
            by_bonds = torch.empty_like(self.bonds[layer - 1])
            received = rows[:, BASIS:] @ p.bond_convs[layer - 1].out.T
            self._bond_conv_gradients(
                layer - 1, received, by_atoms, by_bonds, turn, angle, bond_weight
            )
            gradient = torch.addmm(gradient, by_atoms, p.atom_tables[layer - 1].T)
        rows = torch.addmm(rows, by_bonds, p.bond_tables[0].T)
        return Slopes(energies, edge, rows, bond_weight, angle)

    def _edge_gradients(self, layer: int, gradient: Tensor, slope: Tensor) -> Tensor:
        """(edge, 128) gradient of the first layer; adds to the slopes of the distances."""
        tuning, last = self.tuning, layer == self.parameters.layers - 1
        first = self._empty(self.graph.centre, 2 * WIDTH) if layer > 0 else slope
        edges.edge_gradients[(blocks(len(slope), tuning.edge_back_block),)](
            *self._edge_inputs(), self.bases.radial_slope, *self._edge_tables(layer),
            *_weights(self.parameters.atom_convs[layer]), self.parameters.bond_weight,
            gradient, first, slope, BONDS=layer > 0, TABLES=layer > 0, ADD=not last,
            **self._how(tuning.edge_back_block, tuning.edge_back_warps),
        )  # fmt: skip
        return first

    def _to_atoms_and_bonds(self, by_edges: Tensor, by_atoms: Tensor, by_bonds: Tensor) -> None:
        graph = self.graph
        into = by_atoms[:, -4 * WIDTH :]
        sums.edge_sums[(len(into),)](
            by_edges, graph.start, graph.reverse, into, into.stride(0), ROWS=16
        )
        sums.bond_pairs[(blocks(len(by_bonds), 16),)](
            graph.bonds, by_edges, graph.edge_of, graph.there, graph.back,
            by_bonds, by_bonds.stride(0), BLOCK=16,
        )  # fmt: skip

    def _update_gradients(
        self, layer: int, by_atoms: Tensor, by_bonds: Tensor, turn: Tensor, angle: Tensor
    ) -> None:
        block = self.parameters.angle_updates[layer]
        tables = self._update_tables(layer)
        first, _ = self._angle_gradients(block, tables, layer, None, turn, angle, True)
        self._to_bonds(first, None, by_bonds[:, 2 * WIDTH : 6 * WIDTH], None, False)
        self._to_corners(first, by_atoms[:, 2 * WIDTH : 4 * WIDTH])

    def _bond_conv_gradients(
        self,
        layer: int,
        received: Tensor,
        by_atoms: Tensor,
        by_bonds: Tensor,
        turn: Tensor,
        angle: Tensor,
        bond_weight: Tensor,
    ) -> None:
        block, last = self.parameters.bond_convs[layer], layer == self.parameters.layers - 2
        tables = self._bond_conv_tables(layer)
        first, weight = self._angle_gradients(
            block, tables, layer, received, turn, angle, not last
        )
        self._to_bonds(first, weight, by_bonds[:, -4 * WIDTH :], bond_weight, not last)
        self._to_corners(first, by_atoms[:, : 2 * WIDTH])

    def _angle_gradients(
        self,
        block: Block,
        tables: tuple[Any, ...],
        layer: int,
        received: Tensor | None,
        turn: Tensor,
        slope: Tensor,
        add: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """(angle, 128) of the first layer, (angle, 64) of the weights; adds to turn and slope."""
        first_weight, *rest = _weights(block)
        tuning, turns = self.tuning, self.turns[layer]
        hidden = received is not None
        first = self._empty(self.graph.left, 2 * WIDTH)
        weight = self._empty(self.graph.left, WIDTH) if hidden else None
        angles.angle_gradients[(blocks(len(slope), tuning.angle_back_block),)](
            self.graph.angles, self.left, self.right, self.corner,
            self.bases.angular, self.bases.angular_slope, *tables,
            first if turns is None else turns,
            first_weight, rest[0], block.turn, *rest[1:], self.weight,
            first if received is None else received,
            first, first if weight is None else weight, turn, slope,
            HIDDEN=hidden, TURNS=turns is not None, ADD=add, ADD_TURNS=add,
            **self._how(tuning.angle_back_block, tuning.angle_back_warps),
        )  # fmt: skip
        return first, weight

    def _to_bonds(
        self, first: Tensor, weight: Tensor | None, into: Tensor, total: Tensor | None, add: bool
    ) -> None:
        graph = self.graph
        sums.bond_gradients[(len(graph.there),)](
            graph.bonds, first, first if weight is None else weight, self.weight, self.right,
            graph.opposite, graph.there, graph.back, graph.angle_start,
            into, into.stride(0), into if total is None else total,
            HIDDEN=weight is not None, ADD=add, ROWS=8, num_warps=4,
        )  # fmt: skip

    def _to_corners(self, first: Tensor, into: Tensor) -> None:
        sums.row_sums[(len(into),)](
            first, self.graph.atom_angle_start, into, into.stride(0), WIDTH=2 * WIDTH, ROWS=8
        )

    # ---- what kernels read ----------------------------------------------------------------------

    def _edge_inputs(self) -> tuple[Tensor, ...]:
        graph = self.graph
        return (
            graph.edges, graph.centre, graph.neighbour, graph.bond, self.angular,
            self.bases.radial,
        )  # fmt: skip

    def _edge_tables(self, layer: int) -> tuple[Any, ...]:
        atoms, bonds = self.atoms[layer][:, -4 * WIDTH :], self.bonds[layer]
        return atoms, atoms.stride(0), bonds, bonds.stride(0)

    def _bond_conv_tables(self, layer: int) -> tuple[Any, ...]:
        atoms, bonds = self.atoms[layer + 1], self.bonds[layer][:, -4 * WIDTH :]
        return atoms, atoms.stride(0), bonds, bonds.stride(0)

    def _update_tables(self, layer: int) -> tuple[Any, ...]:
        atoms = self.atoms[layer + 1][:, 2 * WIDTH :]
        bonds = self.bonds[layer + 1][:, 2 * WIDTH :]
        return atoms, atoms.stride(0), bonds, bonds.stride(0)

    def _how(self, block: int, warps: int) -> dict[str, Any]:
        return {
            "NORM": self.parameters.norm,
            "PRECISION": self.tuning.precision,
            "BLOCK": block,
            "num_warps": warps,
        }

    def _empty(self, like: Tensor, *width: int) -> Tensor:
        return torch.empty(len(like), *width, device=like.device)


def _weights(block: Block) -> tuple[Tensor, ...]:
    return (
        block.first, block.first_bias, block.hidden, block.hidden_bias, block.scale, block.shift,
    )  # fmt: skip

"""One AtomConv: messages along all edges to their centres, and their gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ionflow.builtin.potentials.chgnet.cuda import edges, sums
from ionflow.builtin.potentials.chgnet.cuda.bases import blocks
from ionflow.builtin.potentials.chgnet.cuda.context import Context
from ionflow.builtin.potentials.chgnet.cuda.parameters import WIDTH, Block


@dataclass(frozen=True)
class EdgePass:
    """What an AtomConv reads, and what it keeps for the backward pass."""

    block: Block
    atoms: Tensor
    """(atom, 256) tables of centre and neighbour, columns of a wider one"""
    bonds: Tensor | None
    """(bond, 128) table of what bonds have learnt, columns of a wider one; None at first"""
    kept: Tensor
    """(edge, 128) before the LayerNorms; becomes the gradient of the first layer"""

    @classmethod
    def of(cls, context: Context, block: Block, atoms: Tensor, bonds: Tensor | None) -> EdgePass:
        """Before any message."""
        return cls(block, atoms, bonds, context.empty(context.graph.centre, 2 * WIDTH))

    def sums(self, context: Context) -> Tensor:
        """(atom, 64) summed messages."""
        graph, block, p = context.graph, self.block, context.parameters
        message, cut = context.empty(graph.centre, WIDTH), context.tuning.messages
        edges.edge_messages[(blocks(len(message), cut[0]),)](
            *self._edges(context), *self._tables(), block.first, block.first_bias,
            block.hidden, block.hidden_bias, block.scale, block.shift, p.bond_weight,
            self.kept, message, NORM=p.norm, **self._kind(context), **context.how(cut),
        )  # fmt: skip
        total = context.empty(context.species, WIDTH)
        sums.row_sums[(len(total),)](message, graph.start, total, WIDTH, WIDTH=WIDTH, ROWS=16)
        return total

    def gradients(self, context: Context, gradient: Tensor, slope: Tensor, *, add: bool) -> None:
        """From the gradient (atom, 64) of the sums to that of the first layer, left in `kept`.

        slope : (3, edge) of the distances; added to what is there if `add`
        """
        block, p, tuning = self.block, context.parameters, context.tuning
        edges.edge_gate_gradients[(blocks(len(self.kept), tuning.gates[0]),)](
            context.graph.edges, context.graph.centre, context.bases.radial,
            context.bases.radial_slope, block.scale, block.shift, p.bond_weight,
            self.kept, gradient, slope, NORM=p.norm, ADD=add, **context.how(tuning.gates),
        )  # fmt: skip
        edges.edge_first_gradients[(blocks(len(self.kept), tuning.firsts[0]), 2)](
            *self._edges(context), context.bases.radial_slope, *self._tables(),
            block.first, block.first_bias, block.hidden, self.kept, slope[1:], slope.stride(0),
            ADD=add, **self._kind(context), **context.how(tuning.firsts),
        )  # fmt: skip

    def to_atoms(self, context: Context, into: Tensor) -> None:
        """into: (atom, 256), gradient of the tables."""
        graph = context.graph
        sums.edge_sums[(len(into),)](
            self.kept, graph.start, graph.reverse, into, into.stride(0), ROWS=16
        )

    def to_bonds(self, context: Context, into: Tensor) -> None:
        """into: (bond, 128), gradient of the table."""
        graph = context.graph
        sums.bond_pairs[(blocks(len(into), 16),)](
            graph.bonds, self.kept, graph.edge_of, graph.there, graph.back,
            into, into.stride(0), BLOCK=16,
        )  # fmt: skip

    def _edges(self, context: Context) -> tuple[Tensor, ...]:
        graph = context.graph
        ends = graph.edges, graph.centre, graph.neighbour, graph.bond
        return (*ends, context.angular, context.bases.radial)

    def _tables(self) -> tuple[Any, ...]:
        bonds = self.atoms if self.bonds is None else self.bonds
        return self.atoms, self.atoms.stride(0), bonds, bonds.stride(0)

    def _kind(self, context: Context) -> dict[str, bool]:
        return {"BONDS": self.bonds is not None, "MIXED": context.parameters.mixed}

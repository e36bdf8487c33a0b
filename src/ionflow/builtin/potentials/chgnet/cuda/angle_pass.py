"""One BondConv or AngleUpdate: what angles give to their bonds, or to themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ionflow.builtin.potentials.chgnet.cuda import angles, sums
from ionflow.builtin.potentials.chgnet.cuda.bases import blocks
from ionflow.builtin.potentials.chgnet.cuda.context import Context
from ionflow.builtin.potentials.chgnet.cuda.parameters import WIDTH, Block


@dataclass(frozen=True)
class AnglePass:
    """What a BondConv (`hidden`) or AngleUpdate reads, and keeps for the backward pass."""

    block: Block
    hidden: bool
    atoms: Tensor
    """(atom, 128) table of the corner, columns of a wider one"""
    bonds: Tensor
    """(bond, 256) tables of the bond that receives and the other, columns of a wider one"""
    turns: Tensor | None
    """(angle, 64) what AngleUpdates have added before; None at first"""
    learnt: Tensor | None
    """(angle, 128) table of it"""
    kept: Tensor
    """(angle, 128) before the LayerNorms; becomes the gradient of the first layer"""

    @classmethod
    def of(
        cls, context: Context, block: Block, tables: tuple[Tensor, Tensor], turns: Tensor | None
    ) -> AnglePass:
        """Before any message. tables: of atoms and of bonds."""
        learnt = None if turns is None else turns @ block.turn
        kept = context.empty(context.left, 2 * WIDTH)
        return cls(block, block.out is not None, *tables, turns, learnt, kept)

    def messages(self, context: Context) -> Tensor:
        """(angle, 64) messages of a BondConv, or turns after an AngleUpdate."""
        block, p, cut = self.block, context.parameters, context.tuning.messages
        result = context.empty(context.left, WIDTH)
        angles.angle_messages[(blocks(len(result), cut[0]),)](
            *self._angles(context), context.bases.angular, *self._tables(),
            result if self.turns is None else self.turns, block.first, block.first_bias,
            block.hidden, block.hidden_bias, block.scale, block.shift, context.weight,
            self.kept, result, NORM=p.norm, **self._kind(), **context.how(cut),
        )  # fmt: skip
        return result

    def sums(self, context: Context) -> Tensor:
        """(bond, 64) summed messages of a BondConv."""
        graph, message = context.graph, self.messages(context)
        total = context.empty(graph.there, WIDTH)
        sums.bond_sums[(len(total),)](
            graph.bonds, message, graph.there, graph.back, graph.angle_start, total, ROWS=8,
            num_warps=2,
        )  # fmt: skip
        return total

    def gradients(
        self, context: Context, gradient: Tensor, slope: Tensor, *, add: bool
    ) -> Tensor | None:
        """To the gradient of the first layer, left in `kept`; (angle, 64) that of the weights.

        gradient : (bond, 64) of the sums of a BondConv, or (angle, 64) of turns
        slope : (2, angle) of the angles; added to what is there if `add`
        """
        block, tuning = self.block, context.tuning
        weight = context.empty(context.left, WIDTH) if self.hidden else None
        count, left, right, corner = self._angles(context)
        angles.angle_gate_gradients[(blocks(len(self.kept), tuning.gates[0]),)](
            count, left, right, block.scale, block.shift, context.weight, self.kept, gradient,
            self.kept if weight is None else weight, HIDDEN=self.hidden,
            NORM=context.parameters.norm, BLOCK=tuning.gates[0], num_warps=tuning.gates[1],
        )  # fmt: skip
        angles.angle_first_gradients[(blocks(len(self.kept), tuning.firsts[0]), 2)](
            count, left, right, corner, context.bases.angular, context.bases.angular_slope,
            *self._tables(), block.first, block.first_bias, block.hidden, self.kept,
            slope, slope.stride(0), ADD=add, **self._kind(), **context.how(tuning.firsts),
        )  # fmt: skip
        return weight

    def to_bonds(self, context: Context, into: Tensor) -> None:
        """into: (bond, 256), gradient of the tables of an AngleUpdate."""
        self._to_bonds(context, into, self.kept, self.kept, add=False)

    def to_bonds_and_weights(
        self, context: Context, into: Tensor, weight: Tensor, total: Tensor
    ) -> None:
        """Of a BondConv, which also adds to `total` (bond, 64) the gradient of the weights."""
        self._to_bonds(context, into, weight, total, add=True)

    def to_atoms(self, context: Context, into: Tensor) -> None:
        """into: (atom, 128), gradient of the table."""
        start = context.graph.atom_angle_start
        sums.row_sums[(len(into),)](self.kept, start, into, into.stride(0), WIDTH=2 * WIDTH, ROWS=8)

    def to_turns(self, after: Tensor | None) -> Tensor | None:
        """(angle, 64) gradient of turns before, from that of turns after (None: zero)."""
        if self.turns is None:
            return None
        back = self.block.turn.T
        return self.kept @ back if after is None else torch.addmm(after, self.kept, back)

    def _to_bonds(
        self, context: Context, into: Tensor, weight: Tensor, total: Tensor, *, add: bool
    ) -> None:
        graph = context.graph
        sums.bond_gradients[(len(into),)](
            graph.bonds, self.kept, weight, context.weight, context.right, graph.opposite,
            graph.there, graph.back, graph.angle_start, into, into.stride(0), total,
            HIDDEN=self.hidden, ADD=add, ROWS=8,
        )  # fmt: skip

    def _angles(self, context: Context) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return context.graph.angles, context.left, context.right, context.corner

    def _tables(self) -> tuple[Any, ...]:
        learnt = self.kept if self.learnt is None else self.learnt
        return self.atoms, self.atoms.stride(0), self.bonds, self.bonds.stride(0), learnt

    def _kind(self) -> dict[str, bool]:
        return {"HIDDEN": self.hidden, "LEARNT": self.learnt is not None}

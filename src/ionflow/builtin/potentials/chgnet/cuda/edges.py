# mypy: ignore-errors
# ruff: noqa: PLR0913
"""Messages along all edges, and their gradient: a program takes a block of edges.

Nothing of an edge but its message (forward) or the gradient of its first layer (backward) reaches
memory; the backward pass computes the forward one again rather than store it.
"""

from __future__ import annotations

import triton
import triton.language as tl

from ionflow.builtin.potentials.chgnet.cuda.gates import (
    basis,
    columns,
    columns_transposed,
    gather,
    normed,
    normed_back,
    scatter,
    second,
    silu_slope,
    times,
)


@triton.jit
def _first(
    i, j, u, angular, live, radial, weight, bias,
    atoms, atom_stride, bonds, bond_stride,
    half: tl.constexpr, BONDS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """First layer: centre + neighbour + radial basis (+ what a short bond has learnt)."""
    x = gather(atoms, i, atom_stride, half, live)
    x += gather(atoms + 128, j, atom_stride, half, live)
    x += gather(bias, angular, 128, half, live)
    if BONDS:
        x += gather(bonds, u, bond_stride, half, live & (u >= 0))
    return x + times(radial, weight, PRECISION)


@triton.jit
def edge_messages(
    count, centre, neighbour, bond, angular, radial,
    atoms, atom_stride, bonds, bond_stride,
    first, first_bias, hidden, hidden_bias, scale, shift, weight, kept, message,
    BONDS: tl.constexpr, NORM: tl.constexpr, PRECISION: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """message: (edge, 64) silu(core) · sigmoid(gate) · weight of the distance.

    kept : (edge, 128) what the LayerNorms read, for the backward pass
    """
    e = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    edges = tl.load(count)
    if tl.program_id(0) * BLOCK >= edges:
        return
    live = e < edges
    i, j = tl.load(centre + e, mask=live, other=0), tl.load(neighbour + e, mask=live, other=0)
    u = tl.load(bond + e, mask=live, other=-1)
    a = tl.load(angular + i, mask=live, other=0)
    r = basis(radial, e, live)
    x = _first(
        i, j, u, a, live, r, columns(first, 32, 0, 128), first_bias,
        atoms, atom_stride, bonds, bond_stride, 0, BONDS, PRECISION,
    )  # fmt: skip
    y = second(x, columns(hidden, 64, 0, 128), hidden_bias, 0, PRECISION)
    scatter(kept, e, 128, 0, live, y)
    core, _, _ = normed(y, scale, shift, 0, NORM)
    m = core * tl.sigmoid(core)
    x = _first(
        i, j, u, a, live, r, columns(first, 32, 1, 128), first_bias,
        atoms, atom_stride, bonds, bond_stride, 1, BONDS, PRECISION,
    )  # fmt: skip
    y = second(x, columns(hidden, 64, 1, 128), hidden_bias, 1, PRECISION)
    scatter(kept, e, 128, 1, live, y)
    gate, _, _ = normed(y, scale, shift, 1, NORM)
    m *= tl.sigmoid(gate) * times(r, columns(weight, 32, 0, 64), PRECISION)
    scatter(message, e, 64, 0, live, m)


@triton.jit
def edge_gradients(
    count, centre, neighbour, bond, angular, radial, radial_slope,
    atoms, atom_stride, bonds, bond_stride,
    first, first_bias, hidden, hidden_bias, scale, shift, weight,
    kept, gradient, first_gradient, slope,
    BONDS: tl.constexpr, NORM: tl.constexpr, TABLES: tl.constexpr, ADD: tl.constexpr,
    PRECISION: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """From the gradient (atom, 64) of the summed messages.

    kept : (edge, 128) from the forward pass
    first_gradient : (edge, 128) of the first layer, if TABLES
    slope : (edge,) of the distance, added to what is there if ADD
    """
    e = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    edges = tl.load(count)
    if tl.program_id(0) * BLOCK >= edges:
        return
    live = e < edges
    i, j = tl.load(centre + e, mask=live, other=0), tl.load(neighbour + e, mask=live, other=0)
    u = tl.load(bond + e, mask=live, other=-1)
    a = tl.load(angular + i, mask=live, other=0)
    r = basis(radial, e, live)

    core, core_unit, core_spread = normed(gather(kept, e, 128, 0, live), scale, shift, 0, NORM)
    gate, gate_unit, gate_spread = normed(gather(kept, e, 128, 1, live), scale, shift, 1, NORM)
    opened, value = tl.sigmoid(gate), core * tl.sigmoid(core)
    g = gather(gradient, i, 64, 0, live)
    weighted = g * times(r, columns(weight, 32, 0, 64), PRECISION)
    d_gate = weighted * value * opened * (1 - opened)
    d_gate = normed_back(d_gate, gate_unit, gate_spread, scale, 1, NORM)
    d = weighted * opened * silu_slope(core)
    d = normed_back(d, core_unit, core_spread, scale, 0, NORM)
    d_radial = times(g * value * opened, columns_transposed(weight, 32, 0, 64), PRECISION)

    d = times(d, columns_transposed(hidden, 64, 0, 128), PRECISION)
    d *= silu_slope(_first(
        i, j, u, a, live, r, columns(first, 32, 0, 128), first_bias,
        atoms, atom_stride, bonds, bond_stride, 0, BONDS, PRECISION,
    ))  # fmt: skip
    d_radial += times(d, columns_transposed(first, 32, 0, 128), PRECISION)
    if TABLES:
        scatter(first_gradient, e, 128, 0, live, d)
    d = times(d_gate, columns_transposed(hidden, 64, 1, 128), PRECISION)
    d *= silu_slope(_first(
        i, j, u, a, live, r, columns(first, 32, 1, 128), first_bias,
        atoms, atom_stride, bonds, bond_stride, 1, BONDS, PRECISION,
    ))  # fmt: skip
    d_radial += times(d, columns_transposed(first, 32, 1, 128), PRECISION)
    if TABLES:
        scatter(first_gradient, e, 128, 1, live, d)

    total = tl.sum(d_radial * basis(radial_slope, e, live), 1)
    if ADD:
        total += tl.load(slope + e, mask=live, other=0.0)
    tl.store(slope + e, total, mask=live)

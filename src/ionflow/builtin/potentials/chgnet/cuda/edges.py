# mypy: ignore-errors
"""Messages along all edges, and their gradient: a program takes a block of edges.

Of an edge, memory sees its message and the 128 numbers before the LayerNorms. The backward pass
puts gradients in their place, first those of the second layer, then those of the first, and
computes all else again.
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
    vector,
)


@triton.jit
def _first(
    centre, neighbour, bond, angular, radial, e, live, weight, bias,
    atoms, atom_stride, bonds, bond_stride,
    half, BONDS: tl.constexpr, MIXED: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """First layer: centre + neighbour + radial basis (+ what a short bond has learnt)."""
    i, j = tl.load(centre + e, mask=live, other=0), tl.load(neighbour + e, mask=live, other=0)
    x = gather(atoms, i, atom_stride, half, live)
    x += gather(atoms + 128, j, atom_stride, half, live)
    if MIXED:
        x += gather(bias, tl.load(angular + i, mask=live, other=0), 128, half, live)
    else:
        x += vector(bias, half)
    if BONDS:
        u = tl.load(bond + e, mask=live, other=-1)
        x += gather(bonds, u, bond_stride, half, live & (u >= 0))
    return x + times(radial, columns(weight, 32, half, 128), PRECISION)


@triton.jit
def edge_messages(
    count, centre, neighbour, bond, angular, radial,
    atoms, atom_stride, bonds, bond_stride,
    first, first_bias, hidden, hidden_bias, scale, shift, weight, kept, message,
    BONDS: tl.constexpr, MIXED: tl.constexpr, NORM: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """message: (edge, 64) silu(core) · sigmoid(gate) · weight of the distance.

    kept : (edge, 128) what the LayerNorms read, for the backward pass
    """
    e = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    edges = tl.load(count)
    if tl.program_id(0) * BLOCK >= edges:
        return
    live = e < edges
    r = basis(radial, e, live)
    m = times(r, columns(weight, 32, 0, 64), PRECISION)
    for half in range(2):
        x = _first(
            centre, neighbour, bond, angular, r, e, live, first, first_bias,
            atoms, atom_stride, bonds, bond_stride, half, BONDS, MIXED, PRECISION,
        )  # fmt: skip
        y = second(x, columns(hidden, 64, half, 128), hidden_bias, half, PRECISION)
        scatter(kept, e, 128, half, live, y)
        z, _, _ = normed(y, scale, shift, half, NORM)
        m *= tl.sigmoid(z) * tl.where(half == 0, z, 1.0)
    scatter(message, e, 64, 0, live, m)


@triton.jit
def edge_gate_gradients(
    count, centre, radial, radial_slope, scale, shift, weight, kept, gradient, slope,
    NORM: tl.constexpr, ADD: tl.constexpr, PRECISION: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """From the gradient (atom, 64) of the summed messages to that of the second layer.

    kept : (edge, 128) of the forward pass, replaced by the gradient
    slope : (edge,) of the distance, through the weight; added to what is there if ADD
    """
    e = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    edges = tl.load(count)
    if tl.program_id(0) * BLOCK >= edges:
        return
    live = e < edges
    core, core_unit, core_spread = normed(gather(kept, e, 128, 0, live), scale, shift, 0, NORM)
    gate, gate_unit, gate_spread = normed(gather(kept, e, 128, 1, live), scale, shift, 1, NORM)
    opened, value = tl.sigmoid(gate), core * tl.sigmoid(core)
    g = gather(gradient, tl.load(centre + e, mask=live, other=0), 64, 0, live)
    d = times(g * value * opened, columns_transposed(weight, 32, 0, 64), PRECISION)
    total = tl.sum(d * basis(radial_slope, e, live), 1)
    if ADD:
        total += tl.load(slope + e, mask=live, other=0.0)
    tl.store(slope + e, total, mask=live)

    g *= times(basis(radial, e, live), columns(weight, 32, 0, 64), PRECISION) * opened
    d = normed_back(g * silu_slope(core), core_unit, core_spread, scale, 0, NORM)
    scatter(kept, e, 128, 0, live, d)
    d = normed_back(g * value * (1 - opened), gate_unit, gate_spread, scale, 1, NORM)
    scatter(kept, e, 128, 1, live, d)


@triton.jit
def edge_first_gradients(
    count, centre, neighbour, bond, angular, radial, radial_slope,
    atoms, atom_stride, bonds, bond_stride,
    first, first_bias, hidden, kept, slopes, capacity,
    BONDS: tl.constexpr, MIXED: tl.constexpr, ADD: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """From the gradient of the second layer to that of the first; one half in each program.

    kept : (edge, 128) gradient of the second layer, replaced by that of the first
    slopes : (2, capacity) of the distance, through each half; added to what is there if ADD
    """
    e = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    half = tl.program_id(1)
    edges = tl.load(count)
    if tl.program_id(0) * BLOCK >= edges:
        return
    live = e < edges
    x = _first(
        centre, neighbour, bond, angular, basis(radial, e, live), e, live, first, first_bias,
        atoms, atom_stride, bonds, bond_stride, half, BONDS, MIXED, PRECISION,
    )  # fmt: skip
    d = gather(kept, e, 128, half, live)
    d = times(d, columns_transposed(hidden, 64, half, 128), PRECISION) * silu_slope(x)
    scatter(kept, e, 128, half, live, d)
    d = times(d, columns_transposed(first, 32, half, 128), PRECISION)
    total = tl.sum(d * basis(radial_slope, e, live), 1)
    at = slopes + half * capacity + e
    if ADD:
        total += tl.load(at, mask=live, other=0.0)
    tl.store(at, total, mask=live)

# mypy: ignore-errors
"""Messages along all angles, what AngleUpdates add, and the gradients: a block of angles each.

`bonds` is the table of what a bond gives where it receives (columns 0 to 127) and where it is the
other bond (128 to 255).
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
    left, right, corner, angular, n, live, weight, bias,
    atoms, atom_stride, bonds, bond_stride, learnt,
    half, LEARNT: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """First layer: both bonds + centre + angular basis (+ what the angle has learnt)."""
    p, q = tl.load(left + n, mask=live, other=0), tl.load(right + n, mask=live, other=0)
    x = gather(bonds, p, bond_stride, half, live)
    x += gather(bonds + 128, q, bond_stride, half, live)
    x += gather(atoms, tl.load(corner + n, mask=live, other=0), atom_stride, half, live)
    x += vector(bias, half)
    if LEARNT:
        x += gather(learnt, n, 128, half, live)
    return x + times(basis(angular, n, live), columns(weight, 32, half, 128), PRECISION)


@triton.jit
def angle_messages(
    count, left, right, corner, angular,
    atoms, atom_stride, bonds, bond_stride, learnt, turns,
    first, first_bias, hidden, hidden_bias, scale, shift, weight, kept, result,
    HIDDEN: tl.constexpr, LEARNT: tl.constexpr, NORM: tl.constexpr,
    PRECISION: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """result: (angle, 64) messages of a BondConv if HIDDEN, else turns after an AngleUpdate.

    learnt : (angle, 128) what turns give to the first layer, if LEARNT
    turns : (angle, 64) before, if LEARNT
    kept : (angle, 128) what the LayerNorms read, for the backward pass
    """
    n = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    angles = tl.load(count)
    if tl.program_id(0) * BLOCK >= angles:
        return
    live = n < angles
    m = tl.full((BLOCK, 64), 1.0, tl.float32)
    for half in range(2):
        y = _first(
            left, right, corner, angular, n, live, first, first_bias,
            atoms, atom_stride, bonds, bond_stride, learnt, half, LEARNT, PRECISION,
        )  # fmt: skip
        if HIDDEN:
            y = second(y, columns(hidden, 64, half, 128), hidden_bias, half, PRECISION)
        scatter(kept, n, 128, half, live, y)
        z, _, _ = normed(y, scale, shift, half, NORM)
        m *= tl.sigmoid(z) * tl.where(half == 0, z, 1.0)
    if HIDDEN:
        m *= gather(weight, tl.load(left + n, mask=live, other=0), 64, 0, live)
        m *= gather(weight, tl.load(right + n, mask=live, other=0), 64, 0, live)
    elif LEARNT:
        m += gather(turns, n, 64, 0, live)
    scatter(result, n, 64, 0, live, m)


@triton.jit
def angle_gate_gradients(
    count, left, right, scale, shift, weight, kept, gradient, weight_gradient,
    HIDDEN: tl.constexpr, NORM: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """To the gradient of the layer that the LayerNorms read.

    kept : (angle, 128) of the forward pass, replaced by the gradient
    gradient : (bond, 64) of summed messages if HIDDEN, else (angle, 64) of turns
    weight_gradient : (angle, 64) of the product of both bonds' weights, if HIDDEN
    """
    n = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    angles = tl.load(count)
    if tl.program_id(0) * BLOCK >= angles:
        return
    live = n < angles
    core, core_unit, core_spread = normed(gather(kept, n, 128, 0, live), scale, shift, 0, NORM)
    gate, gate_unit, gate_spread = normed(gather(kept, n, 128, 1, live), scale, shift, 1, NORM)
    opened, value = tl.sigmoid(gate), core * tl.sigmoid(core)
    if HIDDEN:
        p, q = tl.load(left + n, mask=live, other=0), tl.load(right + n, mask=live, other=0)
        g = gather(gradient, p, 64, 0, live)
        scatter(weight_gradient, n, 64, 0, live, g * value * opened)
        g *= gather(weight, p, 64, 0, live) * gather(weight, q, 64, 0, live)
    else:
        g = gather(gradient, n, 64, 0, live)
    g *= opened
    d = normed_back(g * silu_slope(core), core_unit, core_spread, scale, 0, NORM)
    scatter(kept, n, 128, 0, live, d)
    d = normed_back(g * value * (1 - opened), gate_unit, gate_spread, scale, 1, NORM)
    scatter(kept, n, 128, 1, live, d)


@triton.jit
def angle_first_gradients(
    count, left, right, corner, angular, angular_slope,
    atoms, atom_stride, bonds, bond_stride, learnt,
    first, first_bias, hidden, kept, slopes, capacity,
    HIDDEN: tl.constexpr, LEARNT: tl.constexpr, ADD: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """From the gradient of the second layer, if HIDDEN, to that of the first; then to the angle.

    kept : (angle, 128) gradient of the second layer, replaced by that of the first
    slopes : (2, capacity) of the angle, through each half; added to what is there if ADD
    """
    n = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    half = tl.program_id(1)
    angles = tl.load(count)
    if tl.program_id(0) * BLOCK >= angles:
        return
    live = n < angles
    d = gather(kept, n, 128, half, live)
    if HIDDEN:
        x = _first(
            left, right, corner, angular, n, live, first, first_bias,
            atoms, atom_stride, bonds, bond_stride, learnt, half, LEARNT, PRECISION,
        )  # fmt: skip
        d = times(d, columns_transposed(hidden, 64, half, 128), PRECISION) * silu_slope(x)
        scatter(kept, n, 128, half, live, d)
    d = times(d, columns_transposed(first, 32, half, 128), PRECISION)
    total = tl.sum(d * basis(angular_slope, n, live), 1)
    at = slopes + half * capacity + n
    if ADD:
        total += tl.load(at, mask=live, other=0.0)
    tl.store(at, total, mask=live)

# mypy: ignore-errors
# ruff: noqa: PLR0913
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
    p, q, i, n, live, angular, weight, bias,
    atoms, atom_stride, bonds, bond_stride, turns, turn_weight,
    half: tl.constexpr, TURNS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """First layer: both bonds + centre + angular basis (+ what the angle has learnt)."""
    x = gather(bonds, p, bond_stride, half, live)
    x += gather(bonds + 128, q, bond_stride, half, live)
    x += gather(atoms, i, atom_stride, half, live) + vector(bias, half)
    x += times(angular, weight, PRECISION)
    if TURNS:
        x += times(gather(turns, n, 64, 0, live), turn_weight, PRECISION)
    return x


@triton.jit
def angle_messages(
    count, left, right, corner, angular,
    atoms, atom_stride, bonds, bond_stride, turns,
    first, first_bias, turn, hidden, hidden_bias, scale, shift, weight, result,
    HIDDEN: tl.constexpr, TURNS: tl.constexpr, NORM: tl.constexpr,
    PRECISION: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """result: (angle, 64) messages of a BondConv if HIDDEN, else what the angle has learnt now."""
    n = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    angles = tl.load(count)
    if tl.program_id(0) * BLOCK >= angles:
        return
    live = n < angles
    p, q = tl.load(left + n, mask=live, other=0), tl.load(right + n, mask=live, other=0)
    i = tl.load(corner + n, mask=live, other=0)
    t = basis(angular, n, live)
    y = _first(
        p, q, i, n, live, t, columns(first, 32, 0, 128), first_bias,
        atoms, atom_stride, bonds, bond_stride, turns, columns(turn, 64, 0, 128),
        0, TURNS, PRECISION,
    )  # fmt: skip
    if HIDDEN:
        y = second(y, columns(hidden, 64, 0, 128), hidden_bias, 0, PRECISION)
    core, _, _ = normed(y, scale, shift, 0, NORM)
    y = _first(
        p, q, i, n, live, t, columns(first, 32, 1, 128), first_bias,
        atoms, atom_stride, bonds, bond_stride, turns, columns(turn, 64, 1, 128),
        1, TURNS, PRECISION,
    )  # fmt: skip
    if HIDDEN:
        y = second(y, columns(hidden, 64, 1, 128), hidden_bias, 1, PRECISION)
    gate, _, _ = normed(y, scale, shift, 1, NORM)
    m = core * tl.sigmoid(core) * tl.sigmoid(gate)
    if HIDDEN:
        m *= gather(weight, p, 64, 0, live) * gather(weight, q, 64, 0, live)
    elif TURNS:
        m += gather(turns, n, 64, 0, live)
    scatter(result, n, 64, 0, live, m)


@triton.jit
def angle_gradients(
    count, left, right, corner, angular, angular_slope,
    atoms, atom_stride, bonds, bond_stride, turns,
    first, first_bias, turn, hidden, hidden_bias, scale, shift, weight,
    gradient, first_gradient, weight_gradient, turn_gradient, slope,
    HIDDEN: tl.constexpr, TURNS: tl.constexpr, NORM: tl.constexpr, ADD: tl.constexpr,
    ADD_TURNS: tl.constexpr, PRECISION: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """From the gradient (bond, 64) of the summed messages, or of an AngleUpdate (turn_gradient).

    first_gradient : (angle, 128) of the first layer
    weight_gradient : (angle, 64) of the product of both bonds' weights, if HIDDEN
    turn_gradient : (angle, 64) of what the angle has learnt, if TURNS; added to what is there if
        ADD_TURNS
    slope : (angle,) of the angle, added to what is there if ADD
    """
    n = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    angles = tl.load(count)
    if tl.program_id(0) * BLOCK >= angles:
        return
    live = n < angles
    p, q = tl.load(left + n, mask=live, other=0), tl.load(right + n, mask=live, other=0)
    i = tl.load(corner + n, mask=live, other=0)
    t = basis(angular, n, live)

    x_core = _first(
        p, q, i, n, live, t, columns(first, 32, 0, 128), first_bias,
        atoms, atom_stride, bonds, bond_stride, turns, columns(turn, 64, 0, 128),
        0, TURNS, PRECISION,
    )  # fmt: skip
    y = x_core
    if HIDDEN:
        y = second(x_core, columns(hidden, 64, 0, 128), hidden_bias, 0, PRECISION)
    core, core_unit, core_spread = normed(y, scale, shift, 0, NORM)
    x_gate = _first(
        p, q, i, n, live, t, columns(first, 32, 1, 128), first_bias,
        atoms, atom_stride, bonds, bond_stride, turns, columns(turn, 64, 1, 128),
        1, TURNS, PRECISION,
    )  # fmt: skip
    y = x_gate
    if HIDDEN:
        y = second(x_gate, columns(hidden, 64, 1, 128), hidden_bias, 1, PRECISION)
    gate, gate_unit, gate_spread = normed(y, scale, shift, 1, NORM)

    opened = tl.sigmoid(gate)
    value = core * tl.sigmoid(core)
    if HIDDEN:
        g = gather(gradient, p, 64, 0, live)
        scatter(weight_gradient, n, 64, 0, live, g * value * opened)
        g *= gather(weight, p, 64, 0, live) * gather(weight, q, 64, 0, live)
    else:
        g = gather(turn_gradient, n, 64, 0, live)

    d = normed_back(g * opened * silu_slope(core), core_unit, core_spread, scale, 0, NORM)
    if HIDDEN:
        d = times(d, columns_transposed(hidden, 64, 0, 128), PRECISION) * silu_slope(x_core)
    scatter(first_gradient, n, 128, 0, live, d)
    d_angular = times(d, columns_transposed(first, 32, 0, 128), PRECISION)
    d_gate = g * value * opened * (1 - opened)
    d_gate = normed_back(d_gate, gate_unit, gate_spread, scale, 1, NORM)
    if HIDDEN:
        d_gate = times(d_gate, columns_transposed(hidden, 64, 1, 128), PRECISION) * silu_slope(
            x_gate
        )
    scatter(first_gradient, n, 128, 1, live, d_gate)
    d_angular += times(d_gate, columns_transposed(first, 32, 1, 128), PRECISION)
    if TURNS:
        d_turn = times(d, columns_transposed(turn, 64, 0, 128), PRECISION)
        d_turn += times(d_gate, columns_transposed(turn, 64, 1, 128), PRECISION)
        if HIDDEN:
            if ADD_TURNS:
                d_turn += gather(turn_gradient, n, 64, 0, live)
        else:
            d_turn += g
        scatter(turn_gradient, n, 64, 0, live, d_turn)

    total = tl.sum(d_angular * basis(angular_slope, n, live), 1)
    if ADD:
        total += tl.load(slope + n, mask=live, other=0.0)
    tl.store(slope + n, total, mask=live)

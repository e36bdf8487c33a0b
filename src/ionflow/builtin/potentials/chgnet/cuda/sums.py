# mypy: ignore-errors
"""Sums over the edges of an atom and the angles of a bond: one program for each sum.

Every sum is taken in the order of a sorted list, never by atomic adds, so a run can be repeated to
the bit.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _rows(values, rows, live, width: tl.constexpr):
    at = values + (rows * width)[:, None] + tl.arange(0, width)[None, :]
    return tl.sum(tl.load(at, mask=live[:, None], other=0.0), 0)


@triton.jit
def row_sums(values, start, total, stride, WIDTH: tl.constexpr, ROWS: tl.constexpr):
    """total: (row, WIDTH), sums of values[start[row] : start[row + 1]]."""
    row = tl.program_id(0).to(tl.int64)
    begin, end = tl.load(start + row), tl.load(start + row + 1)
    s = tl.zeros((WIDTH,), tl.float32)
    for n in range(begin, end, ROWS):
        at = n + tl.arange(0, ROWS)
        s += _rows(values, at, at < end, WIDTH)
    tl.store(total + row * stride + tl.arange(0, WIDTH), s)


@triton.jit
def edge_sums(values, start, reverse, total, stride, ROWS: tl.constexpr):
    """total: (atom, 256), sums of values (edge, 128) over edges from it, and over edges to it."""
    atom = tl.program_id(0).to(tl.int64)
    begin, end = tl.load(start + atom), tl.load(start + atom + 1)
    out, back = tl.zeros((128,), tl.float32), tl.zeros((128,), tl.float32)
    for n in range(begin, end, ROWS):
        e = n + tl.arange(0, ROWS)
        live = e < end
        out += _rows(values, e, live, 128)
        back += _rows(values, tl.load(reverse + e, mask=live, other=0), live, 128)
    k = tl.arange(0, 128)
    tl.store(total + atom * stride + k, out)
    tl.store(total + atom * stride + 128 + k, back)


@triton.jit
def bond_pairs(count, values, edge_of, there, back, total, stride, BLOCK: tl.constexpr):
    """total: (bond, 128), values (edge, 128) of both edges of each short bond."""
    u = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    live = u < tl.load(count)
    one = tl.load(edge_of + tl.load(there + u, mask=live, other=0))
    two = tl.load(edge_of + tl.load(back + u, mask=live, other=0))
    k = tl.arange(0, 128)[None, :]
    s = tl.load(values + (one * 128)[:, None] + k, mask=live[:, None], other=0.0)
    s += tl.load(values + (two * 128)[:, None] + k, mask=live[:, None], other=0.0)
    tl.store(total + (u * stride)[:, None] + k, s, mask=live[:, None])


@triton.jit
def bond_sums(count, values, there, back, angle_start, total, ROWS: tl.constexpr):
    """total: (bond, 64), sums of values (angle, 64) over the angles whose left bond it is."""
    u = tl.program_id(0).to(tl.int64)
    if u >= tl.load(count):
        return
    s = tl.zeros((64,), tl.float32)
    for side in tl.static_range(2):
        d = tl.load((there if side == 0 else back) + u)
        end = tl.load(angle_start + d + 1)
        for n in range(tl.load(angle_start + d), end, ROWS):
            at = n + tl.arange(0, ROWS)
            s += _rows(values, at, at < end, 64)
    tl.store(total + u * 64 + tl.arange(0, 64), s)


@triton.jit
def bond_gradients(
    count, first_gradient, weight_gradient, weight, right_bond, opposite,
    there, back, angle_start, total, stride, weight_total,
    HIDDEN: tl.constexpr, ADD: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """From gradients of angles to those of bonds.

    total : (bond, 256) of the bond's tables where it receives, and where it is the other bond
    weight_total : (bond, 64) of the bond's weight, if HIDDEN; added to what is there if ADD
    """
    u = tl.program_id(0).to(tl.int64)
    if u >= tl.load(count):
        return
    k, h = tl.arange(0, 128), tl.arange(0, 64)
    left, right = tl.zeros((128,), tl.float32), tl.zeros((128,), tl.float32)
    w = tl.zeros((64,), tl.float32)
    for side in tl.static_range(2):
        d = tl.load((there if side == 0 else back) + u)
        end = tl.load(angle_start + d + 1)
        for n in range(tl.load(angle_start + d), end, ROWS):
            one = n + tl.arange(0, ROWS)
            live = one < end
            two = tl.load(opposite + one, mask=live, other=0)
            left += _rows(first_gradient, one, live, 128)
            right += _rows(first_gradient, two, live, 128)
            if HIDDEN:
                q = tl.load(right_bond + one, mask=live, other=0)
                at = (one * 64)[:, None] + h[None, :]
                g = tl.load(weight_gradient + at, mask=live[:, None], other=0.0)
                at = (two * 64)[:, None] + h[None, :]
                g += tl.load(weight_gradient + at, mask=live[:, None], other=0.0)
                at = (q * 64)[:, None] + h[None, :]
                w += tl.sum(g * tl.load(weight + at, mask=live[:, None], other=0.0), 0)
    tl.store(total + u * stride + k, left)
    tl.store(total + u * stride + 128 + k, right)
    if HIDDEN:
        if ADD:
            w += tl.load(weight_total + u * 64 + h)
        tl.store(weight_total + u * 64 + h, w)

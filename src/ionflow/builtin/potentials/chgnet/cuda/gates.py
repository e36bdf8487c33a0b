# mypy: ignore-errors
"""Pieces of a gated MLP, for the kernels: half 0 is its core, half 1 its gate.

Kernels loop over the halves rather than write both out: a compiler that sees both fetches the
weights of the second before the first is done, and runs out of registers.

All matrices have 2 · 64 columns, core and gate beside each other; rows and columns of a tile are
edges (or angles) and features. Matrix products split a float32 into two TF32 numbers and add three
products, which keeps float32's accuracy on tensor cores.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def silu_slope(x):
    """Derivative of silu."""
    s = tl.sigmoid(x)
    return s * (1 + x * (1 - s))


@triton.jit
def columns(matrix, rows: tl.constexpr, half, stride: tl.constexpr):
    """(rows, 64) of a weight."""
    row = tl.arange(0, rows)[:, None]
    return tl.load(matrix + row * stride + half * 64 + tl.arange(0, 64)[None, :])


@triton.jit
def columns_transposed(matrix, rows: tl.constexpr, half, stride: tl.constexpr):
    """(64, rows), read again rather than kept: a tile in use is worth more than a weight."""
    row = tl.arange(0, rows)[None, :]
    return tl.load(matrix + row * stride + half * 64 + tl.arange(0, 64)[:, None])


@triton.jit
def vector(values, half):
    """(1, 64) of a bias or scale."""
    return tl.load(values + half * 64 + tl.arange(0, 64))[None, :]


@triton.jit
def gather(table, row, stride, half, live):
    """(row, 64) of a table; zero where a row is not live."""
    at = table + (row * stride)[:, None] + half * 64 + tl.arange(0, 64)[None, :]
    return tl.load(at, mask=live[:, None], other=0.0)


@triton.jit
def scatter(table, row, stride, half, live, values):
    """Write (row, 64) of a table."""
    at = table + (row * stride)[:, None] + half * 64 + tl.arange(0, 64)[None, :]
    tl.store(at, values, mask=live[:, None])


@triton.jit
def basis(table, row, live):
    """(row, 32) of a basis."""
    at = table + (row * 32)[:, None] + tl.arange(0, 32)[None, :]
    return tl.load(at, mask=live[:, None], other=0.0)


@triton.jit
def times(x, matrix, precision: tl.constexpr):
    return tl.dot(x, matrix, input_precision=precision)


@triton.jit
def second(first, weight, bias, half, precision: tl.constexpr):
    """The second layer of a gated MLP."""
    return times(first * tl.sigmoid(first), weight, precision) + vector(bias, half)


@triton.jit
def normed(y, scale, shift, half, norm: tl.constexpr):
    """LayerNorm of rows whose mean is zero: result, normed rows, and 1 / standard deviation."""
    if norm:
        spread = tl.rsqrt(tl.sum(y * y, 1) / 64 + 1e-5)[:, None]
        unit = y * spread
        z = unit * vector(scale, half) + vector(shift, half)
    else:
        unit, spread, z = y, tl.full((y.shape[0], 1), 1.0, tl.float32), y
    return z, unit, spread


@triton.jit
def normed_back(dz, unit, spread, scale, half, norm: tl.constexpr):
    """Gradient before a LayerNorm, up to a mean that the layer before takes away."""
    if norm:
        d = dz * vector(scale, half)
        d = spread * (d - unit * (tl.sum(d * unit, 1) / 64)[:, None])
    else:
        d = dz
    return d

# mypy: ignore-errors
"""The search for pairs on a GPU: one program for each atom tries all images of its system.

Triton's language is not Python's, so types are not checked here; sums and orders are fixed, so the
same input gives the same bits.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from ionflow.builtin.potentials.chgnet.cuda.pairs import (
    AFTER_ALL,
    ATOM_BITS,
    HALF,
    IMAGE_BITS,
    Batch,
    Images,
    Pairs,
)

BLOCK = 128
_HALF = tl.constexpr(HALF)
_IMAGE = tl.constexpr(IMAGE_BITS)
_ATOM = tl.constexpr(ATOM_BITS)


@triton.jit
def _along(fractions, i, j, reach, s, turn, axis: tl.constexpr, live):
    """Image number `turn` along an axis: its shift, and how far it is in fractions."""
    here = tl.load(fractions + 3 * i + axis)
    between = tl.load(fractions + 3 * j + axis, mask=live, other=0.0) - here
    lowest = tl.ceil(-tl.load(reach + 3 * s + axis) - between)
    shift = lowest + turn
    return shift.to(tl.int64), between + shift


@triton.jit
def _key(centre, neighbour, a, b, c):
    image = ((((a + _HALF) << _IMAGE) | (b + _HALF)) << _IMAGE) | (c + _HALF)
    return (((centre << _ATOM) | neighbour) << (3 * _IMAGE)) | image


@triton.jit
def _search(
    fractions, cells, reach, tries, system, first, start,
    degree, centres, neighbours, keys, reverse_keys, vectors, capacity,
    CUTOFF: tl.constexpr, FILL: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64)
    s = tl.load(system + i)
    begin = tl.load(first + s)
    size = tl.load(first + s + 1) - begin
    nb, nc = tl.load(tries + 3 * s + 1), tl.load(tries + 3 * s + 2)
    images = tl.load(tries + 3 * s) * nb * nc
    total = size * images
    found = tl.zeros((), tl.int64)
    if FILL:
        found += tl.load(start + i)
    for block in range(0, total, BLOCK):
        lane = block + tl.arange(0, BLOCK)
        live = lane < total
        j = begin + lane // images
        image = lane % images
        a, u = _along(fractions, i, j, reach, s, image // (nb * nc), 0, live)
        b, v = _along(fractions, i, j, reach, s, (image // nc) % nb, 1, live)
        c, w = _along(fractions, i, j, reach, s, image % nc, 2, live)
        h = cells + 9 * s
        x = u * tl.load(h + 0) + v * tl.load(h + 3) + w * tl.load(h + 6)
        y = u * tl.load(h + 1) + v * tl.load(h + 4) + w * tl.load(h + 7)
        z = u * tl.load(h + 2) + v * tl.load(h + 5) + w * tl.load(h + 8)
        itself = (i == j) & (a == 0) & (b == 0) & (c == 0)
        near = live & (x * x + y * y + z * z < CUTOFF * CUTOFF) & (itself == 0)
        if FILL:
            e = found + tl.cumsum(near.to(tl.int32), 0) - 1
            put = near & (e < capacity)
            tl.store(centres + e, i + tl.zeros_like(j), mask=put)
            tl.store(neighbours + e, j, mask=put)
            tl.store(keys + e, _key(i, j, a, b, c), mask=put)
            tl.store(reverse_keys + e, _key(j, i, -a, -b, -c), mask=put)
            tl.store(vectors + e, x, mask=put)
            tl.store(vectors + capacity + e, y, mask=put)
            tl.store(vectors + 2 * capacity + e, z, mask=put)
        found += tl.sum(near.to(tl.int32), 0)
    if not FILL:
        tl.store(degree + i, found)


def degrees(images: Images, batch: Batch, cutoff: float) -> torch.Tensor:
    """(atom,) number of edges of each atom; as `pairs.degrees`."""
    degree = torch.empty_like(batch.system)
    none = images.fractions  # never touched
    _search[(len(degree),)](
        *_arguments(images, batch), degree,
        degree, degree, degree, degree, degree, none, 0,
        CUTOFF=cutoff, FILL=False, BLOCK=BLOCK, num_warps=1,
    )  # fmt: skip
    return degree


def find(images: Images, batch: Batch, cutoff: float, capacity: int) -> Pairs:
    """All edges, with no number read back to the host; as `pairs.find`."""
    degree = degrees(images, batch, cutoff)
    ends = torch.cat([degree.new_zeros(1), degree.cumsum(0)])
    centre, neighbour, reverse_key = degree.new_zeros(3, capacity).unbind(0)
    key = degree.new_full((capacity,), AFTER_ALL)
    vectors = images.fractions.new_zeros(3, capacity)
    _search[(len(degree),)](
        *_arguments(images, batch), ends,
        degree, centre, neighbour, key, reverse_key, vectors, capacity,
        CUTOFF=cutoff, FILL=True, BLOCK=BLOCK, num_warps=1,
    )  # fmt: skip
    start = ends.clamp(max=capacity)
    return Pairs(ends[-1], start, centre, neighbour, key, reverse_key, vectors)


def _arguments(images: Images, batch: Batch) -> tuple[torch.Tensor, ...]:
    # cells may come as a view; the kernel counts on rows that follow one another
    cells = images.cells.contiguous()
    return images.fractions, cells, images.reach, images.tries, batch.system, batch.first

# mypy: ignore-errors
"""From vectors to bases and their slopes, and from slopes back to forces and stress, in float64."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _vector(vectors, capacity, e, live):
    """Components and length of some edges' vectors; of length 1 where not live."""
    x = tl.load(vectors + e, mask=live, other=1.0)
    y = tl.load(vectors + capacity + e, mask=live, other=0.0)
    z = tl.load(vectors + 2 * capacity + e, mask=live, other=0.0)
    return x, y, z, tl.sqrt(x * x + y * y + z * z)


@triton.jit
def radial_basis(
    count, vectors, capacity, rows, frequencies, basis, stride, slope,
    CUTOFF: tl.constexpr, POWER: tl.constexpr, ROWS: tl.constexpr, SLOPE: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """basis: (row, 32) sqrt(2/c) sin(f r)/r · envelope(r/c); slope: its derivative by r, if SLOPE.

    Of edge rows[n] if ROWS, else of edge n.
    """
    n = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    live = n < tl.load(count)
    if tl.program_id(0) * BLOCK >= tl.load(count):
        return
    e = n
    if ROWS:
        e = tl.load(rows + n, mask=live, other=0)
    _, _, _, r = _vector(vectors, capacity, e, live)
    x = r / CUTOFF
    power = tl.full((BLOCK,), 1.0, tl.float64)
    for _ in tl.static_range(POWER - 1):
        power *= x
    a, b, c = -(POWER + 1) * (POWER + 2) / 2, POWER * (POWER + 2), -POWER * (POWER + 1) / 2
    inside = x < 1
    envelope = tl.where(inside, 1 + power * x * (a + x * (b + x * c)), 0.0)
    change = power * (a * POWER + x * (b * (POWER + 1) + x * (c * (POWER + 2)))) / CUTOFF
    change = tl.where(inside, change, 0.0)
    factor = tl.sqrt(tl.full((BLOCK,), 2.0, tl.float64) / CUTOFF) / r
    k = tl.arange(0, 32)
    f = tl.load(frequencies + k)[None, :]
    phase = r[:, None] * f
    sine = tl.sin(phase)
    at = n[:, None] * stride + k[None, :]
    tl.store(basis + at, (sine * (factor * envelope)[:, None]).to(tl.float32), mask=live[:, None])
    if SLOPE:
        s = tl.cos(phase) * f * (factor * envelope)[:, None]
        s += sine * (factor * (change - envelope / r))[:, None]
        at = n[:, None] * 32 + k[None, :]
        tl.store(slope + at, s.to(tl.float32), mask=live[:, None])


@triton.jit
def cosines(
    count, vectors, capacity, edge_of, left, right, cosine, BLOCK: tl.constexpr
):  # fmt: skip
    """cosine: (angle,) between its two edges; 0 behind the last angle."""
    n = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    live = n < tl.load(count)
    p = tl.load(edge_of + tl.load(left + n, mask=live, other=0))
    q = tl.load(edge_of + tl.load(right + n, mask=live, other=0))
    px, py, pz, pr = _vector(vectors, capacity, p, live)
    qx, qy, qz, qr = _vector(vectors, capacity, q, live)
    c = (px / pr) * (qx / qr) + (py / pr) * (qy / qr) + (pz / pr) * (qz / qr)
    tl.store(cosine + n, tl.where(live, c, 0.0))


@triton.jit
def angular_basis(
    count, angle, frequencies, phases, amplitudes, basis, slope, BLOCK: tl.constexpr
):  # fmt: skip
    """basis: (angle, 32) a sin(f θ + φ); slope: its derivative by θ."""
    n = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    live = n < tl.load(count)
    if tl.program_id(0) * BLOCK >= tl.load(count):
        return
    k = tl.arange(0, 32)
    f, a = tl.load(frequencies + k)[None, :], tl.load(amplitudes + k)[None, :]
    theta = tl.load(angle + n, mask=live, other=0.0)
    phase = theta[:, None] * f + tl.load(phases + k)[None, :]
    at = n[:, None] * 32 + k[None, :]
    tl.store(basis + at, (a * tl.sin(phase)).to(tl.float32), mask=live[:, None])
    tl.store(slope + at, (a * f * tl.cos(phase)).to(tl.float32), mask=live[:, None])


@triton.jit
def bond_slopes(
    count, edge_of, there, far_gradient, stride, far_slope, near_gradient, near_slope, slope,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """slope: (bond,) of the length, through its embedding (far) and its weight (near)."""
    u = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    live = u < tl.load(count)
    e = tl.load(edge_of + tl.load(there + u, mask=live, other=0))
    k = tl.arange(0, 32)[None, :]
    rows = live[:, None]
    s = tl.load(far_gradient + (u * stride)[:, None] + k, mask=rows, other=0.0)
    s *= tl.load(far_slope + (e * 32)[:, None] + k, mask=rows, other=0.0)
    t = tl.load(near_gradient + (u * 32)[:, None] + k, mask=rows, other=0.0)
    t *= tl.load(near_slope + (u * 32)[:, None] + k, mask=rows, other=0.0)
    tl.store(slope + u, tl.sum(s + t, 1), mask=live)


@triton.jit
def angle_pulls(
    bonds, vectors, capacity, edge_of, right, opposite, angle_start, cosine, slope,
    angle_capacity, pull,
    NUDGE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """pull: (short edge, 3) gradient of the energy by its vector, through its angles.

    With θ = acos(k cos) and k = NUDGE, dθ/dp = -k / sin θ · (q/|q| - cos · p/|p|) / |p|.
    """
    d = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    live = d < 2 * tl.load(bonds)
    e = tl.load(edge_of + d, mask=live, other=0)
    px, py, pz, pr = _vector(vectors, capacity, e, live)
    px, py, pz = px / pr, py / pr, pz / pr
    begin = tl.load(angle_start + d, mask=live, other=0)
    angles = tl.load(angle_start + d + 1, mask=live, other=0) - begin
    x, y, z = tl.zeros_like(pr), tl.zeros_like(pr), tl.zeros_like(pr)
    for turn in range(tl.max(angles, 0)):
        n = begin + turn
        some = turn < angles
        back = tl.load(opposite + n, mask=some, other=0)
        g = tl.load(slope + n, mask=some, other=0.0)
        g += tl.load(slope + angle_capacity + n, mask=some, other=0.0)
        g += tl.load(slope + back, mask=some, other=0.0)
        g += tl.load(slope + angle_capacity + back, mask=some, other=0.0)
        q = tl.load(edge_of + tl.load(right + n, mask=some, other=0))
        qx, qy, qz, qr = _vector(vectors, capacity, q, some)
        c = tl.load(cosine + n, mask=some, other=0.0)
        f = -g * NUDGE / tl.sqrt(1 - (NUDGE * c) * (NUDGE * c)) / pr
        x += f * (qx / qr - c * px)
        y += f * (qy / qr - c * py)
        z += f * (qz / qr - c * pz)
    tl.store(pull + 3 * d, x, mask=live)
    tl.store(pull + 3 * d + 1, y, mask=live)
    tl.store(pull + 3 * d + 2, z, mask=live)


@triton.jit
def _pull(pull, d, near, axis: tl.constexpr):
    return tl.load(pull + 3 * d + axis, mask=near, other=0.0)


@triton.jit
def atom_forces(
    start, reverse, bond, near, twin, vectors, capacity, slope, bond_slope, pull, void,
    force, virial, BLOCK: tl.constexpr,
):  # fmt: skip
    """force: (atom, 3) eV/Å; virial: (atom, 6) eV, share of Σ gradient ⊗ vector; nan if void."""
    i = tl.program_id(0).to(tl.int64)
    begin, end = tl.load(start + i), tl.load(start + i + 1)
    bad = tl.load(void) != 0
    k = tl.arange(0, 8)
    f, v = tl.zeros((8,), tl.float64), tl.zeros((8,), tl.float64)
    for n in range(begin, end, BLOCK):
        e = n + tl.arange(0, BLOCK)
        live = e < end
        x, y, z, r = _vector(vectors, capacity, e, live)
        back = tl.load(reverse + e, mask=live, other=0)
        s = tl.zeros_like(r)
        for part in tl.static_range(3):
            s += tl.load(slope + part * capacity + e, mask=live, other=0.0)
            s += tl.load(slope + part * capacity + back, mask=live, other=0.0)
        u = tl.load(bond + e, mask=live, other=-1)
        short = live & (u >= 0)
        s += tl.load(bond_slope + u, mask=short, other=0.0)
        s = tl.where(live, s / r, 0.0)
        d = tl.load(near + e, mask=short, other=0)
        t = tl.load(twin + d, mask=short, other=0)
        gx, gy, gz = _pull(pull, d, short, 0), _pull(pull, d, short, 1), _pull(pull, d, short, 2)
        fx = tl.sum(s * x + gx - _pull(pull, t, short, 0), 0)
        fy = tl.sum(s * y + gy - _pull(pull, t, short, 1), 0)
        fz = tl.sum(s * z + gz - _pull(pull, t, short, 2), 0)
        f += tl.where(k == 0, fx, tl.where(k == 1, fy, fz))
        h = 0.5 * s  # a bond is shared by its two edges
        xx, yy, zz = tl.sum(x * (h * x + gx)), tl.sum(y * (h * y + gy)), tl.sum(z * (h * z + gz))
        yz = tl.sum(y * h * z + 0.5 * (y * gz + z * gy))
        xz = tl.sum(x * h * z + 0.5 * (x * gz + z * gx))
        xy = tl.sum(x * h * y + 0.5 * (x * gy + y * gx))
        v += tl.where(k == 0, xx, tl.where(k == 1, yy, tl.where(k == 2, zz, 0.0)))
        v += tl.where(k == 3, yz, tl.where(k == 4, xz, tl.where(k == 5, xy, 0.0)))
    nan = float("nan")
    tl.store(force + 3 * i + k, tl.where(bad, nan, f), mask=k < 3)
    tl.store(virial + 6 * i + k, tl.where(bad, nan, v), mask=k < 6)


@triton.jit
def system_totals(
    first, cells, energies, references, virial, void, energy, stress, BLOCK: tl.constexpr
):  # fmt: skip
    """energy: (system,) eV; stress: (system, 3, 3) eV/Å³; nan if void."""
    s = tl.program_id(0).to(tl.int64)
    begin, end = tl.load(first + s), tl.load(first + s + 1)
    k = tl.arange(0, 8)[None, :]
    e, v = tl.zeros((), tl.float64), tl.zeros((8,), tl.float64)
    for n in range(begin, end, BLOCK):
        i = n + tl.arange(0, BLOCK)
        live = i < end
        own = tl.load(energies + i, mask=live, other=0.0).to(tl.float64)
        e += tl.sum(own + tl.load(references + i, mask=live, other=0.0), 0)
        at = (6 * i)[:, None] + k
        v += tl.sum(tl.load(virial + at, mask=live[:, None] & (k < 6), other=0.0), 0)
    h = cells + 9 * s
    ax, ay, az = tl.load(h), tl.load(h + 1), tl.load(h + 2)
    bx, by, bz = tl.load(h + 3), tl.load(h + 4), tl.load(h + 5)
    cx, cy, cz = tl.load(h + 6), tl.load(h + 7), tl.load(h + 8)
    volume = tl.abs(ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx))
    v /= volume
    bad = tl.load(void) != 0
    tl.store(energy + s, tl.where(bad, float("nan"), e))
    # (3, 3) from xx yy zz yz xz xy: component c goes to places c, and once more if off-diagonal
    c = tl.arange(0, 8)
    place = tl.where(c == 0, 0, tl.where(c == 1, 4, tl.where(c == 2, 8, tl.where(c == 3, 5, c))))
    place = tl.where(c == 4, 2, tl.where(c == 5, 1, place))
    mirror = tl.where(c == 3, 7, tl.where(c == 4, 6, tl.where(c == 5, 3, place)))
    tl.store(stress + 9 * s + place, v, mask=c < 6)
    tl.store(stress + 9 * s + mirror, v, mask=c < 6)

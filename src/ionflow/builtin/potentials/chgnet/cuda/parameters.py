"""Folded weights, laid out for the kernels: bases of 32 functions, core and gate side by side.

The tables of a layer are made by one matrix product each:

- of atoms, after AtomConv l: what BondConv l, AngleUpdate l and AtomConv l+1 read;
- of bonds, after BondConv l: what AtomConv l+1, AngleUpdate l and BondConv l+1 read.

A bond's row holds its radial embedding (32) and what BondConvs have added to it (64).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ionflow.builtin.potentials.chgnet.weights import (
    AngleConv,
    AtomConv,
    Gated,
    UnknownArchitectureError,
    Weights,
)

WIDTH = 64
BASIS = 32
ROW = BASIS + WIDTH


@dataclass(frozen=True)
class Block:
    """What a kernel reads of one AtomConv, BondConv or AngleUpdate."""

    first: Tensor
    """(32, 128) of the basis"""
    first_bias: Tensor
    """(2, 128) in a system without and with angles"""
    turn: Tensor
    """(64, 128) of what the angle has learnt"""
    hidden: Tensor
    """(64, 128)"""
    hidden_bias: Tensor
    """(128,)"""
    scale: Tensor
    shift: Tensor
    out: Tensor | None
    """(64, 64), None for an AngleUpdate"""
    out_bias: Tensor | None
    """(64,), None if zero"""


@dataclass(frozen=True)
class Parameters:
    """All of a CHGNet on a device, float32 but for frequencies and reference energies."""

    layers: int
    norm: bool
    """whether gated MLPs have LayerNorms"""
    mixed: bool
    """whether an AtomConv's bias depends on there being angles"""
    cutoff: float
    short_cutoff: float
    exponent: int
    frequencies: Tensor
    """(32,) float64, zero behind the last, as all that is padded"""
    short_frequencies: Tensor
    angle_frequencies: Tensor
    """(32,) float64"""
    angle_phases: Tensor
    angle_amplitudes: Tensor
    elements: Tensor
    """(element, 64) embeddings"""
    element_tables: Tensor
    """(element, 256) of the first AtomConv"""
    reference: Tensor
    """(element,) eV, float64"""
    bond_weight: Tensor
    """(32, 64)"""
    short_weight: Tensor
    """(32, 64)"""
    atom_convs: tuple[Block, ...]
    bond_convs: tuple[Block, ...]
    angle_updates: tuple[Block, ...]
    atom_tables: tuple[Tensor, ...]
    """(64, 384 or 512) for each layer but the last"""
    bond_tables: tuple[Tensor, ...]
    """(96, 128 to 640) for each layer"""
    readout_norm: tuple[Tensor, Tensor] | None
    readout: tuple[tuple[Tensor, Tensor], ...]

    @classmethod
    def of(cls, weights: Weights, device: str | torch.device) -> Parameters:
        """Lay out float64 `weights`.

        Raises
        ------
        UnknownArchitectureError
            If widths or numbers of basis functions are beyond what the kernels were written for.
        """
        check(weights)
        w = weights.to(device, torch.float64)
        fourier = _fourier(w.angle_frequencies)
        norm = w.atom_convs[0].gated.norm is not None
        layers = len(w.atom_convs)
        readout_norm = None
        if w.readout_norm is not None:
            readout_norm = (_single(w.readout_norm.scale), _single(w.readout_norm.shift))
        first = w.atom_convs[0]
        return cls(
            layers=layers,
            norm=norm,
            mixed=any(bool((c.bias != c.bias_with_angles).any()) for c in w.atom_convs),
            cutoff=w.cutoff,
            short_cutoff=w.short_cutoff,
            exponent=w.exponent,
            frequencies=_padded(w.frequencies),
            short_frequencies=_padded(w.short_frequencies),
            angle_frequencies=fourier[0],
            angle_phases=fourier[1],
            angle_amplitudes=fourier[2],
            elements=_single(w.atoms),
            element_tables=_single(w.atoms @ torch.cat([first.centre, first.neighbour], 1)),
            reference=w.reference,
            bond_weight=_single(_padded(w.bond_weight)),
            short_weight=_single(_padded(w.short_weight)),
            atom_convs=tuple(_atom_block(conv) for conv in w.atom_convs),
            bond_convs=tuple(_angle_block(conv) for conv in w.bond_convs),
            angle_updates=tuple(_angle_block(conv) for conv in w.angle_updates),
            atom_tables=tuple(_single(_atom_table(w, layer)) for layer in range(layers - 1)),
            bond_tables=tuple(_single(_bond_table(w, layer)) for layer in range(layers)),
            readout_norm=readout_norm,
            readout=tuple((_single(matrix), _single(bias)) for matrix, bias in w.readout),
        )


def check(weights: Weights) -> None:
    """Raise UnknownArchitectureError if the kernels cannot take these weights."""
    shapes = {
        "features": (weights.width, WIDTH),
        "radial functions": (len(weights.frequencies), BASIS),
        "angular functions": (2 * len(weights.angle_frequencies) + 1, BASIS),
    }
    wrong = [f"{n} {name} (at most {most})" for name, (n, most) in shapes.items() if n > most]
    if weights.width != WIDTH or wrong or len(weights.atom_convs) < 2:
        raise UnknownArchitectureError(
            f"the GPU kernels take {WIDTH} features and two layers or more; this CHGNet has "
            f"{len(weights.atom_convs)} layers, {', '.join(wrong) or f'{weights.width} features'}",
            hint="backend: torch evaluates it on a GPU too, more slowly",
        )


def _padded(values: Tensor) -> Tensor:
    tail = values.new_zeros(BASIS - values.shape[0], *values.shape[1:])
    return torch.cat([values, tail])


def _single(values: Tensor) -> Tensor:
    return values.to(torch.float32).contiguous()


def _fourier(frequencies: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The angular basis 1/sqrt(2), sin(f θ), cos(f θ) as a sin(f θ + φ): f, φ, a."""
    one, zero = frequencies.new_ones(1), frequencies.new_zeros(1)
    each = torch.ones_like(frequencies)
    phases = torch.cat([one * math.pi / 4, 0 * each, each * math.pi / 2])
    amplitudes = torch.cat([one, each, each])
    both = torch.cat([zero, frequencies, frequencies])
    return _padded(both), _padded(phases), _padded(amplitudes)


def _atom_block(conv: AtomConv) -> Block:
    biases = torch.stack([conv.bias, conv.bias_with_angles])
    biased = bool(conv.out_bias.abs().max() > 0)
    return _block(
        conv.gated,
        first=_single(_padded(conv.radial)),
        first_bias=_single(biases),
        turn=conv.out.new_zeros(0),
        out=_single(conv.out),
        out_bias=_single(conv.out_bias) if biased else None,
    )


def _angle_block(conv: AngleConv) -> Block:
    return _block(
        conv.gated,
        first=_single(_padded(conv.angular)),
        first_bias=_single(conv.bias),
        turn=_single(conv.angle),
        out=None if conv.out is None else _single(conv.out),
        out_bias=None,
    )


def _block(gated: Gated, first: Tensor, **rest: Tensor | None) -> Block:
    hidden, norm = gated.hidden, gated.norm
    # the kernel of an architecture without a layer never looks at what stands for it
    return Block(
        first=first,
        hidden=first if hidden is None else _single(torch.cat([hidden.core, hidden.gate], 1)),
        hidden_bias=first if hidden is None else _single(hidden.bias),
        scale=first if norm is None else _single(norm.scale),
        shift=first if norm is None else _single(norm.shift),
        **rest,  # type: ignore[arg-type]
    )


def _atom_table(w: Weights, layer: int) -> Tensor:
    updates = w.angle_updates[layer : layer + 1]
    following = w.atom_convs[layer + 1]
    parts = [w.bond_convs[layer].centre, *(u.centre for u in updates)]
    return torch.cat([*parts, following.centre, following.neighbour], 1)


def _bond_table(w: Weights, layer: int) -> Tensor:
    """[AtomConv, 128][AngleUpdate, 256][BondConv, 256], each where there is one."""
    parts = []
    if layer > 0:
        bond = w.atom_convs[layer].bond
        parts.append(torch.cat([bond.new_zeros(BASIS, bond.shape[1]), bond]))
        parts += [_both(u) for u in w.angle_updates[layer - 1 : layer]]
    parts += [_both(conv) for conv in w.bond_convs[layer : layer + 1]]
    return torch.cat(parts, 1)


def _both(conv: AngleConv) -> Tensor:
    radial = torch.cat([_padded(conv.left_radial), _padded(conv.right_radial)], 1)
    return torch.cat([radial, torch.cat([conv.left, conv.right], 1)])

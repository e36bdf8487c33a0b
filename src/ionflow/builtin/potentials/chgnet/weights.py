"""CHGNet's weights, folded so that nothing is computed twice.

The first linear layer of every gated MLP is split by what it reads (centre, neighbour, bond, angle)
and evaluated per atom, per bond, per angle instead of per edge; embeddings are multiplied into it;
the mean that a LayerNorm subtracts is multiplied into the layer before it. All of it happens in
float64; `Weights.to` casts once. docs/design/chgnet.md has the equations.

Matrices are stored (input, output). `D` is the width of the features (64 in all bundled models);
a gated MLP's core and gate lie beside each other in 2D columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ionflow.errors import PluginError


class UnknownArchitectureError(PluginError):
    """A checkpoint of chgnet that the fast evaluation does not cover."""


@dataclass(frozen=True)
class Hidden:
    """Second layer of a gated MLP, with outputs of zero mean if a LayerNorm follows."""

    core: Tensor
    """(D, D)"""
    gate: Tensor
    """(D, D)"""
    bias: Tensor
    """(2D,)"""


@dataclass(frozen=True)
class Norm:
    """Scale and shift of two LayerNorms, (2D,); or, for the readout, of one, (D,)."""

    scale: Tensor
    shift: Tensor


@dataclass(frozen=True)
class Gated:
    """What follows the first layer of a gated MLP: silu(norm(core)) · sigmoid(norm(gate))."""

    hidden: Hidden | None
    """None where the MLP has one layer only"""
    norm: Norm | None
    """None in a model without LayerNorm"""


@dataclass(frozen=True)
class AtomConv:
    """Messages along all bonds to their centres."""

    centre: Tensor
    """(D, 2D)"""
    neighbour: Tensor
    """(D, 2D)"""
    bond: Tensor
    """(D, 2D) of what BondConvs have added to a short bond"""
    radial: Tensor
    """(radial, 2D) of the embedding of every bond"""
    bias: Tensor
    """(2D,) in a system without angles"""
    bias_with_angles: Tensor
    """(2D,) in a system with angles, where BondConvs with a bias have acted"""
    gated: Gated
    out: Tensor
    """(D, D)"""
    out_bias: Tensor
    """(D,)"""


@dataclass(frozen=True)
class AngleConv:
    """Messages along all angles: a BondConv (with `out`) or an AngleUpdate (without)."""

    left: Tensor
    """(D, 2D) of what BondConvs have added to the bond that receives"""
    right: Tensor
    """(D, 2D) same, the other bond"""
    centre: Tensor
    """(D, 2D)"""
    angle: Tensor
    """(D, 2D) of what AngleUpdates have added to the angle"""
    left_radial: Tensor
    """(radial, 2D) of the embedding of the bond that receives"""
    right_radial: Tensor
    angular: Tensor
    """(angular, 2D) of the embedding of the angle"""
    bias: Tensor
    gated: Gated
    out: Tensor | None


@dataclass(frozen=True)
class Weights:
    """All of a CHGNet, folded."""

    cutoff: float
    """Å, bonds"""
    short_cutoff: float
    """Å, bonds that form angles"""
    exponent: int
    """of the envelope that takes bonds smoothly to zero"""
    frequencies: Tensor
    """(radial,) 1/Å"""
    short_frequencies: Tensor
    """(radial,) 1/Å"""
    angle_frequencies: Tensor
    atoms: Tensor
    """(element, D) embedding, by atomic number - 1"""
    reference: Tensor
    """(element,) eV, energy of the composition model"""
    bond_weight: Tensor
    """(radial, D) weight of a message along a bond"""
    short_weight: Tensor
    """(radial, D) weight of a message along an angle, one factor for each of its bonds"""
    atom_convs: tuple[AtomConv, ...]
    bond_convs: tuple[AngleConv, ...]
    angle_updates: tuple[AngleConv, ...]
    """one fewer than BondConvs: nothing reads what the last one would give"""
    readout_norm: Norm | None
    readout: tuple[tuple[Tensor, Tensor], ...]
    """(matrix, bias) of each layer of the energy's MLP"""

    @property
    def width(self) -> int:
        """Number of features of an atom, bond or angle."""
        return int(self.atoms.shape[1])

    def to(self, device: str | torch.device, dtype: torch.dtype) -> Weights:
        """A copy on another device, in another precision."""
        cast: Weights = _cast(self, torch.device(device), dtype)
        return cast


def _cast(value: Any, device: torch.device, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor):
        return value.to(device=device, dtype=dtype).contiguous()
    if isinstance(value, tuple):
        return tuple(_cast(item, device, dtype) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: _cast(getattr(value, f.name), device, dtype) for f in fields(value)}
        return replace(value, **parts)
    return value


def fold(checkpoint: Mapping[str, Any]) -> Weights:
    """Fold `{"state_dict": ..., "model_args": ...}` in float64.

    Raises
    ------
    UnknownArchitectureError
        If the model is not of the family that the fast evaluation covers, saying why.
    """
    state = {name: value.double() for name, value in checkpoint["state_dict"].items()}
    args = _arguments(checkpoint["model_args"])
    _check(state, args)
    return _Folding(state, args).weights()


_DEFAULTS: dict[str, Any] = {
    "n_conv": 4,
    "num_radial": 31,
    "num_angular": 31,
    "update_bond": True,
    "update_angle": True,
    "angle_layer_hidden_dim": 0,
    "mlp_first": True,
    "non_linearity": "silu",
    "atom_graph_cutoff": 6,
    "bond_graph_cutoff": 3,
    "cutoff_coeff": 8,
    "gMLP_norm": "layer",
    "readout_norm": "layer",
    "conv_norm": None,
}


def _arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given.get(name, default) for name, default in _DEFAULTS.items()}


def _check(state: Mapping[str, Tensor], args: Mapping[str, Any]) -> None:
    wanted = {
        "update_bond": (True,),
        "update_angle": (True,),
        "mlp_first": (True,),
        "non_linearity": ("silu",),
        "gMLP_norm": ("layer", None),
        "readout_norm": ("layer", None),
        "conv_norm": (None,),
        "angle_layer_hidden_dim": (0, None),
    }
    wrong = [f"{name}={args[name]!r}" for name, known in wanted.items() if args[name] not in known]
    shape = state["atom_conv_layers.0.twoBody_atom.mlp_core.layers.0.weight"].shape
    if shape[1] != 3 * shape[0]:
        wrong.append(f"a gated MLP of shape {tuple(shape)}")
    unknown = sorted(name for name in state if not name.startswith(_KNOWN))
    if wrong or unknown:
        raise UnknownArchitectureError(
            f"the fast evaluation does not know this CHGNet: {', '.join(wrong + unknown)}",
            hint="backend: stock evaluates it with chgnet itself",
        )


_KNOWN = (
    "composition_model.fc.weight",
    "atom_embedding.",
    "bond_basis_expansion.rbf_expansion",
    "angle_basis_expansion.fourier",
    "bond_embedding.weight",
    "bond_weights_",
    "angle_embedding.weight",
    "atom_conv_layers.",
    "bond_conv_layers.",
    "angle_layers.",
    "site_wise.",
    "readout_norm.",
    "mlp.layers.",
)


class _Folding:
    """Names in a checkpoint → folded weights."""

    def __init__(self, state: Mapping[str, Tensor], args: Mapping[str, Any]) -> None:
        self.state, self.args = state, args
        self.width = state["atom_embedding.embedding.weight"].shape[1]
        self.bond_embedding = state["bond_embedding.weight"].T
        # the Fourier basis is divided by sqrt(pi)
        self.angle_embedding = state["angle_embedding.weight"].T / math.sqrt(math.pi)
        self.layers = int(args["n_conv"])

    def weights(self) -> Weights:
        state, args = self.state, self.args
        basis = "bond_basis_expansion.rbf_expansion_"
        cutoff, short = float(args["atom_graph_cutoff"]), float(args["bond_graph_cutoff"])
        return Weights(
            cutoff=cutoff,
            short_cutoff=short,
            exponent=int(args["cutoff_coeff"]),
            frequencies=state[basis + "ag.frequencies"] / cutoff,
            short_frequencies=state[basis + "bg.frequencies"] / short,
            angle_frequencies=state["angle_basis_expansion.fourier_expansion.frequencies"],
            atoms=state["atom_embedding.embedding.weight"],
            reference=self._reference(),
            bond_weight=state["bond_weights_ag.weight"].T,
            short_weight=state["bond_weights_bg.weight"].T,
            atom_convs=tuple(self._atom_conv(layer) for layer in range(self.layers)),
            bond_convs=tuple(self._bond_conv(layer) for layer in range(self.layers - 1)),
            angle_updates=tuple(self._angle_update(layer) for layer in range(self.layers - 2)),
            readout_norm=self._norm("readout_norm.") if args["readout_norm"] else None,
            readout=self._readout(),
        )

    def _reference(self) -> Tensor:
        weight = self.state.get("composition_model.fc.weight")
        elements = self.state["atom_embedding.embedding.weight"].shape[0]
        return torch.zeros(elements).double() if weight is None else weight.reshape(-1)

    def _readout(self) -> tuple[tuple[Tensor, Tensor], ...]:
        numbers = sorted(
            int(name.split(".")[2]) for name in self.state if name.startswith("mlp.layers.")
        )
        return tuple(
            (self.state[f"mlp.layers.{n}.weight"].T, self.state[f"mlp.layers.{n}.bias"])
            for n in sorted(set(numbers))
        )

    def _atom_conv(self, layer: int) -> AtomConv:
        prefix = f"atom_conv_layers.{layer}."
        first, bias = self._first(prefix + "twoBody_atom.", 0)
        centre, bond, neighbour = torch.split(first, self.width)
        return AtomConv(
            centre=centre,
            neighbour=neighbour,
            bond=bond,
            radial=self.bond_embedding @ bond,
            bias=bias,
            bias_with_angles=bias + self._bond_offset(layer) @ bond,
            gated=self._gated(prefix + "twoBody_atom.", hidden=True),
            out=self.state[prefix + "mlp_out.layers.1.weight"].T,
            out_bias=self._out_bias(prefix),
        )

    def _bond_conv(self, layer: int) -> AngleConv:
        prefix = f"bond_conv_layers.{layer}."
        out = self.state[prefix + "mlp_out.layers.1.weight"].T
        return self._angle_conv(prefix + "twoBody_bond.", 0, self._bond_offset(layer), out)

    def _angle_update(self, layer: int) -> AngleConv:
        prefix = f"angle_layers.{layer}.twoBody_bond."
        return self._angle_conv(prefix, 1, self._bond_offset(layer + 1), None)

    def _angle_conv(self, prefix: str, index: int, offset: Tensor, out: Tensor | None) -> AngleConv:
        first, bias = self._first(prefix, index)
        if out is None and self.args["gMLP_norm"]:  # the LayerNorm follows this layer directly
            first, bias = self._centred(first), self._centred(bias)
        left, right, angle, centre = torch.split(first, self.width)
        return AngleConv(
            left=left,
            right=right,
            centre=centre,
            angle=angle,
            left_radial=self.bond_embedding @ left,
            right_radial=self.bond_embedding @ right,
            angular=self.angle_embedding @ angle,
            bias=bias + offset @ (left + right),
            gated=self._gated(prefix, hidden=out is not None),
            out=out,
        )

    def _first(self, prefix: str, index: int) -> tuple[Tensor, Tensor]:
        """First layers of core and gate beside each other: (input, 2D), (2D,)."""
        parts = [f"{prefix}mlp_{part}.layers.{index}." for part in ("core", "gate")]
        weight = torch.cat([self.state[part + "weight"].T for part in parts], dim=1)
        return weight, torch.cat([self.state[part + "bias"] for part in parts])

    def _gated(self, prefix: str, *, hidden: bool) -> Gated:
        norm = self._norm(prefix + "bn1.", prefix + "bn2.") if self.args["gMLP_norm"] else None
        if not hidden:
            return Gated(None, norm)
        both, bias = self._first(prefix, 3)
        if norm is not None:
            both, bias = self._centred(both), self._centred(bias)
        core, gate = torch.split(both, self.width, dim=1)
        return Gated(Hidden(core, gate, bias), norm)

    def _norm(self, *prefixes: str) -> Norm:
        weights, biases = (
            torch.cat([self.state[prefix + name] for prefix in prefixes])
            for name in ("weight", "bias")
        )
        return Norm(weights, biases)

    def _centred(self, both: Tensor) -> Tensor:
        """Outputs whose mean over the core's columns, and over the gate's, is zero."""
        split = both.reshape(*both.shape[:-1], 2, self.width)
        return (split - split.mean(-1, keepdim=True)).reshape(both.shape)

    def _out_bias(self, prefix: str) -> Tensor:
        zero = torch.zeros(self.width).double()
        return self.state.get(prefix + "mlp_out.layers.1.bias", zero)

    def _bond_offset(self, layer: int) -> Tensor:
        """(D,) that biased BondConvs before `layer` have added to every bond alike."""
        biases = [self._out_bias(f"bond_conv_layers.{k}.") for k in range(layer)]
        return torch.stack([torch.zeros(self.width).double(), *biases]).sum(0)

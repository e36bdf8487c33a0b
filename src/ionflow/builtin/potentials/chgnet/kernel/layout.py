"""The C structures of chgnet.h, field by field, filled from weights and graphs."""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ionflow.builtin.potentials.chgnet import tables
from ionflow.builtin.potentials.chgnet.topology import Graph
from ionflow.builtin.potentials.chgnet.weights import (
    AngleConv,
    AtomConv,
    Gated,
    UnknownArchitectureError,
    Weights,
)

ABI = 1
WIDTH = 64
MOST_LAYERS = 16
MOST_READOUT = 8

Address = ctypes.c_void_p


def _structure(name: str, *field_names: str) -> type[ctypes.Structure]:
    """A structure of pointers."""
    members = {"_fields_": [(field, Address) for field in field_names]}
    return type(name, (ctypes.Structure,), members)


_GatedLayout = _structure(
    "_GatedLayout", "core", "gate", "core_t", "gate_t", "bias", "scale", "shift"
)


class _AtomConvLayout(ctypes.Structure):
    _fields_ = (
        *((name, Address) for name in ("nodes", "nodes_t", "bias", "bias_with_angles")),
        *((name, Address) for name in ("bond", "bond_t", "radial")),
        ("gated", _GatedLayout),
        *((name, Address) for name in ("out", "out_t", "out_bias")),
    )


class _AngleConvLayout(ctypes.Structure):
    _fields_ = (
        *((name, Address) for name in ("bonds", "bonds_t", "centre", "centre_t")),
        *((name, Address) for name in ("angle", "angle_t", "radial", "angular")),
        ("gated", _GatedLayout),
        *((name, Address) for name in ("out", "out_t")),
    )


class ModelLayout(ctypes.Structure):
    """`model_t`."""

    _fields_ = (
        ("layers", ctypes.c_int64),
        ("readouts", ctypes.c_int64),
        ("grids", ctypes.c_double * 3),
        ("intervals", ctypes.c_int64 * 3),
        *((name, Address) for name in ("atoms", "nodes", "nodes_with_angles", "reference")),
        *((name, Address) for name in ("weight", "short_weight")),
        *((name, Address) for name in ("atom_convs", "bond_convs", "angle_updates")),
        *((name, Address) for name in ("readout_scale", "readout_shift")),
        *((name, Address * MOST_READOUT) for name in ("hidden", "hidden_t", "hidden_bias")),
        ("last", Address),
        ("last_bias", ctypes.c_double),
    )


class ResultLayout(ctypes.Structure):
    """`result_t`."""

    _fields_ = tuple((name, Address) for name in ("energies", "forces", "virial"))

    @classmethod
    def of(cls, *arrays: npt.NDArray[np.float64]) -> ResultLayout:
        return cls(*(array.ctypes.data for array in arrays))


class _GraphLayout(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("atoms", "bonds", "shorts", "pairs")),
        *((name, Address) for name in ("species", "first", "second", "vectors", "left", "right")),
    )


@dataclass(frozen=True)
class GraphLayout:
    """`graph_t` and the arrays that it points to."""

    structure: _GraphLayout
    arrays: tuple[npt.NDArray[Any], ...]

    @classmethod
    def of(cls, graph: Graph, numbers: npt.NDArray[np.int64]) -> GraphLayout:
        arrays = (
            np.ascontiguousarray(numbers - 1, np.int32),
            np.ascontiguousarray(graph.first, np.int32),
            np.ascontiguousarray(graph.second, np.int32),
            np.ascontiguousarray(graph.vectors, np.float64),
            np.ascontiguousarray(graph.left, np.int32),
            np.ascontiguousarray(graph.right, np.int32),
        )
        sizes = (graph.atoms, len(graph.first), graph.short, len(graph.left))
        return cls(_GraphLayout(*sizes, *(a.ctypes.data for a in arrays)), arrays)


class _ListLayout(ctypes.Structure):
    _fields_ = (
        ("bonds", ctypes.c_int64),
        *((name, Address) for name in ("first", "second", "shifts", "positions", "cell")),
    )


@dataclass(frozen=True)
class ListLayout:
    """`list_t` and the arrays that it points to."""

    structure: _ListLayout
    arrays: tuple[npt.NDArray[Any], ...]

    @classmethod
    def of(
        cls, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64], *reals: npt.NDArray[Any]
    ) -> ListLayout:
        arrays = (
            *(np.ascontiguousarray(indices, np.int64) for indices in (first, second)),
            *(np.ascontiguousarray(array, np.float64) for array in reals),
        )
        return cls(_ListLayout(len(first), *(a.ctypes.data for a in arrays)), arrays)


def addresses(*arrays: npt.NDArray[Any]) -> list[ctypes.c_void_p]:
    """Where the arrays' first elements are; the caller keeps the arrays."""
    return [Address(array.ctypes.data) for array in arrays]


class PackedModel:
    """`model_t`: weights in float32 and tables of everything that depends on a length or an angle.

    Parameters
    ----------
    weights : folded, float64

    Raises
    ------
    UnknownArchitectureError
        If the features are not 64 wide, which is compiled into the kernel.
    """

    def __init__(self, weights: Weights) -> None:
        self._check(weights)
        self._kept: list[object] = []  # what the addresses point to
        self._scratch = threading.local()  # systems are evaluated side by side
        self.layout = self._model(weights)

    def block(self, size: int) -> int:
        """Address of `size` bytes, aligned to a cache line; kept between calls, one a thread."""
        block = getattr(self._scratch, "block", None)
        if block is None or block.size < size + 64:
            block = self._scratch.block = np.empty(size + size // 16 + 64, np.uint8)
        address: int = block.ctypes.data
        return address + -address % 64

    @staticmethod
    def _check(weights: Weights) -> None:
        layers, readout = len(weights.atom_convs), len(weights.readout) - 1
        widths = {weights.width, *(matrix.shape[0] for matrix, _ in weights.readout)}
        gates = [conv.gated for conv in weights.atom_convs]
        gates += [conv.gated for conv in weights.bond_convs]
        widths |= {gated.hidden.core.shape[0] for gated in gates if gated.hidden is not None}
        if widths != {WIDTH} or layers > MOST_LAYERS or readout > MOST_READOUT:
            raise UnknownArchitectureError(
                f"the kernel is compiled for features {WIDTH} wide, at most {MOST_LAYERS} layers "
                f"and {MOST_READOUT} in the readout; this CHGNet has {sorted(widths)}, "
                f"{layers} and {readout}",
                hint="backend: torch takes any width",
            )

    def _model(self, weights: Weights) -> ModelLayout:
        long, short, angle = tables.grids(weights)
        *hidden, last = weights.readout
        model = ModelLayout(
            layers=len(weights.atom_convs),
            readouts=len(hidden),
            grids=tuple(grid.per_unit for grid in (long, short, angle)),
            intervals=tuple(grid.intervals for grid in (long, short, angle)),
            atoms=self._float(weights.atoms),
            nodes=self._first_nodes(weights, weights.atom_convs[0].bias),
            nodes_with_angles=self._first_nodes(weights, weights.atom_convs[0].bias_with_angles),
            reference=self._double(weights.reference),
            weight=self._float(tables.table(long, weights.bond_weight)),
            short_weight=self._float(tables.table(short, weights.short_weight)),
            atom_convs=self._many(
                [self._atom_conv(conv, long) for conv in weights.atom_convs], _AtomConvLayout
            ),
            bond_convs=self._angle_convs(weights.bond_convs, weights, angle),
            angle_updates=self._angle_convs(weights.angle_updates, weights, angle),
            last=self._float(last[0].reshape(-1)),
            last_bias=float(last[1]),
        )
        if weights.readout_norm is not None:
            model.readout_scale = self._float(weights.readout_norm.scale)
            model.readout_shift = self._float(weights.readout_norm.shift)
        for k, (matrix, bias) in enumerate(hidden):
            model.hidden[k], model.hidden_t[k] = self._both(matrix)
            model.hidden_bias[k] = self._float(bias)
        return model

    def _first_nodes(self, weights: Weights, bias: Tensor) -> int | None:
        """Before the first AtomConv an atom's row depends on its element alone."""
        conv, atoms = weights.atom_convs[0], weights.atoms
        return self._float(torch.cat([atoms @ conv.centre + bias, atoms @ conv.neighbour], dim=1))

    def _angle_convs(
        self, convs: tuple[AngleConv, ...], weights: Weights, angle: tables.Grid
    ) -> int | None:
        short = tables.short_radial_grid(weights)
        packed = [self._angle_conv(conv, short, angle) for conv in convs]
        return self._many(packed, _AngleConvLayout)

    def _atom_conv(self, conv: AtomConv, long: tables.Grid) -> _AtomConvLayout:
        nodes, nodes_t = self._both(torch.cat([conv.centre, conv.neighbour], dim=1))
        bond, bond_t = self._both(conv.bond)
        out, out_t = self._both(conv.out)
        none = torch.zeros_like(conv.bias)
        return _AtomConvLayout(
            nodes=nodes,
            nodes_t=nodes_t,
            bias=self._float(torch.cat([conv.bias, none])),
            bias_with_angles=self._float(torch.cat([conv.bias_with_angles, none])),
            bond=bond,
            bond_t=bond_t,
            radial=self._float(tables.table(long, conv.radial)),
            gated=self._gated(conv.gated),
            out=out,
            out_t=out_t,
            out_bias=self._float(conv.out_bias),
        )

    def _angle_conv(
        self, conv: AngleConv, short: tables.Grid, angle: tables.Grid
    ) -> _AngleConvLayout:
        bonds, bonds_t = self._both(torch.cat([conv.left, conv.right], dim=1))
        centre, centre_t = self._both(conv.centre)
        turns, turns_t = self._both(conv.angle)
        out, out_t = self._both(conv.out)
        radial = tables.table(short, torch.cat([conv.left_radial, conv.right_radial], dim=1))
        radial[:, 0, : len(conv.bias)] += conv.bias
        return _AngleConvLayout(
            bonds=bonds,
            bonds_t=bonds_t,
            centre=centre,
            centre_t=centre_t,
            angle=turns,
            angle_t=turns_t,
            radial=self._float(radial),
            angular=self._float(tables.table(angle, conv.angular)),
            gated=self._gated(conv.gated),
            out=out,
            out_t=out_t,
        )

    def _gated(self, gated: Gated) -> ctypes.Structure:
        layout = _GatedLayout()
        if gated.hidden is not None:
            layout.core, layout.core_t = self._both(gated.hidden.core)
            layout.gate, layout.gate_t = self._both(gated.hidden.gate)
            layout.bias = self._float(gated.hidden.bias)
        if gated.norm is not None:
            layout.scale = self._float(gated.norm.scale)
            layout.shift = self._float(gated.norm.shift)
        return layout

    def _both(self, matrix: Tensor | None) -> tuple[int | None, int | None]:
        """Of a matrix and its transpose."""
        return self._float(matrix), self._float(None if matrix is None else matrix.T)

    def _float(self, tensor: Tensor | None) -> int | None:
        return None if tensor is None else self._keep(tensor.numpy().astype(np.float32, order="C"))

    def _double(self, tensor: Tensor) -> int:
        return self._keep(tensor.numpy().astype(np.float64, order="C"))

    def _keep(self, array: npt.NDArray[Any]) -> int:
        self._kept.append(array)
        return array.ctypes.data

    def _many(self, items: list[Any], kind: type[ctypes.Structure]) -> int | None:
        array = (kind * len(items))(*items)
        self._kept.append(array)
        return ctypes.addressof(array) if items else None

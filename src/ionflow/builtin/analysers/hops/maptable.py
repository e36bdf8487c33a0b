"""A map of density, barriers and network as labelled quantities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ionflow.builtin.analysers.hops.landscape import Landscape
from ionflow.builtin.analysers.hops.percolation import Network
from ionflow.builtin.analysers.labels import Labelled, bound_coord, labelled, result
from ionflow.kinds import FloatArray
from ionflow.passes import IntArray
from ionflow.statistics import LEVELS

AXES = ("a", "b", "c")
DIMENSIONS = np.array([1, 2, 3])


@dataclass(frozen=True)
class Mapped:
    """What was found; energies in kT, positions as fractions of the cell."""

    whole: Landscape
    barriers: FloatArray
    """(dimension,)"""
    half_barriers: FloatArray
    """(half, dimension)"""
    difference: float
    network: Network
    kT: float
    """eV"""
    tolerance: float
    cell: FloatArray
    """(vector, xyz) Å"""
    origin: FloatArray
    """(xyz) Å, of the grid's corner"""
    framework: FloatArray
    """(atom, vector) relative to the origin"""
    elements: tuple[str, ...]

    @property
    def barrier_stderr(self) -> FloatArray:
        """(dimension,), of the mean of two halves"""
        stderr: FloatArray = abs(np.diff(self.half_barriers, axis=0)[0]) / 2
        return stderr

    @property
    def verdicts(self) -> list[str]:
        """Whether each barrier is one to rely on."""
        close = 2 * self.barrier_stderr <= self.tolerance  # false where a half has none
        return [
            "does not percolate" if np.isnan(barrier) else "converged" if ok else "not converged"
            for barrier, ok in zip(self.barriers, close, strict=True)
        ]

    def place(self, voxel: IntArray) -> FloatArray:
        """Fractions of the cell of voxels, (voxel, vector)."""
        shape = self.whole.density.shape
        index = np.stack(np.unravel_index(voxel, shape), axis=-1)
        place: FloatArray = (index + 0.5) / np.array(shape)
        return place

    def position(self, scaled: FloatArray) -> FloatArray:
        """Å"""
        position: FloatArray = self.origin + scaled @ self.cell
        return position


def map_result(mapped: Mapped, source: xr.Dataset, attrs: Mapping[str, str]) -> xr.Dataset:
    """The result of `density_map`."""
    variables = {
        **_grid(mapped),
        **_barriers(mapped),
        **_nodes(mapped),
        **_edges(mapped),
        **_cell(mapped),
    }
    points = mapped.whole.density.shape
    coords = {
        axis: labelled(
            (axis,), np.round((np.arange(n) + 0.5) / n, 9), "1", f"fraction along vector {axis}"
        )
        for axis, n in zip(AXES, points, strict=True)
    }
    coords |= {
        "dimension": labelled(("dimension",), DIMENSIONS, "1", "dimensions of percolation"),
        "half": labelled(("half",), ["first", "second"], "1", "half of the trajectory"),
        "end": labelled(("end",), ["first", "second"], "1", "end of an edge"),
        "xyz": labelled(("xyz",), ["x", "y", "z"], "1", "Cartesian direction"),
        "vector": labelled(("vector",), list(AXES), "1", "vector of the cell"),
        "bound": bound_coord(),
    }
    return result(variables, coords, source, attrs)


def _grid(mapped: Mapped) -> dict[str, Labelled]:
    whole = mapped.whole
    single = np.float32
    return {
        "density": labelled(
            AXES, whole.density.astype(single), "1/angstrom^3", "number density of mobile ions"
        ),
        "free_energy": labelled(
            AXES,
            (whole.free_energy * mapped.kT).astype(single),
            "eV",
            "free energy of a mobile ion above its minimum; NaN where never visited",
        ),
        "highest_free_energy": labelled(
            (), whole.highest * mapped.kT, "eV", "highest free energy that is known"
        ),
        "density_difference": labelled(
            (),
            mapped.difference,
            "1",
            "part of the density that differs between the halves of the trajectory",
            definition="half of the integral of |rho_1 - rho_2| over the number of ions",
        ),
    }


def _barriers(mapped: Mapped) -> dict[str, Labelled]:
    dim = ("dimension",)
    free = mapped.whole.free_energy
    below = [np.mean(free <= height) if height == height else np.nan for height in mapped.barriers]
    name = "barrier of percolation above the minimum of the free energy"
    return {
        "percolation_barrier": labelled(
            dim, mapped.barriers * mapped.kT, "eV", f"{name}; NaN if nothing percolates"
        ),
        "percolation_barrier_stderr": labelled(
            dim, mapped.barrier_stderr * mapped.kT, "eV", "half of the difference of the halves"
        ),
        **_intervals(mapped),
        "percolation_barrier_half": labelled(
            ("half", "dimension"),
            mapped.half_barriers * mapped.kT,
            "eV",
            "percolation_barrier from a half of the trajectory",
        ),
        "percolation_verdict": labelled(
            dim,
            mapped.verdicts,
            "1",
            "whether the barrier is known",
            meaning=(
                "converged: the halves agree within tolerance_kT; not converged; does not "
                "percolate: no path through the cell was visited"
            ),
        ),
        "accessible_fraction": labelled(
            dim, below, "1", "part of the volume below the percolation barrier"
        ),
        "dimensionality": labelled(
            (),
            int(np.isfinite(mapped.barriers).sum()),
            "1",
            "dimensions in which the visited region percolates",
        ),
    }


def _intervals(mapped: Mapped) -> dict[str, Labelled]:
    from scipy.stats import t

    variables = {}
    for suffix, level in LEVELS.items():
        half = t.ppf(0.5 + level / 2, 1) * mapped.barrier_stderr
        ends = np.stack([mapped.barriers - half, mapped.barriers + half], axis=-1)
        variables[f"percolation_barrier_ci{suffix}"] = labelled(
            ("dimension", "bound"),
            np.maximum(ends, 0.0) * mapped.kT,
            "eV",
            f"{suffix} % interval of percolation_barrier, from two halves",
        )
    return variables


def _nodes(mapped: Mapped) -> dict[str, Labelled]:
    network, whole = mapped.network, mapped.whole
    count = len(network.minimum)
    visited = network.label >= 0
    volume = abs(float(np.linalg.det(mapped.cell))) / whole.voxels
    ions = np.bincount(
        network.label[visited], whole.density.ravel()[visited] * volume, minlength=count
    )
    scaled = mapped.place(network.minimum)
    degree = np.bincount(network.saddles.ends.ravel(), minlength=count)
    return {
        "n_nodes": labelled((), count, "1", "number of nodes"),
        "node_fraction": labelled(
            ("node", "vector"), scaled, "1", "minimum of a node, fractions of the cell"
        ),
        "node_position": labelled(
            ("node", "xyz"), mapped.position(scaled), "angstrom", "minimum of a node"
        ),
        "node_free_energy": labelled(
            ("node",), network.depth * mapped.kT, "eV", "free energy of a node's minimum"
        ),
        "node_occupancy": labelled(("node",), ions, "1", "mean number of ions in a node"),
        "node_degree": labelled(("node",), degree, "1", "ends of edges at a node"),
    }


def _edges(mapped: Mapped) -> dict[str, Labelled]:
    network, saddles = mapped.network, mapped.network.saddles
    scaled = mapped.place(network.minimum)
    one, other = saddles.ends.T
    apart = (scaled[other] + saddles.image - scaled[one]) @ mapped.cell
    barrier = saddles.height[:, None] - network.depth[saddles.ends]
    return {
        "n_edges": labelled((), len(saddles.height), "1", "number of edges"),
        "edge_node": labelled(("edge", "end"), saddles.ends, "1", "nodes that an edge joins"),
        "edge_image": labelled(
            ("edge", "vector"),
            saddles.image,
            "1",
            "periodic image of the second node, seen from the first",
        ),
        "edge_free_energy": labelled(
            ("edge",), saddles.height * mapped.kT, "eV", "free energy of the bottleneck"
        ),
        "edge_barrier": labelled(
            ("edge", "end"), barrier * mapped.kT, "eV", "bottleneck above the minimum of a node"
        ),
        "edge_length": labelled(
            ("edge",), np.linalg.norm(apart, axis=-1), "angstrom", "distance of the two nodes"
        ),
        "edge_position": labelled(
            ("edge", "xyz"), mapped.position(mapped.place(saddles.voxel)), "angstrom", "bottleneck"
        ),
    }


def _cell(mapped: Mapped) -> dict[str, Labelled]:
    position: Any = mapped.position(mapped.framework)
    return {
        "cell": labelled(("vector", "xyz"), mapped.cell, "angstrom", "mean cell"),
        "origin": labelled(("xyz",), mapped.origin, "angstrom", "corner of the grid"),
        "framework_position": labelled(
            ("framework_atom", "xyz"), position, "angstrom", "mean position of other atoms"
        ),
        "framework_element": labelled(
            ("framework_atom",), np.array(mapped.elements, dtype=str), "1", "their elements"
        ),
    }

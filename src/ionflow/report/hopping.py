"""The section on hops and on the paths that ions take through the glass."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ionflow import plot
from ionflow.report.cells import (
    ERRORS,
    Tell,
    absent,
    average,
    by_case,
    carrier,
    of_carrier,
    quantity,
    some_of,
    words,
)
from ionflow.report.gather import Data
from ionflow.report.multiples import Multiples, by_material
from ionflow.report.multiples import by_case as panels
from ionflow.report.page import Cell, Plot, Section, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ANALYSES = ("hops", "density_map")

_LEAD = (
    "Hops of the mobile ions from cage to cage, found without assuming sites; and the density of "
    "these ions in the cell, with the network of basins and bottlenecks that they diffuse through."
)
_NUMBERS = (
    "percolation_barrier", "percolation_barrier_stderr", "percolation_verdict", "dimensionality",
    "accessible_fraction", "n_nodes", "n_edges", "density_difference",
)  # fmt: skip
_DRAWN = (
    "density", "cell", "node_fraction", "node_occupancy", "edge_node", "edge_image",
)  # fmt: skip


def hops(data: Data) -> Section | None:
    """Rates, lengths, returns, and percolation."""
    if not some_of(data, ANALYSES):
        return None
    tables = (_rates(data), _walks(data), _percolation(data))
    return Section(
        "hops",
        "Hops and paths",
        _LEAD,
        notices=absent(data, ANALYSES),
        tables=tuple(table for table in tables if table.rows),
        plots=tuple(_plots(data)),
    )


def _columns(data: Data, names: dict[str, tuple[str, bool, str]]) -> dict[str, Tell]:
    """Columns of quantities of the most mobile species: name, whether it may be negative, and
    the variable that says why there is no number."""
    return {
        title: of_carrier(data, partial(_quantity, name, signed, verdict))
        for title, (name, signed, verdict) in names.items()
    }


def _quantity(name: str, signed: bool, verdict: str, species: str) -> Tell:
    return quantity(name, signed=signed, verdict=verdict, species=species)


def _rates(data: Data) -> Table:
    columns: dict[str, Tell] = {
        "Species": lambda result: Cell(carrier(data, result)),
        "Verdict": of_carrier(data, lambda s: words("verdict", species=s)),
        "Hops": of_carrier(data, lambda s: average("n_hops", species=s)),
    }
    columns["Rate (1/ps)"] = of_carrier(
        data, lambda s: quantity("rate", signed=False, brackets=True, species=s)
    )
    columns |= _columns(
        data,
        {
            "Stay (ps)": ("residence_time", False, "verdict"),
            "Length (Å)": ("hop_length", False, "verdict"),
            "Back jumps": ("back_jump_fraction", True, "verdict"),
        },
    )
    note = (
        "Per ion. Back jumps: share of the hops whose next one returns to the cage before. "
        f"Verdicts: blurred: the rate depends on what counts as a hop; fast: hops follow each "
        f"other so closely that part of them is hidden. {ERRORS}"
    )
    return by_case(data, "hops", "Hops", columns, note)


def _walks(data: Data) -> Table:
    columns = _columns(
        data,
        {
            "Γ⟨l²⟩/6 (cm²/s)": ("random_walk_D", False, "verdict"),
            "D from the MSD (cm²/s)": ("diffusion_coefficient", False, "diffusion_verdict"),
            "Correlation factor": ("correlation_factor", False, "diffusion_verdict"),
            "cos of consecutive hops": ("cos_consecutive", True, ""),
            "Hops in concert": ("pair_hop_ratio", False, ""),
        },
    )
    note = (
        "Correlation factor: D over that of a random walk of the same hops, below 1 where hops "
        "return. Hops in concert: other ions that hop nearby at the same time, over what "
        "independent ions would do."
    )
    return by_case(data, "hops", "What the hops amount to", columns, note)


def _percolation(data: Data) -> Table:
    columns: dict[str, Tell] = {"Dimensions": average("dimensionality")}
    for dimension in (1, 3):
        columns[f"Barrier, {dimension}D (eV)"] = quantity(
            "percolation_barrier", verdict="percolation_verdict", dimension=dimension
        )
    columns["Verdict, 3D"] = words("percolation_verdict", dimension=3)
    columns["Open, 3D"] = average("accessible_fraction", 2, dimension=3)
    columns |= {"Basins": average("n_nodes"), "Halves differ": average("density_difference", 2)}
    note = (
        "Barrier: how far above its minimum the free energy −kT ln ρ must be filled until the "
        "visited volume spans the cell in so many dimensions; open: share of the volume below; "
        "halves differ: share of the ions that one half of the trajectory has elsewhere. Means "
        "over replicas, each a glass of its own."
    )
    return by_case(data, "density_map", "Percolation of the density", columns, note, only=_NUMBERS)


def _plots(data: Data) -> Iterator[Plot]:
    if "hops" in data.analyses:
        drawn = by_material(data, _lengths(data))
        if drawn is not None:
            yield drawn
    if "density_map" in data.analyses:
        drawn = panels(data, _MAP, temperatures=1)
        if drawn is not None:
            yield drawn


def _lengths(data: Data) -> Multiples:
    def draw(result: xr.Dataset, axes: Axes) -> Axes:
        # wider bins: the hops of a short trajectory are few
        lengths = result.sel(species=carrier(data, result))
        return plot.hops(lengths.coarsen(length=4, boundary="trim").mean(), axes)

    return Multiples(
        "hops",
        "hop_lengths",
        "Lengths of hops of the most mobile species",
        "Distances between the cages before and behind, by temperature.",
        draw,
        ("hop_length_density",),
    )


def _projected(result: xr.Dataset, axes: Axes) -> Axes:
    """Density of the first replica summed along the third vector, with nodes and bottlenecks."""
    one = result.isel(replica=0)
    lengths = np.linalg.norm(one["cell"].values, axis=-1)
    area = one["density"].mean("c").values.T * lengths[2]
    x, y = (one[axis].values * length for axis, length in zip("ab", lengths, strict=False))
    axes.contourf(x, y, area, levels=7, cmap="Blues")
    _network(one, lengths, axes)
    axes.set(xlabel="along a (Å)", ylabel="along b (Å)", aspect="equal")
    axes.set(xlim=(0, lengths[0]), ylim=(0, lengths[1]))
    return axes


def _network(one: xr.Dataset, lengths: np.ndarray, axes: Axes) -> None:
    place = one["node_fraction"].values[:, :2] * lengths[:2]
    image = one["edge_image"].values.astype(float)
    inside = np.isfinite(image).all(axis=-1) & (image[:, :2] == 0).all(axis=-1)
    for first, second in one["edge_node"].values[inside].astype(int):
        axes.plot(*place[[first, second]].T, "-", color="#D55E00", lw=0.9)
    size = 12 + 60 * np.nan_to_num(one["node_occupancy"].values.astype(float))
    axes.scatter(
        place[:, 0], place[:, 1], s=size, color="#D55E00", edgecolor="white", lw=0.6, zorder=3
    )


_MAP = Multiples(
    "density_map",
    "density_map",
    "Density of the mobile ions",
    "Summed along c, in the first replica at the highest temperature; the darker the more. "
    "Circles: basins, larger where more ions stay; lines: bottlenecks between basins within the "
    "cell.",
    _projected,
    _DRAWN,
    height=3.4,
    shared="",
    legend=False,
)

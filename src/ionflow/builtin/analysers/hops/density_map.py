"""Where mobile ions are, and the paths that join these places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from ionflow.builtin.analysers.hops.basins import basins_of
from ionflow.builtin.analysers.hops.landscape import Landscape, landscape_of
from ionflow.builtin.analysers.hops.maptable import Mapped, map_result
from ionflow.builtin.analysers.hops.percolation import network_of, percolation
from ionflow.builtin.analysers.hops.visits import MeanPosition, Occupation, halves
from ionflow.builtin.analysers.roles import WithRoles
from ionflow.errors import DataError
from ionflow.kinds import FloatArray
from ionflow.passes import AnyMeasure, Centre, IntArray, Reference, Subject
from ionflow.units import BOLTZMANN_EV_PER_K


class DensityMap(WithRoles):
    """Density of mobile ions in the cell, its free energy, and the network of paths through it.

    ρ(r) is the mean number of ions per volume, smoothed by a Gaussian, relative to the framework;
    F(r) = −kT ln(ρ/max ρ). The percolation barrier is the least F below which places that ions
    visited are connected through the periodic cell in 1, 2 and 3 dimensions. Nodes of the network
    are basins of F (watershed by steepest descent), edges the lowest saddles between them. F is
    that of one ion in the mean field of the others, in a cell that does not change: where the
    framework rearranges, ρ blurs and barriers come out low. Barriers of the two halves of the
    trajectory tell whether it is long enough: a barrier that was crossed a few times is not known.
    """

    use: ClassVar[str] = "density_map"

    species: tuple[str, ...] = ()
    """Species whose density is mapped, all together; the alkali if empty."""

    frame: Literal["framework", "barycentric", "none"] = "framework"
    """What positions are relative to: the centre of mass of the framework, that of all atoms
    (barycentric), or the box (none)."""

    framework: tuple[str, ...] = ()
    """Species that make up the framework; all that are not mapped if empty."""

    points: int = Field(48, ge=4, le=128)
    """Voxels along each vector of the cell."""

    smoothing_angstrom: float = Field(0.4, ge=0, le=3)
    """Standard deviation of the Gaussian, better more than 0.7 voxels. It lowers barriers that are
    not much wider. Places within 1.5 times that of where an ion was seen count as visited."""

    min_depth_kT: float = Field(1.0, ge=0, le=20)
    """Basins whose minimum is less than this, or less than three standard errors, below the saddle
    that leads out are part of the next."""

    tolerance_kT: float = Field(0.5, gt=0)
    """How far the barriers of the two halves may differ to count as converged."""

    temperature_K: float | None = Field(None, gt=0)
    """Temperature of kT; the mean kinetic one if null."""

    def mobile(self, subject: Subject) -> tuple[str, ...]:
        """Species that are mapped.

        Raises
        ------
        DataError
            If one that is named is not in the trajectory, or there is no alkali.
        """
        subject.require_species(self.species)
        return self.species or self.needed(subject, "alkali").alkali

    def reference(self, subject: Subject) -> Reference:
        """The frame of reference.

        Raises
        ------
        DataError
            If there is no framework.
        """
        if self.frame != "framework":
            return Reference(self.frame)
        mobile = self.mobile(subject)
        members = self.framework or tuple(s for s in subject.species if s not in mobile)
        if not members:
            raise DataError(
                "nothing is left for a framework: all species are mobile",
                hint="use frame: barycentric, or frame: none",
            )
        return Reference("framework", members)

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """Visits of ions, mean positions of all other atoms, and the path of the centre."""
        mobile, reference = self.mobile(subject), self.reference(subject)
        return {
            "visits": Occupation(mobile, self.points, reference=reference),
            "means": MeanPosition(mobile, reference=reference),
            "centre": Centre(reference),
        }

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """Density, free energy, barriers and network.

        Returns
        -------
        Dataset with `density` (1/Å³) and `free_energy` (eV) over `a`, `b`, `c` (fractions of the
        cell), `percolation_barrier` (eV) over `dimension` with its error and verdict, the nodes
        (`node_...`) and edges (`edge_...`) of the network, and the cell and framework they are in.
        """
        cell = subject.cells.mean(axis=0)
        kT = BOLTZMANN_EV_PER_K * (self.temperature_K or subject.temperature_K)
        visits: IntArray = found["visits"]
        whole = landscape_of(visits.sum(axis=0), subject.frames, cell, self.smoothing_angstrom)
        parts = [
            landscape_of(one, part.stop - part.start, cell, self.smoothing_angstrom)
            for one, part in zip(visits, halves(subject.frames), strict=True)
        ]
        basins = basins_of(whole.free_energy)
        mapped = Mapped(
            whole,
            percolation(basins),
            np.stack([percolation(basins_of(part.free_energy)) for part in parts]),
            _difference(parts),
            network_of(basins, self.min_depth_kT, whole.visits),
            kT,
            self.tolerance_kT,
            cell,
            _origin(found["centre"], cell),
            found["means"],
            self._others(subject, found["means"]),
        )
        return map_result(mapped, subject.data, self._attrs(subject))

    def _others(self, subject: Subject, means: FloatArray) -> tuple[str, ...]:
        """Elements of the atoms that are not mapped."""
        atoms = MeanPosition(self.mobile(subject)).atoms(subject)
        names = subject.data["element"].values.tolist()
        return tuple(str(names[atom]) for atom in atoms.tolist())

    def _attrs(self, subject: Subject) -> dict[str, str]:
        return {
            "method": (
                f"visits on {self.points}^3 voxels, smoothed by a periodic Gaussian of "
                f"{self.smoothing_angstrom:g} angstrom; basins by steepest descent, those less "
                f"than {self.min_depth_kT:g} kT or three standard errors deep merged"
            ),
            "definition": "F = -kT ln(rho / max rho)",
            "doi": "10.1007/s00454-002-2885-2",
            "species": ", ".join(self.mobile(subject)),
            "error": (
                "half of the difference between the halves of the trajectory; intervals with one "
                "degree of freedom"
            ),
            "frame": str(self.reference(subject)),
        }


def _difference(parts: list[Landscape]) -> float:
    """Part of the ions that one half has elsewhere than the other, 0 to 1."""
    first, second = (part.density / part.density.sum() for part in parts)
    return float(abs(first - second).sum() / 2)


def _origin(centre: FloatArray, cell: FloatArray) -> FloatArray:
    """The mean place of the centre, (xyz) Å, in the image nearest to the corner of the box."""
    scaled = centre[0].mean(axis=-1) @ np.linalg.inv(cell)
    origin: FloatArray = (scaled - np.round(scaled)) @ cell
    return origin

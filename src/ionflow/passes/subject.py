"""What is known of a trajectory before its frames are read."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from functools import cached_property
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
import xarray as xr

from ionflow.errors import DataError
from ionflow.kinds import FloatArray
from ionflow.schema import frame_interval_ps, require

IntArray = npt.NDArray[np.int64]
T = TypeVar("T")

#: fewest frames from which a time dependence can be told
MIN_FRAMES = 8


class Subject:
    """A trajectory under analysis: its atoms, cells and means; positions stay unread.

    Atoms are grouped by the coordinate `species` where the trajectory has one, else by `element`.

    Parameters
    ----------
    data : a trajectory as `ionflow.schema` describes it

    Raises
    ------
    DataError
        If it has no frames, or no elements.
    """

    def __init__(self, data: xr.Dataset) -> None:
        require(data, "element")
        self.data = _light_read(data)
        self.frames: int = data.sizes["time"]
        if not self.frames:
            raise DataError("the trajectory has no frames")
        self._kept: dict[Hashable, Any] = {}

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The species of each atom."""
        name = "species" if "species" in self.data.coords else "element"
        # by way of Python's own strings: a store gives them back in one of several dtypes
        return tuple(str(label) for label in self.data[name].values.tolist())

    @cached_property
    def atoms(self) -> dict[str, IntArray]:
        """Indices of the atoms of each species, in order of first appearance."""
        names = np.array(self.labels)
        return {name: np.flatnonzero(names == name) for name in dict.fromkeys(self.labels)}

    @cached_property
    def species(self) -> tuple[str, ...]:
        """Species in order of first appearance."""
        return tuple(self.atoms)

    @cached_property
    def kind(self) -> IntArray:
        """(atom,) index of each atom's species"""
        places = {name: place for place, name in enumerate(self.species)}
        return np.array([places[label] for label in self.labels], dtype=np.int64)

    @cached_property
    def elements(self) -> dict[str, str]:
        """The element of each species; "X" for one that mixes elements or has none."""
        names = np.array([str(name) for name in self.data["element"].values.tolist()])
        found = {species: set(names[atoms]) for species, atoms in self.atoms.items()}
        return {s: str(e.pop()) if len(e) == 1 else "X" for s, e in found.items()}

    @cached_property
    def mass(self) -> FloatArray:
        """(atom,) amu

        Raises
        ------
        DataError
            If some are not known.
        """
        require(self.data, "mass")
        mass = np.asarray(self.data["mass"].values, dtype=np.float64)
        unknown = [name for name in self.species if not np.isfinite(mass[self.atoms[name]]).all()]
        if unknown:
            raise DataError(
                f"the masses of {', '.join(unknown)} are not known",
                hint="say elements=... or masses=... when reading, or frame: none",
            )
        return mass

    @cached_property
    def charge(self) -> FloatArray:
        """(atom,) formal charges, e

        Raises
        ------
        DataError
            If all are zero or they do not add up to zero.
        """
        require(self.data, "charge")
        charge = np.asarray(self.data["charge"].values, dtype=np.float64)
        hint = (
            "set formal charges as initial charges of the structure, or say charges={'Li': 1, ...} "
            "when reading"
        )
        if not np.isfinite(charge).all() or not charge.any():
            why = str(self.data.attrs.get("charges_from", "")).removeprefix("none")
            raise DataError(f"the atoms have no charges{why}", hint=hint)
        if abs(charge.sum()) > 1e-6 * len(charge):
            raise DataError(f"the charges add up to {charge.sum():g} e, not to zero", hint=hint)
        return charge

    @cached_property
    def interval_ps(self) -> float:
        """Time between frames, ps."""
        return frame_interval_ps(self.data)

    @cached_property
    def cells(self) -> FloatArray:
        """(time, vector, xyz) Å

        Raises
        ------
        DataError
            If a cell has no volume.
        """
        require(self.data, "cell")
        cells: FloatArray = (
            self.data["cell"].transpose("time", "vector", "xyz").values.astype(np.float64)
        )
        if not (np.abs(np.linalg.det(cells)) > 0).all():
            raise DataError("the trajectory has frames whose cell has no volume")
        return cells

    @cached_property
    def volumes(self) -> FloatArray:
        """(time,) Å³"""
        volumes: FloatArray = np.abs(np.linalg.det(self.cells))
        return volumes

    @cached_property
    def volume(self) -> float:
        """Mean volume, Å³."""
        return float(self.volumes.mean())

    @cached_property
    def temperature_K(self) -> float:
        """Mean kinetic temperature.

        Raises
        ------
        DataError
            If it is not a positive number.
        """
        require(self.data, "temperature")
        temperature = float(self.data["temperature"].mean())
        if not temperature > 0:
            raise DataError(f"the mean temperature of the trajectory is {temperature:g} K")
        return temperature

    def require_dynamics(self) -> None:
        """Check that there are positions, evenly spaced in time, enough to follow them.

        Raises
        ------
        DataError
            If not.
        """
        require(self.data, "positions")
        if self.frames < MIN_FRAMES:
            raise DataError(
                f"the trajectory has {self.frames} frames; {MIN_FRAMES} are needed",
                hint="lengthen the recorded stage or shorten its frame_ps",
            )

    def require_species(self, names: Iterable[str], what: str = "species") -> None:
        """Check that species are there.

        Raises
        ------
        DataError
            Naming every one that is not.
        """
        absent = sorted(set(names) - set(self.species))
        if absent:
            raise DataError(
                f"{what} {', '.join(absent)} are not in the trajectory",
                hint=f"it holds {', '.join(self.species)}",
            )

    def spread(self, most: int) -> IntArray:
        """At most so many frames, evenly spaced, the first among them; the spacing is whole."""
        return np.arange(0, self.frames, -(-self.frames // most))

    def once(self, name: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, made once and kept under a name."""
        if name not in self._kept:
            self._kept[name] = make()
        return cast("T", self._kept[name])

    def positions(self, frames: npt.ArrayLike) -> FloatArray:
        """Positions of some frames, read now: (frame, atom, xyz) Å.

        Raises
        ------
        DataError
            If they are absent or not finite.
        """
        from ionflow.passes.reading import positions_at

        return positions_at(self, np.asarray(frames, dtype=np.int64)).astype(np.float64)


def _light_read(data: xr.Dataset) -> xr.Dataset:
    """The same with all in memory but what is large: what every atom does at every time."""
    light = [name for name, v in data.variables.items() if not {"time", "atom"} <= set(v.dims)]
    lazy = [name for name in light if data[name].chunks is not None]
    # not the ambient scheduler: on a worker that is the cluster itself
    return data.assign(data[lazy].compute(scheduler="synchronous").variables) if lazy else data

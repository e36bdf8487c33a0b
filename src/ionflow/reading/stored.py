"""Trajectories that are in the schema already, with what one wants to say of them otherwise."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
import xarray as xr

from ionflow.errors import DataError
from ionflow.reading.identity import identity
from ionflow.reading.options import Reading
from ionflow.reading.snapshot import Notes, Snapshot
from ionflow.schema import require

#: options that make sense for what is stored already
ADJUSTABLE: Final = frozenset(
    {"every", "start_ps", "species", "charges", "masses", "temperature_K"}
)


def adjusted(
    trajectory: xr.Dataset, reading: Reading, told: Collection[str], source: str
) -> xr.Dataset:
    """A trajectory of the schema, thinned, cut and relabelled as told; lazy as it was.

    Parameters
    ----------
    told : names of the options that were given

    Raises
    ------
    DataError
        If it is no trajectory, or an option was given that is for files.
    """
    foreign = sorted(set(told) - ADJUSTABLE)
    if foreign:
        raise DataError(
            f"{', '.join(foreign)}: for files of other programs; this is stored already",
            where=source,
            hint=f"options here: {', '.join(sorted(ADJUSTABLE))}",
        )
    require(trajectory, "element", "time")
    kept = trajectory.isel(time=_from(trajectory, reading.start_ps)).isel(
        time=slice(None, None, reading.every)
    )
    if not kept.sizes["time"]:
        raise DataError("no frame is left", where=source, hint=f"start_ps is {reading.start_ps:g}")
    return _with_temperature(_relabelled(kept, reading, set(told)), reading)


def _from(trajectory: xr.Dataset, start_ps: float) -> slice:
    time = trajectory["time"].values
    return slice(int(np.searchsorted(time - time[:1].sum(), start_ps - 1e-9)), None)


def _relabelled(data: xr.Dataset, reading: Reading, told: set[str]) -> xr.Dataset:
    asked = told & {"species", "charges", "masses"}
    if not asked:
        return data
    if reading.species is None and "species" in data.coords:
        reading = reading.model_copy(update={"species": "species"})
    notes: Notes = {}
    who = identity(_labels(data), reading, notes)
    found = {"charges": ("charge", who.charges), "masses": ("mass", who.masses)}
    for option, (name, values) in found.items():
        if option in told:
            data = data.assign_coords({name: ("atom", values, data[name].attrs)})
            data = data.assign_attrs({f"{option}_from": notes[f"{option}_from"]})
    if who.species is not None:
        data = data.assign_coords(species=("atom", np.array(who.species, dtype=str)))
    return data


def _labels(data: xr.Dataset) -> Snapshot:
    """The atoms of a trajectory as a frame's, to be labelled anew."""
    own = {str(n): c.values for n, c in data.coords.items() if c.dims == ("atom",)}
    columns = {**own, "symbol": own["element"]}
    if "species" in own:
        columns["type"] = own["species"]
    return Snapshot("", np.eye(3), np.zeros((data.sizes["atom"], 3)), columns)


def _with_temperature(data: xr.Dataset, reading: Reading) -> xr.Dataset:
    told = reading.temperature_K
    if told is None:
        return data
    if "temperature" in data:
        raise DataError("the trajectory has a temperature of its own; temperature_K is not for it")
    values = ("time", np.full(data.sizes["time"], told), {"units": "K"})
    return data.assign(temperature=values).assign_attrs(temperature_from="as told")

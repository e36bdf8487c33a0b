"""The diffusion of the alkali of each material of a scan."""

from __future__ import annotations

import xarray as xr

from ionflow.builtin.analysers.roles import ALKALI
from ionflow.builtin.analysers.scan.rates import REPLICA, TEMPERATURE
from ionflow.errors import DataError


def of_alkali(taken: xr.Dataset, species: tuple[str, ...] = ()) -> xr.Dataset:
    """Numbers of the alkali of each material, without the dim `species`.

    Materials of other alkalis leave NaN behind where results are joined.

    Parameters
    ----------
    taken : `value`, `stderr` and `analysed` over `species` and any others
    species : which to take; Li, Na, K, Rb and Cs if empty

    Raises
    ------
    DataError
        If no species is one of them, or a material has several.
    """
    known = [str(name) for name in taken["species"].values]
    wanted = [name for name in known if name in (species or ALKALI)]
    if not wanted:
        raise DataError(
            f"none of the species {', '.join(known)} is {' or '.join(species or ALKALI)}",
            hint="name the mobile species, as in species: [Ag]",
        )
    part = taken.sel(species=wanted)
    present = part["analysed"]
    for dim in {TEMPERATURE, REPLICA} & set(present.dims):
        present = present.any(dim)
    if int(present.sum("species").max()) > 1:
        raise DataError(
            f"a material has several of the species {', '.join(wanted)}",
            hint=f"name the one that counts, as in species: [{wanted[0]}]",
        )
    numbers = {name: part[name].max("species") for name in ("value", "stderr")}
    return xr.Dataset({**numbers, "analysed": part["analysed"].any("species")})

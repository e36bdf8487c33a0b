"""Joining results over the axes of a scan, without loading them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ionflow.errors import DataError

Place = tuple[int, ...]


def join(
    datasets: Sequence[xr.Dataset],
    axes: Mapping[str, Sequence[Any]] | Sequence[str] | None = None,
) -> xr.Dataset:
    """One Dataset over the axes of a scan from one Dataset for each of its points.

    Dims that the results have themselves (lag, r, species) are joined to their union. What is
    missing, a point of the scan or a label, is NaN ("" for text). Whole numbers and truth values
    stay what they are when nothing is missing; otherwise they become float, with 1, 0 and NaN for
    true, false and not known: ask `== 1`, since NaN counts as true in a condition.
    Arrays of Dask stay lazy.

    Parameters
    ----------
    datasets : each with a scalar coord for its place on each axis
    axes : names of the axes with the values that the result shall have, in this order; or names
        alone, with values in order of appearance; or None for every scalar coord that all share.
        An axis that no dataset has is left out.

    Raises
    ------
    DataError
        If there is nothing to join, two datasets lie at the same point, or one lacks an axis or
        has a label twice.

    Examples
    --------
    >>> cold = xr.Dataset({"D": 1.0}, {"temperature_K": 500})
    >>> hot = xr.Dataset({"D": 4.0}, {"temperature_K": 900})
    >>> join([hot, cold], {"temperature_K": [500, 700, 900]})["D"].values
    array([ 1., nan,  4.])
    """
    if not datasets:
        raise DataError("nothing to join")
    axes = _scalars(datasets) if axes is None else axes
    names = [axis for axis in axes if any(axis in part.coords for part in datasets)]
    labels = [_labels(axis, datasets, axes) for axis in names]
    places = [_place(part, names, labels) for part in datasets]
    if len(set(places)) < len(places):
        twice = next(place for place in places if places.count(place) > 1)
        point = {name: values[i] for name, values, i in zip(names, labels, twice, strict=True)}
        raise DataError(f"two results at the same point of the scan: {point}")
    parts = _aligned([part.drop_vars(names) for part in datasets])
    return _on_grid(dict(zip(places, parts, strict=True)), names, labels)


def _scalars(datasets: Sequence[xr.Dataset]) -> list[str]:
    scalar = [str(name) for name, coord in datasets[0].coords.items() if not coord.ndim]
    return [name for name in scalar if all(name in part.coords for part in datasets)]


def _labels(
    axis: str, datasets: Sequence[xr.Dataset], axes: Mapping[str, Sequence[Any]] | Sequence[str]
) -> list[Any]:
    asked = list(axes[axis]) if isinstance(axes, Mapping) else []
    seen = [part.coords[axis].values.item() for part in datasets if axis in part.coords]
    return list(dict.fromkeys([*asked, *seen]))


def _place(part: xr.Dataset, names: Sequence[str], labels: Sequence[list[Any]]) -> Place:
    lacking = [name for name in names if name not in part.coords]
    if lacking:
        raise DataError(f"a result has no coordinate {', '.join(lacking)}, others have")
    at = [part.coords[name].values.item() for name in names]
    return tuple(values.index(value) for value, values in zip(at, labels, strict=True))


def _aligned(parts: Sequence[xr.Dataset]) -> list[xr.Dataset]:
    """The same parts on the union of the labels of each inner dim."""
    ragged = {dim for part in parts for dim in part.dims if _differs(str(dim), parts)}
    if not ragged:
        return list(parts)
    numbered = [_numbered(_fillable(part, ragged), ragged) for part in parts]
    fill = {
        str(name): "" for part in parts for name in part.variables if part[name].dtype.kind == "U"
    }
    _check_labels(numbered, ragged)
    return list(xr.align(*numbered, join="outer", fill_value=fill or np.nan))


def _check_labels(parts: Sequence[xr.Dataset], dims: set[Any]) -> None:
    for part in parts:
        for dim in dims & set(part.dims):
            if not part.indexes[dim].is_unique:
                raise DataError(f"a result has a label twice in {dim}, so it cannot be joined")


def _differs(dim: str, parts: Sequence[xr.Dataset]) -> bool:
    having = [part for part in parts if dim in part.dims]
    first = having[0]
    if any(part.sizes[dim] != first.sizes[dim] for part in having):
        return True
    return not all(_index_equal(dim, part, first) for part in having)


def _index_equal(dim: str, one: xr.Dataset, other: xr.Dataset) -> bool:
    if dim not in one.indexes or dim not in other.indexes:
        return dim not in one.indexes and dim not in other.indexes
    return bool(one.indexes[dim].equals(other.indexes[dim]))


def _fillable(part: xr.Dataset, ragged: set[Any]) -> xr.Dataset:
    """`part` with whole numbers and truth values along ragged dims as float, which has a NaN."""
    changed = {
        name: variable.astype(float)
        for name, variable in part.variables.items()
        if name not in part.indexes and variable.dtype.kind in "biu" and ragged & set(variable.dims)
    }
    return part.assign({n: part[n].copy(data=v.data) for n, v in changed.items()})


def _numbered(part: xr.Dataset, ragged: set[Any]) -> xr.Dataset:
    bare = [dim for dim in ragged if dim in part.dims and dim not in part.indexes]
    return part.assign_coords({dim: np.arange(part.sizes[dim]) for dim in bare})


def _on_grid(
    parts: Mapping[Place, xr.Dataset], names: Sequence[str], labels: Sequence[list[Any]]
) -> xr.Dataset:
    shape = tuple(len(values) for values in labels)
    data = dict.fromkeys(name for part in parts.values() for name in part.data_vars)
    coords = dict.fromkeys(name for part in parts.values() for name in part.coords)
    merged = {name: _merged(name, list(parts.values())) for name in coords}
    gridded = {
        name: _gridded({at: part.variables.get(name) for at, part in parts.items()}, names, shape)
        for name in [*data, *coords]
        if merged.get(name) is None
    }
    dataset = xr.Dataset(
        {name: gridded[name] for name in data},
        {name: gridded[name] if kept is None else kept for name, kept in merged.items()},
        _common([part.attrs for part in parts.values()]),
    )
    return dataset.assign_coords({n: list(values) for n, values in zip(names, labels, strict=True)})


def _merged(name: Any, parts: Sequence[xr.Dataset]) -> xr.Variable | None:
    """One variable for a coord on which all parts agree wherever they know it, else None."""
    found = [part.variables[name] for part in parts if name in part.variables]
    if name in found[0].dims:
        return found[0]
    if any(item.dims != found[0].dims for item in found):
        return None
    if not found[0].dims and len(found) < len(parts):
        return None
    return _agreed(found)


def _agreed(found: Sequence[xr.Variable]) -> xr.Variable | None:
    values = np.array(found[0].values)
    for item in found[1:]:
        unknown, other = _unknown(values), item.values
        if not (unknown | _unknown(other) | (values == other)).all():
            return None
        values = np.where(unknown, other, values)
    return xr.Variable(found[0].dims, values, _common([item.attrs for item in found]))


def _unknown(values: Any) -> Any:
    return values == "" if values.dtype.kind in "UT" else values != values


def _gridded(
    cells: Mapping[Place, xr.Variable | None], names: Sequence[str], shape: tuple[int, ...]
) -> xr.Variable:
    known = {place: cell for place, cell in cells.items() if cell is not None}
    widest = max(known.values(), key=lambda cell: cell.ndim)
    sizes = dict(widest.sizes)
    complete = len(known) == int(np.prod(shape))
    dtype = _dtype([cell.dtype for cell in known.values()], complete)
    arrays = {
        place: cell.set_dims(sizes).transpose(*sizes).data.astype(dtype)
        for place, cell in known.items()
    }
    data = _assemble(arrays, shape, dtype) if shape else next(iter(arrays.values()))
    attrs = _common([cell.attrs for cell in known.values()])
    return xr.Variable((*names, *sizes), data, attrs)


def _dtype(dtypes: Sequence[np.dtype[Any]], complete: bool) -> np.dtype[Any]:
    dtype = np.result_type(*dtypes) if len(set(dtypes)) > 1 else dtypes[0]
    return np.dtype(float) if dtype.kind in "biu" and not complete else dtype


def _assemble(arrays: Mapping[Place, Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    first = next(iter(arrays.values()))
    fill: Any = "" if dtype.kind in "UT" else np.nan
    if all(isinstance(array, np.ndarray) for array in arrays.values()):
        blank = fill if len(arrays) < np.prod(shape) else first.flat[0] if first.size else 0
        grid = np.full(shape + first.shape, blank, dtype)
        for place, array in arrays.items():
            grid[place] = array
        return grid
    return _blocks(arrays, shape, dtype, fill)


def _blocks(
    arrays: Mapping[Place, Any], shape: tuple[int, ...], dtype: np.dtype[Any], fill: Any
) -> Any:
    import dask.array as da

    blank = da.full(next(iter(arrays.values())).shape, fill, dtype=dtype)

    def nest(place: Place) -> Any:
        if len(place) == len(shape):
            return da.asarray(arrays.get(place, blank))
        deeper = [nest((*place, i)) for i in range(shape[len(place)])]
        return da.stack(deeper)

    return nest(())


def _common(attrs: Sequence[Mapping[Any, Any]]) -> dict[Any, Any]:
    """Attributes on which all agree."""
    first = attrs[0]
    return {
        key: value
        for key, value in first.items()
        if all(key in other and np.array_equal(other[key], value) for other in attrs)
    }

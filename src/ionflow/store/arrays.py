"""How arrays lie in zarr: codecs, chunks, shards, the rounding of positions, strings.

Every array carries `crc32c` behind its compressor and has all its chunks written: a flipped bit
raises, and a chunk that is not there is damage, never an empty chunk.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr
from zarr.abc.codec import ArrayArrayCodec
from zarr.abc.store import Store as ZarrStore
from zarr.codecs import BloscCodec, Crc32cCodec, TransposeCodec
from zarr.errors import ZarrUserWarning

from ionflow.errors import StoreError
from ionflow.store.keys import plain

#: Positions are kept to this absolute step, Å. A power of two: its multiples are exact in float32.
PRECISION_ANGSTROM: Final[float] = 2.0**-10

#: Largest |coordinate|, Å, at which float32 still has every multiple of the step: 24 bits of it.
REACH_ANGSTROM: Final[float] = PRECISION_ANGSTROM * 2**24

_CHUNK_FRAMES = 100
_CHUNK_ATOMS = 512
_SHARD_BYTES = 32 * 2**20
_SHARD_CHUNKS = 32
_RESULT_CHUNK_BYTES = 16 * 2**20

Layout = tuple[tuple[int, ...], tuple[int, ...] | None]


def round_positions(positions: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Positions (…, 3) Å to the nearest multiple of `PRECISION_ANGSTROM`, as float32.

    The error is at most half the step wherever |x| < `REACH_ANGSTROM` (16384 Å); farther out
    float32 could not hold the step, so that is refused rather than stored more coarsely.

    Raises
    ------
    StoreError
        If a coordinate is NaN, infinite, or out of reach.
    """
    values = np.asarray(positions, dtype=np.float64)
    if values.size and not np.abs(values).max() < REACH_ANGSTROM:
        raise StoreError(
            f"positions are not finite or beyond {REACH_ANGSTROM:.0f} Å from the origin",
            hint="the trajectory blew up, or the system drifts as a whole",
        )
    return (np.rint(values / PRECISION_ANGSTROM) * PRECISION_ANGSTROM).astype(np.float32)


def prepared(frames: xr.Dataset) -> xr.Dataset:
    """Frames as they are stored: positions rounded, velocities as float32, all in memory."""
    frames = frames.compute(scheduler="synchronous")
    if "positions" in frames:
        old = frames["positions"]
        attrs = {**old.attrs, "precision_angstrom": PRECISION_ANGSTROM}
        frames = frames.assign(positions=(old.dims, round_positions(old.values), attrs))
    if "velocities" in frames:
        frames = frames.assign(velocities=frames["velocities"].astype(np.float32))
    return frames


def shard_frames(atoms: int) -> int:
    """Frames in a shard: a multiple of the chunk's, from 100 to 1000, about 32 MiB of positions.

    Depends on the number of atoms alone, so that a longer trajectory begins with the same shards.
    """
    frames = _SHARD_BYTES // (12 * max(atoms, 1)) // _CHUNK_FRAMES * _CHUNK_FRAMES
    return int(np.clip(frames, _CHUNK_FRAMES, 1000))


def whole(shape: Sequence[int]) -> Layout:
    """One chunk."""
    return tuple(max(n, 1) for n in shape), None


def sharded(dims: Sequence[Hashable], shape: Sequence[int], frames: int) -> Layout:
    """Chunks and shards of a sealed array; an array without time is one chunk."""
    if "time" not in dims:
        return whole(shape)
    heavy = "atom" in dims
    chunk, shard = list(whole(shape)[0]), list(whole(shape)[0])
    time = dims.index("time")
    chunk[time] = _CHUNK_FRAMES if heavy else frames
    shard[time] = frames if heavy else frames * _SHARD_CHUNKS
    if heavy:
        atom = dims.index("atom")
        chunk[atom] = min(chunk[atom], _CHUNK_ATOMS)
        shard[atom] = -(-shard[atom] // chunk[atom]) * chunk[atom]
    return tuple(chunk), tuple(shard)


def bounded(shape: Sequence[int], itemsize: int) -> Layout:
    """Chunks of at most 16 MiB, made by halving the longest side."""
    chunk = list(whole(shape)[0])
    while np.prod(chunk) * itemsize > _RESULT_CHUNK_BYTES:
        longest = int(np.argmax(chunk))
        chunk[longest] = -(-chunk[longest] // 2)
    return tuple(chunk), None


def create(
    group: zarr.Group,
    name: str,
    dtype: np.dtype[Any],
    dims: Sequence[str],
    shape: Sequence[int],
    layout: Layout,
    attrs: Mapping[str, Any],
) -> zarr.Array[Any]:
    """An empty array with the codecs of the store."""
    text = dtype.kind in "UOT"
    return group.create_array(
        name,
        shape=tuple(shape),
        dtype=np.dtypes.StringDType() if text else dtype,
        chunks=layout[0],
        shards=layout[1],
        filters=_filters(dims),
        compressors=(_blosc(1 if text else dtype.itemsize), Crc32cCodec()),
        fill_value=np.nan if dtype.kind == "f" else None,
        dimension_names=dims,
        attributes=dict(attrs),
        config={"write_empty_chunks": True},
    )


def _filters(dims: Sequence[str]) -> tuple[ArrayArrayCodec, ...]:
    # one coordinate of one atom over time is smooth: neighbours in time compress together
    return (TransposeCodec(order=(1, 2, 0)),) if tuple(dims[:2]) == ("time", "atom") else ()


def _blosc(itemsize: int) -> BloscCodec:
    shuffle: Literal["bitshuffle", "noshuffle"] = "bitshuffle" if itemsize > 1 else "noshuffle"
    return BloscCodec(typesize=itemsize, cname="zstd", clevel=3, shuffle=shuffle)


def fill(array: zarr.Array[Any], values: npt.NDArray[Any], where: slice | None = None) -> None:
    """Write values, or those of a range along the first axis."""
    if values.size:
        array[... if where is None else where] = values


def write_variable(
    group: zarr.Group, name: Hashable, variable: xr.Variable, layout: Layout
) -> zarr.Array[Any]:
    """Create one variable's array and write it, unless its values are a Dask array."""
    _check(name, variable)
    dims = [str(dim) for dim in variable.dims]
    attrs = plain(variable.attrs, f"{name}.attrs")
    target = create(group, str(name), variable.dtype, dims, variable.shape, layout, attrs)
    if variable.chunks is None:
        fill(target, variable.values)
    return target


def write_attrs(group: zarr.Group, dataset: xr.Dataset) -> None:
    """Write a Dataset's attributes, and which of its variables are coordinates."""
    auxiliary = sorted(str(name) for name in dataset.coords if name not in dataset.dims)
    attrs = plain(dataset.attrs, "attrs")
    group.attrs.update({**attrs, "coordinates": " ".join(auxiliary)} if auxiliary else attrs)


def _check(name: Hashable, variable: xr.Variable) -> None:
    hint = "data may be numbers, truth values or text; a MultiIndex needs reset_index first"
    good_name = isinstance(name, str) and name and not set(name) & set(" /\\") and name[0] != "."
    if not good_name:
        raise StoreError(f"a variable cannot be named {name!r}", hint="no spaces, no slashes")
    values = () if variable.chunks is not None else variable.values.ravel()
    kind = variable.dtype.kind
    if kind not in "biufcUOT" or (kind == "O" and not all(isinstance(v, str) for v in values)):
        raise StoreError(f"cannot store data of type {variable.dtype}", where=str(name), hint=hint)


def consolidate(store: ZarrStore) -> None:
    """Gather the metadata where xarray looks first."""
    with warnings.catch_warnings():
        # all zarr readers that we know take it, though zarr's version 3 does not specify it
        warnings.simplefilter("ignore", ZarrUserWarning)
        zarr.consolidate_metadata(store)


def read_dataset(
    store: Any, group: str | None = None, chunks: Mapping[str, int] | None = None
) -> xr.Dataset:
    """A Dataset as it was written: coords and text in memory, the rest lazy by `chunks`, if any."""
    dataset = xr.open_dataset(
        store,
        engine="zarr",
        group=group,
        chunks=chunks,
        consolidated=group is None,
        decode_times=False,
        mask_and_scale=False,
        cache=False,
    )
    dataset.load() if chunks is None else _load_coords(dataset)
    for name, variable in dataset.variables.items():
        if variable.dtype.kind in "OT":
            dataset[name] = (variable.dims, _text(variable.values), variable.attrs)
    for variable in dataset.variables.values():
        variable.encoding = {}
    return dataset


def _load_coords(dataset: xr.Dataset) -> None:
    for name in dataset.coords:
        dataset[name].load()


def _text(values: npt.NDArray[Any]) -> npt.NDArray[np.str_]:
    return np.array([str(v) for v in values.ravel()], dtype=np.str_).reshape(values.shape)

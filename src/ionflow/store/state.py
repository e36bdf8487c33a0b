"""The end state of a segment: all that is needed to go on, bit for bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import zarr
from zarr.storage import MemoryStore

from ionflow.errors import StoreError
from ionflow.store.archive import Archive, damage, group_bytes, pack
from ionflow.store.arrays import create, fill, whole
from ionflow.store.keys import plain

if TYPE_CHECKING:
    from ase import Atoms

_GROUP = "state"


@dataclass(eq=False)
class State:
    """Atoms at a step, without anything that an engine or calculator rebuilds.

    Two states are equal if every bit of them is.
    """

    step: int
    arrays: dict[str, npt.NDArray[Any]]
    """Every per-atom array of ase.Atoms by its name there: positions (Å, unwrapped), momenta
    (ASE units), numbers, and whatever else was set."""
    cell: npt.NDArray[np.float64]
    """(3, 3) Å, rows are lattice vectors"""
    pbc: tuple[bool, bool, bool]
    constraints: list[dict[str, Any]] = field(default_factory=list)
    """As ase writes them, with lists for arrays."""
    info: dict[str, Any] = field(default_factory=dict)
    """`atoms.info["ionflow"]`: thermostat and barostat state, as JSON."""

    @classmethod
    def from_atoms(cls, atoms: Atoms, step: int) -> Self:
        """A copy of what continues a trajectory.

        Raises
        ------
        StoreError
            If a constraint or `atoms.info["ionflow"]` cannot be written as JSON.
        """
        return cls(
            step=int(step),
            arrays={name: np.array(values) for name, values in atoms.arrays.items()},
            cell=np.array(atoms.cell.array, dtype=np.float64),
            pbc=_three(atoms.pbc),
            constraints=[plain(c.todict(), "constraints") for c in atoms.constraints],
            info=plain(atoms.info.get("ionflow", {}), "info.ionflow"),
        )

    def to_atoms(self) -> Atoms:
        """The atoms again; arrays are copies."""
        from ase import Atoms

        count = len(self.arrays["numbers"])
        atoms = Atoms(numbers=np.zeros(count, dtype=int), cell=self.cell, pbc=self.pbc)
        # set directly: the methods of Atoms convert types and apply constraints
        atoms.arrays = {name: values.copy() for name, values in self.arrays.items()}
        atoms.constraints = [_constraint(c) for c in self.constraints]
        if self.info:
            atoms.info["ionflow"] = plain(self.info)
        return atoms

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and _bits(self) == _bits(other)

    def digest(self) -> str:
        """SHA-256 over every bit of it: the same for equal states, in every process."""
        step, arrays, cell, pbc, rest = _bits(self)
        shapes = [(name, dtype, shape) for name, (dtype, shape, _) in sorted(arrays.items())]
        sha = hashlib.sha256(json.dumps([step, pbc, rest, shapes]).encode())
        for data in (cell, *(data for _, (_, _, data) in sorted(arrays.items()))):
            sha.update(data)
        return sha.hexdigest()


def _constraint(record: dict[str, Any]) -> Any:
    from ase.constraints import dict2constraint

    constraint = dict2constraint(record)
    if hasattr(constraint, "dir"):
        # FixedPlane and FixedLine normalise again, which moves the last bit
        constraint.dir = np.array(record["kwargs"]["direction"])
    return constraint


def _three(flags: Any) -> tuple[bool, bool, bool]:
    a, b, c = (bool(flag) for flag in flags)
    return a, b, c


def _bits(state: State) -> tuple[Any, ...]:
    arrays = {n: (a.dtype.str, a.shape, a.tobytes()) for n, a in state.arrays.items()}
    rest = json.dumps([state.constraints, state.info], sort_keys=True)
    return state.step, arrays, state.cell.tobytes(), state.pbc, rest


def state_members(state: State) -> dict[str, bytes]:
    """The zarr group `state` as members of an archive.

    Raises
    ------
    StoreError
        If an array holds Python objects, or a number of thermostat or constraint is not finite.
    """
    store = MemoryStore()
    group = zarr.create_group(store, path=_GROUP)
    _put(group, "cell", state.cell)
    for index, values in enumerate(state.arrays.values()):
        # numbered: a name that a user chose need not be a legal path
        _put(group, f"array_{index}", values)
    group.attrs["state"] = _text(state)
    return group_bytes(store)


def _text(state: State) -> str:
    parts = {
        "step": state.step,
        "pbc": state.pbc,
        "names": list(state.arrays),
        "constraints": state.constraints,
        "info": state.info,
    }
    try:
        # one string: a zarr attribute would sort keys and let NaN pass
        return json.dumps(parts, allow_nan=False)
    except ValueError as error:
        raise StoreError(f"the end state at step {state.step} is not finite: {error}") from error


def _put(group: zarr.Group, name: str, values: npt.NDArray[Any]) -> None:
    if values.dtype.hasobject:
        raise StoreError(f"the per-atom array {name!r} holds Python objects, not numbers")
    raw = np.ascontiguousarray(values)
    if raw.dtype.kind not in "biuf" or not raw.dtype.isnative or raw.dtype.itemsize > 8:
        raw = np.frombuffer(raw.tobytes(), dtype=np.uint8)
    attrs = {"dtype": values.dtype.str, "shape": list(values.shape)}
    dims = [f"dim_{i}" for i in range(raw.ndim)]
    fill(create(group, name, raw.dtype, dims, raw.shape, whole(raw.shape), attrs), raw)


def _get(group: zarr.Group, name: str) -> npt.NDArray[Any]:
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise StoreError(f"{name} is no array")
    attrs: dict[str, Any] = dict(array.attrs)
    values = np.ascontiguousarray(array[...])
    return np.frombuffer(values.tobytes(), dtype=attrs["dtype"]).reshape(attrs["shape"]).copy()


def read_state(archive: Archive) -> State:
    """The state that an archive holds."""
    with damage(archive.path):
        group = zarr.open_group(archive.store(f"{_GROUP}/"), path=_GROUP, mode="r")
        text = json.loads(str(group.attrs["state"]))
        return State(
            step=text["step"],
            arrays={name: _get(group, f"array_{i}") for i, name in enumerate(text["names"])},
            cell=_get(group, "cell"),
            pbc=_three(text["pbc"]),
            constraints=text["constraints"],
            info=text["info"],
        )


def structure_bytes(atoms: Atoms, record: Mapping[str, Any] | None = None) -> bytes:
    """An archive of atoms with all of `atoms.info` that JSON can hold; the rest is refused."""
    state = State.from_atoms(atoms, 0)
    state.info = plain(atoms.info, "info")
    head = {"kind": "structure", "record": plain(dict(record or {}), "record")}
    return pack(head, state_members(state))


def read_structure(archive: Archive) -> Atoms:
    """Atoms as `structure_bytes` took them."""
    state = read_state(archive)
    info, state.info = state.info, {}
    atoms = state.to_atoms()
    atoms.info = info
    return atoms

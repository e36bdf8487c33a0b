"""Frames, as files give them, made into a trajectory of the schema: in memory, or in a store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr

from ionflow import schema
from ionflow.errors import DataError
from ionflow.kinds import FloatArray
from ionflow.reading.clock import Clock, Timed
from ionflow.reading.following import Follower
from ionflow.reading.identity import UNKNOWN, Identity, check_same, identity
from ionflow.reading.options import Reading
from ionflow.reading.snapshot import Notes, Snapshot
from ionflow.store import open_trajectory, shard_frames, write_trajectory
from ionflow.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from ase import Atoms

#: below this, velocities were read in the wrong unit
_COLDEST_K: Final = 1.0


@dataclass(frozen=True)
class _Frame:
    """One frame as the trajectory keeps it."""

    step: int
    cell: FloatArray
    variables: dict[str, Any]


def collected(
    snapshots: Iterator[Snapshot],
    reading: Reading,
    notes: Notes,
    source: str,
    out: str | Path | None = None,
    replace: bool = False,
) -> xr.Dataset:
    """The trajectory of the schema that frames make.

    Parameters
    ----------
    snapshots : read one by one
    reading : what was told
    notes : what was found out, also while reading
    source : where the frames come from, for messages and attributes
    out : a zarr folder to write to, a shard of frames in memory at a time; memory if None
    replace : whether a store that is there gives way

    Raises
    ------
    DataError
        If the frames do not make one trajectory.
    """
    try:
        maker = _Maker(snapshots, reading, notes)
        if out is None:
            return _joined(maker).assign_attrs(maker.attrs(source))
        write_trajectory(out, maker.blocks(), lambda: maker.attrs(source), replace=replace)
    except DataError as error:
        raise _located(error, source) from error
    return open_trajectory(out)


def _located(error: DataError, source: str) -> DataError:
    where = error.where if error.where.startswith(source) else ", ".join(
        part for part in (source, error.where) if part
    )  # fmt: skip
    return DataError(error.what, where=where, hint=error.hint)


def _joined(maker: _Maker) -> xr.Dataset:
    blocks = list(maker.blocks())
    return blocks[0] if len(blocks) == 1 else xr.concat(
        blocks, "time", data_vars="minimal", coords="minimal", compat="override",
        join="override", combine_attrs="override",
    )  # fmt: skip


class _Maker:
    """Turns snapshots into blocks of the trajectory."""

    def __init__(self, snapshots: Iterator[Snapshot], reading: Reading, notes: Notes) -> None:
        first = next(snapshots, None)
        if first is None:
            raise DataError("there are no frames")
        self.reading, self.notes = reading, notes
        self.who: Identity = identity(first, reading, notes)
        self._atoms = _atoms(self.who, first.cell)
        self._first = first
        self._clock = Clock(reading, notes)
        self._snapshots = chain([first], snapshots)
        self._coldest = np.inf

    def blocks(self) -> Iterator[xr.Dataset]:
        """Parts of the trajectory, in order, of as many frames as the store puts together."""
        frames = self._frames()
        size = shard_frames(len(self._atoms))
        names: list[str] = []
        while block := list(islice(frames, size)):
            # what the first block has, all have
            names = names or list(dict.fromkeys(n for f in block for n in f.variables))
            yield self._block(block, names)
        if not names:
            raise DataError("no frame is left", hint=f"start_ps is {self.reading.start_ps:g}")
        if self._coldest < _COLDEST_K:
            self._refuse_cold()

    def attrs(self, source: str) -> dict[str, str]:
        """What is told of the trajectory, complete once all blocks were made."""
        self.notes.setdefault("temperature_from", self._temperature_from())
        return {"source": source, **self.notes}

    def _frames(self) -> Iterator[_Frame]:
        follower = Follower(self.who.names)
        for number, (step, frame) in enumerate(self._started()):
            positions, cell = self._placed(frame, follower)
            if number % self.reading.every == 0:
                yield _Frame(step, cell, {"positions": positions, **self._others(frame)})

    def _started(self) -> Iterator[Timed]:
        """Frames after the start, each checked to hold the same atoms."""
        begin: int | None = None
        for step, frame in self._clock(self._snapshots):
            check_same(self._first, frame, self.reading)
            begin = step if begin is None else begin
            elapsed = (step - begin) * self._clock.timestep_fs / 1000
            if elapsed >= self.reading.start_ps - 1e-9:
                yield step, frame

    def _placed(self, frame: Snapshot, follower: Follower) -> tuple[FloatArray, FloatArray]:
        told = self.reading.unwrapped
        if frame.unwrapped if told is None else told:
            self.notes["positions_from"] = "unwrapped positions of the file" + (
                ", as told" if told else ""
            )
            return frame.positions, frame.cell
        self.notes["positions_from"] = "minimum image from frame to frame"
        return follower(frame)

    def _others(self, frame: Snapshot) -> dict[str, Any]:
        found = dict(frame.energies)
        if frame.velocities is not None:
            found["velocities"] = frame.velocities
            found |= kinetics(frame.velocities, self.who.masses)
            self._coldest = min(self._coldest, found.get("temperature", np.inf) or np.inf)
        if "temperature" not in found and self.reading.temperature_K is not None:
            found["temperature"] = self.reading.temperature_K
        return found

    def _temperature_from(self) -> str:
        told = self.reading.temperature_K
        if np.isfinite(self._coldest):
            unused = f"; {told:g} K, as told, is not used" if told is not None else ""
            return f"velocities, of 3N - 3 degrees of freedom{unused}"
        return "as told" if told is not None else "none: no velocities with known masses"

    def _refuse_cold(self) -> None:
        if self.notes.get("velocities_from", "").endswith("(assumed)"):
            raise DataError(
                f"the velocities make a temperature of {self._coldest:.2g} K",
                hint="say units='real' if they are in Å/fs; metal (Å/ps) was assumed",
            )

    def _block(self, frames: Sequence[_Frame], names: Sequence[str]) -> xr.Dataset:
        variables = {name: _stacked([f.variables.get(name) for f in frames]) for name in names}
        variables["cell"] = np.array([f.cell for f in frames])
        return schema.trajectory(
            self._atoms,
            [f.step for f in frames],
            self._clock.timestep_fs,
            variables,
            species=self.who.species,
        )


def _stacked(values: Sequence[Any]) -> Any:
    """One array over frames; what a frame lacks is NaN. Positions and velocities as float32."""
    known = next((v for v in values if v is not None), np.nan)
    lacking = np.full(np.shape(known), np.nan)
    dtype = np.float32 if np.ndim(known) == 2 else np.float64
    return np.array([lacking if v is None else v for v in values], dtype=dtype)


def _atoms(who: Identity, cell: FloatArray) -> Atoms:
    from ase import Atoms
    from ase.data import atomic_numbers

    numbers = [0 if e == UNKNOWN else atomic_numbers[e] for e in who.elements]
    return Atoms(
        numbers, positions=np.zeros((len(numbers), 3)), cell=cell, pbc=True,
        masses=who.masses, charges=who.charges,
    )  # fmt: skip


def kinetics(velocities: FloatArray, masses: FloatArray) -> dict[str, float]:
    """Kinetic energy (eV) and temperature (K) of velocities (atom, 3) in Å/fs; none without masses.

    T = Σ m (v − V)²/((3N − 3) kB), V the velocity of the centre of mass.
    """
    from ase.units import fs

    if np.isnan(masses).any() or not masses.sum() > 0 or len(masses) < 2:
        return {}
    kinetic = _energy(velocities, masses) / fs**2
    centre = masses @ velocities / masses.sum()
    internal = _energy(velocities - centre, masses) / fs**2
    degrees = 3 * len(masses) - 3
    return {
        "kinetic_energy": kinetic,
        "temperature": 2 * internal / (degrees * BOLTZMANN_EV_PER_K),
    }


def _energy(velocities: FloatArray, masses: FloatArray) -> float:
    return float(0.5 * masses @ np.einsum("ik,ik->i", velocities, velocities))

"""Segments of a made-up trajectory: the same numbers in every process."""

from __future__ import annotations

import numpy as np
import xarray as xr
from ase import Atoms
from ase.build import bulk

from ionflow import schema
from ionflow.store import State, Store

KEY = "ab" * 32


class Salt:
    """A random walk of rock salt; segment i is a function of i."""

    def __init__(self, repeat: int = 2, frames: int = 5, every: int = 10, record: bool = True):
        self.start = bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat(repeat)
        self.start.set_initial_charges([1.0, -1.0] * (len(self.start) // 2))
        self.frames, self.every, self.record = frames, every, record

    @property
    def length(self) -> int:
        """Steps of a segment."""
        return self.frames * self.every

    def atoms(self, index: int) -> Atoms:
        """The end of segment `index`."""
        rng = np.random.default_rng([7, index])
        atoms = self.start.copy()
        atoms.positions += rng.normal(scale=30.0, size=atoms.positions.shape)
        atoms.set_momenta(rng.normal(size=atoms.positions.shape))
        atoms.info["ionflow"] = {"eta": rng.normal(size=3).tolist()}
        return atoms

    def dataset(self, index: int) -> xr.Dataset:
        """The frames of segment `index`, not rounded."""
        rng = np.random.default_rng([8, index])
        first = index * self.length
        steps = np.arange(first + self.every, first + self.length + 1, self.every)
        steps = steps if index else np.concatenate([[0], steps])
        count = len(steps)
        data = {
            "cell": rng.normal(size=(count, 3, 3)),
            "temperature": rng.normal(size=count),
            "stress": rng.normal(size=(count, 6)),
        }
        if self.record:
            data["positions"] = rng.normal(scale=30.0, size=(count, len(self.start), 3))
        attrs = {"stage": "melt", "ensemble": "nvt"}
        frames = schema.trajectory(self.start, steps, 2.0, data, attrs)
        return frames.assign_coords(A="Na", temperature_K=500.0, replica=index * 0)

    def state(self, index: int) -> State:
        """The end state of segment `index`."""
        return State.from_atoms(self.atoms(index), (index + 1) * self.length)

    def commit(self, store: Store, index: int, key: str = KEY) -> None:
        """Commit segment `index`."""
        span = index * self.length, (index + 1) * self.length
        meta = {"wall_s": 0.25, "host": "here"}
        store.commit_segment(key, index, *span, self.dataset(index), self.state(index), meta)

    def whole(self, count: int) -> xr.Dataset:
        """The frames of the first `count` segments, positions rounded as the store says."""
        parts = [self.dataset(index) for index in range(count)]
        whole = xr.concat(parts, "time", data_vars="minimal", coords="minimal", compat="override")
        if self.record:
            rounded = np.round(whole["positions"] * 1024) / 1024
            attrs = {"units": "angstrom", "precision_angstrom": 1 / 1024}
            whole["positions"] = rounded.astype(np.float32).assign_attrs(attrs)
        return whole

    def agrees(self, store: Store, count: int, key: str = KEY) -> bool:
        """Whether the store holds exactly the first `count` segments."""
        frames = store.trajectory(key).load()
        states = [store.read_state(key, (i + 1) * self.length) for i in range(count)]
        return (
            frames.identical(self.whole(count))
            and store.progress(key) == count * self.length
            and states == [self.state(index) for index in range(count)]
        )

"""A run folder of random walkers, made through the store alone: no molecular dynamics."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from ase import Atoms

from ionflow import schema
from ionflow.store import State, Store
from ionflow.units import BOLTZMANN_EV_PER_K

TIMESTEP_FS = 2.0
FRAME_STEPS = 50
D0, EA = 2e-3, 0.30  # cm²/s, eV, of the alkali
CHARGES = {"Li": 1, "Na": 1, "K": 1, "Al": 3, "Ga": 3, "Cl": -1, "O": -2}
COUNT = 4


def key(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def diffusivity(temperature: float) -> float:
    """D of the alkali in cm²/s."""
    return D0 * float(np.exp(-EA / BOLTZMANN_EV_PER_K / temperature))


def atoms_of(A: str) -> Atoms:
    symbols = [A] * COUNT + ["Al"] * COUNT + ["Cl"] * (2 * COUNT) + ["O"] * COUNT
    rng = np.random.default_rng(7)
    atoms = Atoms(symbols, rng.uniform(0, 10, (len(symbols), 3)), cell=[10, 10, 10], pbc=True)
    atoms.set_initial_charges([CHARGES[s] for s in symbols])
    return atoms


def frames(
    atoms: Atoms, first: int, last: int, temperature: tuple[float, float], total: int, seed: int,
    *, record: bool, velocities: bool = False, stage: str = "production",
) -> xr.Dataset:  # fmt: skip
    """Frames of one segment; positions are those of one walk however it is cut."""
    steps = np.arange(0, total + 1, FRAME_STEPS)
    rng = np.random.default_rng(seed)
    size = (len(steps), len(atoms), 3)
    alkali = np.arange(len(atoms)) < COUNT
    step_ps = FRAME_STEPS * TIMESTEP_FS / 1000
    per_frame = np.sqrt(2 * diffusivity(temperature[1]) * 1e4 * step_ps)
    width = np.where(alkali, per_frame, 0.0)[None, :, None]
    walk = np.cumsum(rng.normal(size=size) * width, axis=0) + rng.normal(size=size) * 0.2
    target = temperature[0] + (temperature[1] - temperature[0]) * steps / total
    variables: dict[str, Any] = {
        "cell": np.tile(atoms.cell.array, (len(steps), 1, 1)),
        "potential_energy": -4.0 * len(atoms) + 1e-4 * target * len(atoms),
        "kinetic_energy": 1.5 * BOLTZMANN_EV_PER_K * target * len(atoms),
        "temperature": target * (1 + 0.05 * rng.normal(size=len(steps))),
    }
    if record:
        variables["positions"] = atoms.positions + walk
    if velocities:
        variables["velocities"] = rng.normal(size=size) * 0.01
    kept = (steps > first) & (steps <= last) | ((steps == 0) & (first == 0))
    kept_variables = {name: np.asarray(v)[kept] for name, v in variables.items()}
    attrs = {"stage": stage, "ensemble": "nvt"}
    return schema.trajectory(atoms, steps[kept], TIMESTEP_FS, kept_variables, attrs)


class Synthetic:
    """Builds a run folder stage by stage; `missing` and `failed` are cases (A, T, replica)."""

    def __init__(
        self,
        root: Path,
        alkalis: tuple[str, ...] = ("Li", "Na"),
        temperatures: tuple[float, ...] = (800, 1000),
        replicas: int = 2,
        steps: int = 2000,
        title: str = "Synthetic walkers",
        velocities: bool = False,
        sealed: bool = True,
    ) -> None:
        self.store = Store.create(root)
        self.root, self.steps, self.title = root, steps, title
        self.alkalis, self.temperatures, self.replicas = alkalis, temperatures, replicas
        self.velocities, self.sealed = velocities, sealed
        self.tasks: list[dict[str, Any]] = []

    def cases(self) -> list[tuple[str, float, int]]:
        return [
            (A, T, r) for A in self.alkalis for T in self.temperatures for r in range(self.replicas)
        ]

    def trajectories(self, missing: tuple[tuple[str, float, int], ...] = ()) -> Synthetic:
        """Melt and quench for each alkali and replica, production at each temperature."""
        for A in self.alkalis:
            for r in range(self.replicas):
                coords = {"A": A, "replica": r}
                self.stage("melt", coords, (2000.0, 2000.0), 500, record=False)
                self.stage("quench", coords, (2000.0, 300.0), 500, record=False)
        for A, T, r in self.cases():
            coords = {"A": A, "temperature_K": T, "replica": r}
            begun = (A, T, r) not in missing
            self.stage("production", coords, (T, T), self.steps, record=True, begun=begun)
        return self

    def stage(
        self, name: str, coords: dict[str, Any], ramp: tuple[float, float], total: int,
        *, record: bool, begun: bool = True,
    ) -> None:  # fmt: skip
        atoms = atoms_of(coords["A"])
        of = key(name, sorted(coords.items()))
        target = ramp[0] if ramp[0] == ramp[1] else list(ramp)
        stage = {"ensemble": "nvt", "temperature_K": target, "duration_ps": total * 0.002}
        self.task(of, "stage", name, coords, steps=total, stage=stage, record=record)
        seed = int(of[:8], 16)
        half = total // 2 // FRAME_STEPS * FRAME_STEPS
        for index, (first, last) in enumerate(((0, half), (half, total)) if begun else ()):
            part = frames(
                atoms, first, last, ramp, total, seed,
                record=record, velocities=record and self.velocities, stage=name,
            )  # fmt: skip
            state = State.from_atoms(atoms, last)
            self.store.commit_segment(of, index, first, last, part, state, {"wall_s": 0.5})
        if begun and record and self.sealed:
            self.store.seal(of)

    def task(self, of: str, kind: str, name: str, coords: dict[str, Any], **more: Any) -> None:
        atoms = atoms_of(coords.get("A", self.alkalis[0]))
        common = {"timestep_fs": TIMESTEP_FS, "atoms": len(atoms), "inputs": [], "steps": 0}
        common["formula"] = atoms.get_chemical_formula(mode="reduce")
        label = " ".join(str(v) for v in coords.values())
        entry = {"key": of, "kind": kind, "name": name, "label": label, "coords": coords}
        self.tasks.append({**common, **entry, **more})

    def result(self, name: str, case: tuple[str, float, int], dataset: xr.Dataset | None) -> None:
        A, T, r = case
        coords = {"A": A, "temperature_K": T, "replica": r}
        source = key("production", sorted(coords.items()))
        of = key(name, source)
        inputs = [{"key": source, "steps": self.steps}]
        self.task(of, "analysis", name, coords, inputs=inputs)
        if dataset is not None:
            self.store.write_result(of, dataset.assign_coords(coords))

    def joined(self, name: str, dataset: xr.Dataset | None) -> None:
        of = key(name)
        self.task(of, "analysis", name, {})
        if dataset is not None:
            self.store.write_result(of, dataset)

    def finish(self, *, finished: bool = True, **more: Any) -> Path:
        """Write run.json and recipe.yaml."""
        axes = [
            {"name": "A", "path": "structure.A", "values": list(self.alkalis)},
            {
                "name": "temperature_K",
                "path": "protocol.production.temperature_K",
                "values": list(self.temperatures),
            },
        ]
        record = {
            "ionflow": "0.1.0", "name": "synthetic", "title": self.title, "scale": "laptop",
            "seed": 1, "replicas": self.replicas, "axes": axes,
            "started": "2026-01-02T03:04:05+00:00", "updated": "2026-01-02T03:14:05+00:00",
            "finished": "2026-01-02T03:14:05+00:00" if finished else None, "wall_s": 600.0,
            "versions": {"torch": "2.13.0", "ase": "3.29.0"},
            "host": {"hostname": "box", "cpu": "A CPU", "cores": 2, "memory_GB": 24.0},
            "workers": 2, "threads_per_worker": 1,
            "potential": {"use": "rigid_ion", "version": 1, "parameters": {}, "content": {}},
            "engine": {"use": "ase", "version": 1, "parameters": {"timestep_fs": TIMESTEP_FS}},
            "reproducibility": "bitwise", "tasks": self.tasks, **more,
        }  # fmt: skip
        self.store.write_json("run.json", record)
        self.store.write_text("recipe.yaml", "name: synthetic\nstructure: {use: packing}\n")
        return self.root

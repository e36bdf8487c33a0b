"""Results of all analysers on a scan of small synthetic glasses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import ase.io
import numpy as np
import pytest
import xarray as xr
from ase import Atoms

import ionflow
from ionflow import schema
from ionflow.join import join
from ionflow.kinds import Analyser
from ionflow.passes import Blocks

GLASS = Path(__file__).parents[1] / "data" / "LiAlCl2.5O0.75_84.xyz"
CHARGES = {"Li": 1, "Na": 1, "Al": 3, "O": -2, "Cl": -1}
FRAMES, INTERVAL_PS, MEMORY_PS = 120, 0.02, 0.05
AXES = {"A": ["Li", "Na"], "temperature_K": [800.0, 1000.0], "replica": [0, 1]}
#: cheap forms of what would be dear
FIELDS = {
    "density_map": {"points": 16},
    "structure_factor": {"q_max_per_angstrom": 4, "bins": 24, "max_frames": 8},
    "rdf": {"max_frames": 8, "bins": 60},
    "angles": {"max_frames": 8, "bins": 45},
    "residence": {"excursion_ps": 0.04, "min_events": 3},
    "tetrahedra": {"max_frames": 8},
    "chains": {"max_frames": 8},
    "hops": {"window_ps": 0.1, "shuffles": 4},
    "van_hove": {"lags": 3, "bins": 40, "distinct_origins": 4},
    "conductivity": {"cluster_frames": 4},
    "transference": {"cluster_frames": 4},
    "displacement_correlation": {"max_frames": 20, "part_lags": 4},
}


def glass(alkali: str) -> Atoms:
    atoms = ase.io.read(GLASS)
    atoms.symbols[atoms.symbols == "Li"] = alkali
    atoms.set_initial_charges([CHARGES[s] for s in atoms.symbols])
    return atoms


def shaken(alkali: str, kelvin: float, replica: int) -> xr.Dataset:
    """A glass whose alkali move by persistent random walks, faster where it is hotter."""
    atoms = glass(alkali)
    rng = np.random.default_rng([ord(alkali[0]), int(kelvin), replica])
    keep = np.exp(-INTERVAL_PS / MEMORY_PS)
    speed = 8.0 * (kelvin / 1000) ** 2
    velocities = rng.normal(0, speed, (FRAMES, len(atoms), 3))
    for k in range(1, FRAMES):
        velocities[k] = keep * velocities[k - 1] + np.sqrt(1 - keep**2) * velocities[k]
    mobile = np.asarray(atoms.symbols == alkali)
    walk = np.cumsum(velocities * INTERVAL_PS, axis=0)
    rattle = rng.normal(0, 0.08, walk.shape)
    variables = {
        "positions": atoms.positions + np.where(mobile[:, None], walk, rattle),
        "velocities": velocities / 1000,
        "cell": np.broadcast_to(atoms.cell.array, (FRAMES, 3, 3)),
        "temperature": kelvin * (1 + 0.05 * rng.normal(size=FRAMES)),
    }
    steps = np.arange(FRAMES) * 10
    data = schema.trajectory(atoms, steps, INTERVAL_PS * 100, variables)
    return data.assign_coords(A=alkali, temperature_K=kelvin, replica=replica)


def _analysers(alkali: str = "Li") -> list[Analyser]:
    """Every analyser that comes with ionflow."""
    # walkers forget their shells
    shells = {"residence": {"shell": {f"{alkali}-Al": 4.2}}}
    entries = [entry for entry in ionflow.plugins().entries if entry.kind == "analyser"]
    own = [entry.cls for entry in entries if entry.distribution == "ionflow"]
    return [cls(**FIELDS.get(cls.use, {}), **shells.get(cls.use, {})) for cls in own]


def _direct(alkali: str, kelvin: float, replica: int) -> dict[str, xr.Dataset]:
    direct = [analyser for analyser in _analysers(alkali) if not analyser.needs]
    return ionflow.analyse(shaken(alkali, kelvin, replica), direct, Blocks(frames=FRAMES))


@pytest.fixture(scope="session")
def results() -> Mapping[str, xr.Dataset]:
    """Results by name, joined over the scan."""
    cases = [(A, T, r) for A in AXES["A"] for T in AXES["temperature_K"] for r in AXES["replica"]]
    parts = [_direct(*case) for case in cases]
    point = {case: dict(zip(AXES, case, strict=True)) for case in cases}
    found = {
        name: join(
            [
                part[name].assign_coords(point[case])
                for part, case in zip(parts, cases, strict=True)
            ],
            AXES,
        )
        for name in parts[0]
    }
    waiting = [analyser for analyser in _analysers() if analyser.needs]
    while waiting:
        ready = next(one for one in waiting if set(one.needs) <= set(found))
        found[ready.use] = ready.analyse(*(found[name] for name in ready.needs))
        waiting.remove(ready)
    return found

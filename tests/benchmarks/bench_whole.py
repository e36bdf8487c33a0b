"""The whole default set of analyses on a trajectory larger than memory should hold.

    python tests/benchmarks/bench_whole.py [--frames 100000] [--folder DIR] [--each] [--out FILE]

Writes a synthetic trajectory of 1344 atoms (a glass whose atoms rattle and whose alkali hop), then
analyses it in a process of its own on one thread, and prints wall time, peak memory and how often
each position was read. `--each` times every analyser alone as well. The trajectory stays in DIR
for the next time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402 - threads are told first

GLASS = Path(__file__).parents[1] / "data" / "LiAlCl2.5O0.75_84.xyz"
REPEAT = (2, 2, 4)
FRAME_PS = 0.5
LIMIT_S, LIMIT_BYTES = 600.0, 2e9


def glass():
    """1344 atoms of LiAlCl2.5O0.75 with formal charges."""
    from ase.io import read

    atoms = read(GLASS) * REPEAT
    charges = {"Li": 1.0, "Al": 3.0, "O": -2.0, "Cl": -1.0}
    atoms.set_initial_charges([charges[s] for s in atoms.get_chemical_symbols()])
    return atoms


def parts(frames: int, size: int) -> Iterator[object]:
    """The trajectory in parts: Ornstein-Uhlenbeck rattling, and hops of 2.5 Å of the alkali."""
    from ionflow import schema

    atoms, rng = glass(), np.random.default_rng(0)
    alkali = np.flatnonzero(atoms.symbols == "Li")
    sites, shake = atoms.positions.copy(), rng.normal(0, 0.12, (len(atoms), 3))
    for start in range(0, frames, size):
        count = min(size, frames - start)
        positions = np.empty((count, len(atoms), 3), dtype=np.float32)
        for k in range(count):
            shake = 0.5 * shake + rng.normal(0, 0.12 * np.sqrt(0.75), shake.shape)
            hopping = alkali[rng.random(len(alkali)) < 0.01]
            axis = rng.integers(0, 3, len(hopping))
            sites[hopping, axis] += 2.5 * rng.choice([-1.0, 1.0], len(hopping))
            positions[k] = sites + shake
        variables = {
            "positions": positions,
            "cell": np.broadcast_to(atoms.cell.array, (count, 3, 3)),
            "temperature": rng.normal(800, 800 * np.sqrt(2 / 3 / len(atoms)), count),
        }
        steps = (start + np.arange(count)) * 250
        yield schema.trajectory(atoms, steps, 2.0, variables, {"ensemble": "nvt"})


#: every analyser that reads a trajectory without velocities
NAMES = (
    *("rdf", "angles", "structure_factor", "density", "tetrahedra", "chains"),
    *("msd", "diffusion", "non_gaussian", "van_hove", "hops", "density_map", "residence"),
    *("onsager", "conductivity", "transference", "haven", "displacement_correlation"),
)


def counted() -> dict[str, float]:
    """Counters of how much of the positions is read, by kind of pass."""
    from ionflow.passes import reading, running

    total = {"frames": 0, "atoms": 0}
    frames_at, paths = reading.positions_at, reading.paths_of

    def positions_at(about, frames):
        total["frames"] += len(frames)
        return frames_at(about, frames)

    def paths_of(about, variable, atoms):
        total["atoms"] += len(atoms)
        return paths(about, variable, atoms)

    reading.positions_at = running.positions_at = positions_at
    running.paths_of = paths_of
    return total


def measure(path: Path, names: list[str]) -> dict[str, object]:
    """Analyse in this process: seconds, peak memory, what was read, what failed."""
    from ionflow.passes import together
    from ionflow.registry import load
    from ionflow.store import open_trajectory

    trajectory = open_trajectory(path)
    read = counted()
    registry = load()
    analysers = [registry.find("analyser", name)() for name in names]
    start = time.perf_counter()
    results = together(analysers, trajectory)
    seconds = time.perf_counter() - start
    failed = {
        a.use: f"{type(r).__name__}: {r}"
        for a, r in zip(analysers, results, strict=True)
        if isinstance(r, Exception)
    }
    return {
        "seconds": seconds,
        "cpu_seconds": time.process_time(),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "passes_over_frames": read["frames"] / trajectory.sizes["time"],
        "passes_over_atoms": read["atoms"] / trajectory.sizes["atom"],
        "analyses": len(analysers),
        "failed": failed,
    }


def apart(path: Path, names: list[str]) -> dict[str, object]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--measure", str(path), "--names", ",".join(names)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def written(folder: Path, frames: int) -> Path:
    """The trajectory, made if it is not there."""
    from ionflow.store import shard_frames, write_trajectory

    path = folder / f"glass_1344_{frames}.zarr"
    if not path.exists():
        write_trajectory(path, parts(frames, shard_frames(1344)))
    return path


def told(result: dict[str, object]) -> str:
    """The figures as text."""
    seconds, peak = float(result["seconds"]), float(result["peak_bytes"])
    met = seconds <= LIMIT_S and peak <= LIMIT_BYTES and not result["failed"]
    return (
        f"{result['analyses']} analyses: {seconds:.0f} s wall ({result['cpu_seconds']:.0f} s CPU), "
        f"peak memory {peak / 1e9:.2f} GB, positions read {result['passes_over_frames']:.2f} times "
        f"by frames and {result['passes_over_atoms']:.2f} times by atoms; target "
        f"{LIMIT_S:.0f} s, {LIMIT_BYTES / 1e9:.0f} GB: {'met' if met else 'MISSED'}"
        + "".join(f"\n  {name} failed: {why}" for name, why in result["failed"].items())
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--names", default=",".join(NAMES))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.names.split(",")
    if options.measure:
        print(json.dumps(measure(options.measure, names)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        path = written(options.folder or Path(temporary), options.frames)
        result = {"frames": options.frames, "all": apart(path, names)}
        print(told(result["all"]))
        for name in names if options.each else ():
            result[name] = apart(path, [name])
            print(f"{name:<26}{told(result[name])}", flush=True)
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

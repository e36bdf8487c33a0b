"""What an engine promises."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral
from typing import TYPE_CHECKING, Literal

import numpy as np

from ionflow.kinds import Engine, FloatArray, Frame, Potential, Segment, Stage
from ionflow.testing.contract import require, require_close
from ionflow.testing.plugins import check_plugin
from ionflow.testing.soft_spheres import SoftSpheres
from ionflow.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from ase import Atoms

Ensemble = Literal["nve", "nvt", "npt"]

#: Steps at which the checked stage is cut; frames fall beside the cuts and on them.
_CUTS = (0, 7, 10, 20)
_EVERY = 5
_KELVIN = 600.0


def check_engine(
    engine: Engine,
    potential: Potential | None = None,
    atoms: Atoms | None = None,
    *,
    ensembles: Sequence[Ensemble] = ("nve", "nvt", "npt"),
    bitwise: bool = True,
) -> None:
    """Check that an engine yields the frames that are due and can be cut anywhere.

    Parameters
    ----------
    potential : soft spheres if None
    atoms : what to move; 20 atoms of argon and lithium if None
    ensembles : those that the engine offers
    bitwise : whether a run that is cut must equal one that is not in every bit (on a CPU it must)

    Raises
    ------
    AssertionError
        Saying which contract is broken and how to mend it.
    """
    check_plugin(engine, Engine)
    bench = _Bench(engine, potential or SoftSpheres(), atoms or _gas())
    _check_start(bench)
    for ensemble in ensembles:
        _check_frames(bench, ensemble)
        _check_restart(bench, ensemble, bitwise)
    if "nve" in ensembles:
        _check_energy(bench)
    _check_places(bench)
    _check_seeds(bench, "nvt" if "nvt" in ensembles else ensembles[0])


def _gas() -> Atoms:
    from ase import Atoms

    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3)[:20]
    positions = (grid + 0.5) * 3.2 + rng.normal(0, 0.1, (20, 3))
    return Atoms("Ar10Li10", positions, cell=np.diag([9.6, 9.8, 10.0]), pbc=True)


def _batch(engine: Engine, atoms: int) -> int:
    size = engine.batch(atoms)
    require(
        isinstance(size, Integral) and size >= 1,
        f"batch({atoms}) gives {size!r}, not a number of systems from 1 on",
        "Return a whole number; 1 where the engine takes one system at a time",
    )
    return size


class _Bench:
    """An engine with something to move: a batch of two systems if it takes one, else one."""

    def __init__(self, engine: Engine, potential: Potential, atoms: Atoms) -> None:
        self.engine, self.potential, self.atoms = engine, potential, atoms
        self.size = min(2, _batch(engine, len(atoms)))

    def systems(self) -> list[Atoms]:
        """Fresh systems."""
        return [self.atoms.copy() for _ in range(self.size)]

    def segment(self, stage: Stage, index: int, first: int, last: int, seed: int = 0) -> Segment:
        """Part of a stage of as many steps as there are to the last cut."""
        seeds = tuple(seed + k for k in range(self.size))
        stages = (stage,) * self.size
        return Segment(stages, index, first, last, _CUTS[-1], _EVERY, seeds)

    def run(self, systems: list[Atoms], segment: Segment) -> list[Sequence[Frame]]:
        """All frames of a segment."""
        return list(self.engine.advance(systems, self.potential, segment))


def _stage(ensemble: Ensemble, *, ramp: bool = False, velocities: bool = False) -> Stage:
    return Stage(
        ensemble=ensemble,
        temperature_K=(_KELVIN, _KELVIN / 2) if ramp else _KELVIN,
        duration_ps=1,
        record=velocities,
        velocities=velocities,
        pressure_GPa=1.0,
    )


def _check_start(bench: _Bench) -> None:
    """Momenta are drawn without drift if there are none, and kept if there are."""
    systems = bench.systems()
    (frames,) = bench.run(systems, bench.segment(_stage("nve"), 0, 0, 0))
    drift = np.abs(systems[0].get_momenta().sum(axis=0)).max()
    require(
        frames[0].kinetic_energy_eV > 0 and drift < 1e-9,
        f"a system without momenta starts with {frames[0].kinetic_energy_eV:.3g} eV of kinetic "
        f"energy and a net momentum of {drift:.3g}",
        "draw Maxwell-Boltzmann momenta at step 0 and remove the net momentum",
    )
    kept = systems[0].get_momenta()
    (again,) = bench.run(systems, bench.segment(_stage("nve"), 0, 0, 0, seed=9))
    require_close(
        systems[0].get_momenta(),
        kept,
        1e-9,
        "momenta that a system brings to a stage are changed at step 0",
        "draw momenta only for systems that have none",
    )
    _check_temperature(again[0], len(bench.atoms))


def _check_temperature(frame: Frame, atoms: int) -> None:
    expected = 2 * frame.kinetic_energy_eV / ((3 * atoms - 3) * BOLTZMANN_EV_PER_K)
    require(
        abs(frame.temperature_K / expected - 1) < 1e-6,
        f"temperature_K is {frame.temperature_K:.2f}, 2K/((3N-3)kB) is {expected:.2f}",
        "count 3N - 3 degrees of freedom: the centre of mass is at rest",
    )


def _check_frames(bench: _Bench, ensemble: Ensemble) -> None:
    systems, found, due = bench.systems(), [], []
    stage = _stage(ensemble, velocities=True)
    for index, (first, last) in enumerate(pairwise(_CUTS)):
        segment = bench.segment(stage, index, first, last)
        frames = bench.run(systems, segment)
        require(
            all(len(batch) == bench.size for batch in frames),
            f"{ensemble}: advance yields {[len(b) for b in frames]} frames at a time",
            f"yield one for each of the {bench.size} systems",
        )
        found += [batch[0] for batch in frames]
        due += list(segment.frame_steps())
    steps = [frame.step for frame in found]
    require(
        steps == due,
        f"{ensemble}: frames at steps {steps} of a stage cut at {_CUTS}, due are {due}",
        "follow segment.frame_steps(): absolute steps, 0 included, a cut never twice",
    )
    _check_frame(found[-1], systems[0], ensemble)
    require(
        not np.array_equal(found[0].positions, found[-1].positions),
        f"{ensemble}: the first and the last frame have the same positions",
        "give each frame a copy: arrays that move later change frames already yielded",
    )


def _check_frame(frame: Frame, atoms: Atoms, ensemble: str) -> None:
    from ase.units import fs

    require(
        frame.positions.shape == (len(atoms), 3)
        and frame.cell.shape == (3, 3)
        and frame.positions.dtype == np.float64,
        f"{ensemble}: positions {frame.positions.shape} {frame.positions.dtype}, "
        f"cell {frame.cell.shape}",
        "give (atom, 3) and (3, 3) arrays of float64",
    )
    require_close(
        frame.positions,
        atoms.positions,
        1e-9,
        f"{ensemble}: the systems are not where the last frame is (Å)",
        "move the systems in place, up to segment.last_step",
    )
    missing = np.full(atoms.positions.shape, np.nan)
    require_close(
        missing if frame.velocities is None else frame.velocities,
        atoms.get_velocities() * fs,
        1e-9,
        f"{ensemble}: velocities of the frame are not momenta over masses (Å/fs)",
        "give them when stage.velocities is set, in Å/fs; ASE's own unit is Å sqrt(eV/amu)",
    )


def _check_restart(bench: _Bench, ensemble: Ensemble, bitwise: bool) -> None:
    """A stage cut and carried through plain arrays equals one that is not carried."""
    ramp = ensemble != "nve"
    ends = []
    for carried in (False, True):
        systems = bench.systems()
        for index, (first, last) in enumerate(pairwise(_CUTS)):
            segment = bench.segment(_stage(ensemble, ramp=ramp), index, first, last)
            bench.run(systems, segment)
            if carried:
                systems = [_carried(system, ensemble) for system in systems]
        ends.append(systems[-1])
    room = 0.0 if bitwise else 1e-3
    for what in ("positions", "momenta", "cell"):
        a, b = (np.array(e.cell) if what == "cell" else e.arrays[what] for e in ends)
        require_close(
            b,
            a,
            room,
            f"{ensemble}: {what} after a restart differ from those of a run that went on",
            "keep thermostat and barostat in info['ionflow'], rebuild integrator and calculator "
            "in every call, and draw from segment.rng(system)",
        )


def _carried(atoms: Atoms, ensemble: str) -> Atoms:
    """The system as another process would find it: arrays, and state through JSON."""
    from ase import Atoms

    state = atoms.info.get("ionflow", {})
    numbers = [
        v for value in state.values() for v in (value if isinstance(value, list) else [value])
    ]
    require(
        all(type(number) is float for number in numbers),
        f"{ensemble}: info['ionflow'] is {state!r}",
        "hold only floats and lists of floats",
    )
    try:
        pickle.dumps(atoms)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        require(False, f"the systems cannot be pickled ({error})", "leave no calculator on them")
    carried = Atoms(
        atoms.numbers,
        atoms.positions.copy(),
        cell=np.array(atoms.cell),
        pbc=atoms.pbc,
        momenta=atoms.get_momenta(),
        masses=atoms.get_masses(),
    )
    carried.info["ionflow"] = json.loads(json.dumps(state))
    return carried


def _check_energy(bench: _Bench) -> None:
    frames = [
        batch[0] for batch in bench.run(bench.systems(), bench.segment(_stage("nve"), 0, 0, 20))
    ]
    energies = [frame.potential_energy_eV + frame.kinetic_energy_eV for frame in frames]
    spread = (max(energies) - min(energies)) / len(bench.atoms)
    require(
        spread < 0.02 * BOLTZMANN_EV_PER_K * _KELVIN,
        f"nve: the total energy changes by {spread:.2g} eV per atom in {_CUTS[-1]} steps",
        "check units of time and forces, and that the frame's two energies are of one moment",
    )


def _check_places(bench: _Bench) -> None:
    """Positions are continuous, wherever a system stands."""
    systems = bench.systems()
    for system in systems:
        system.positions += 5 * system.cell.array.sum(axis=0)
    start = systems[0].positions.copy()
    frames = [batch[0] for batch in bench.run(systems, bench.segment(_stage("nve"), 0, 0, 20))]
    positions = [start, *(frame.positions for frame in frames), systems[0].positions]
    jump = max(np.abs(b - a).max() for a, b in pairwise(positions))
    require(
        bool(jump < 0.4 * bench.atoms.cell.lengths().min()),
        f"an atom jumps by {jump:.1f} Å between frames",
        "never wrap positions: displacements are read from them",
    )


def _check_seeds(bench: _Bench, ensemble: Ensemble) -> None:
    ends: list[FloatArray] = []
    for seed in (0, 0, 50):
        systems = bench.systems()
        bench.run(systems, bench.segment(_stage(ensemble), 0, 0, 10, seed=seed))
        ends.append(systems[0].positions)
    require(
        np.array_equal(ends[0], ends[1]),
        "the same seed gives two trajectories",
        "draw from segment.rng(system) alone",
    )
    require(
        not np.array_equal(ends[0], ends[2]),
        "another seed gives the same trajectory",
        "draw momenta and noise from segment.rng(system)",
    )

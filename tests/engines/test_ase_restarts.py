"""An interrupted run of the ase engine equals one that was not, in every bit."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.constraints import FixAtoms

from ionflow import Potential, Segment, Stage
from ionflow.builtin.engines.ase import Ase
from ionflow.builtin.potentials.ase_calculator import AseCalculator
from ionflow.builtin.potentials.rigid_ion import RigidIon
from ionflow.builtin.structures.oxyhalide import Oxyhalide
from ionflow.errors import DataError, PhysicsError, PluginError, StructureError
from ionflow.testing import SoftSpheres, check_engine

CUTS = (0, 7, 20, 30)
GLASS = Oxyhalide(atoms=42)
EMT = AseCalculator(class_path="ase.calculators.emt.EMT")  # keeps a list of neighbours with a skin

# what a worker does: the state of before, as arrays and JSON, through one more segment
ELSEWHERE = """
import json, pickle, sys
from ase import Atoms
engine, potential, segment, arrays, info = pickle.load(sys.stdin.buffer)
atoms = Atoms(**arrays)
atoms.info["ionflow"] = json.loads(info)
frames = [batch[0] for batch in engine.advance([atoms], potential, segment)]
sys.stdout.buffer.write(pickle.dumps((atoms, frames)))
"""


def rng():
    return np.random.default_rng(0)


def segments(stage, seed=3):
    for index, (first, last) in enumerate(pairwise(CUTS)):
        yield Segment((stage,), index, first, last, CUTS[-1], 4, (seed,))


def stage(ensemble, temperature=900, **parameters):
    return Stage(ensemble=ensemble, temperature_K=temperature, duration_ps=1, **parameters)


def advance(engine, atoms, potential, segment):
    return [batch[0] for batch in engine.advance([atoms], potential, segment)]


def elsewhere(engine, atoms, potential, segment):
    arrays = {
        "numbers": atoms.numbers,
        "positions": atoms.positions,
        "cell": atoms.cell.array,
        "pbc": atoms.pbc,
        "momenta": atoms.get_momenta(),
        "masses": atoms.get_masses(),
    }
    info = json.dumps(atoms.info["ionflow"])
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        input=pickle.dumps((engine, potential, segment, arrays, info)),
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return pickle.loads(done.stdout)


@pytest.mark.parametrize(
    ("ensemble", "thermostat", "temperature", "potential"),
    [
        ("nve", "langevin", 900, EMT),
        ("nvt", "langevin", (900, 300), EMT),
        ("nvt", "nose_hoover", (900, 300), RigidIon()),
        ("npt", "langevin", (900, 300), RigidIon()),
        ("npt", "nose_hoover", (900, 300), EMT),
    ],
)
def test_a_run_cut_by_a_crash_is_the_run_that_was_not(ensemble, thermostat, temperature, potential):
    engine = Ase(timestep_fs=2, thermostat=thermostat)
    start = bulk("Cu", cubic=True).repeat(2) if potential is EMT else GLASS.build(rng())
    whole, cut = start.copy(), start.copy()
    expected, found = [], []
    for segment in segments(stage(ensemble, temperature)):
        expected += advance(engine, whole, potential, segment)
        if segment.index < 2:
            found += advance(engine, cut, potential, segment)
        else:
            cut, frames = elsewhere(engine, cut, potential, segment)
            found += frames
    assert [f.step for f in found] == [f.step for f in expected] == list(range(0, 30, 4))
    for name in ("positions", "momenta"):
        assert np.array_equal(whole.arrays[name], cut.arrays[name])
    assert np.array_equal(whole.cell, cut.cell)
    assert whole.info == cut.info
    assert all(
        np.array_equal(a.positions, b.positions)
        and a.potential_energy_eV == b.potential_energy_eV
        and a.conserved_energy_eV == b.conserved_energy_eV
        for a, b in zip(expected, found, strict=True)
    )


@pytest.mark.parametrize("thermostat", ["langevin", "nose_hoover"])
def test_it_keeps_every_promise_of_an_engine(thermostat):
    check_engine(Ase(timestep_fs=1, thermostat=thermostat))


def test_systems_of_a_batch_do_not_know_of_each_other():
    engine, potential = Ase(timestep_fs=1), RigidIon()
    stages = (stage("nvt", 900), stage("nvt", 300))
    batch = [GLASS.build(np.random.default_rng(seed)) for seed in (0, 1)]
    together = Segment(stages, 0, 0, 10, 10, 5, (4, 5))
    frames = list(engine.advance(batch, potential, together))
    alone = GLASS.build(np.random.default_rng(1))
    single = advance(engine, alone, potential, Segment(stages[1:], 0, 0, 10, 10, 5, (5,)))
    assert np.array_equal(alone.positions, batch[1].positions)
    assert [f[1].temperature_K for f in frames] == [f.temperature_K for f in single]


def test_positions_go_on_past_the_faces_of_the_cell():
    atoms = GLASS.build(rng())
    atoms.positions += 40 * atoms.cell.array[0]
    frames = advance(Ase(), atoms, RigidIon(), next(segments(stage("nvt"))))
    assert np.abs(frames[-1].positions - frames[0].positions).max() < 2
    assert atoms.positions[:, 0].min() > 39 * atoms.cell.lengths()[0]


def test_a_new_stage_keeps_momenta_and_forgets_thermostats():
    engine, potential = Ase(timestep_fs=1, thermostat="nose_hoover"), RigidIon()
    atoms = GLASS.build(rng())
    advance(engine, atoms, potential, next(segments(stage("npt"))))
    before = atoms.get_momenta()
    assert atoms.info["ionflow"]["thermostat_chain"][0] != 0
    start = Segment((stage("nvt", 300),), 0, 0, 0, 10, 5, (1,))
    advance(engine, atoms, potential, start)
    assert atoms.get_momenta() == pytest.approx(before, abs=1e-12)
    assert atoms.info["ionflow"]["thermostat_chain"] == [0.0] * 3
    assert atoms.info["ionflow"]["heat_eV"] == 0.0


def test_drawn_momenta_have_the_temperature_and_no_drift():
    temperatures = []
    glass = GLASS.build(rng())
    for seed in range(200):
        atoms = glass.copy()
        start = Segment((stage("nvt", 800),), 0, 0, 0, 10, 5, (seed,))
        (frame,) = advance(Ase(), atoms, Free(), start)
        temperatures.append(frame.temperature_K)
        assert np.abs(atoms.get_momenta().sum(axis=0)).max() < 1e-12
    error = 800 * np.sqrt(2 / (3 * 42 - 3) / 200)
    assert np.mean(temperatures) == pytest.approx(800, abs=4 * error)


def test_frames_have_what_the_stage_asks():
    atoms = GLASS.build(rng())
    (bare, *_) = advance(Ase(), atoms, RigidIon(), next(segments(stage("nvt"))))
    assert bare.velocities is None
    assert bare.stress_eV_A3.shape == (6,)
    full = stage("nvt", record=True, velocities=True)
    frame = advance(Ase(), atoms, RigidIon(), next(segments(full)))[-1]
    kinetic = 0.5 * (atoms.get_masses()[:, None] * (frame.velocities * 1e5) ** 2).sum()
    assert kinetic * 1.66053906892e-27 / 1.602176634e-19 == pytest.approx(frame.kinetic_energy_eV)


def test_calculators_do_not_see_the_state_and_leave_nothing_behind():
    atoms = GLASS.build(rng())
    atoms.info["charge"] = 1
    advance(Ase(), atoms, Free(), next(segments(stage("nvt"))))
    assert Free.seen == {"charge": 1}
    assert atoms.calc is None
    assert atoms.get_initial_charges().any()


class Nothing(Calculator):
    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        Free.seen = dict(atoms.info)
        Free.calls += 1
        force = np.nan if Free.breaks_at == Free.calls else 0.0
        self.results = {"energy": 0.0, "forces": np.full((len(atoms), 3), force)}


class Free(Potential):
    """No forces and no stress; NaN at call `breaks_at`."""

    use = "free"
    seen: ClassVar[dict] = {}
    calls: ClassVar[int] = 0
    breaks_at: ClassVar[int] = -1

    def calculator(self):
        return Nothing()


def test_a_potential_without_stress_runs_at_constant_volume_only():
    atoms = GLASS.build(rng())
    (*_, frame) = advance(Ase(), atoms, Free(), next(segments(stage("nvt"))))
    assert frame.stress_eV_A3 is None
    with pytest.raises(PluginError, match="no stress, which npt needs"):
        advance(Ase(), atoms, Free(), next(segments(stage("npt"))))


def test_lost_numbers_are_yielded_and_the_calculator_is_left_alone(monkeypatch):
    atoms = GLASS.build(rng())
    monkeypatch.setattr(Free, "calls", 0)
    monkeypatch.setattr(Free, "breaks_at", 4)
    long = Segment((stage("nvt"),), 0, 0, 1000, 1000, 10, (0,))
    frames = advance(Ase(), atoms, Free(), long)
    assert len(frames) == 101
    assert np.isfinite(frames[0].positions).all()
    assert np.isnan(frames[1].potential_energy_eV)
    assert np.isnan(frames[-1].positions).any()
    assert Free.calls < 10


def test_a_cell_that_explodes_stops_with_advice():
    atoms = bulk("Ar", cubic=True, a=5.3).repeat(2)
    gas = SoftSpheres(strength_eV=0)
    hot = Segment((stage("npt", 3000),), 0, 0, 4000, 4000, 100, (0,))
    with pytest.raises(PhysicsError, match="volume changed by a factor") as caught:
        advance(Ase(barostat_time_fs=50), atoms, gas, hot)
    assert "barostat_time_fs" in caught.value.hint


def test_what_cannot_be_moved_is_refused():
    potential = RigidIon()
    fixed = GLASS.build(rng())
    fixed.set_constraint(FixAtoms([0]))
    start = next(segments(stage("nvt")))
    with pytest.raises(StructureError, match="has constraints"):
        advance(Ase(), fixed, potential, start)
    with pytest.raises(StructureError, match="needs 2 atoms"):
        advance(Ase(), Atoms("Li", cell=[9] * 3, pbc=True), potential, start)


def test_an_incomplete_state_is_refused():
    later = list(segments(stage("nvt")))[1]
    atoms = GLASS.build(rng())
    with pytest.raises(DataError, match="without momenta"):
        advance(Ase(), atoms, RigidIon(), later)
    advance(Ase(), atoms, RigidIon(), next(segments(stage("nvt"))))
    del atoms.info["ionflow"]
    with pytest.raises(DataError, match=r"step 7 without info\['ionflow'\]\['heat_eV'\]"):
        advance(Ase(), atoms, RigidIon(), later)
    atoms.info["ionflow"] = {"heat_eV": 0.0, "cell_rate": 0.0}
    with pytest.raises(DataError, match="thermostat_chain"):
        advance(Ase(thermostat="nose_hoover"), atoms, RigidIon(), later)

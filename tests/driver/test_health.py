"""A segment that means nothing is not committed; a sound one is; siblings go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ase import Atoms

from ionflow import Engine, Frame, Potential, Stage, health, steps
from ionflow.attempt import End
from ionflow.builtin.potentials.rigid_ion import RigidIon
from ionflow.plan import plan
from ionflow.recipe import read
from ionflow.registry import load
from ionflow.store import Store
from tiny_recipe import tiny

SPOIL: dict[str, Callable[[Frame], Frame]] = {
    "none": lambda f: f,
    "energy": lambda f: replace(f, potential_energy_eV=np.nan),
    "positions": lambda f: replace(f, positions=f.positions * np.inf),
    "cell": lambda f: replace(f, cell=f.cell * np.nan),
    "stress": lambda f: replace(f, stress_eV_A3=np.full(6, np.inf)),
    "velocities": lambda f: replace(f, velocities=f.positions * np.nan),
    "hot": lambda f: replace(f, temperature_K=9000.0),
    "jump": lambda f: replace(f, potential_energy_eV=f.potential_energy_eV + 21 * 0.8),
    "plunge": lambda f: replace(f, potential_energy_eV=f.potential_energy_eV - 21 * 0.8),
    "fused": lambda f: replace(f, positions=_moved(f.positions)),
    "evaporating": lambda f: replace(f, cell=f.cell * 1.3),
    "collapsing": lambda f: replace(f, cell=f.cell / 1.3),
    "flat": lambda f: replace(f, cell=f.cell * [[1], [1], [0]]),
    "turned": lambda f: replace(f, positions=f.positions.T),
    "thin": lambda f: replace(f, cell=np.diag([0.1, 1e3, 1e3]) * f.cell[0, 0] / 10),
}


def _moved(positions: Any) -> Any:
    moved = positions.copy()
    moved[3] = moved[4] + [0.1, 0, 0]
    return moved


class Scripted(Engine):
    """Atoms that do not move, at a wavering energy; one frame is spoilt."""

    use = "scripted"
    spoil: str = "none"
    """What becomes of the frame."""
    at: int = 0
    """Step of the frame."""
    system: int = 0
    """Which of a batch."""
    relaxing: bool = False
    """Whether the energy falls by 1 eV per atom from frame to frame up to step 40."""

    def batch(self, atoms: int) -> int:
        return 2

    def advance(self, systems: Any, potential: Potential, segment: Any) -> Any:
        for atoms in systems:
            atoms.set_momenta(np.zeros((len(atoms), 3)))
            atoms.info["ionflow"] = {}
        for step in segment.frame_steps():
            yield [self._frame(n, atoms, step) for n, atoms in enumerate(systems)]

    def _frame(self, number: int, atoms: Atoms, step: int) -> Frame:
        energy = len(atoms) * (0.05 * (step % 20 > 0) + self.relaxing * max(0, 40 - step) / 10)
        frame = Frame(step, atoms.positions.copy(), np.array(atoms.cell), energy, 1.0, 1500.0,
                      np.zeros(6), np.zeros((len(atoms), 3)))  # fmt: skip
        return SPOIL[self.spoil](frame) if (number, step) == (self.system, self.at) else frame


class Doubtful(RigidIon):
    """Does not know what it sees, and counts how often it is asked."""

    use = "doubtful"

    def doubt(self, atoms: Atoms) -> str:
        return f"{len(atoms)} atoms are more than it knows"


def trajectories(root, *, record: bool = True, replicas: int = 1, **script: Any):
    """A store, and the tasks of a stage in it that a scripted engine is to move."""
    recipe = tiny(scan={}, replicas=replicas, analyses=[])
    stage = {"ensemble": "nvt", "temperature_K": 1500, "duration_ps": 0.2, "frame_ps": 0.02,
             "segment_ps": 0.1, "record": record}  # fmt: skip
    recipe["protocol"] = {"hold": {**stage, **script.pop("stage", {})}}
    engine = Scripted(timestep_fs=2.0, **script)
    made = plan(read(recipe, registry=load()))
    store = Store.create(root)
    steps.build(store, made.of("structure"))
    tasks = [
        replace(task, payload=replace(task.payload, engine=engine)) for task in made.of("stage")
    ]
    return store, tasks


FAULTS = {
    "energy": "not a number at step 70 \\(potential energy\\)",
    "positions": "not a number at step 70 \\(positions\\)",
    "cell": "not a number at step 70 \\(cell\\)",
    "stress": "not a number at step 70 \\(stress\\)",
    "velocities": "not a number at step 70 \\(velocities\\)",
    "hot": "9000 K at step 70 .* 5500 K \\(max_temperature_K\\)",
    "jump": "jumps up by 0.\\d+ eV per atom at step 70.* 0.711 \\(max_energy_jump_eV\\)",
    "plunge": "plunges by 0.\\d+ eV per atom at step 70.* \\(max_energy_jump_eV\\)",
    "fused": "atoms 3 and 4 are 0.10 Å apart at step 70.* \\(min_distance_angstrom\\)",
    "evaporating": "step 70 is 0.455 times .* evaporates.* \\(max_density_change\\)",
    "collapsing": "step 70 is 2.2 times .* collapses.* \\(max_density_change\\)",
    "turned": r"yielded positions of shape \(3, 21\), not \(21, 3\), at step 70",
    "flat": "the cell has no volume at step 70",
}


@pytest.mark.parametrize(
    ("spoil", "record"), [*((s, True) for s in FAULTS), ("fused", False), ("evaporating", False)]
)
def test_nothing_is_committed_of_a_segment_with_a_fault(spoil, record, tmp_path):
    store, tasks = trajectories(tmp_path / "r", spoil=spoil, at=70, record=record)
    (first,) = steps.advance(store, tasks)
    assert (first.end, first.step) == (End.DONE, 50)
    (second,) = steps.advance(store, tasks)
    assert second.end is End.HOPELESS
    assert store.progress(tasks[0].key) == 50
    with pytest.raises(AssertionError, match=FAULTS[spoil]):
        raise AssertionError(second.reason)


def test_a_sound_trajectory_is_committed_and_its_siblings_too(tmp_path):
    store, tasks = trajectories(tmp_path / "r", replicas=2, spoil="hot", at=60, system=1)
    steps.advance(store, tasks)
    sound, spoilt = steps.advance(store, tasks)
    assert (sound.end, sound.step) == (End.DONE, 100)
    assert (spoilt.end, store.progress(tasks[1].key)) == (End.HOPELESS, 50)


def test_energies_are_compared_across_the_commit(tmp_path):
    # the first frame of the second segment is that of step 60: against step 50, in the store
    store, tasks = trajectories(tmp_path / "r", spoil="jump", at=60)
    steps.advance(store, tasks)
    (second,) = steps.advance(Store(store.root), tasks)
    assert "at step 60" in second.reason


def test_a_packing_may_fall_as_deep_as_it_will_but_only_at_the_start(tmp_path):
    store, tasks = trajectories(tmp_path / "r", relaxing=True)
    assert [steps.advance(store, tasks)[0].end for _ in range(2)] == [End.DONE, End.DONE]
    store, tasks = trajectories(tmp_path / "s", relaxing=True, spoil="jump", at=20)
    assert "jumps up" not in steps.advance(store, tasks)[0].reason  # it still falls, by less
    store, tasks = trajectories(tmp_path / "t", relaxing=True, spoil="plunge", at=90)
    steps.advance(store, tasks)
    assert "plunges" in steps.advance(store, tasks)[0].reason


def test_bounds_are_those_of_the_recipe(tmp_path):
    loose = {"max_energy_jump_eV": 2.0, "max_density_change": 3.0, "min_distance_angstrom": 0.05}
    for spoil in ("jump", "evaporating", "fused"):
        store, tasks = trajectories(tmp_path / spoil, spoil=spoil, at=30, stage=loose)
        assert steps.advance(store, tasks)[0].end is End.DONE
    tight = {"max_energy_jump_eV": 0.01}
    store, tasks = trajectories(tmp_path / "tight", stage=tight)
    assert "the bound is 0.01" in steps.advance(store, tasks)[0].reason


def test_a_cell_thinner_than_the_closest_distance_is_told_and_does_not_hang(tmp_path):
    stage = {"max_density_change": 1e9}
    store, tasks = trajectories(tmp_path / "r", spoil="thin", at=30, stage=stage)
    assert "closer to their own images" in steps.advance(store, tasks)[0].reason


@pytest.mark.parametrize("edge", [1e4, 1e9])
def test_a_huge_cell_is_searched_at_once(edge):
    watch = health.Watch(Stage(ensemble="nvt", temperature_K=300, duration_ps=1))
    where = np.random.default_rng(0).random((50, 3)) * edge
    assert watch.fault(Frame(0, where, np.eye(3) * edge, 0.0, 1.0, 300.0)) == ""


def test_guards_do_not_change_what_a_trajectory_is():
    changed = {"max_energy_jump_eV": 1.0, "max_density_change": 9.0}
    recipes = [tiny(scan={}), tiny(scan={})]
    recipes[1]["protocol"]["production"] |= changed
    one, other = (plan(read(recipe, registry=load())).of("stage") for recipe in recipes)
    assert [task.key for task in one] == [task.key for task in other]


def test_the_bound_on_energies_follows_the_temperature():
    stage = Stage(ensemble="nvt", temperature_K=(2000, 300), duration_ps=1)
    assert stage.largest_jump_eV == pytest.approx(1.5 * 8.617333e-5 * 7000, rel=1e-6)


@pytest.mark.parametrize(("record", "told"), [(True, "21 atoms"), (False, "")])
def test_a_doubt_is_kept_with_the_last_segment_and_stops_nothing(record, told, tmp_path):
    store, tasks = trajectories(tmp_path / "r", record=record)
    tasks = [replace(t, payload=replace(t.payload, potential=Doubtful())) for t in tasks]
    assert [steps.advance(store, tasks)[0].end for _ in range(2)] == [End.DONE, End.DONE]
    first, last = (segment.meta["doubt"] for segment in store.segments(tasks[0].key))
    assert first == ""
    assert last.startswith(told)
    assert bool(last) is bool(told)

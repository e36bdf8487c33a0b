"""From a recipe to a plan: pure, no atoms are moved and nothing is written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ionflow.errors import Fault, RecipeError
from ionflow.graph import Input, Plan, Task
from ionflow.kinds import Analyser, Engine, Generator, Potential, Stage
from ionflow.recipe import Axis, Case, Recipe
from ionflow.store import key_of
from ionflow.units import FS_PER_PS

#: Fields of a stage that do not change its trajectory, only when to stop it and what to read.
_GUARDS = frozenset(
    {
        "max_density_change",
        "max_energy_jump_eV",
        "max_temperature_K",
        "min_distance_angstrom",
        "settle_ps",
    }
)


@dataclass(frozen=True)
class BuildWork:
    """Build one starting structure."""

    generator: Generator
    seed: int
    atoms: int
    formula: str


@dataclass(frozen=True)
class StageWork:
    """Move one system through one stage of its protocol."""

    name: str
    stage: Stage
    engine: Engine
    potential: Potential
    seed: int
    atoms: int
    formula: str

    @property
    def total_steps(self) -> int:
        """Steps of the whole stage."""
        return self._steps(self.stage.duration_ps)

    @property
    def settle_steps(self) -> int:
        """Steps at the start that analyses leave out."""
        return round(self.stage.settle_ps * FS_PER_PS / self.engine.timestep_fs)

    @property
    def segment_steps(self) -> int:
        """Steps between commits."""
        return self._steps(self.stage.segment_ps)

    @property
    def frame_every(self) -> int:
        """Steps between frames."""
        return self._steps(self.stage.frame_ps)

    @property
    def frames(self) -> int:
        """Frames of the whole stage, the initial one included."""
        return self.total_steps // self.frame_every + 1

    def ps(self, steps: int) -> float:
        """Simulated time in ps of a number of steps."""
        return steps * self.engine.timestep_fs / FS_PER_PS

    def _steps(self, ps: float) -> int:
        return max(1, round(ps * FS_PER_PS / self.engine.timestep_fs))


@dataclass(frozen=True)
class AnalysisWork:
    """Analyse one trajectory, or the results of other analysers."""

    analyser: Analyser
    needs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """For each name in the analyser's `needs`, the keys of its results."""
    axes: tuple[str, ...] = ()
    """Coordinates along which those results are joined."""
    first_step: int = 0
    """Earlier frames of the trajectory are left out."""


def plan(recipe: Recipe) -> Plan:
    """Every task of a recipe; tasks with the same key are one task.

    Raises
    ------
    RecipeError
        If there are analyses but no recorded stage for them to read.
    """
    tasks: dict[str, Task] = {}
    last_recorded = [_case_tasks(recipe, case, tasks) for case in recipe.cases]
    recorded = list(dict.fromkeys(key for key in last_recorded if key))
    if recipe.analyses and not recorded:
        message = "there are analyses, but no stage is recorded; add record: true to a stage"
        raise RecipeError([Fault(recipe.source, 0, "protocol", message)])
    _add_analyses(recipe.analyses, recorded, tasks)
    return Plan(tasks)


def replica_seed(seed: int, replica: int) -> int:
    """The entropy of one replica; every task adds its own key to it."""
    return _entropy(f"replica {seed} {replica}")


def with_inputs(task: Task, inputs: Iterable[Input]) -> Task:
    """An analysis of results, restricted to those that exist, under the key that says so."""
    kept = tuple(inputs)
    keys = {i.key for i in kept}
    work: AnalysisWork = task.payload
    needs = tuple((name, tuple(k for k in of if k in keys)) for name, of in work.needs)
    key = _analysis_key(work.analyser, kept)
    return replace(task, key=key, inputs=kept, payload=replace(work, needs=needs))


def _case_tasks(recipe: Recipe, case: Case, tasks: dict[str, Task]) -> str | None:
    """Add the tasks of one case; the key of its last recorded stage."""
    seed = replica_seed(recipe.seed, case.replica)
    task = _build_task(recipe, case, seed)
    recorded = None
    tasks.setdefault(task.key, task)
    for position in range(len(case.protocol)):
        task = _stage_task(recipe, case, position, task, seed)
        tasks.setdefault(task.key, task)
        _same_duration(recipe, name=case.protocol[position][0], asked=task, known=tasks[task.key])
        recorded = task.key if task.payload.stage.record else recorded
    return recorded


def _build_task(recipe: Recipe, case: Case, seed: int) -> Task:
    composition = case.structure.composition()
    work = BuildWork(case.structure, seed, sum(composition.values()), formula_of(composition))
    key = key_of(kind="structure", plugin=case.structure.identity(), seed=seed)
    coords = _coords(recipe.axes, case, ("structure",), ())
    return Task(
        key, "structure", "structure", _label(coords, work.formula), payload=work, coords=coords
    )


def _stage_task(recipe: Recipe, case: Case, position: int, before: Task, seed: int) -> Task:
    name, stage = case.protocol[position]
    work = StageWork(
        name, stage, case.engine, case.potential, seed, before.payload.atoms, before.payload.formula
    )
    source = Input(before.key, before.steps)
    key = key_of(
        kind="stage",
        stage=_stage_identity(stage),
        engine=case.engine.identity(),
        potential=case.potential.identity(),
        inputs=[source.identity],
        seed=seed,
    )
    stages = tuple(n for n, _ in case.protocol[: position + 1])
    coords = _coords(recipe.axes, case, ("structure", "potential", "engine"), stages)
    label = _label(coords, work.formula)
    return Task(key, "stage", name, label, (source,), work.total_steps, work, coords)


def _same_duration(recipe: Recipe, *, name: str, asked: Task, known: Task) -> None:
    if asked.steps != known.steps:
        message = (
            "two cases ask for the same dynamics with different durations; "
            "a longer run contains the shorter one, so do not scan duration_ps"
        )
        raise RecipeError([Fault(recipe.source, 0, f"protocol.{name}.duration_ps", message)])


def _stage_identity(stage: Stage) -> dict[str, Any]:
    # without a ramp the dynamics does not know when it will end, so a longer run extends it
    left_out = _GUARDS | ({"duration_ps"} if stage.is_steady else set())
    return stage.model_dump(mode="json", exclude=set(left_out))


def _add_analyses(
    analyses: tuple[Analyser, ...], recorded: list[str], tasks: dict[str, Task]
) -> None:
    results: dict[str, list[str]] = {}
    needed = {name for analyser in analyses for name in analyser.needs}
    for analyser in analyses:
        if analyser.is_off and analyser.use not in needed:
            continue
        if analyser.needs:
            new = [_joining_task(analyser, results, tasks)]
        else:
            new = [_reading_task(analyser, tasks[key]) for key in recorded]
        tasks.update((task.key, task) for task in new)
        results[analyser.use] = [task.key for task in new]


def _reading_task(analyser: Analyser, stage: Task) -> Task:
    source = Input(stage.key, stage.steps)
    first = stage.payload.settle_steps
    key = _analysis_key(analyser, (source,), first)
    work = AnalysisWork(analyser, first_step=first)
    return Task(
        key, "analysis", analyser.use, stage.label, (source,), payload=work, coords=stage.coords
    )


def _joining_task(
    analyser: Analyser, results: Mapping[str, list[str]], tasks: Mapping[str, Task]
) -> Task:
    needs = tuple((name, tuple(results[name])) for name in analyser.needs)
    inputs = tuple(Input(key) for _, keys in needs for key in keys)
    axes = dict.fromkeys(axis for i in inputs for axis in tasks[i.key].coords)
    work = AnalysisWork(analyser, needs, tuple(axes))
    key = _analysis_key(analyser, inputs)
    return Task(key, "analysis", analyser.use, "over the scan", inputs, payload=work)


def _analysis_key(analyser: Analyser, inputs: tuple[Input, ...], first_step: int = 0) -> str:
    return key_of(
        kind="analysis",
        plugin=analyser.identity(),
        inputs=sorted(i.identity for i in inputs),
        first_step=first_step,
    )


def _coords(
    axes: tuple[Axis, ...], case: Case, parts: tuple[str, ...], stages: tuple[str, ...]
) -> dict[str, Any]:
    """The coordinates that a task depends on: those of its parts and of the stages up to it."""
    heads = (*(f"{p}." for p in parts), *(f"protocol.{s}." for s in stages))
    coords = {a.name: case.coords[a.name] for a in axes if f"{a.path}.".startswith(heads)}
    return {**coords, "replica": case.replica}


def _label(coords: Mapping[str, Any], formula: str) -> str:
    words = [_word(name, value) for name, value in coords.items() if name != "replica"]
    return (
        " ".join([*words, f"r{coords['replica']}"]) if words else f"{formula} r{coords['replica']}"
    )


def _word(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    unit = name.rsplit("_", 1)[1] if "_" in name else ""
    return f"{value:g}{unit}" if unit else f"{name}={value:g}"


def formula_of(composition: Mapping[str, int]) -> str:
    """Elements with their numbers, in the order given.

    >>> formula_of({"Li": 4, "Al": 4, "O": 3, "Cl": 10})
    'Li4Al4O3Cl10'
    """
    return "".join(f"{element}{number}" for element, number in composition.items())


def _entropy(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def segment_seed(task: Task) -> int:
    """Entropy of a task's random streams: its replica's and its own key."""
    return _entropy(f"{task.payload.seed} {task.key}")

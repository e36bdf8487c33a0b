"""What is written beside the results: who, where, with what, since when."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from ionflow import machine
from ionflow.graph import Plan, Task
from ionflow.kinds import backend
from ionflow.plan import AnalysisWork, StageWork
from ionflow.recipe import Recipe
from ionflow.store import Store

#: What each invocation says of itself, and what is written before the first.
_OF_AN_INVOCATION: dict[str, Any] = {
    "workers": 0,
    "threads_per_worker": 0,
    "backend": {},
    "reproducibility": "bitwise",
}

_EVERY_S = 10.0


def now() -> str:
    """The time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Journal:
    """`run.json`: what the run is, kept up to date while it goes on."""

    def __init__(self, store: Store, recipe: Recipe, plan: Plan) -> None:
        self._store, self._case, self._written = store, recipe.cases[0], 0.0
        self.record = {**_described(recipe), "tasks": [row(task) for task in plan]}
        earlier = store.read_json("run.json") if (store.root / "run.json").exists() else {}
        self.record["started"] = earlier.get("started") or now()
        self.record["finished"] = earlier.get("finished")
        self._wall_before = float(earlier.get("wall_s", 0.0))
        for name, default in _OF_AN_INVOCATION.items():
            self.record[name] = earlier.get(name, default)

    def begin(self, workers: int) -> None:
        """Write the record at the start of an invocation that has work to do."""
        how = backend(self._case.potential, self._case.engine)
        self.record |= {
            "workers": workers,
            "threads_per_worker": 1,
            "finished": None,
            "backend": how,
            "reproducibility": _reproducibility(how["engine"]),
        }
        self.update(0.0)

    def keep(self, wall_s: float) -> None:
        """Write the wall time so far, now and then: a killed run should not lose it."""
        if wall_s - self._written > _EVERY_S:
            self.update(wall_s)

    def update(self, wall_s: float, *, finished: bool = False) -> None:
        """Write the record with the wall time of this invocation so far."""
        self._written = wall_s
        self.record |= {"updated": now(), "wall_s": round(self._wall_before + wall_s, 1)}
        if finished:
            self.record["finished"] = now()
        self._store.write_json("run.json", self.record)

    def replace(self, old: str, new: Task) -> None:
        """A task was restricted to the inputs that exist, and has another key now."""
        tasks = self.record["tasks"]
        self.record["tasks"] = [row(new) if t["key"] == old else t for t in tasks]


def row(task: Task) -> dict[str, Any]:
    """A task as `run.json` lists it."""
    return {
        "key": task.key,
        "kind": task.kind,
        "name": task.name,
        "label": task.label,
        "coords": dict(task.coords),
        "inputs": [{"key": i.key, "steps": i.steps} for i in task.inputs],
        "steps": task.steps,
        **_details(task.payload),
    }


def _details(work: Any) -> dict[str, Any]:
    if isinstance(work, AnalysisWork):
        return {"analyser": work.analyser.identity()}
    common = {"atoms": work.atoms, "formula": work.formula, "seed": work.seed}
    if isinstance(work, StageWork):
        return common | {
            "timestep_fs": work.engine.timestep_fs,
            "stage": work.stage.model_dump(mode="json"),
            "record": work.stage.record,
        }
    return common | {"generator": work.generator.identity()}


def _described(recipe: Recipe) -> dict[str, Any]:
    case = recipe.cases[0]
    return {
        "ionflow": version("ionflow"),
        "name": recipe.name,
        "title": recipe.title,
        "scale": recipe.scale,
        "seed": recipe.seed,
        "replicas": recipe.replicas,
        "axes": [{"name": a.name, "path": a.path, "values": list(a.values)} for a in recipe.axes],
        "potential": case.potential.identity(),
        "engine": case.engine.identity(),
        "versions": machine.versions(),
        "host": machine.host(),
    }


def _reproducibility(engine: dict[str, Any]) -> str:
    # sums over neighbours on a GPU may be ordered differently from run to run
    device = str(engine.get("device", "cpu"))
    return "bitwise" if device == "cpu" or engine.get("deterministic") else "statistical"

"""Where stages begin: at states that must still be there."""

from __future__ import annotations

from ionflow.errors import StoreError
from ionflow.graph import Plan, Task
from ionflow.store import Store

_SHOWN = 8


def check(plan: Plan, store: Store) -> None:
    """Refuse to begin at a step of an earlier stage at which no state was kept.

    A run folder may hold a longer stage than is asked for. Of one that was sealed, some of the
    states at its segments' ends are kept; one that is not lies at no other steps.

    Raises
    ------
    StoreError
        If a stage cannot begin; lists all such, and where states are.
    """
    faults = list(dict.fromkeys(filter(None, (_fault(t, plan, store) for t in plan.of("stage")))))
    if faults:
        left = [f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        raise StoreError(
            "\n  ".join(["stages that cannot begin where they should:", *faults[:_SHOWN], *left]),
            where=str(store.root),
            hint="Let the earlier stage end at one of these, or take another folder (--out)",
        )


def _fault(task: Task, plan: Plan, store: Store) -> str:
    (source,) = task.inputs
    stands = store.progress(source.key) if source.steps else 0
    if stands < max(source.steps, 1) or store.progress(task.key):
        return ""
    kept = store.kept_steps(source.key)
    if source.steps in kept:
        return ""
    before = plan.tasks[source.key]
    times = ", ".join(f"{before.payload.ps(step):.6g}" for step in kept[-_SHOWN:])
    return (
        f"{task.label} {task.name}: at {before.payload.ps(source.steps):.6g} ps of {before.name}, "
        f"of which states are there at {'..., ' * (len(kept) > _SHOWN)}{times} ps"
    )

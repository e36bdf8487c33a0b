"""The ledger decides from disk what can run; here the disk is a fake."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ionflow.driver.ledger import Ledger
from ionflow.graph import Input, Plan, Task
from ionflow.kinds import Analyser
from ionflow.plan import AnalysisWork


@dataclass
class Work:
    atoms: int = 10


@dataclass
class Disk:
    structures: set[str] = field(default_factory=set)
    steps: dict[str, int] = field(default_factory=dict)
    results: set[str] = field(default_factory=set)
    records: dict[str, dict[str, str]] = field(default_factory=dict)

    def has_structure(self, key):
        return key in self.structures

    def has_result(self, key):
        return key in self.results

    def progress(self, key):
        return self.steps.get(key, 0)

    def is_sealed(self, key):
        return key in self.steps

    def failures(self):
        return self.records


class Mean(Analyser):
    use = "mean"
    needs = ("one",)

    def analyse(self, *data):
        return data[0]


def chain(name: str, steps: int) -> list[Task]:
    """A structure, a melt and a production, with an analysis."""
    s, m, p = f"{name}s", f"{name}m", f"{name}p"
    return [
        Task(s, "structure", "structure", name, payload=Work()),
        Task(m, "stage", "melt", name, (Input(s),), 10, Work()),
        Task(p, "stage", "production", name, (Input(m, 10),), steps, Work()),
        Task(f"{name}a", "analysis", "one", name, (Input(p, steps),), payload=AnalysisWork(Mean())),
    ]


def study() -> Plan:
    tasks = [*chain("x", 100), *chain("y", 1000)]
    inputs = (Input("xa"), Input("ya"))
    work = AnalysisWork(Mean(), needs=(("one", ("xa", "ya")),))
    tasks.append(Task("over", "analysis", "mean", "", inputs, payload=work))
    return Plan({task.key: task for task in tasks})


def keys(tasks):
    return [task.key for task in tasks]


def test_nothing_done_starts_with_structures():
    assert keys(Ledger(study(), Disk()).ready()) == ["ys", "xs"]  # the longer chain first


def test_longest_way_to_go_is_first_and_short_tasks_before_dynamics():
    disk = Disk({"xs", "ys"}, {"xm": 10})
    ledger = Ledger(study(), disk)
    assert keys(ledger.ready()) == ["ym", "xp"]
    ledger.done |= {"xp"}
    assert keys(ledger.ready())[0] == "xa"
    assert keys(ledger.ready(busy={"ym"})) == ["xa"]


def test_a_half_done_stage_is_not_done():
    disk = Disk({"xs", "ys"}, {"xm": 9})
    assert "xm" in keys(Ledger(study(), disk).ready())


def test_a_failure_loses_what_follows_but_not_its_siblings():
    disk = Disk({"xs", "ys"}, records={"xm": {"reason": "blew up"}})
    ledger = Ledger(study(), disk)
    assert keys(ledger.lost()) == ["xp", "xa"]
    assert keys(ledger.ready()) == ["ym"]


def test_an_analysis_over_the_scan_does_with_what_is_there_under_another_key():
    disk = Disk({"xs", "ys"}, {"ym": 10, "yp": 1000}, {"ya"}, {"xm": {"reason": "blew up"}})
    seen = []
    ledger = Ledger(study(), disk, lambda old, new: seen.append((old, new)))
    (task,) = ledger.ready()
    assert task.inputs == (Input("ya"),)
    assert task.payload.needs == (("one", ("ya",)),)
    assert task.key != "over"
    assert seen == [("over", task)]
    done = replace(disk, results={"ya", task.key})
    assert Ledger(study(), done).open() == []


def test_all_lost_leaves_nothing_to_do():
    disk = Disk(records={k: {"reason": "no"} for k in ("xs", "ys")})
    ledger = Ledger(study(), disk)
    assert ledger.open() == []
    assert len(ledger.lost()) == 7

"""What lies beside results: who made them, from what, where, with which software."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import ionflow
from ionflow import driver, machine, origin, software
from ionflow.cluster import connect
from ionflow.driver import Driver
from ionflow.driver.invocations import KEPT, Invocations, ending_by, ending_of
from ionflow.errors import InterruptedRunError, OutOfSpaceError
from ionflow.recipe import LocalCluster, to_yaml
from ionflow.store import Store
from quick_run import QuickRun, after_segments, small


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> QuickRun:
    """Killed after the first segment of production, then finished."""
    run = QuickRun(tmp_path_factory.mktemp("resumed") / "run", overrides=("seed=7",))
    run.invoke(how="", until=after_segments(run.store, "production", 1))
    return run.invoke()


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> QuickRun:
    return QuickRun(tmp_path_factory.mktemp("straight") / "other", overrides=("seed=7",)).invoke()


def document(run: QuickRun) -> dict:
    return json.loads((run.store.root / "run.json").read_text())


# run.json


def test_every_invocation_is_told_with_its_end(resumed):
    first, second = document(resumed)["invocations"]
    assert (first["how"], second["how"]) == ("killed", "finished")
    assert "ended" not in first
    assert second["ended"] >= second["started"]
    assert first["epoch"] < second["epoch"]
    assert second["host"] == machine.host()["hostname"]
    assert second["overrides"] == ["seed=7"]
    assert second["reproducibility"] == "bitwise"
    assert origin.kept(resumed.store, second["software"])["versions"]["numpy"]


def test_what_readers_of_run_json_know_is_still_there(resumed):
    found = document(resumed)
    for name in ("ionflow", "scale", "seed", "axes", "versions", "host", "started", "finished",
                 "updated", "wall_s", "workers", "backend", "potential", "engine"):  # fmt: skip
        assert name in found
    assert found["finished"] >= found["started"]


def test_all_that_took_part_is_told_with_versions(resumed):
    made = resumed.store.result_record(resumed.key("diffusion"))["versions"]
    assert made.items() <= document(resumed)["versions"].items()


def test_the_recipe_is_kept_as_it_was_given_and_as_it_was_understood(tmp_path):
    text = "# for the record\n" + to_yaml(small())
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    run = QuickRun(tmp_path / "run", path).invoke("2 failed", until=lambda task: True)
    assert (run.store.root / "recipe.source.yaml").read_text() == text
    (entry,) = document(run)["invocations"]
    kept = origin.kept(run.store, entry["recipe"])
    assert kept["source"] == text
    assert kept["resolved"]["engine"]["thermostat"] == "langevin"
    assert document(run)["source"]["file"] == "recipe.yaml"


def test_a_recipe_from_python_is_kept_too(resumed):
    written = (resumed.store.root / "recipe.source.yaml").read_text()
    again = QuickRun(resumed.store.root.parent / "again", written, overrides=("seed=7",))
    assert again.plan.tasks.keys() == resumed.plan.tasks.keys()


def test_old_invocations_are_dropped():
    entry = {"epoch": 1, "started": "2026-01-02T03:04:05+00:00"}
    found = Invocations(())
    for _ in range(KEPT + 3):
        found = Invocations(found.listed())
        found.begin(entry)
        found.end("finished")
    assert len(found.listed()) == KEPT


def test_the_words_for_an_end():
    assert (ending_of(0), ending_of(2)) == ("finished", "2 failed")
    assert ending_by(InterruptedRunError("x")) == "interrupted"
    assert ending_by(KeyboardInterrupt()) == "interrupted"
    assert ending_by(OutOfSpaceError("x")) == "out of space"
    assert "ValueError: odd" in ending_by(ValueError("odd"))


# records


def test_every_structure_segment_and_result_says_what_made_it(resumed):
    store = resumed.store
    built = store.structure_record(resumed.key("structure"))
    (segment, *_) = [s.meta for s in store.segments(resumed.key("production"))]
    result = store.result_record(resumed.key("diffusion"))
    for record in (built, segment, result):
        assert {"host", "cpu", "device", "threads", "epoch", "made", "wall_s"} <= record.keys()
        assert record["reproducibility"] == "bitwise"
        assert origin.kept(store, record["software"])["versions"]["numpy"]
    for record in (built, result):
        assert record["plugin"]["distribution"] == "ionflow"
        assert record["versions"] == origin.kept(store, record["software"])["versions"]
    assert result["plugin"]["parameters"]["cage_A2"] == 2.5
    assert result["plugin"]["changed"] == ["cage_A2"]
    method = origin.kept(store, segment["method"])
    assert (method["engine"]["use"], method["potential"]["use"]) == ("ase", "rigid_ion")
    assert segment["seed"] == built["seed"]


def test_a_trajectory_tells_its_two_invocations(resumed):
    epochs = [entry["epoch"] for entry in document(resumed)["invocations"]]
    segments = resumed.store.segments(resumed.key("production"))
    assert [s.meta["epoch"] for s in segments] == [epochs[0], epochs[1], epochs[1]]


def test_records_stay_out_of_the_data(resumed, straight):
    ours, theirs = contents(resumed), contents(straight)
    assert ours.keys() == theirs.keys()
    assert {name for name in ours if ours[name] != theirs[name]} == set()


def contents(run: QuickRun) -> dict[str, bytes]:
    root = run.store.root
    found = [*root.glob("trajectories/*/trajectory.zarr/**/*"), *root.glob("analyses/*.zarr/**/*")]
    files = [path for path in found if path.is_file()]
    assert len(files) > 20
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


# reproducibility


@pytest.mark.parametrize(
    ("engine", "ordered"),
    [({}, True), ({"device": "cpu"}, True), ({"device": "cuda"}, False),
     ({"device": "cuda", "deterministic": True}, True)],
)  # fmt: skip
def test_a_gpu_does_not_add_in_order_unless_told_to(engine, ordered):
    assert (not origin.unordered({"potential": {}, "engine": engine})) == ordered


def change(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    here, table = machine.place("cpu"), software.table()
    if what == "cpu":
        monkeypatch.setattr(machine, "place", lambda device: {**here, "cpu": "another one"})
    if what == "versions":
        other = {**table, "versions": {**table["versions"], "numpy": "0.1"}}
        monkeypatch.setattr(software, "table", lambda: other)
    if what == "device":
        cuda = {"potential": {}, "engine": {"device": "cuda"}}
        monkeypatch.setattr(origin, "backend", lambda *of: cuda)


@pytest.fixture(scope="module")
def halfway(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that stopped after the first segment of its last trajectory."""
    run = QuickRun(tmp_path_factory.mktemp("halfway") / "run")
    hot = run.key("production", 1)
    run.invoke(until=lambda task: task.key == hot and bool(run.store.segments(hot)))
    return run.store.root


@pytest.mark.parametrize(
    ("what", "why"),
    [("cpu", "different processors"), ("versions", "different versions of numpy"),
     ("device", "another order every time")],
)  # fmt: skip
def test_what_was_made_here_and_there_is_statistical_with_all_that_follows(
    halfway, tmp_path, monkeypatch, what, why
):
    run = QuickRun(Path(shutil.copytree(halfway, tmp_path / "run")))
    change(monkeypatch, what)
    run.invoke()
    cold, hot = (run.store.segments(run.key("production", n)) for n in (0, 1))
    assert {s.meta["reproducibility"] for s in cold} == {"bitwise"}
    assert [s.meta["reproducibility"] for s in hot] == ["bitwise", "statistical", "statistical"]
    assert why in hot[-1].meta["why"][0]
    results = [run.store.result_record(run.key("diffusion", n)) for n in (0, 1)]
    assert [r["reproducibility"] for r in results] == ["bitwise", "statistical"]
    last = run.store.result_record(run.key("arrhenius"))
    assert last["reproducibility"] == "statistical"
    assert last["why"] == results[1]["why"]


def test_what_is_made_from_something_unrecorded_is_not_called_bitwise(resumed, monkeypatch):
    task = resumed.plan.tasks[resumed.key("diffusion")]
    monkeypatch.setattr(origin, "of_input", lambda store, source: {})
    assert origin.of_result(resumed.store, task, 1.0)["reproducibility"] == "statistical"


def test_a_lost_table_of_software_is_told(resumed, tmp_path):
    assert origin.kept(resumed.store, "0123456789abcdef") == {}
    assert origin.software_changes({}, software.table()) == ["what is not known"]


def test_a_damaged_table_of_software_is_found_and_not_read(halfway, tmp_path):
    store = Store(Path(shutil.copytree(halfway, tmp_path / "run")))
    path = next((store.root / "provenance").iterdir())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    damaged = [p.path for p in store.verify() if p.path.parent == path.parent]
    assert damaged == [path]
    assert origin.kept(store, path.stem) == {}


def test_a_gpu_is_named_with_its_driver(monkeypatch):
    cuda = SimpleNamespace(
        is_available=lambda: True, current_device=lambda: 0, get_device_name=lambda i: "H100"
    )
    torch = SimpleNamespace(cuda=cuda, version=SimpleNamespace(cuda="12.8"),
                            get_num_threads=lambda: 3)  # fmt: skip
    monkeypatch.setitem(machine.sys.modules, "torch", torch)
    found = machine.place("cuda")
    assert (found["gpu"], found["cuda"], found["threads"]) == ("H100", "12.8", 3)
    assert "gpu" not in machine.place("cpu")


# through the driver


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    with connect(LocalCluster(workers=1)) as client:
        yield {"use": "address", "address": client.scheduler.address}


def test_an_interrupted_run_tells_both_invocations(tmp_path, cluster, monkeypatch):
    recipe = small(scan={}, analyses=["msd"], cluster=cluster)
    out = tmp_path / "run"
    monkeypatch.setattr(driver, "_write_report", lambda *of: None)
    with monkeypatch.context() as patch:
        stop_at_first_production(patch)
        with pytest.raises(InterruptedRunError):
            ionflow.run(recipe, out=out)
    run = ionflow.run(recipe, out=out)
    assert [entry["how"] for entry in run.provenance["invocations"]] == ["interrupted", "finished"]
    made = run.explain(run.results.keys_of("msd").squeeze())
    assert made["reproducibility"]["is"] == "bitwise"
    trajectory = run.explain(made["from"][0]["key"])
    assert [e["how"] for e in trajectory["invocations"]] == ["interrupted", "finished"]
    assert len(trajectory["segments"]) == 2


def stop_at_first_production(monkeypatch: pytest.MonkeyPatch) -> None:
    follow = Driver.follow

    def stopping(self, slots, tick):  # type: ignore[no-untyped-def]
        def looked() -> None:
            tick()
            stages = [t for t in self.ledger.tasks.values() if t.name == "production"]
            if any(self.store.progress(task.key) for task in stages):
                self.stop()

        follow(self, slots, looked)

    monkeypatch.setattr(Driver, "follow", stopping)


def test_a_deleted_table_of_software_is_missed(resumed, tmp_path):
    store = Store(Path(shutil.copytree(resumed.store.root, tmp_path / "run")))
    path = next((store.root / "provenance").iterdir())
    before = [problem.path for problem in store.verify()]
    path.unlink()
    assert {problem.path for problem in store.verify()} - set(before) == {path}

"""Plugins that raise, hang, lie, die, eat memory or hold the interpreter: siblings go on."""

from __future__ import annotations

import html
import io
from pathlib import Path
from typing import Any

import pytest
from harness import Site, child, differing, recipe, write_recipe
from rich.console import Console

import ionflow
from ionflow.status import status
from ionflow.store import Store
from long_form import LONG, LONG_ONLY

pytestmark = pytest.mark.timeout(900)

#: What the record of a failure says, by what a plugin does.
REASONS = {
    "raises": "ValueError: it would not do it",
    "cannot_leave": "CannotLeaveError: it would not be told",
    "cannot_arrive": "CannotArriveError: half an error",
    "leaves": "SystemExit: 3",
    "interrupts": "KeyboardInterrupt: ",
    "ends": "its worker died",
    "eats": "its worker died",
    "hangs": "did not end within",
    "not_a_number": "not a number",
    "misshapen": "",
}

#: Failures that another attempt with the same data could not mend.
HOPELESS = {"not_a_number"}


def scanned(axis: str, faults: list[str], **changes: Any) -> dict[str, Any]:
    """One trajectory for each fault, side by side."""
    made = recipe(4, **{"analyses": ["msd", "reach"], **changes})
    made["scan"] = {f"{axis}.fault": faults}
    return made


def failures(out: Path) -> dict[str, dict[str, Any]]:
    """Records of failures by the label of the task."""
    found = Store.open(out).failures().values()
    return {f"{record['label']} {record['name']}": record for record in found}


def check_record(record: dict[str, Any], fault: str, *, prints: bool = True) -> None:
    """That it tells what happened, where, and how the machine was."""
    assert REASONS[fault] in record["reason"], record["reason"]
    hopeless = fault in HOPELESS or "yielded positions of shape" in record["reason"]
    assert record["attempts"] == (1 if hopeless else 2)
    assert record["system"]["memory_available_GB"] > 0
    assert record["system"]["disk_free_GB"] > 0
    assert record["worker"]["pid"]
    if fault in ("raises", "cannot_leave", "cannot_arrive", "leaves", "interrupts"):
        assert "misbehaving.py" in record["traceback"]
    if prints and fault not in ("not_a_number", "misshapen"):
        assert any(f"about to do it: {fault}" in line for line in record["last_lines"])


def check_siblings(out: Path, guilty: set[str]) -> None:
    """That all tasks are done but those that failed, and what needs them."""
    open_rows = [row for row in status(out).rows if row.state != "done"]
    assert {fault for fault in guilty if any(fault in row.label for row in open_rows)} == guilty
    assert all(any(fault in row.label for fault in guilty) for row in open_rows)


# -- engines, by the command line, on workers of their own ----------------------------------

ENGINES = ["none", "holds", "shouts", "raises", "cannot_leave", "cannot_arrive", "leaves"]
ENGINES += ["interrupts", "ends", "eats", "not_a_number", "misshapen"]
HEALTHY = {"none", "holds", "shouts", "stumbles", "faints"}


@pytest.fixture(scope="module")
def engines(site: Site, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str]]:
    """The run of all engines that misbehave; its recipe; what the command said each time."""
    folder = tmp_path_factory.mktemp("engines")
    made = scanned("engine", ENGINES, cluster={"use": "local", "workers": 2, "memory_limit_GB": 1})
    source, out = write_recipe(folder, made), folder / "run"
    for path in site.words.iterdir():
        path.unlink()
    gil_s = "120" if LONG else "3"
    with child(site, source, out, IONFLOW_FAULTS_GIL_S=gil_s) as run:
        assert run.wait() == 1, run.text()
        said = [run.text()]
    with child(site, source, out) as run:
        assert run.wait() == 1, run.text()
        said.append(run.text())
    return out, source, said


def test_only_engines_that_misbehave_fail(engines):
    found = failures(engines[0])
    guilty = {fault for fault in ENGINES if fault not in HEALTHY}
    assert {label.split()[0] for label in found} == guilty
    assert all(label.endswith(" production") for label in found)
    check_siblings(engines[0], guilty)


@pytest.mark.parametrize("fault", [f for f in ENGINES if f not in HEALTHY])
def test_the_record_of_an_engine_tells_what_it_did(engines, fault):
    (record,) = [r for label, r in failures(engines[0]).items() if label.startswith(f"{fault} ")]
    check_record(record, fault)
    assert record["committed_steps"] == 10


def test_memory_is_named_where_it_was_the_cause(engines):
    (record,) = [r for label, r in failures(engines[0]).items() if label.startswith("eats ")]
    assert "memory" in record["reason"]
    assert record["worker"]["memory_limit_GB"] == 1


def test_the_report_and_the_command_tell_every_failure(engines):
    out, _, said = engines
    page = (out / "report" / "index.html").read_text()
    for label, record in failures(out).items():
        assert html.escape(record["reason"].splitlines()[0]) in page
        assert f"FAILED  {label.rsplit(' ', 1)[0]}" in said[0]
    assert "a worker warns: UserWarning: this plugin is talkative" in said[0]
    assert "xxxx" not in said[0]
    assert "resource_tracker" not in said[0]  # of the semaphores of workers that died


def test_what_failed_is_not_tried_again_unasked(engines):
    assert "--retry-failed" in engines[2][1]
    assert "once more" not in engines[2][1]


@LONG_ONLY
def test_cured_and_asked_for_all_is_as_if_it_had_been_healthy(engines, site, run, tmp_path):
    out, source, _ = engines
    (site.words / "cured").touch()
    with child(site, source, out, "--retry-failed") as again:
        assert again.wait() == 0, again.text()
    healthy = scanned("engine", ENGINES)
    run(healthy, tmp_path / "healthy")
    assert not differing(out, tmp_path / "healthy")
    assert not Store.open(out).failures()
    assert not Store.open(out).verify(deep=True)


# -- other kinds of plugins, on the tests' own cluster --------------------------------------


@LONG_ONLY
def test_structures_that_fail_are_told_and_the_others_go_on(run, words, tmp_path):
    faults = ["none", "raises", "cannot_leave", "misshapen", "not_a_number"]
    faults += ["ends", "eats", "leaves"]
    made = scanned("structure", faults, engine={"use": "ase", "timestep_fs": 2.0})
    made["structure"] = {**made["structure"], "use": "moody_glass"}
    run(made, tmp_path / "run")
    found = failures(tmp_path / "run")
    assert {label.split()[0] for label in found} == set(faults) - {"none"}
    assert not any("none" in label for label in found)
    for label, record in found.items():
        fault = label.split()[0]
        if fault != "not_a_number":
            check_record(record, fault, prints=False)
    check_siblings(tmp_path / "run", set(faults) - {"none"})


@LONG_ONLY
def test_potentials_that_fail_are_told_and_the_others_go_on(run, words, tmp_path):
    faults = ["none", "raises", "not_a_number", "misshapen", "hangs"]
    faults += ["ends", "eats", "cannot_arrive"]
    made = scanned("potential", faults, engine={"use": "ase", "timestep_fs": 2.0})
    made["potential"] = {"use": "moody_ions"}
    made["on"] = {"hang_limit_min": 0.1}
    run(made, tmp_path / "run")
    found = failures(tmp_path / "run")
    assert {label.split()[0] for label in found} == set(faults) - {"none"}
    for label, record in found.items():
        check_record(record, label.split()[0], prints=False)
    (words / "cured").touch()
    run(made, tmp_path / "run", retry_failed=True)
    assert not failures(tmp_path / "run")
    run(made, tmp_path / "healthy")
    assert not differing(tmp_path / "run", tmp_path / "healthy")


def test_an_analyser_that_kills_its_worker_fails_alone(run, words, tmp_path):
    wrong = ["raises", "ends", "misshapen", "leaves"]
    wrong += ["cannot_leave", "cannot_arrive", "eats", "interrupts"] if LONG else []
    analyses = ["msd", "rdf", "reach", *(f"reach_{fault}" for fault in wrong)]
    made = recipe(4, (1200,), analyses=analyses)
    result = run(made, tmp_path / "run")
    found = failures(tmp_path / "run")
    assert {label.split()[-1] for label in found} == {f"reach_{fault}" for fault in wrong}
    for label, record in found.items():
        check_record(record, label.split("reach_")[1], prints=False)
    assert {"msd", "rdf", "reach"} <= set(result.results)


def test_of_a_batch_only_the_trajectory_that_kills_its_worker_fails(run, words, tmp_path):
    made = recipe(4, (1200, 1500, 1350), analyses=["msd"])
    made["engine"] |= {"fault": "hot", "batch_size": 3}
    made["protocol"]["production"].pop("max_temperature_K")
    run(made, tmp_path / "run")
    assert {label.split()[0] for label in failures(tmp_path / "run")} == {"1500K"}
    check_siblings(tmp_path / "run", {"1500K"})


def test_an_engine_that_cannot_say_how_many_it_takes_takes_one_at_a_time(run, words, tmp_path):
    faults = ["batch_raises", "batch_ends", "batch_misshapen"]
    faults += ["batch_cannot_leave", "batch_eats", "batch_hangs"] if LONG else []
    made = scanned("engine", faults, on={"hang_limit_min": 0.1})
    console = Console(record=True, width=300, file=io.StringIO())
    run(made, tmp_path / "run", console=console)
    assert not failures(tmp_path / "run")
    said = console.export_text()
    assert "'moody': batch() failed with ValueError: it would not do it" in said
    assert "engine moody does not say how many systems one call takes: one at a time" in said
    assert "batch() gave 'many', not a number of systems from 1 on" in said
    (words / "cured").touch()
    run(made, tmp_path / "healthy")
    assert not differing(tmp_path / "run", tmp_path / "healthy")


@pytest.mark.parametrize("fault", ["stumbles", "faints"] if LONG else ["stumbles"])
def test_progress_resets_the_count_of_attempts(run, words, tmp_path, fault):
    made = recipe(4, (1200,), analyses=["msd"])
    made["engine"] |= {"fault": fault}
    run(made, tmp_path / "run")
    assert len(list(words.glob(f"{fault}-*"))) == 3
    assert not failures(tmp_path / "run")
    run(made, tmp_path / "again")
    assert not differing(tmp_path / "run", tmp_path / "again")


@LONG_ONLY
def test_what_a_run_can_do_without_is_done_without(run, words, tmp_path):
    """An analysis over the scan takes the trajectories that there are."""
    made = recipe(6, (900, 1200, 1350, 1500), analyses=["msd", "diffusion"])
    made["engine"] |= {"fault": "hot"}
    made["protocol"]["production"].pop("max_temperature_K")
    run(made, tmp_path / "run")
    opened = ionflow.open(tmp_path / "run")
    assert {f["label"].split()[0] for f in opened.failures.values()} == {"1500K"}
    assert (
        1500
        not in opened.results["diffusion"]["diffusion_coefficient"].dropna(
            "temperature_K", how="all"
        )["temperature_K"]
    )

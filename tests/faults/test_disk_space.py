"""Disks that are full, too small, read-only, or of file systems that lack something."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from disk_faults import PATHS
from disk_run import data_of, run, smallest

import ionflow
from ionflow import driver, space
from ionflow.cli import app
from ionflow.errors import OutOfSpaceError, StoreError
from ionflow.store import Store

ELSEWHERE = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join(map(str, PATHS)),
}
NAMESPACE = ("unshare", "--map-root-user", "--mount")


def has_namespaces() -> bool:
    """Whether this user may mount something where nobody else sees it."""
    if not shutil.which("unshare"):
        return False
    probe = [*NAMESPACE, "sh", "-c", "mount -t tmpfs -o size=1m none /tmp"]
    return not subprocess.run(probe, capture_output=True, check=False).returncode


mounting = pytest.mark.skipif(
    not has_namespaces(), reason="this user may not mount file systems in a namespace"
)


def on_mounts(what: str, folder: Path) -> dict:
    """What disk_mounts.py finds."""
    program = str(Path(__file__).with_name("disk_mounts.py"))
    command = [*NAMESPACE, sys.executable, program, what, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ELSEWHERE) as program:
        return json.loads(program.communicate(timeout=250)[0])


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The undisturbed run."""
    out = tmp_path_factory.mktemp("truth") / "run"
    run(out)
    return out


@mounting
def test_a_disk_that_fills_up_stops_the_run_which_goes_on_when_there_is_room(tmp_path):
    found = on_mounts("full", tmp_path / "f")
    assert found["stopped"].startswith("OutOfSpaceError")
    assert "free some space" in found["stopped"]
    assert found["failures"] == []
    assert len(found["committed"]) == 1
    assert found["verified"] == found["verified again"] == []
    for name in ("refused", "too small", "fresh"):
        assert found[name].startswith("OutOfSpaceError"), name
    assert "the rest of this run takes about" in found["too small"]
    assert "kB are free" in found["too small"]
    assert "0.01 of 0.02 ps done" in found["text"], "it goes on where it stopped"
    assert found["identical"]


@mounting
def test_a_read_only_run_is_read_whole_and_not_run(tmp_path):
    found = on_mounts("readonly", tmp_path / "r")
    assert found["same"]
    assert found["verified"] == []
    for name in ("finished", "begun", "new", "report"):
        assert found[name].startswith("StoreError"), name
        assert found[name].count("read-only") == 1, name


def test_room_is_compared_with_the_plan_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(space, "free_bytes", lambda _: 100_000)
    with pytest.raises(OutOfSpaceError, match=r"takes about \d+ kB, but 100 kB are free"):
        run(tmp_path / "run")
    assert not (tmp_path / "run" / "structures").exists()
    assert not Store(tmp_path / "run").failures()
    assert Store(tmp_path / "run").holder() is None
    monkeypatch.undo()
    run(tmp_path / "run")


@pytest.fixture
def no_large_files() -> Iterator[None]:
    """As after `ulimit -f`."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_limit_on_file_sizes_is_named(tmp_path, truth, request):
    recipe = smallest(analyses=["msd", {"use": "soundness", "off": True}])
    request.getfixturevalue("no_large_files")
    try:
        with pytest.raises(StoreError, match="ulimit -f"):
            run(tmp_path / "run", recipe)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    run(tmp_path / "run", recipe, retry_failed=True)
    assert data_of(tmp_path / "run") == data_of(truth)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK])
def test_a_file_system_without_hard_links_is_told_at_once(tmp_path, monkeypatch, number):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StoreError, match=r"no hard links.*--out"):
        run(tmp_path / "run")
    assert not (tmp_path / "run" / "structures").exists()


# -- what the driver itself writes ----------------------------------------------------------


def full(*_: object, **__: object) -> None:
    """A disk without room."""
    raise OutOfSpaceError("cannot write: No space left on device", hint="free some space")


def test_a_journal_that_cannot_be_kept_stops_the_run_and_loses_nothing(
    tmp_path, truth, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(driver.Journal, "keep", full)
        with pytest.raises(OutOfSpaceError, match="free some space"):
            run(tmp_path / "run")
    assert Store(tmp_path / "run").trajectories() or Store(tmp_path / "run").verify() == []
    assert not Store(tmp_path / "run").failures()
    run(tmp_path / "run")
    assert data_of(tmp_path / "run") == data_of(truth)


def test_a_last_word_that_cannot_be_written_is_made_up_for(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(driver.Journal, "end", full)
        with pytest.raises(OutOfSpaceError, match="free some space"):
            run(tmp_path / "run")
    assert not Store(tmp_path / "run").read_json("run.json")["finished"]
    run(tmp_path / "run")
    assert Store(tmp_path / "run").read_json("run.json")["finished"]


def test_a_mark_that_cannot_be_removed_is_one_clear_error(tmp_path, truth, monkeypatch):
    unlink = Path.unlink

    def refuse(path: Path, **how: bool) -> None:
        if path.name.startswith("begun-"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        unlink(path, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(StoreError, match=r"begun-\w+: cannot write: Input/output error"):
            run(tmp_path / "run")
    run(tmp_path / "run")
    assert data_of(tmp_path / "run") == data_of(truth)


def test_a_failure_that_cannot_be_written_is_an_error_not_a_success(tmp_path, monkeypatch):
    hot = smallest()
    hot["protocol"]["production"]["max_temperature_K"] = 1  # fails at once
    with monkeypatch.context() as patch:
        patch.setattr(Store, "record_failure", full)
        with pytest.raises(OutOfSpaceError, match="free some space"):
            run(tmp_path / "run", hot)
    assert not Store(tmp_path / "run").failures()
    run(tmp_path / "run", hot)
    assert len(Store(tmp_path / "run").failures()) == 1


def test_a_report_that_cannot_be_written_leaves_all_results(tmp_path, truth, monkeypatch):
    out, write_texts = tmp_path / "run", Store.write_texts

    def refuse(store: Store, texts: dict[str, str], below: str = "") -> None:
        if below == "report":
            full()
        write_texts(store, texts, below)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write_texts", refuse)
        with pytest.raises(OutOfSpaceError, match="free some space"):
            run(out)
    assert not (out / "report").exists()
    assert data_of(out) == data_of(truth)
    assert set(ionflow.open(out).results) == {"msd"}
    assert "report:" in run(out)
    assert (out / "report" / "index.html").is_file()


def test_the_command_line_says_it_in_one_line(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    monkeypatch.setattr(space, "free_bytes", lambda _: 1000)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps(smallest()))
    result = CliRunner().invoke(app, ["run", str(recipe), "--out", str(tmp_path / "run")])
    assert result.exit_code == 1
    (line,) = [text for text in result.output.splitlines() if text.startswith("ionflow:")]
    assert "1 kB are free" in line
    assert "Traceback" not in result.output

"""What is damaged is set aside, just that is computed again, and the run ends as undisturbed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from disk_repair import spoil
from disk_run import data_of, run, smallest
from typer.testing import CliRunner

from ionflow.cli import app
from ionflow.errors import StoreError
from ionflow.store import Store

SEGMENTS = 4

Damage = Callable[[Path], None]


def longer() -> dict:
    """The smallest run, with twice the segments."""
    recipe = smallest()
    recipe["protocol"]["production"]["duration_ps"] = 0.01 * SEGMENTS
    return recipe


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The undisturbed run."""
    out = tmp_path_factory.mktemp("finished") / "run"
    run(out, longer())
    return out


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with three live segments."""
    out = tmp_path_factory.mktemp("begun") / "run"
    run(out, longer(), segments=3)
    return out


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[Path], Path]:
    """Copies a run folder."""
    return lambda root: Path(shutil.copytree(root, tmp_path / "run", symlinks=True))


def one(root: Path, pattern: str) -> Path:
    """The only file of a run folder that fits."""
    (path,) = root.glob(pattern)
    return path


def segment(root: Path, index: int) -> Path:
    """A live segment."""
    return one(root, f"trajectories/*/segments/{index:06d}.zarr.zip")


def empty(path: Path) -> None:
    """As after a power cut on a file system that forgot the data."""
    path.write_bytes(bytes(path.stat().st_size))


def cut(path: Path) -> None:
    """Truncate."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def made(text: str) -> int:
    """Segments that a run says it made."""
    return len(re.findall(r" of 0\.04 ps  ", text))


def ends_as(root: Path, truth: Path, without: str = "") -> bool:
    """Whether a run is whole and has the data of the undisturbed one, but for one file."""
    assert Store(root).verify(deep=True) == []
    assert not Store(root).failures()
    kept = {name: sha for name, sha in data_of(truth).items() if name != without}
    return data_of(root) == kept


# -- what the next run does by itself -------------------------------------------------------


@pytest.mark.parametrize("damage", [spoil, empty, cut])
def test_the_state_before_a_damaged_newest_one_is_used(begun, finished, copy, damage: Damage):
    root = copy(begun)
    newest = segment(root, 2)
    damage(newest)
    text = run(root, longer())
    (warning,) = [line for line in text.splitlines() if "WARNING" in line]
    assert str(newest) in warning
    assert made(text) == SEGMENTS - 2
    assert ends_as(root, finished)


def test_two_damaged_states_are_refused_until_repaired(begun, finished, copy):
    root = copy(begun)
    spoil(segment(root, 1))
    cut(segment(root, 2))
    before = {path: path.read_bytes() for path in root.glob("trajectories/*/segments/*")}
    with pytest.raises(StoreError, match="last two states are damaged") as error:
        run(root, longer())
    for path in (segment(root, 1), segment(root, 2)):
        assert str(path) in str(error.value)
    assert before == {path: path.read_bytes() for path in root.glob("trajectories/*/segments/*")}
    repaired(root)
    text = run(root, longer())
    assert made(text) == SEGMENTS - 1
    assert ends_as(root, finished)


def test_a_damaged_only_segment_is_told(finished, tmp_path):
    root = tmp_path / "run"
    run(root, longer(), segments=1)
    spoil(segment(root, 0))
    text = run(root, longer())
    assert "WARNING" in text
    assert "starts again from its beginning" in text
    assert ends_as(root, finished)


def test_the_last_sealed_state_takes_over_from_a_damaged_segment(finished, copy, tmp_path):
    root, recipe = copy(finished), longer()
    recipe["protocol"]["production"]["duration_ps"] = 0.06
    run(root, recipe, segments=1)
    spoil(segment(root, SEGMENTS))
    text = run(root, recipe)
    assert "WARNING" in text
    run(tmp_path / "straight", recipe)
    trajectories = ("trajectories", "structures")
    ours, theirs = data_of(root), data_of(tmp_path / "straight")
    for name, digest in theirs.items():
        assert ours[name] == digest or not name.startswith(trajectories), name


# -- what `verify --repair` does ------------------------------------------------------------


def repaired(root: Path) -> str:
    """What `ionflow verify --deep --repair` says."""
    result = CliRunner().invoke(app, ["verify", str(root), "--deep", "--repair"])
    assert "Traceback" not in result.output, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert list(root.glob("quarantine/*/*")), result.output
    left = [problem.message for problem in Store(root).verify(deep=True)]
    assert all(re.search("missing|reaches step", message) for message in left), left
    return result.output


#: A file that is spoiled, and how many segments are then computed after `verify --repair`.
IN_BEGUN = {
    "first segment": ("trajectories/*/segments/000000.zarr.zip", 2),
    "middle segment": ("trajectories/*/segments/000001.zarr.zip", 2),
    "structure": ("structures/*", 1),
    "run.json": ("run.json", 1),
    "recipe.yaml": ("recipe.yaml", 1),
}

IN_FINISHED = {
    "shard": ("trajectories/*/trajectory.zarr/positions/c/0/0/0", SEGMENTS),
    "metadata of the trajectory": ("trajectories/*/trajectory.zarr/zarr.json", 0),
    "list of what is sealed": ("trajectories/*/sealed.json", 0),
    "last state": ("trajectories/*/states/20.zarr.zip", 1),
    "chunk of a result": ("analyses/*.zarr/msd/c/0/0", 0),
    "list of a result": ("analyses/*.json", 0),
    "structure": ("structures/*", 0),
    "run.json": ("run.json", 0),
    "recipe.yaml": ("recipe.yaml", 0),
    "report": ("report/index.html", 0),
}


@pytest.mark.parametrize("name", IN_BEGUN)
def test_repair_of_a_run_that_goes_on(begun, finished, copy, name: str):
    root = copy(begun)
    pattern, computed = IN_BEGUN[name]
    assert made(_repair_and_go_on(root, pattern)) == computed
    assert ends_as(root, finished)


@pytest.mark.parametrize("name", IN_FINISHED)
def test_repair_of_a_finished_run(finished, copy, name: str):
    root = copy(finished)
    pattern, computed = IN_FINISHED[name]
    assert made(_repair_and_go_on(root, pattern)) == computed
    assert ends_as(root, finished)


@pytest.mark.parametrize("left", ["nothing", "trajectory.zarr"])
def test_repair_where_the_list_of_what_was_sealed_is_gone_twice(finished, copy, left: str):
    root = copy(finished)
    for name in ("sealed.json", "sealed.copy.json"):
        one(root, f"trajectories/*/{name}").unlink()
    if left == "nothing":
        shutil.rmtree(one(root, "trajectories/*/trajectory.zarr"))
    else:
        repaired(root)
    assert made(run(root, longer())) == SEGMENTS
    assert ends_as(root, finished)


def test_a_state_that_nothing_continues_from_is_done_without(finished, copy):
    root = copy(finished)
    lost = one(root, "trajectories/*/states/10.zarr.zip").relative_to(root).as_posix()
    assert made(_repair_and_go_on(root, lost)) == 0
    assert ends_as(root, finished, without=lost)


def _repair_and_go_on(root: Path, pattern: str) -> str:
    path = one(root, pattern)
    spoil(path)
    named = CliRunner().invoke(app, ["verify", str(root), "--deep"])
    assert named.exit_code == 1
    assert str(path) in named.output
    repaired(root)
    return run(root, longer())

"""The n-th write, link, rename or fsync fails: the run goes on, or says so and goes on later."""

from __future__ import annotations

from pathlib import Path

import pytest
from disk_faults import DEAD, FULL, ONCE, READ_ONLY, refuse
from disk_repair import BEFORE, REPAIRS
from preloads import compiler, library

from long_form import LONG, LONG_ONLY

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C compiler to count calls with")


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What counts and refuses calls."""
    return library("disk_calls", tmp_path_factory.mktemp("calls"))


def test_any_single_call_of_the_store_may_fail(calls: Path, tmp_path: Path) -> None:
    found = refuse(calls, tmp_path, "files", ONCE, stride=1 if LONG else 4)
    assert found.tried > (60 if LONG else 15)
    assert {"write", "fsync", "link", "rename", "create"} <= set(found.hits)
    assert found.faults == []


@pytest.mark.parametrize(
    ("fault", "first"),
    [
        (DEAD, 40),
        pytest.param(FULL, 20, marks=LONG_ONLY),
        pytest.param(READ_ONLY, 60, marks=LONG_ONLY),
    ],
)
def test_a_disk_that_stays_bad_while_folders_are_written(
    calls: Path, tmp_path: Path, fault, first
) -> None:
    found = refuse(calls, tmp_path, "folders", fault, first=first, stride=60)
    assert found.tried >= 3
    assert found.faults == []
    assert "well" not in found.ends


@LONG_ONLY
def test_some_calls_of_a_whole_run_may_fail(calls: Path, tmp_path: Path) -> None:
    found = refuse(calls, tmp_path, "run", ONCE, first=11, stride=95)
    assert found.tried >= 5
    assert found.faults == []
    assert found.ends["well"] >= 3, "what can be tried again is tried again"


def test_a_full_disk_stops_a_whole_run_and_nothing_counts_as_failed(
    calls: Path, tmp_path: Path
) -> None:
    found = refuse(calls, tmp_path, "run", FULL, first=35, stride=140)
    assert found.tried >= 3
    assert found.faults == []
    assert set(found.ends) == {"out of space"}
    assert found.recorded == 0


@pytest.mark.parametrize(
    "what",
    [
        "repair of a last state",
        *(pytest.param(w, marks=LONG_ONLY) for w in REPAIRS if w != "repair of a last state"),
    ],
)
def test_a_repair_that_is_cut_off_is_made_up_for(calls: Path, tmp_path: Path, what: str) -> None:
    found = refuse(calls, tmp_path, what, DEAD, first=1, stride=2 if LONG else 6)
    assert found.tried >= (15 if LONG else 6)
    assert found.faults == []


@LONG_ONLY
@pytest.mark.parametrize("what", BEFORE)
def test_a_run_that_goes_on_may_be_cut_off(calls: Path, tmp_path: Path, what: str) -> None:
    found = refuse(calls, tmp_path, what, DEAD, first=5, stride=60)
    assert found.tried >= 8
    assert found.faults == []

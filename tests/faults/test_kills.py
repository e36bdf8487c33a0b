"""kill -9 of workers, drivers and schedulers; `make faults` does the same by the hundred."""

from __future__ import annotations

import pytest
from campaigns import ALONE, WHOLE, cluster, kill_drivers, kill_schedulers, kill_workers
from harness import Book, child, examine, paced, recipe, write_recipe

from long_form import LONG_ONLY

pytestmark = pytest.mark.timeout(900)


def test_workers_killed_at_random_leave_no_trace(ground):
    tally = kill_workers(ground, 6)
    assert tally.kills == 6
    assert tally.is_clean(), tally.details


@LONG_ONLY
def test_a_driver_killed_with_its_workers_leaves_no_trace(ground):
    tally = kill_drivers(ground, 2, WHOLE)
    assert tally.is_clean(), tally.details


@LONG_ONLY
def test_a_driver_killed_alone_and_run_again_at_once_leaves_no_trace(ground):
    tally = kill_drivers(ground, 1, ALONE)
    assert tally.is_clean(), tally.details


def test_a_scheduler_killed_and_started_again_leaves_no_trace(ground, site, tmp_path):
    with cluster(site, tmp_path) as made:
        where = {"use": "address", "address": made.address}
        ground.source = write_recipe(tmp_path, {**paced(recipe(), 0.05), "cluster": where})
        tally = kill_schedulers(ground, made, 1)
    assert tally.kills == 1
    assert tally.is_clean(), tally.details


@LONG_ONLY
def test_a_scheduler_that_stays_away_ends_the_run_and_the_same_command_goes_on(
    ground, site, reference, tmp_path
):
    out = tmp_path / "run"
    book = Book(out)
    with cluster(site, tmp_path) as made:
        where = {"use": "address", "address": made.address}
        source = write_recipe(tmp_path, {**paced(recipe(), 0.05), "cluster": where})
        with child(site, source, out, IONFLOW_FAULTS_PATIENCE="5s") as run:
            book.wait(book.look() + 1, run)
            made.kill_scheduler()
            assert run.wait() == 130, run.text()
        assert "ionflow: the Dask scheduler is gone" in run.text()
        assert "Traceback" not in run.text()
        made.start_scheduler()
        with child(site, source, out) as run:
            assert run.wait() == 0, run.text()
    assert not (found := examine(out, reference, book)), found

"""kill -9 of workers, drivers and schedulers; `make faults` does the same by the hundred."""

from __future__ import annotations

import pytest
from campaigns import ALONE, WHOLE, cluster, kill_drivers, kill_schedulers, kill_workers
from harness import paced, recipe, write_recipe

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

"""What `ionflow doctor` says before its benchmark, and the benchmark's parts."""

from __future__ import annotations

from itertools import islice

import ionflow
from ionflow.doctor import _evaluations, _glass, examine, layouts
from ionflow.kinds import Potential


def test_machine_versions_and_backend_come_first():
    machine, versions, backend = islice(examine(ionflow.plugins()), 3)
    assert "cores" in machine
    assert "torch" in versions
    assert backend.startswith("backend   chgnet: ")


def test_layouts_use_every_core():
    assert layouts(1) == [(1, 1)]
    assert all(workers * threads <= 6 for workers, threads in layouts(6))
    assert layouts(6)[0] == (6, 1)
    assert layouts(6)[-1] == (1, 6)


def test_every_timed_evaluation_is_of_moved_atoms():
    rigid: Potential = ionflow.plugins()["rigid_ion"]()
    times = list(_evaluations(rigid, _glass(ionflow.plugins()), 0.05))
    assert times
    assert min(times) > 1e-5  # a calculator that answers from its cache takes less

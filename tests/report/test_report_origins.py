"""What the report says of where its numbers come from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ionflow.report.origins import told


def lines(record: dict[str, Any], *metas: dict[str, Any]) -> dict[str, str]:
    """What is told of a run whose trajectories end with these records."""
    rows = [SimpleNamespace(key=str(n), label="", case="") for n in range(len(metas))]
    segments = {row.key: [SimpleNamespace(meta=m)] for row, m in zip(rows, metas, strict=True)}
    store = SimpleNamespace(segments=segments.__getitem__)
    run: Any = SimpleNamespace(provenance=record, stages=rows, store=store)
    data: Any = SimpleNamespace(run=run, troubles=[])
    return dict(told(data))


def meta(**more: Any) -> dict[str, Any]:
    return {"host": "box", "cpu": "A CPU", "threads": 1, "reproducibility": "bitwise", **more}


def test_invocations_are_counted_by_their_ends():
    ends = ["killed", "killed", "finished"]
    found = lines({"invocations": [{"how": how} for how in ends] + [{"epoch": 4}]})
    assert found["Invocations"] == "2 killed, 1 finished, 1 without an end written"


def test_hosts_are_told_with_what_computed_there():
    gpu = meta(host="node7", gpu="H100", threads=8)
    assert lines({}, meta(), meta(), gpu)["Computed on"] == (
        "box, A CPU (2); node7, H100, 8 threads (1)"
    )


@pytest.mark.parametrize("worst", [meta(), meta(reproducibility="statistical", why=["two CPUs"])])
def test_the_run_is_no_more_reproducible_than_its_worst_trajectory(worst):
    found = lines({"reproducibility": "bitwise"}, meta(), worst)["Reproducibility"]
    assert found.startswith(worst["reproducibility"])
    assert ("two CPUs" in found) == ("why" in worst)


def test_recipe_and_commits_are_told():
    record = {
        "name": "scan", "overrides": ["seed=2"], "git": {"ionflow": {"commit": "ab" * 20}},
        "source": {"file": "scan.yaml", "commit": "cd" * 20, "dirty": True},
    }  # fmt: skip
    found = lines(record)
    assert found["Recipe"] == "scan, from scan.yaml, cdcdcdcdcdcd with changes, with seed=2"
    assert found["Commit"] == "ionflow abababababab"


def test_a_run_without_records_says_what_it_knows():
    assert lines({"reproducibility": "statistical", "seed": 0}) == {
        "Seed": "0",
        "Reproducibility": "statistical: another run agrees within its errors, not bit for bit",
    }

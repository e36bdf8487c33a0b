"""Intervals hold the exact value as often as they say; `make coverage` is the long form."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from coverage import CASES, coverage

TRAJECTORIES = 300
FRAMES = 400


@pytest.mark.parametrize("case", CASES)
def test_intervals_cover(case: str) -> None:
    found = coverage(case, FRAMES, range(TRAJECTORIES))
    quantities = {"D", "sigma", "t Li", "t Al", "t Cl", "H alkali", "H total"}
    assert set(found) == quantities
    failed = {
        name: c
        for name, c in found.items()
        if not (0.60 <= c.in68 <= 0.76 and 0.90 <= c.in95 <= 0.98 and c.known >= 0.95)
    }
    assert not failed

"""The one way in which a check fails."""

from __future__ import annotations

from typing import Any

import numpy as np


def require(kept: bool, broken: str, fix: str) -> None:
    """Raise an AssertionError with the broken contract and its remedy unless it is kept."""
    if not kept:
        raise AssertionError(f"{broken.rstrip('.')}. {fix.rstrip('.')}.")


def require_close(found: Any, expected: Any, tolerance: float, broken: str, fix: str) -> None:
    """Require that two arrays differ by no more than `tolerance` anywhere, and say by how much."""
    a, b = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    require(a.shape == b.shape, f"{broken}: shapes {a.shape} and {b.shape}", fix)
    difference = float(np.max(np.abs(a - b), initial=0.0))
    # a NaN is never within a tolerance
    require(difference <= tolerance, f"{broken}: {difference:.3g} > {tolerance:.3g}", fix)

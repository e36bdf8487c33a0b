"""The long form of the tests of faults, `make faults`, and what only it does."""

from __future__ import annotations

import os

import pytest

LONG = os.environ.get("IONFLOW_FAULTS") == "long"
LONG_ONLY = pytest.mark.skipif(not LONG, reason="long; IONFLOW_FAULTS=long")

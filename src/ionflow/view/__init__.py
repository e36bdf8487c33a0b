"""A whole run as labelled data: `ionflow.open(path)`.

Everything is lazy: opening a run reads one small file, and naming a result or a trajectory opens
it without loading its arrays.
"""

from __future__ import annotations

from pathlib import Path

from ionflow.join import join
from ionflow.view.results import Results
from ionflow.view.row import Row
from ionflow.view.run import Run

__all__ = ["Results", "Row", "Run", "join", "open"]


def open(path: str | Path) -> Run:
    """Open a run folder for reading.

    Raises
    ------
    StoreError
        If the folder holds no run.
    """
    return Run(path)

"""Workers that start in a moment: forked from a process that has imported everything.

ionflow starts its workers from scratch, some seconds each; a suite that kills hundreds cannot.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context

import dask
import distributed.utils

MODULES = (
    "distributed", "distributed.worker", "distributed.nanny", "ionflow.preload", "ionflow.steps",
    "ionflow.attempt", "ionflow.store", "ionflow.builtin", "ionflow.builtin.engines.ase",
    "ionflow.builtin.potentials.rigid_ion_field", "torch", "zarr", "xarray", "dask.array",
    "misbehaving",
)  # fmt: skip


@contextmanager
def forked_workers() -> Iterator[None]:
    """Dask forks its workers, unless IONFLOW_FAULTS_START says `spawn`."""
    if os.environ.get("IONFLOW_FAULTS_START", "fork") != "fork":
        yield
        return
    get_context("forkserver").set_forkserver_preload(list(MODULES))
    distributed.utils._forkserver_preload_set = True  # or it would set its own
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        yield


def main() -> None:
    """The command line of ionflow, with such workers."""
    import ionflow.cluster
    from ionflow.cli import main as command_line

    ionflow.cluster.PATIENCE = os.environ.get("IONFLOW_FAULTS_PATIENCE", ionflow.cluster.PATIENCE)
    with forked_workers():
        command_line()

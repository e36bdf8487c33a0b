"""From a recipe's `cluster` to a Dask client."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, Final

import dask
from distributed import Client, Security, get_worker, worker_client
from distributed import LocalCluster as DaskLocalCluster

from ionflow.errors import IonflowError
from ionflow.machine import cores
from ionflow.preload import LOGS
from ionflow.recipe import AddressCluster, LocalCluster
from ionflow.steady import keep_time

#: How long a scheduler may take to answer.
PATIENCE: Final = "30s"

#: One thread a worker, for every library that would start its own.
_ONE_THREAD: Final[Mapping[str, str]] = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)

#: They are freed at the end; a death that matters is told by the driver, with its cause.
_DEAD_SEMAPHORES: Final = "ignore:resource_tracker:UserWarning"

_CONFIG: Final[Mapping[str, Any]] = {
    # a worker's death is judged by the driver, from what is on disk, not by the scheduler
    "distributed.scheduler.allowed-failures": 0,
    # a restarting worker is not a lost one: distributed would otherwise close it and hang
    "distributed.deploy.lost-worker-timeout": "7 days",
    # one segment of a large system may hold the interpreter for minutes
    "distributed.scheduler.worker-ttl": "60 minutes",
    "distributed.worker.preload": ["ionflow.preload"],
    "distributed.nanny.pre-spawn-environ": dict(_ONE_THREAD),
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.comm.timeouts.connect": "60s",
}


@contextmanager
def connect(spec: LocalCluster | AddressCluster, logs: Path | None = None) -> Iterator[Client]:
    """A client of the cluster that a recipe names, closed on leaving.

    Parameters
    ----------
    logs : folder in which local workers write what they print; on their own terminal if None

    Raises
    ------
    IonflowError
        If a scheduler's address does not answer.
    """
    keep_time()
    with dask.config.set(_CONFIG):
        if isinstance(spec, AddressCluster):
            yield from _join(spec)
        else:
            yield from _local(spec, logs)


def worker_count(client: Client) -> int:
    """Tasks that the cluster runs at once; 0 while no worker is connected."""
    threads: dict[str, int] = client.nthreads()
    return sum(threads.values())


def dashboard(client: Client) -> str:
    """The dashboard's address, or "" if there is none."""
    return str(client.dashboard_link or "")


def _start_tracker() -> None:
    """Start Python's tracker of semaphores, told not to warn of those of workers that died."""
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (before, _DEAD_SEMAPHORES)))
    try:
        resource_tracker.ensure_running()
    finally:
        del os.environ["PYTHONWARNINGS"]
        os.environ.update({"PYTHONWARNINGS": before} if before is not None else {})


def _local(spec: LocalCluster, logs: Path | None) -> Iterator[Client]:
    _start_tracker()
    memory = f"{spec.memory_limit_GB}GB" if spec.memory_limit_GB else "auto"
    cluster = DaskLocalCluster(
        n_workers=spec.workers or cores(),
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0" if spec.dashboard else None,
        memory_limit=memory,
        env={LOGS: str(logs)} if logs else {},
        silence_logs=50,  # deaths of workers are reported by the driver, once, with their cause
    )
    with cluster, Client(cluster) as client:
        yield client


def _join(spec: AddressCluster) -> Iterator[Client]:
    try:
        client = Client(spec.address, timeout=PATIENCE, security=_security(spec))
    except (OSError, TimeoutError) as error:
        raise IonflowError(
            f"no Dask scheduler answers at {spec.address} ({error})",
            where="cluster.address",
            hint="start one with `dask scheduler`, or use cluster: {use: local}",
        ) from error
    with client:
        yield client


def _security(spec: AddressCluster) -> Security | None:
    """The certificates of a recipe; None leaves them to Dask's own configuration."""
    files = (spec.tls_ca_file, spec.tls_cert, spec.tls_key)
    if not spec.address.startswith("tls://") or None in files:
        return None
    authority, certificate, key = (str(Path(str(file)).expanduser()) for file in files)
    return Security(
        tls_ca_file=authority,
        tls_client_cert=certificate,
        tls_client_key=key,
        require_encryption=True,
    )


def this_worker() -> dict[str, str]:
    """Address and name of the worker that this runs on; nothing elsewhere."""
    try:
        worker = get_worker()
    except ValueError:
        return {}
    return {"worker": str(worker.address), "name": str(worker.name)}


@contextmanager
def in_this_thread() -> Iterator[None]:
    """Dask computes here: a worker that asks its own cluster for help would wait for itself."""
    with dask.config.set(scheduler="synchronous"):
        yield


@contextmanager
def spread_over_workers() -> Iterator[Any]:
    """A scheduler for Dask that uses all workers of the cluster that this task runs on.

    The task steps aside meanwhile, so that its worker takes its share. Elsewhere than on a worker
    it is this thread.
    """
    try:
        get_worker()
    except ValueError:
        yield "synchronous"
        return
    with worker_client() as client:
        yield client.get

"""What `ionflow doctor` says: what is here, how fast CHGNet runs, how to share out the cores."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier
from typing import TYPE_CHECKING, Any

import numpy as np

from ionflow import machine
from ionflow.kinds import Potential
from ionflow.registry import Registry

if TYPE_CHECKING:
    from ase import Atoms

#: Atoms of the benchmark's cell, small enough for chgnet's own evaluation to take part.
ATOMS = 84
_SECONDS = 2.0


def examine(registry: Registry) -> Iterator[str]:
    """The findings, one paragraph after another, as they come."""
    yield _machine()
    yield "versions  " + ", ".join(f"{k} {v}" for k, v in machine.versions().items())
    yield from (f"problem  {p.origin}: {p.message}" for p in registry.problems)
    yield _backend(_chgnet(registry))
    yield from _benchmark(registry)


def layouts(cores: int) -> list[tuple[int, int]]:
    """Ways to share cores out as (workers, threads): from all workers to all threads.

    >>> layouts(8)
    [(8, 1), (4, 2), (2, 4), (1, 8)]
    """
    workers, found = cores, []
    while workers >= 1:
        found.append((workers, cores // workers))
        workers //= 2
    return found


def _machine() -> str:
    host, gpus = machine.host(), machine.gpus()
    return (
        f"machine   {host['hostname']}: {host['cpu']}, {host['cores']} cores, "
        f"{host['memory_GB']} GB, {host['system']}, Python {host['python']}\n"
        f"GPU       {', '.join(gpus) or 'none that torch sees'}"
    )


def _backend(chgnet: Potential) -> str:
    found = chgnet.provenance()
    return f"backend   chgnet: {found['backend']} ({found['reason']})"


def _benchmark(registry: Registry) -> Iterator[str]:
    atoms = _glass(registry)
    stock = _ms_per_step(_chgnet(registry, backend="stock"), atoms)
    ours = _ms_per_step(_chgnet(registry), atoms)
    yield (
        f"speed     {ATOMS} atoms, energy, forces and stress: {ours:.1f} ms; "
        f"chgnet itself {stock:.1f} ms; {stock / ours:.1f} times faster"
    )
    measured = {layout: _throughput(*layout, atoms) for layout in layouts(machine.cores())}
    for (workers, threads), rate in measured.items():
        yield f"          {workers} workers × {threads} threads: {rate:.0f} atom-steps/ms"
    workers, threads = max(measured, key=lambda layout: measured[layout])
    yield f"advice    {workers} workers × {threads} threads measured fastest here"


def _glass(registry: Registry) -> Atoms:
    generator: Any = registry.find("generator", "oxyhalide").model_validate({"atoms": ATOMS})
    glass: Atoms = generator.build(np.random.default_rng(0))
    return glass


def _chgnet(registry: Registry, **fields: str) -> Potential:
    chgnet: Any = registry.find("potential", "chgnet").model_validate(fields)
    potential: Potential = chgnet
    return potential


def _ms_per_step(potential: Potential, atoms: Atoms, seconds: float = _SECONDS) -> float:
    """Median time of an evaluation, in ms, over moving atoms."""
    times = list(_evaluations(potential, atoms, seconds))
    return 1e3 * statistics.median(times)


def _evaluations(potential: Potential, atoms: Atoms, seconds: float) -> Iterator[float]:
    atoms, rng = atoms.copy(), np.random.default_rng(0)
    atoms.calc = potential.calculator()
    atoms.get_forces()
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        atoms.positions += rng.normal(0, 0.01, atoms.positions.shape)  # about one step at 1000 K
        started = time.perf_counter()
        atoms.get_forces()
        atoms.get_stress()
        yield time.perf_counter() - started


def _throughput(workers: int, threads: int, atoms: Atoms) -> float:
    """Atom-steps per ms of so many processes of so many threads, all at once."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(workers)
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_settle, initargs=(threads, barrier)
    ) as pool:
        rates = list(pool.map(_rate, [atoms] * workers))
    return sum(rates)


_together: dict[str, Any] = {}


def _settle(threads: int, barrier: Barrier) -> None:
    import torch

    torch.set_num_threads(threads)
    _together["barrier"] = barrier


def _rate(atoms: Atoms) -> float:
    from ionflow.registry import load

    chgnet = _chgnet(load())
    _ms_per_step(chgnet, atoms, seconds=0.1)
    _together["barrier"].wait(timeout=120)
    return len(atoms) / _ms_per_step(chgnet, atoms)

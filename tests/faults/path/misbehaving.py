"""Plugins that die, hang, lie or shout. Importable by workers, as a plugin's own module is.

What they do wrong they stop doing once a file `cured` lies in the folder that the environment
variable IONFLOW_FAULTS_DIR names: the same recipe, and so the same keys, with and without fault.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from ase import Atoms
from ase.calculators.calculator import Calculator

from ionflow import Analyser, Engine, Frame, Generator, Potential, Segment, hookimpl
from ionflow.builtin.engines.ase import Ase
from ionflow.builtin.potentials.rigid_ion import RigidIon
from ionflow.builtin.structures.oxyhalide import Oxyhalide

FOLDER = "IONFLOW_FAULTS_DIR"
GIL_S = "IONFLOW_FAULTS_GIL_S"


def folder() -> Path:
    """Where the tests and the plugins leave each other words."""
    return Path(os.environ[FOLDER])


def sick(fault: str, *faults: str) -> bool:
    """Whether this is one of these faults, and not cured."""
    return fault in faults and not (folder() / "cured").exists()


class CannotLeaveError(Exception):
    """An exception that cannot be pickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("this cannot be sent")


class CannotArriveError(Exception):
    """An exception that can be pickled but not unpickled."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def misbehave(fault: str) -> None:
    """Do what no plugin should, where it shows at once."""
    if not sick(fault, *FAULTS):
        return
    print(f"about to do it: {fault}", flush=True)
    FAULTS[fault]()


def _raise(error: BaseException) -> Any:
    def act() -> None:
        raise error

    return act


def _hang() -> None:
    while not (folder() / "cured").exists():
        time.sleep(0.1)


def _eat() -> None:
    # in steps, as a list that grows would: the watch of the nanny looks every 0.1 s
    held = []
    while True:
        held.append(np.ones(4_000_000))
        time.sleep(0.02)


def _shout() -> None:
    for _ in range(50):
        print("x" * 20_000)
        print("y" * 20_000, file=sys.stderr)
    warnings.warn("this plugin is talkative", UserWarning, stacklevel=1)


def hold_interpreter() -> None:
    """Let no other thread of this process run for a while: no heartbeat, no message."""
    ctypes.PyDLL(None).usleep(int(1e6 * float(os.environ.get(GIL_S, "8"))))


FAULTS = {
    "raises": _raise(ValueError("it would not do it")),
    "cannot_leave": _raise(CannotLeaveError("it would not be told")),
    "cannot_arrive": _raise(CannotArriveError("half", "an error")),
    "leaves": lambda: sys.exit(3),
    "interrupts": _raise(KeyboardInterrupt()),
    "ends": lambda: os._exit(7),
    "hangs": _hang,
    "eats": _eat,
    "holds": hold_interpreter,
    "shouts": _shout,
}


class Moody(Ase):
    """ASE's engine with a fault, in recorded stages, from the second segment on."""

    use = "moody"
    outside_identity: ClassVar[frozenset[str]] = frozenset({"pause_s", "batch_size"})

    fault: str = "none"
    """What it does wrong."""

    pause_s: float = 0.0
    """Wait so long at every frame: long runs that cost nothing."""

    batch_size: int = 1
    """Systems in one call."""

    def batch(self, atoms: int) -> Any:
        misbehave(self.fault.removeprefix("batch_") if self.fault.startswith("batch_") else "none")
        return "many" if sick(self.fault, "batch_misshapen") else self.batch_size

    def advance(
        self, systems: Sequence[Atoms], potential: Potential, segment: Segment
    ) -> Iterator[Sequence[Frame]]:
        due = segment.stages[0].record and segment.index > 0
        if due:
            misbehave(self.fault)
            self._stumble(segment)
            self._hot(segment)
        for number, batch in enumerate(super().advance(systems, potential, segment)):
            time.sleep(self.pause_s)
            yield self._spoilt(batch, number) if due else batch
        if due and self.fault == "waits":
            self._wait()

    def _spoilt(self, batch: Sequence[Frame], number: int) -> Sequence[Frame]:
        if sick(self.fault, "not_a_number") and number == 1:
            return [replace(f, positions=np.full_like(f.positions, np.nan)) for f in batch]
        if sick(self.fault, "misshapen") and number == 1:
            return [replace(f, positions=f.positions[:-1]) for f in batch]
        return batch

    def _stumble(self, segment: Segment) -> None:
        """Fail at the first attempt at every segment."""
        if self.fault in ("stumbles", "faints"):
            with suppress(FileExistsError):
                (folder() / f"{self.fault}-{segment.seeds[0]}-{segment.index}").touch(
                    exist_ok=False
                )
                misbehave({"stumbles": "raises", "faints": "ends"}[self.fault])

    def _hot(self, segment: Segment) -> None:
        """End the process whenever the hottest is in the batch."""
        if sick(self.fault, "hot") and any(s.hottest_K == 3 * 1500 + 1000 for s in segment.stages):
            os._exit(7)

    def _wait(self) -> None:
        """The first to come here waits until it is let through: about to commit."""
        with suppress(FileExistsError):
            (folder() / "waiting").touch(exist_ok=False)
            while not (folder() / "open").exists():
                time.sleep(0.02)


class MoodyIons(RigidIon):
    """The cheap potential with a fault."""

    use = "moody_ions"

    fault: str = "none"
    """What it does wrong."""

    def calculator(self) -> Calculator:
        return _MoodyCalculator(super().calculator(), self.fault)


class _MoodyCalculator(Calculator):
    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]

    def __init__(self, inner: Calculator, fault: str) -> None:
        super().__init__()
        self.inner, self.fault = inner, fault

    def calculate(self, atoms: Any = None, properties: Any = (), system_changes: Any = ()) -> None:
        misbehave(self.fault)
        self.inner.calculate(atoms, properties, system_changes)
        self.results = dict(self.inner.results)
        if sick(self.fault, "not_a_number"):
            self.results["forces"] = np.full_like(self.results["forces"], np.nan)
        if sick(self.fault, "misshapen"):
            self.results["forces"] = self.results["forces"][:-1]


class MoodyGlass(Oxyhalide):
    """A glass with a fault."""

    use = "moody_glass"

    fault: str = "none"
    """What it does wrong."""

    def build(self, rng: np.random.Generator) -> Atoms:
        misbehave(self.fault)
        atoms = super().build(rng)
        if sick(self.fault, "not_a_number"):
            atoms.positions[0] = np.nan
        return atoms[:-1] if sick(self.fault, "misshapen") else atoms


class Reach(Analyser):
    """How far each atom goes, with a fault: a subclass for each, as a recipe names one once."""

    use = "reach"
    fault: ClassVar[str] = "none"

    def analyse(self, *data: xr.Dataset) -> xr.Dataset:
        misbehave(self.fault)
        positions = data[0]["positions"]
        reach = abs(positions - positions.isel(time=0)).max("xyz").max("time").astype(float)
        if sick(self.fault, "misshapen"):
            return xr.Dataset({"reach": ("n", np.array([object()]))})
        if sick(self.fault, "not_a_number"):
            reach = reach * np.nan
        return xr.Dataset({"reach": reach.drop_vars("time", errors="ignore")}).assign(
            reach=lambda d: d["reach"].assign_attrs(units="angstrom")
        )


ANALYSERS = [
    Reach,
    *(
        type(f"Reach_{fault}", (Reach,), {
            "use": f"reach_{fault}", "fault": fault, "__module__": __name__,
            "__doc__": Reach.__doc__, "__annotations__": {"fault": ClassVar[str]},
        })
        for fault in (*FAULTS, "misshapen", "not_a_number")
    ),
]  # fmt: skip
# found by name where a worker unpickles one
globals().update({cls.__name__: cls for cls in ANALYSERS})


@hookimpl
def ionflow_generators() -> list[type[Generator]]:
    return [MoodyGlass]


@hookimpl
def ionflow_potentials() -> list[type[Potential]]:
    return [MoodyIons]


@hookimpl
def ionflow_engines() -> list[type[Engine]]:
    return [Moody]


@hookimpl
def ionflow_analysers() -> list[type[Analyser]]:
    return list(ANALYSERS)

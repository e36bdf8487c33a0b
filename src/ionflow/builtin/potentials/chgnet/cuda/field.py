"""CHGNet as a force field that lives on a CUDA device."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from ionflow.builtin.potentials.chgnet.cuda import pairs_kernel
from ionflow.builtin.potentials.chgnet.cuda.connections import Capacity
from ionflow.builtin.potentials.chgnet.cuda.context import Tuning
from ionflow.builtin.potentials.chgnet.cuda.evaluation import Evaluation, Outcome
from ionflow.builtin.potentials.chgnet.cuda.pairs import (
    HALF,
    MAX_ATOMS,
    Batch,
    Images,
    inverses,
)
from ionflow.builtin.potentials.chgnet.cuda.parameters import Parameters
from ionflow.builtin.potentials.chgnet.cuda.replay import Replay
from ionflow.builtin.potentials.chgnet.cuda.watch import Watch
from ionflow.builtin.potentials.chgnet.weights import Weights
from ionflow.errors import PhysicsError, PluginError
from ionflow.kinds import ForceField

#: Arrays are made larger when they are this full, long before anything is left out.
FULL = 0.95
LAG = 2


@dataclass
class _Setup:
    """What is kept while the same systems are evaluated."""

    numbers: Tensor
    system: Tensor
    versions: tuple[int, int]
    replay: Replay
    watch: Watch


class CudaField(ForceField):
    """CHGNet over a batch of systems, without a word to the host; `__call__` is the contract.

    The first call of a batch counts its pairs and angles, makes room for them and some more, and
    records the evaluation as a CUDA graph, which later calls replay. Their counts are read `lag`
    calls later, and room is made before it runs out: a change of counts by a twentieth within
    `lag` steps, which no trajectory that has not blown up knows, would be needed to overflow. Then
    the results are nan, and the call that learns of it raises. With `lag` = 0 each call waits for
    its counts, and repeats itself with more room where there was not enough.

    The same input gives the same bits: no sum is taken in an order that is left to chance, and
    nothing is carried from one call to the next but the room.

    Parameters
    ----------
    weights : folded, float64
    device : a CUDA device; or the CPU under TRITON_INTERPRET=1, for tests
    tuning : how the kernels are cut
    lag : calls after which counts are read
    """

    def __init__(
        self,
        weights: Weights,
        device: str = "cuda",
        tuning: Tuning | None = None,
        lag: int = LAG,
    ) -> None:
        self.device, self.lag, self.tuning = torch.device(device), lag, tuning or Tuning()
        self.parameters = Parameters.of(weights, self.device)
        self.recordings = 0
        self._setup: _Setup | None = None

    def __call__(
        self, positions: Tensor, cells: Tensor, numbers: Tensor, system: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        positions, cells = (
            values.detach().to(self.device, torch.float64) for values in (positions, cells)
        )
        with self._here():
            setup = self._kept(numbers, system, len(cells))
            if setup is None:
                setup = self._begin(positions, cells, numbers, system)
            outcome = self._evaluate(setup, positions, cells)
        return outcome.energies, outcome.forces, outcome.stresses

    @property
    def capacity(self) -> Capacity | None:
        """Room for edges and angles; None before the first call."""
        return None if self._setup is None else self._setup.replay.evaluation.capacity

    def settle(self) -> None:
        """Wait for the device, and raise if a call that has not been looked at overflowed."""
        if self._setup is not None:
            for lag in reversed(range(self.lag)):
                self._refuse(self._setup, self._setup.watch.look(lag))

    def _here(self) -> AbstractContextManager[object]:
        """Kernels are launched on the current device."""
        cuda = self.device.type == "cuda"
        return torch.cuda.device(self.device) if cuda else nullcontext()

    def _evaluate(self, setup: _Setup, positions: Tensor, cells: Tensor) -> Outcome:
        outcome = self._run(setup, positions, cells)
        counts = setup.watch.look(self.lag)
        if self.lag == 0:
            while counts is not None and self._fullness(setup, counts) > 1:
                self._record(setup, counts, positions, cells)
                outcome = self._run(setup, positions, cells)
                counts = setup.watch.look(0)
        self._refuse(setup, counts)
        if counts is not None and self._fullness(setup, counts) > FULL:
            self._record(setup, counts, positions, cells)
        return outcome

    def _run(self, setup: _Setup, positions: Tensor, cells: Tensor) -> Outcome:
        outcome = setup.replay(positions, cells)
        setup.watch.put(outcome.counts)
        return outcome

    def _record(
        self, setup: _Setup, counts: tuple[int, ...], positions: Tensor, cells: Tensor
    ) -> None:
        old = setup.replay.evaluation
        capacity = Capacity.for_((counts[0], counts[1], counts[2]))
        evaluation = Evaluation.of(self.parameters, old.batch, old.species, capacity, self.tuning)
        setup.replay = Replay(evaluation, positions, cells)
        self.recordings += 1

    def _fullness(self, setup: _Setup, counts: tuple[int, ...]) -> float:
        return setup.replay.evaluation.capacity.fullness((counts[0], counts[1], counts[2]))

    def _refuse(self, setup: _Setup, counts: tuple[int, ...] | None) -> None:
        if counts is None:
            return
        self._refuse_isolated(counts[3])
        if self._fullness(setup, counts) > 1:
            raise PhysicsError(
                f"{counts[0]} pairs and {counts[2]} angles of atoms, within {self.lag} steps of "
                f"when they still had room in {setup.replay.evaluation.capacity}",
                hint="no trajectory does this unless it blows up: shorten the timestep",
            )

    def _refuse_isolated(self, alone: int) -> None:
        if alone:
            raise PhysicsError(
                f"{alone} isolated atom(s): no neighbour within {self.parameters.cutoff:g} Å, "
                "where CHGNet means nothing",
                hint="raise the density, or lower the temperature",
            )

    def _kept(self, numbers: Tensor, system: Tensor, systems: int) -> _Setup | None:
        """The setup, if it is that of these systems; comparing the same tensors costs nothing."""
        old = self._setup
        if (
            old is None
            or systems != len(old.replay.evaluation.batch.sizes)
            or numbers.shape != old.numbers.shape
        ):
            return None
        versions = _version(numbers), _version(system)
        if numbers is old.numbers and system is old.system and versions == old.versions:
            return old
        species, owner = numbers.to(self.device) - 1, system.to(self.device)
        known = old.replay.evaluation
        if not (torch.equal(species, known.species) and torch.equal(owner, known.batch.system)):
            return None
        old.numbers, old.system, old.versions = numbers, system, versions
        return old

    def _begin(self, positions: Tensor, cells: Tensor, numbers: Tensor, system: Tensor) -> _Setup:
        self._setup = None  # its memory is wanted
        self._check(numbers, cells)
        batch = Batch.of(system.to(self.device, torch.int64), len(cells))
        species = numbers.to(self.device, torch.int64) - 1
        capacity = Capacity.for_(self._count(positions, cells, batch))
        evaluation = Evaluation.of(self.parameters, batch, species, capacity, self.tuning)
        replay, watch = Replay(evaluation, positions, cells), Watch(self.lag, self.device)
        versions = _version(numbers), _version(system)
        self._setup = _Setup(numbers, system, versions, replay, watch)
        self.recordings += 1
        return self._setup

    def _count(self, positions: Tensor, cells: Tensor, batch: Batch) -> tuple[int, int, int]:
        """Edges, short edges and angles, on the host."""
        p = self.parameters
        images = Images.of(positions, cells, batch, p.cutoff)
        degrees = pairs_kernel.degrees(images, batch, p.cutoff)
        self._refuse_isolated(int((degrees == 0).sum()))
        edges = int(degrees.sum())
        pairs = pairs_kernel.find(images, batch, p.cutoff, edges)
        short = pairs.vectors.square().sum(0) < p.short_cutoff**2
        each = torch.bincount(pairs.centre[short], minlength=batch.atoms)
        return edges, int(each.sum()), int((each * (each - 1)).sum())

    def _check(self, numbers: Tensor, cells: Tensor) -> None:
        most = self.parameters.elements.shape[0]
        unknown = sorted({z for z in numbers.tolist() if not 1 <= z <= most})
        if unknown:
            raise PluginError(f"this CHGNet knows the elements Z = 1 to {most}, not Z = {unknown}")
        if len(numbers) >= MAX_ATOMS:
            raise PluginError(f"at most {MAX_ATOMS - 1} atoms in one call, not {len(numbers)}")
        heights = 1 / inverses(cells).square().sum(1).sqrt()
        thin = self.parameters.cutoff / (HALF - 2)
        if not bool((heights > thin).all()):
            raise PhysicsError(
                f"CHGNet needs a periodic cell; one here is less than {thin:.2g} Å wide",
                hint="atoms.center(vacuum=10) gives a molecule one",
            )


def _version(tensor: Tensor) -> int:
    """Changes when a tensor is written into; tensors of inference mode do not tell."""
    return -1 if tensor.is_inference() else tensor._version

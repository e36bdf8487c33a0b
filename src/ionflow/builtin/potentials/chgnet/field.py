"""CHGNet as a force field: neighbour lists kept between calls, one evaluation for all systems."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ionflow.builtin.potentials.chgnet import model, topology
from ionflow.builtin.potentials.chgnet.kernel import Kernel, Results
from ionflow.builtin.potentials.chgnet.kernel.layout import PackedModel
from ionflow.builtin.potentials.chgnet.weights import Weights
from ionflow.errors import PluginError
from ionflow.kinds import ForceField

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

#: Å beyond the cutoff; hot atoms cross half of it in some 50 steps of 2 fs
SKIN = 0.75


class CHGNetField(ForceField):
    """CHGNet over a batch of systems; `__call__` is the contract of `ForceField`.

    The neighbour lists live in this object, one for each system of the batch, and are rebuilt when
    an atom may have crossed the skin or the batch has changed. A system's results do not depend on
    the systems beside it, beyond float32's rounding.

    Parameters
    ----------
    weights : folded, float64
    device : where results are wanted
    skin : Å
    """

    def __init__(self, weights: Weights, device: str = "cpu", skin: float = SKIN) -> None:
        self.weights, self.device, self.skin = weights, torch.device(device), skin
        self._lists: list[topology.NeighbourList] = []

    @property
    def builds(self) -> int:
        """Neighbour lists built so far, over all systems of the present batch."""
        return sum(neighbours.builds for neighbours in self._lists)

    def __call__(
        self, positions: Tensor, cells: Tensor, numbers: Tensor, system: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        places, boxes, species, owner = (
            tensor.detach().cpu().numpy() for tensor in (positions, cells, numbers, system)
        )
        self._check_elements(species)
        ends = np.cumsum(np.bincount(owner, minlength=len(boxes)))[:-1]
        if len(self._lists) != len(boxes):
            cutoff = self.weights.cutoff
            self._lists = [topology.NeighbourList(cutoff, self.skin) for _ in boxes]
        energies, forces, virials = self._evaluate(np.split(places, ends), boxes, species, ends)
        stresses = virials / np.abs(np.linalg.det(boxes))[:, None, None]
        symmetric = (stresses + stresses.swapaxes(1, 2)) / 2
        tensors = (torch.from_numpy(a).to(self.device) for a in (energies, forces, symmetric))
        return tuple(tensors)  # type: ignore[return-value]

    @abstractmethod
    def _evaluate(
        self, positions: Sequence[Floats], cells: Floats, numbers: Integers, ends: Integers
    ) -> Results:
        """Energies (system,) eV, forces (atom, 3) eV/Å, virials (system, 3, 3) eV."""

    def _list(self, index: int, positions: Floats, cell: Floats) -> topology.NeighbourList:
        neighbours = self._lists[index]
        neighbours.update(positions, cell)
        return neighbours

    def _graph(self, index: int, positions: Floats, cell: Floats) -> topology.Graph:
        neighbours = self._list(index, positions, cell)
        return topology.graph(
            neighbours.first,
            neighbours.second,
            topology.vectors(neighbours, positions, cell),
            len(positions),
            self.weights.cutoff,
            self.weights.short_cutoff,
        )

    def _check_elements(self, numbers: Integers) -> None:
        most = self.weights.atoms.shape[0]
        if len(numbers) and not 1 <= numbers.min() <= numbers.max() <= most:
            unknown = sorted({int(z) for z in numbers if not 1 <= z <= most})
            raise PluginError(f"this CHGNet knows the elements Z = 1 to {most}, not Z = {unknown}")


class KernelField(CHGNetField):
    """By the compiled kernel, system by system: a system's bits do not depend on its company."""

    def __init__(self, weights: Weights, kernel: Kernel, skin: float = SKIN) -> None:
        super().__init__(weights, "cpu", skin)
        self.kernel, self._packed = kernel, PackedModel(weights)
        self._threads: ThreadPoolExecutor | None = None

    def _evaluate(
        self, positions: Sequence[Floats], cells: Floats, numbers: Integers, ends: Integers
    ) -> Results:
        jobs = list(zip(range(len(cells)), positions, cells, np.split(numbers, ends), strict=True))
        results = list(self._map(jobs))
        energies = np.array([energy.sum() for energy, _, _ in results])
        forces = np.concatenate([force for _, force, _ in results])
        return energies, forces, np.stack([virial for _, _, virial in results])

    def _map(self, jobs: list[tuple[int, Floats, Floats, Integers]]) -> Sequence[Results]:
        if len(jobs) == 1 or torch.get_num_threads() == 1:
            return [self._one(*job) for job in jobs]
        if self._threads is None:
            self._threads = ThreadPoolExecutor(torch.get_num_threads(), "ionflow-chgnet")
        return list(self._threads.map(lambda job: self._one(*job), jobs))

    def _one(self, index: int, positions: Floats, cell: Floats, numbers: Integers) -> Results:
        neighbours, weights = self._list(index, positions, cell), self.weights
        cutoffs = weights.cutoff, weights.short_cutoff
        graph = self.kernel.graph(neighbours, positions, cell, *cutoffs)
        return self.kernel.evaluate(self._packed, graph, numbers)


class TorchField(CHGNetField):
    """By torch, all systems in one differentiable evaluation, on any device."""

    def __init__(
        self,
        weights: Weights,
        device: str = "cpu",
        skin: float = SKIN,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(weights, device, skin)
        self._cast = weights.to(device, dtype)

    def _evaluate(
        self, positions: Sequence[Floats], cells: Floats, numbers: Integers, ends: Integers
    ) -> Results:
        graphs = [
            self._graph(index, places, cell)
            for index, (places, cell) in enumerate(zip(positions, cells, strict=True))
        ]
        graph = topology.joined(graphs) if len(graphs) > 1 else graphs[0]
        owner = torch.as_tensor(np.repeat(np.arange(len(cells)), [g.atoms for g in graphs]))
        energies, forces, virials = model.evaluate(
            self._cast,
            graph,
            torch.as_tensor(numbers - 1).to(self.device),
            owner.to(self.device),
            len(cells),
        )
        return energies.cpu().numpy(), forces.cpu().numpy(), virials.cpu().numpy()

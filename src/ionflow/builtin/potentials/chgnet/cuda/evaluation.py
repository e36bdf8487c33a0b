"""One evaluation of a batch: pairs, connections, network, forces. Nothing goes to the host."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import torch
from torch import Tensor

from ionflow.builtin.potentials.chgnet.cuda import geometry, pairs_kernel
from ionflow.builtin.potentials.chgnet.cuda.bases import NUDGE, Bases, bases, blocks
from ionflow.builtin.potentials.chgnet.cuda.connections import Capacity, Connections, connect
from ionflow.builtin.potentials.chgnet.cuda.context import Context, Tuning
from ionflow.builtin.potentials.chgnet.cuda.network import Slopes, slopes
from ionflow.builtin.potentials.chgnet.cuda.pairs import Batch, Images, Pairs
from ionflow.builtin.potentials.chgnet.cuda.parameters import BASIS, Parameters


@dataclass(frozen=True)
class Outcome:
    """Results on the device; all nan if a capacity was exceeded."""

    energies: Tensor
    """(system,) eV, float64"""
    forces: Tensor
    """(atom, 3) eV/Å, float64"""
    stresses: Tensor
    """(system, 3, 3) eV/Å³, float64"""
    counts: Tensor
    """(4,) int64: edges, short edges, angles (also those beyond a capacity), isolated atoms"""


@dataclass(frozen=True)
class Evaluation:
    """How a batch is evaluated: everything but positions and cells."""

    parameters: Parameters
    batch: Batch
    species: Tensor
    """(atom,) int64, atomic number - 1"""
    capacity: Capacity
    limits: Tensor
    """(3,) the same as a tensor"""
    references: Tensor
    """(atom,) eV, float64, of the composition model"""
    tuning: Tuning

    @classmethod
    def of(
        cls,
        parameters: Parameters,
        batch: Batch,
        species: Tensor,
        capacity: Capacity,
        tuning: Tuning,
    ) -> Evaluation:
        """Put what does not change on the device."""
        limits = torch.tensor(astuple(capacity), device=species.device)
        references = parameters.reference.index_select(0, species)
        return cls(parameters, batch, species, capacity, limits, references, tuning)

    def __call__(self, positions: Tensor, cells: Tensor) -> Outcome:
        """Evaluate (atom, 3) positions in (system, 3, 3) cells, Å, float64."""
        p = self.parameters
        images = Images.of(positions, cells, self.batch, p.cutoff)
        pairs = pairs_kernel.find(images, self.batch, p.cutoff, self.capacity.edges)
        graph = connect(pairs, self.batch, self.capacity, p.short_cutoff)
        basis = bases(p, graph, pairs.vectors)
        angular = self._angular(graph)
        context = Context.of(p, self.tuning, graph, basis, self.species, angular)
        return self._outcome(cells, pairs, graph, basis, slopes(context))

    def _angular(self, graph: Connections) -> Tensor:
        """(atom,) whether the atom's system has angles."""
        angles = graph.atom_angle_start.index_select(0, self.batch.first).diff()
        return (angles > 0).long().index_select(0, self.batch.system)

    def _outcome(
        self, cells: Tensor, pairs: Pairs, graph: Connections, basis: Bases, result: Slopes
    ) -> Outcome:
        void = (graph.needed > self.limits).any().long()
        forces, virial = self._forces(pairs, graph, basis, result, void)
        systems, device = len(self.batch.sizes), forces.device
        energies = torch.empty(systems, dtype=torch.float64, device=device)
        stresses = torch.empty(systems, 3, 3, dtype=torch.float64, device=device)
        geometry.system_totals[(systems,)](
            self.batch.first, cells.contiguous(), result.energies, self.references, virial, void,
            energies, stresses, BLOCK=64,
        )  # fmt: skip
        return Outcome(energies, forces, stresses, torch.cat([graph.needed, graph.alone[None]]))

    def _forces(
        self, pairs: Pairs, graph: Connections, basis: Bases, result: Slopes, void: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(atom, 3) forces, eV/Å, and (atom, 6) virials, eV."""
        capacity, device = self.capacity.edges, pairs.vectors.device
        pull = torch.empty(self.capacity.short, 3, dtype=torch.float64, device=device)
        geometry.angle_pulls[(blocks(len(pull), 64),)](
            graph.bonds, pairs.vectors, capacity, graph.edge_of, graph.right, graph.opposite,
            graph.angle_start, basis.cosine, result.angle, self.capacity.angles,
            pull, NUDGE=NUDGE, BLOCK=64,
        )  # fmt: skip
        bond_slope = self._bond_slopes(graph, basis, result)
        forces, virial = (
            torch.empty(self.batch.atoms, width, dtype=torch.float64, device=device)
            for width in (3, 6)
        )
        geometry.atom_forces[(len(forces),)](
            graph.start, graph.reverse, graph.bond, graph.near, graph.twin,
            pairs.vectors, capacity, result.edge, bond_slope, pull, void, forces, virial,
            BLOCK=64, num_warps=1,
        )  # fmt: skip
        return forces, virial

    def _bond_slopes(self, graph: Connections, basis: Bases, result: Slopes) -> Tensor:
        """(bond,) eV/Å, through a short bond's embedding and its weight in angles."""
        near = result.bond_weight @ self.parameters.short_weight.T
        slope = torch.empty(len(near), device=near.device)
        far = result.bond_embedding[:, :BASIS]
        geometry.bond_slopes[(blocks(len(slope), 64),)](
            graph.bonds, graph.edge_of, graph.there, far, far.stride(0), basis.radial_slope,
            near, basis.near_slope, slope, BLOCK=64,
        )  # fmt: skip
        return slope

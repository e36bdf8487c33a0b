"""What a force field promises: the calculator's answer, for any batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ionflow.kinds import ForceField, Potential
from ionflow.testing.contract import require, require_close

if TYPE_CHECKING:
    import torch
    from ase import Atoms

    Tensors = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def check_field(field: ForceField, potential: Potential, atoms: Atoms, tolerance: float) -> None:
    """Check shapes and types, agreement with the calculator, and independence within a batch."""
    other = _other(atoms)
    single = [_evaluate(field, [a]) for a in (atoms, other)]
    _check_form(single[0], len(atoms))
    _check_calculator(single[0], potential, atoms, tolerance)
    _check_batch(field, single, [atoms, other], tolerance)


def _other(atoms: Atoms) -> Atoms:
    """A structure of another size and another shape."""
    doubled: Atoms = atoms.repeat((2, 1, 1))
    doubled.rattle(0.02, seed=4)
    return doubled


def _evaluate(field: ForceField, systems: Sequence[Atoms]) -> Tensors:
    import torch

    index = np.repeat(np.arange(len(systems)), [len(a) for a in systems])
    arguments = (
        torch.from_numpy(np.concatenate([a.positions for a in systems])),
        torch.from_numpy(np.stack([a.cell.array for a in systems])),
        torch.from_numpy(np.concatenate([a.numbers for a in systems]).astype(np.int64)),
        torch.from_numpy(index.astype(np.int64)),
    )
    before = [argument.clone() for argument in arguments]
    result = field(*arguments)
    require(
        all(torch.equal(a, b) for a, b in zip(before, arguments, strict=True)),
        "the force field changes its arguments",
        "clone a tensor before writing to it",
    )
    return result


def _check_form(result: Tensors, atoms: int) -> None:
    import torch

    shapes = [tuple(tensor.shape) for tensor in result]
    wanted = [(1,), (atoms, 3), (1, 3, 3)]
    require(
        shapes == wanted,
        f"energies, forces and stresses have shapes {shapes}, not {wanted}",
        "return (system,), (atom, 3) and (system, 3, 3)",
    )
    require(
        all(tensor.dtype == torch.float64 for tensor in result),
        f"results are {[str(t.dtype) for t in result]}",
        "return float64, whatever the precision inside",
    )
    require(
        not any(tensor.requires_grad for tensor in result),
        "results carry a graph of gradients",
        "detach them: the graph would hold memory from step to step",
    )


def _check_calculator(
    result: Tensors, potential: Potential, atoms: Atoms, tolerance: float
) -> None:
    energies, forces, stresses = (tensor.numpy() for tensor in result)
    atoms = atoms.copy()
    atoms.calc = potential.calculator()
    fix = "let calculator() and force_field() be one potential: ionflow.calculator.FieldCalculator"
    require_close(
        energies[0],
        atoms.get_potential_energy(),
        tolerance * len(atoms),
        "energies of force field and calculator differ (eV)",
        fix,
    )
    _require_alike(forces, atoms.get_forces(), tolerance, "forces of field and calculator", fix)
    if "stress" in atoms.calc.implemented_properties:
        stress = atoms.get_stress(voigt=False)
        _require_alike(stresses[0], stress, tolerance, "stresses of field and calculator", fix)


def _check_batch(
    field: ForceField, single: Sequence[Tensors], systems: Sequence[Atoms], tolerance: float
) -> None:
    together = _evaluate(field, systems)
    fix = "sum over the atoms of each system alone: index by `system`, offset neighbour lists"
    for k, what in enumerate(("energies", "forces", "stresses")):
        apart = np.concatenate([result[k].numpy() for result in single])
        found, label = together[k].numpy(), f"{what} alone and in a batch"
        if what == "energies":
            room = tolerance * len(systems[-1])
            require_close(found, apart, room, f"{label} differ (eV)", fix)
        else:
            _require_alike(found, apart, tolerance, label, fix)


def _require_alike(
    found: np.ndarray, expected: np.ndarray, tolerance: float, what: str, fix: str
) -> None:
    scale = max(float(np.abs(expected).max()), 0.05)
    require_close(found, expected, tolerance * scale, f"{what} differ", fix)

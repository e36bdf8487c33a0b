"""The CUDA field against ionflow's own CHGNet in float64.

Without a CUDA device the kernels run in Triton's interpreter on the CPU, which checks all that they
compute but neither their rounding nor their speed.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.io import read

from ionflow.builtin.potentials.chgnet import checkpoints
from ionflow.builtin.potentials.chgnet.field import TorchField
from ionflow.builtin.potentials.chgnet.weights import Weights, fold
from ionflow.errors import PhysicsError, PluginError

if TYPE_CHECKING:
    from ionflow.builtin.potentials.chgnet.cuda.field import CudaField

DATA = Path(__file__).parents[2] / "data"
CUDA = torch.cuda.is_available()
MODELS = tuple(checkpoints.BUNDLED)
Tensors = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def _interpreter_runs() -> bool:
    try:
        int(np.zeros(1))
    except TypeError:
        return False
    return True


if not CUDA:
    if find_spec("triton") is None:
        pytest.skip("needs a CUDA device, or triton for its interpreter", allow_module_level=True)
    if not _interpreter_runs():
        pytest.skip("Triton's interpreter needs numpy < 2.4", allow_module_level=True)
    os.environ["TRITON_INTERPRET"] = "1"  # before the kernels are imported

needs_cuda = pytest.mark.skipif(not CUDA, reason="needs a CUDA device")


def field(model: str = "0.3.0", lag: int = 0) -> CudaField:
    module = importlib.import_module("ionflow.builtin.potentials.chgnet.cuda.field")
    made: CudaField = module.CudaField(weights(model), "cuda" if CUDA else "cpu", lag=lag)
    return made


@lru_cache(maxsize=3)
def weights(model: str) -> Weights:
    return fold(checkpoints.read(checkpoints.bundled(model)))


def crystal(seed: int = 0) -> Atoms:
    """Eight atoms of LiCl in 5 Å, off their sites: pairs meet in many images."""
    atoms = bulk("LiCl", "rocksalt", a=5.0, cubic=True)
    atoms.rattle(0.15, seed=seed)
    return atoms


def sheared() -> Atoms:
    atoms = bulk("LiCl", "rocksalt", a=5.3)
    atoms.set_cell(atoms.cell.array @ [[1.05, 0.1, 0], [0, 0.97, -0.2], [0.05, 0, 1]], True)
    atoms.rattle(0.2, seed=4)
    return atoms


def pair() -> Atoms:
    """Two atoms that see each other beyond the reach of angles."""
    return Atoms("AlO", [[0, 0, 0], [0.3, 0.2, 3.4]], cell=[16, 16, 16], pbc=True)


def tensors(systems: Sequence[Atoms]) -> Tensors:
    sizes = torch.tensor([len(atoms) for atoms in systems])
    return (
        torch.from_numpy(np.concatenate([atoms.positions for atoms in systems])),
        torch.from_numpy(np.stack([atoms.cell.array for atoms in systems])),
        torch.from_numpy(np.concatenate([atoms.numbers for atoms in systems])),
        torch.repeat_interleave(torch.arange(len(systems)), sizes),
    )


def on_device(systems: Sequence[Atoms]) -> Tensors:
    made = tensors(systems)
    return tuple(t.cuda() for t in made) if CUDA else made  # type: ignore[return-value]


@lru_cache(maxsize=2)
def _elements(atoms_: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    numbers = torch.tensor(atoms_)
    return tuple(  # type: ignore[return-value]
        t.cuda() if CUDA else t for t in (numbers, torch.zeros_like(numbers))
    )


def stretched(atoms: Atoms, factor: float) -> Tensors:
    """The same two tensors of elements and systems each time, as an engine passes them."""
    positions, cells, _, _ = on_device([atoms])
    return positions * factor, cells * factor, *_elements(tuple(atoms.numbers.tolist()))


def assert_right(systems: Sequence[Atoms], model: str) -> None:
    """Within the bounds that ionflow promises against float64."""
    sizes = torch.tensor([len(atoms) for atoms in systems])
    expected = TorchField(weights(model), dtype=torch.float64)(*tensors(systems))
    energies, forces, stresses = (t.cpu() for t in field(model)(*on_device(systems)))
    assert ((energies - expected[0]).abs() / sizes).max() < 1e-6  # eV/atom
    assert (forces - expected[1]).abs().max() < 5e-4  # eV/Å
    assert (stresses - expected[2]).abs().max() < 1e-6  # eV/Å³


@pytest.mark.parametrize("model", MODELS)
def test_a_small_crystal(model: str) -> None:
    assert_right([crystal()], model)


def test_a_sheared_cell_thinner_than_the_cutoff() -> None:
    assert_right([sheared()], "0.3.0")


@pytest.mark.parametrize("model", ["0.3.0", "0.2.0"])
def test_systems_with_and_without_angles_side_by_side(model: str) -> None:
    assert_right([pair(), sheared(), pair()], model)


def test_company_changes_rounding_at_most() -> None:
    systems = [sheared(), pair()]
    together = field()(*on_device(systems))
    alone = [field()(*on_device([atoms])) for atoms in systems]
    for index, part in enumerate(zip(*alone, strict=True)):
        torch.testing.assert_close(together[index], torch.cat(part), rtol=1e-5, atol=1e-5)


def test_the_same_input_gives_the_same_bits() -> None:
    inputs = on_device([sheared(), pair()])
    one, two = field(), field()
    first = one(*inputs)
    moved = inputs[0] + 0.02
    one(moved, *inputs[1:])
    for a, b, c in zip(first, one(*inputs), two(*inputs), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)


def test_room_is_made_and_the_call_repeated() -> None:
    waiting = field(lag=0)
    waiting(*stretched(sheared(), 1.6))
    before = waiting.capacity
    results = waiting(*stretched(sheared(), 0.62))
    assert waiting.capacity != before
    assert waiting.recordings == 2
    for value, same in zip(results, field()(*stretched(sheared(), 0.62)), strict=True):
        torch.testing.assert_close(value, same, rtol=1e-6, atol=1e-6)


def test_an_overflow_is_never_silent() -> None:
    hurried = field(lag=2)
    hurried(*stretched(sheared(), 1.6))
    for result in hurried(*stretched(sheared(), 0.62)):
        assert bool(result.isnan().all())
    with pytest.raises(PhysicsError, match="within 2 steps"):
        hurried.settle()


def test_other_systems_are_noticed() -> None:
    positions, cells, numbers, system = on_device([sheared()])
    kept = field()
    first = kept(positions, cells, numbers, system)
    assert torch.equal(kept(positions, cells, numbers.clone(), system)[0], first[0])
    assert kept.recordings == 1
    numbers[0] = 11
    assert not torch.equal(kept(positions, cells, numbers, system)[0], first[0])
    assert kept.recordings == 2


@pytest.mark.parametrize(
    ("atoms", "error", "match"),
    [
        (Atoms("Li", cell=[9, 9, 9]), PhysicsError, "1 isolated atom"),
        (Atoms([0, 3], [[0, 0, 0], [0, 0, 2]], cell=[9, 9, 9]), PluginError, r"not Z = \[0\]"),
        (Atoms("Li2", [[0, 0, 0], [0, 0, 2]]), PhysicsError, "periodic cell"),
    ],
    ids=["isolated", "unknown element", "no cell"],
)
def test_what_cannot_be_evaluated_is_refused(
    atoms: Atoms, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        field()(*on_device([atoms]))


# ---- on a device alone


def glass(repeat: int = 1, seed: int = 0) -> Atoms:
    """LiAlCl2.5O0.75 of 84 · repeat atoms."""
    atoms = read(DATA / "LiAlCl2.5O0.75_84.xyz")
    grid = {1: (1, 1, 1), 4: (2, 2, 1), 16: (4, 2, 2)}[repeat]
    atoms = make_supercell(atoms, np.diag(grid))
    atoms.rattle(0.05, seed=seed)
    return atoms


@needs_cuda
@pytest.mark.parametrize("repeat", [1, 4, 16])
def test_glass(repeat: int) -> None:
    assert_right([glass(repeat)], "0.3.0")


@needs_cuda
@pytest.mark.parametrize("model", MODELS)
def test_a_batch_of_strained_glasses(model: str) -> None:
    systems = [glass(1, seed) for seed in range(4)]
    for scale, atoms in zip((0.95, 1.0, 1.05, 1.1), systems, strict=True):
        atoms.set_cell(atoms.cell.array * scale, scale_atoms=True)
    assert_right(systems, model)


@needs_cuda
def test_a_trajectory_waits_for_nothing_and_repeats_to_the_bit() -> None:
    def walk(after: Callable[[], None]) -> torch.Tensor:
        hurried = field(lag=2)
        positions, cells, numbers, system = on_device([glass(1, seed) for seed in range(3)])
        for _ in range(30):
            _, forces, _ = hurried(positions, cells, numbers, system)
            positions = positions + 2e-3 * forces
            after()
        hurried.settle()
        return positions

    first = walk(lambda: None)
    assert torch.equal(first, walk(torch.cuda.synchronize))
    assert bool(first.isfinite().all())

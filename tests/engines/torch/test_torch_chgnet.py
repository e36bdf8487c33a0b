"""A segment of CHGNet dynamics continued in another process has the same bits."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

from ionflow import Segment, Stage
from ionflow.builtin.engines.torch import Torch
from ionflow.builtin.potentials.chgnet import CHGNet
from ionflow.builtin.structures.oxyhalide import Oxyhalide
from ionflow.store import State

STEPS = 8
CODE = """
import pickle, sys
sys.path.insert(0, {folder!r})
from test_torch_chgnet import moved
state, ensemble = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(pickle.dumps(moved(state, 1, ensemble)))
"""


def moved(state: State, index: int, ensemble: str) -> State:
    """The state one segment later."""
    stage = Stage(ensemble=ensemble, temperature_K=(900, 600), duration_ps=1)
    first, atoms = index * STEPS, state.to_atoms()
    segment = Segment((stage,), index, first, first + STEPS, 500, 4, (7,))
    for _ in Torch(timestep_fs=2.0, device="cpu").advance([atoms], CHGNet(), segment):
        pass
    return State.from_atoms(atoms, first + STEPS)


@pytest.mark.parametrize("ensemble", ["nvt", "npt"])
def test_restart_in_another_process_is_bitwise(ensemble):
    atoms = Oxyhalide(atoms=21).build(np.random.default_rng(3))
    middle = moved(State.from_atoms(atoms, 0), 0, ensemble)
    here = moved(middle, 1, ensemble).to_atoms()
    code = CODE.format(folder=str(__file__).rsplit("/", 1)[0])
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps((middle, ensemble)),
        capture_output=True, check=True,
    )  # fmt: skip
    there = pickle.loads(done.stdout).to_atoms()
    assert not np.array_equal(here.positions, middle.to_atoms().positions)
    np.testing.assert_array_equal(here.positions, there.positions)
    np.testing.assert_array_equal(here.get_momenta(), there.get_momenta())
    np.testing.assert_array_equal(here.cell.array, there.cell.array)
    assert here.info == there.info

"""Memory model, sums over systems, and random numbers made ahead."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ionflow.builtin.engines.torch import Torch
from ionflow.builtin.engines.torch.bath import Bath, Draw
from ionflow.builtin.engines.torch.layout import Layout
from ionflow.builtin.engines.torch.march import Site, fitted, together
from ionflow.builtin.engines.torch.memory import SHARE, Memory, cut
from ionflow.builtin.engines.torch.start import batch_of
from ionflow.kinds import Segment


def test_a_line_through_two_measurements_says_what_fits():
    memory = Memory()
    memory.learn(100, 1000 + 50 * 100)
    memory.learn(400, 1000 + 50 * 400)
    assert memory.room(101_000) == int((SHARE * 101_000 - 1000) / 50)
    memory.refuse(900)
    assert memory.room(10**9) == 450
    memory.refuse(450)
    assert memory.room(10**9) == 225
    assert memory.room(0) == 1


def test_one_measurement_is_taken_as_proportional():
    memory = Memory()
    memory.learn(100, 5000)
    assert memory.room(100_000) == int(SHARE * 100_000 / 50)


@pytest.mark.parametrize("seed", range(5))
def test_cut_covers_everything_within_its_bounds(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 40, 30).tolist()
    groups = cut(sizes, 60, 4)
    assert [i for first, last in groups for i in range(first, last)] == list(range(30))
    assert all(last - first <= 4 and sum(sizes[first:last]) <= 60 for first, last in groups)
    assert cut(sizes, None, None) == [(0, 30)]
    assert cut([100, 100], 60, None) == [(0, 1), (1, 2)]


class Ruler:
    """A device with room for 30 atoms at one kilobyte each."""

    def __init__(self):
        self.works = 0

    def peak(self, work):
        self.works += 1
        work()
        return 1000 * (6 if self.works == 1 else 24)

    def free(self):
        return int(30_000 / SHARE)


def test_a_batch_is_cut_to_what_was_measured_and_gives_the_same_frames(models):
    systems = [models.random_gas(6, 12.0, seed=i) for i in range(8)]
    segment = Segment((models.stage("npt", 400),) * 8, 0, 0, 20, 20, 10, tuple(range(8)))
    potential, gauge = models.Analytic(kind="dimers"), Ruler()
    site = Site(potential, "cpu", Memory(), gauge, None)
    parts = fitted(batch_of(Torch(timestep_fs=1), systems, segment, "cpu"), site)
    assert [part.state.layout.sizes for part in parts] == [(6,) * 5, (6,) * 3]
    assert gauge.works == 2
    cut_frames = list(together(parts, site))
    whole = [models.random_gas(6, 12.0, seed=i) for i in range(8)]
    frames = list(Torch(timestep_fs=1).advance(whole, potential, segment))
    for some, all_ in zip(cut_frames, frames, strict=True):
        for a, b in zip(some, all_, strict=True):
            assert (a.step, a.positions.tobytes()) == (b.step, b.positions.tobytes())
    assert [a.get_momenta().tobytes() for a in systems] == [
        a.get_momenta().tobytes() for a in whole
    ]


@pytest.mark.parametrize("padded", [False, True])
def test_sums_over_systems(padded):
    """The padded form is what runs on a GPU."""
    layout, rng = Layout([3, 1, 5, 5], "cpu"), np.random.default_rng(0)
    if padded:
        layout._padding = layout._pad()
    values = rng.standard_normal((14, 3))
    expected = [values[a:b].sum(0) for a, b in ((0, 3), (3, 4), (4, 9), (9, 14))]
    np.testing.assert_allclose(layout.sum(torch.from_numpy(values)), expected, atol=1e-14)
    assert layout.system.tolist() == [0] * 3 + [1] + [2] * 5 + [3] * 5
    assert layout.freedoms.tolist() == [6, 0, 12, 12]


def _bath(models, ahead, steps=1300, sizes=(4, 2)):
    segment = Segment((models.stage("nvt", (900.0, 100.0)),) * 2, 3, 0, steps, steps, 10, (5, 6))
    streams = [segment.rng(i) for i in range(2)]
    layout = Layout(sizes, "cpu")
    return Bath(segment, (0, 1), streams, layout, Draw(True, True), ahead), segment


def test_numbers_are_those_of_the_streams_whatever_the_blocks(models, monkeypatch):
    bath, segment = _bath(models, ahead=False)
    steps = [bath.step() for _ in range(1300)]
    for system, rows in ((0, slice(0, 4)), (1, slice(4, 6))):
        size = rows.stop - rows.start
        drawn = segment.rng(system).standard_normal((1300, 3 * size + 1))
        np.testing.assert_array_equal(
            np.array([s.normal[rows].numpy().ravel() for s in steps]), drawn[:, :-1]
        )
        np.testing.assert_array_equal([float(s.piston[system]) for s in steps], drawn[:, -1])
    assert float(steps[-1].kT[0] / steps[649].kT[0]) == pytest.approx(100 / 500)
    monkeypatch.setattr("ionflow.builtin.engines.torch.bath.BLOCK_BYTES", 1000)
    small, _ = _bath(models, ahead=False)
    assert all(torch.equal(small.step().normal, s.normal) for s in steps)


@pytest.mark.parametrize("at", [0, 1, 512, 700, 1299])
def test_numbers_made_ahead_are_the_same_and_survive_a_split(models, at):
    plain, _ = _bath(models, ahead=False)
    bath, _ = _bath(models, ahead=True)
    for _ in range(at):
        assert torch.equal(bath.step().normal, plain.step().normal)
    parts = [bath.part(0, 1), bath.part(1, 2)]
    bath.close()
    for _ in range(at, 1300):
        expected, (a, b) = plain.step(), (part.step() for part in parts)
        assert torch.equal(torch.cat([a.normal, b.normal]), expected.normal)
        assert torch.equal(torch.cat([a.kT, b.kT]), expected.kT)
        assert torch.equal(torch.cat([a.piston, b.piston]), expected.piston)
    for part in parts:
        part.close()

"""Minimum image: the same walk from wrapped and unwrapped frames, and where that cannot be had."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

import ionflow
from ionflow.errors import DataError
from ionflow.reading.following import widths


def images(walk, *, wrapped: bool):
    for cell, scaled in zip(walk.cells, walk.scaled, strict=True):
        inside = scaled - np.floor(scaled) if wrapped else scaled
        yield Atoms(walk.names, inside @ cell, cell=cell, pbc=True)


@pytest.mark.parametrize("cell", ["orthogonal", "triclinic"])
@pytest.mark.parametrize("breathing", [0.0, 0.03])
def test_wrapped_and_unwrapped_frames_give_the_same_walk(walk, cell, breathing):
    truth = walk(cell, breathing=breathing)
    kept = ionflow.from_ase(images(truth, wrapped=False), timestep_fs=10, unwrapped=True)
    np.testing.assert_allclose(kept["positions"], truth.positions, atol=1e-5)
    followed = ionflow.from_ase(images(truth, wrapped=True), timestep_fs=10)
    offset = np.floor(truth.scaled[0]) @ truth.cells
    np.testing.assert_allclose(followed["positions"] + offset, truth.positions, atol=1e-5)
    assert followed.attrs["positions_from"] == "minimum image from frame to frame"


def test_positions_outside_the_cell_survive(walk):
    truth = walk("triclinic")
    read = ionflow.from_ase(images(truth, wrapped=False), timestep_fs=10)
    np.testing.assert_allclose(read["positions"], truth.positions, atol=1e-5)


def test_every_thins_what_is_kept_not_what_is_followed(walk):
    truth = walk("cubic", frames=60)
    assert np.abs(np.diff(truth.scaled[::12], axis=0)).max() > 0.5
    read = ionflow.from_ase(images(truth, wrapped=True), timestep_fs=10, every=12, start_ps=0.05)
    assert read["step"].values.tolist() == [5, 17, 29, 41, 53]
    moved = (read["positions"] - read["positions"][0]).values
    np.testing.assert_allclose(moved, truth.positions[5::12] - truth.positions[5], atol=1e-5)


def test_a_step_too_far_names_frame_and_atom(walk):
    truth = walk("cubic")
    truth.scaled[7:, 5, 1] += 0.45 - (truth.scaled[7, 5, 1] - truth.scaled[6, 5, 1])
    with pytest.raises(DataError) as caught:
        ionflow.from_ase(images(truth, wrapped=True), timestep_fs=10)
    text = str(caught.value)
    assert "frame 7" in text
    assert "atom 5 (Al) moved 4.05 Å, 0.45 of the cell's width of 9.00 Å, since frame 6" in text
    assert "store frames more often" in text


def test_the_error_knows_unwrapped_positions_when_it_sees_them(walk):
    truth = walk("cubic")
    truth.scaled[7:, 5, 1] += 3.45 - (truth.scaled[7, 5, 1] - truth.scaled[6, 5, 1])
    truth.scaled[:, 0] += 4
    with pytest.raises(DataError, match="unwrapped=True"):
        ionflow.from_ase(images(truth, wrapped=False), timestep_fs=10)
    kept = ionflow.from_ase(images(truth, wrapped=False), timestep_fs=10, unwrapped=True)
    np.testing.assert_allclose(kept["positions"], truth.scaled @ truth.cells, atol=1e-5)


def test_another_cell_is_an_error(walk):
    truth = walk("cubic")
    truth.cells[9:] *= 1.5
    with pytest.raises(DataError, match="frame 9: the cell is not that of the frame before"):
        ionflow.from_ase(images(truth, wrapped=True), timestep_fs=10)


def test_widths_are_volume_over_area():
    cell = np.array([[9.0, 0, 0], [-2.5, 9.5, 0], [3.0, 2.0, 10.0]])
    areas = [np.linalg.norm(np.cross(cell[(k + 1) % 3], cell[(k + 2) % 3])) for k in range(3)]
    np.testing.assert_allclose(widths(cell), np.linalg.det(cell) / areas)

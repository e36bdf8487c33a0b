"""Files that are damaged anywhere: understood, or one error that names the file."""

from __future__ import annotations

import random

import ase.io
import numpy as np
import pytest
from ase import Atoms

import ionflow
from ionflow.errors import IonflowError

COLUMNS = "id element x y z ix iy iz q"


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The same bytes with one of the usual accidents."""
    at, length = rng.randrange(len(data)), rng.randrange(1, 40)
    noise = bytes(rng.choices(b"0123456789 .-eE\nITEM:", k=length))
    return rng.choice(
        [
            data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :],
            data[:at] + data[at + length :],
            data[:at] + noise + data[at:],
            data[:at],
            data[:at] + data[at // 2 : at // 2 + 100] + data[at:],
        ]
    )


@pytest.mark.parametrize("name", ["a.lammpstrj", "XDATCAR", "a.extxyz", "a.traj"])
def test_damage_is_understood_or_named(walk, write_dump, tmp_path, name):
    truth, path = walk("triclinic", frames=4), tmp_path / name
    frames = [
        Atoms(truth.names, inside @ cell, cell=cell, pbc=True, momenta=np.ones((24, 3)))
        for inside, cell in zip(truth.inside, truth.cells, strict=True)
    ]
    if name.endswith("lammpstrj"):
        write_dump(path, truth, COLUMNS)
    else:
        ase.io.write(path, frames, **({"format": "vasp-xdatcar"} if name == "XDATCAR" else {}))
    whole, rng, refused = path.read_bytes(), random.Random(5), 0
    for _ in range(60):
        path.write_bytes(damaged(whole, rng))
        try:
            ionflow.read(path, timestep_fs=1)
        except IonflowError as error:
            refused += 1
            assert str(path) in str(error)  # noqa: PT017 - what is raised depends on the damage
    assert refused > 10

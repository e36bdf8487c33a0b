"""Passes: every frame and every atom once, however the trajectory is cut and whoever reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr
from ase import Atoms
from ase.neighborlist import neighbor_list
from distributed import Client, LocalCluster, get_task_stream

from ionflow import Analyser, schema
from ionflow.errors import DataError
from ionflow.passes import (
    Blocks,
    Centre,
    Failure,
    Frame,
    Measured,
    Paths,
    PerAtom,
    PerFrame,
    Reference,
    Subject,
    measure_all,
    together,
)
from ionflow.testing.trajectories import synthetic_trajectory

CUTS = [Blocks(), Blocks(frames=1, atoms=1), Blocks(frames=7, atoms=5), Blocks(frames=64, atoms=90)]


@dataclass(frozen=True)
class Seen(PerFrame[list[tuple[int, int]]]):
    """The number of every frame and how many pairs it has."""

    every: int = 1
    reach: float = 3.0

    def frames(self, subject: Subject) -> np.ndarray:
        return np.arange(0, subject.frames, self.every)

    def cutoff(self, subject: Subject) -> float:
        return self.reach

    def start(self, subject: Subject) -> list[tuple[int, int]]:
        return []

    def add(self, state: list[tuple[int, int]], frame: Frame) -> None:
        state.append((frame.number, len(frame.pairs(self.reach).i)))

    def merge(self, first: list[tuple[int, int]], second: list[tuple[int, int]]):
        return first + second


@dataclass(frozen=True)
class Ends(PerAtom[dict[int, np.ndarray]]):
    """The last displacement of every atom, (xyz,)."""

    def start(self, subject: Subject) -> dict[int, np.ndarray]:
        return {}

    def add(self, state: dict[int, np.ndarray], paths: Paths) -> None:
        assert not set(state) & set(paths.atoms.tolist())
        state.update(
            zip(paths.atoms.tolist(), paths.values[..., -1] - paths.values[..., 0], strict=True)
        )

    def merge(self, first: dict[int, np.ndarray], second: dict[int, np.ndarray]):
        assert not first.keys() & second.keys()
        return first | second


@dataclass(frozen=True)
class Raises(PerFrame[None]):
    """Goes wrong at one frame."""

    number: int

    def cutoff(self, subject: Subject) -> float:
        return 0.0

    def start(self, subject: Subject) -> None:
        return None

    def add(self, state: None, frame: Frame) -> None:
        if frame.number == self.number:
            raise ZeroDivisionError("at this frame")

    def merge(self, first: None, second: None) -> None:
        return None


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return synthetic_trajectory(frames=60)


@pytest.mark.parametrize("blocks", CUTS)
def test_every_frame_comes_once_and_in_order(data, blocks) -> None:
    for every in (1, 9):
        found = measure_all(Subject(data), [Seen(every)], blocks)[Seen(every)]
        assert [number for number, _ in found] == list(range(0, 60, every))


def test_pairs_are_those_of_ase(data) -> None:
    found = measure_all(Subject(data), [Seen(20), Seen(20, 4.5)])
    for number, pairs in found[Seen(20)]:
        atoms = Atoms(
            data["element"].values.tolist(),
            data["positions"][number].values,
            cell=data["cell"][number].values,
            pbc=True,
        )
        assert 2 * pairs == len(neighbor_list("i", atoms, 3.0))
    assert all(n > m for (_, m), (_, n) in zip(found[Seen(20)], found[Seen(20, 4.5)], strict=True))


@pytest.mark.parametrize("blocks", CUTS)
@pytest.mark.parametrize("frame", ["barycentric", "framework", "none"])
def test_every_atom_comes_once_and_in_its_frame(data, blocks, frame) -> None:
    reference = Reference(frame, ("Al", "O") if frame == "framework" else ())
    ends = measure_all(Subject(data), [Ends(reference=reference)], blocks)
    (found,) = ends.values()
    x, mass = data["positions"].values.astype(float), data["mass"].values
    element = data["element"].values
    chosen = {"barycentric": mass > 0, "framework": np.isin(element, ["Al", "O"]), "none": None}
    moved = x[-1] - x[0]
    if chosen[frame] is not None:
        moved = moved - np.average(moved[chosen[frame]], axis=0, weights=mass[chosen[frame]])
    assert sorted(found) == list(range(x.shape[1]))
    np.testing.assert_allclose([found[k] for k in sorted(found)], moved, atol=1e-9)


def test_chunks_of_the_trajectory_do_not_matter(data) -> None:
    whole = measure_all(Subject(data), [Seen(), Ends(reference=Reference())])
    for chunks in ({"time": 13}, {"time": 25, "atom": 10}, {"atom": 1}):
        lazy = Subject(data.chunk(chunks))
        found = measure_all(lazy, [Seen(), Ends(reference=Reference())], Blocks(atoms=11))
        assert found[Seen()] == whole[Seen()]
        ends, expected = (f[Ends(reference=Reference())] for f in (found, whole))
        np.testing.assert_allclose([ends[k] for k in range(84)], [expected[k] for k in range(84)])


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_blocks_go_to_the_workers_of_a_cluster(data, client) -> None:
    measures = [Seen(), Ends(reference=Reference()), Centre(Reference())]
    alone = measure_all(Subject(data), measures)
    with get_task_stream(client) as stream:
        found = measure_all(Subject(data.chunk(time=20)), measures, Blocks(frames=6, atoms=17))
    assert len({task["worker"] for task in stream.data}) == 2
    assert len(stream.data) >= 10 + 5
    assert found[Seen()] == alone[Seen()]
    np.testing.assert_allclose(found[Centre(Reference())], alone[Centre(Reference())], rtol=1e-12)
    ends, expected = (f[Ends(reference=Reference())] for f in (found, alone))
    np.testing.assert_allclose([ends[k] for k in range(84)], [expected[k] for k in range(84)])


@pytest.mark.parametrize("blocks", CUTS)
def test_one_measure_that_raises_leaves_the_others_alone(data, blocks) -> None:
    found = measure_all(Subject(data), [Raises(31), Seen(), Raises(99)], blocks)
    assert isinstance(found[Raises(31)], Failure)
    assert isinstance(found[Raises(31)].error, ZeroDivisionError)
    assert found[Raises(99)] is None
    assert len(found[Seen()]) == 60


@dataclass(frozen=True)
class Speeds(Ends):
    """Velocities in a frame of reference, which there is none for."""

    variable = "velocities"


def test_a_frame_of_reference_is_not_taken_off_velocities(data) -> None:
    moving = data.assign(velocities=data["positions"])
    lost = Speeds(reference=Reference())
    found = measure_all(Subject(moving), [lost, Speeds()])
    assert isinstance(found[lost], Failure)
    assert len(found[Speeds()]) == 84


class Counting(Measured):
    """Frames and pairs."""

    use = "counting"

    def measures(self, subject: Subject) -> dict[str, Seen]:
        return {"seen": Seen(10)}

    def conclude(self, subject: Subject, found: dict[str, list[tuple[int, int]]]) -> xr.Dataset:
        return xr.Dataset({"pairs": ("n", [pairs for _, pairs in found["seen"]])})


class Sulking(Counting):
    """Concludes nothing."""

    use = "sulking"

    def conclude(self, subject: Subject, found: object) -> xr.Dataset:
        raise DataError("there is nothing to conclude")


class Plain(Analyser):
    """Reads for itself."""

    use = "plain"

    def analyse(self, *data: xr.Dataset) -> xr.Dataset:
        return xr.Dataset({"frames": data[0].sizes["time"]})


def test_analysers_share_what_they_measure_and_fail_alone(data, monkeypatch) -> None:
    seen = []
    monkeypatch.setattr(Seen, "add", lambda self, state, frame: seen.append(frame.number))
    results = together([Counting(), Sulking(), Plain(), Counting()], data)
    assert seen == [0, 10, 20, 30, 40, 50]
    assert isinstance(results[1], DataError)
    assert results[2]["frames"] == 60
    assert results[0].identical(results[3])


def test_an_analyser_alone_raises(data) -> None:
    with pytest.raises(DataError, match="nothing to conclude"):
        Sulking().analyse(data)


def test_positions_that_are_no_numbers_stop_all(data) -> None:
    broken = data.copy(deep=True)
    broken["positions"][50, 3, 1] = np.nan
    with pytest.raises(DataError, match="not finite"):
        together([Counting(), Plain()], broken)


def test_pairs_beyond_what_was_asked_for_are_refused(data) -> None:
    frame = Frame(Subject(data), 0, Subject(data).positions([0])[0], 3.0)
    with pytest.raises(ValueError, match=r"within 3\.5"):
        frame.pairs(3.5)


def test_atoms_are_grouped_by_species_where_they_have_one(data) -> None:
    labels = ["mobile" if e == "Li" else "rest" for e in data["element"].values]
    subject = Subject(data.assign_coords(species=("atom", labels)))
    assert subject.species == ("mobile", "rest")
    assert subject.elements == {"mobile": "Li", "rest": "X"}
    assert {s: len(a) for s, a in subject.atoms.items()} == {"mobile": 16, "rest": 68}


def test_frames_without_volume_are_refused() -> None:
    atoms = Atoms("Li2", [[0, 0, 0], [1, 1, 1]], cell=[0, 0, 0])
    flat = schema.trajectory(
        atoms,
        range(3),
        1.0,
        {"positions": np.zeros((3, 2, 3)), "cell": np.zeros((3, 3, 3))},
    )
    with pytest.raises(DataError, match="no volume"):
        Counting().analyse(flat)

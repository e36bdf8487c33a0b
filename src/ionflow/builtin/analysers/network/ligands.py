"""Anions around centres: how many, how far, and how near to a tetrahedron."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

import numpy as np

from ionflow.builtin.analysers.network.bonding import ENVIRONMENTS, Bonds, environments, mask
from ionflow.builtin.analysers.network.ratios import Row, stacked, summed
from ionflow.builtin.analysers.roles import Roles
from ionflow.builtin.analysers.thinned import Thinned
from ionflow.kinds import FloatArray
from ionflow.passes import Frame, IntArray, Pairs, Subject

#: coordination numbers are counted up to this one, which stands for more as well
MOST: Final = 8
TETRAHEDRAL_DEGREES: Final = float(np.degrees(np.arccos(-1 / 3)))
#: which anions are counted
LIGANDS: Final = ("terminal", "bridging", "all")


@dataclass
class LigandSums:
    """Sums so far."""

    frames: list[tuple[int, Row]] = field(default_factory=list)
    """number and sums over centres of each frame, in order of time"""
    centres: Row = field(default_factory=dict)
    """sums over frames of each centre, (centre, ...)"""


@dataclass(frozen=True)
class LigandsFound:
    """Sums by frame and by centre, of the same quantities."""

    frames: IntArray
    """(frame,) numbers of the frames"""
    by_frame: Row
    """(frame, ...) summed over centres"""
    by_centre: Row
    """(centre, ...) summed over frames"""


@dataclass(frozen=True)
class Ligands(Thinned[LigandSums]):
    """What surrounds each centre, in evenly spaced frames: LigandsFound.

    Sums by name: `one` (1), `environment` (6), `coordination` (LIGANDS), `number` (LIGANDS,
    MOST + 1), `order` and `angle` (5: sums of q and of the variance of angles of the
    four-coordinated, by environment), `bond` (pair, 3: number of bonds, sum of their lengths and
    of the squares), pairs in the order of `bonds.table`.
    """

    bonds: Bonds
    roles: Roles
    max_frames: int

    def cutoff(self, subject: Subject) -> float:
        return self.bonds.longest

    def start(self, subject: Subject) -> LigandSums:
        return LigandSums()

    def add(self, state: LigandSums, frame: Frame) -> None:
        each = self._each(frame)
        state.frames.append((frame.number, {name: x.sum(axis=0) for name, x in each.items()}))
        state.centres = summed(state.centres, each)

    def merge(self, first: LigandSums, second: LigandSums) -> LigandSums:
        return LigandSums(first.frames + second.frames, summed(first.centres, second.centres))

    def finish(self, state: LigandSums, subject: Subject) -> LigandsFound:
        numbers = np.array([number for number, _ in state.frames])
        return LigandsFound(numbers, stacked([row for _, row in state.frames]), state.centres)

    def _each(self, frame: Frame) -> Row:
        subject, bonded = frame.subject, self.bonds.pairs(frame)
        centre = mask(subject, self.roles.centre)
        around = {
            name: bonded.between(centre, mask(subject, getattr(self.roles, name)))
            for name in ("terminal", "bridging")
        }
        environment = environments(bonded, subject, self.roles)
        counts = _counts(around, centre)
        return {
            "one": np.ones((len(counts), 1)),
            "environment": np.eye(len(ENVIRONMENTS))[environment],
            "coordination": counts.astype(np.float64),
            "number": np.eye(MOST + 1)[np.minimum(counts, MOST)],
            **_shapes(around.values(), centre, environment),
            "bond": self._lengths(around.values(), subject, centre),
        }

    def _lengths(self, around: Iterable[Pairs], subject: Subject, centre: np.ndarray) -> FloatArray:
        size, kind = len(subject.species), subject.kind
        places = {name: place for place, name in enumerate(subject.species)}
        column = np.zeros((size, size), dtype=np.int64)
        for k, ((a, b), _) in enumerate(self.bonds.table):
            column[places[a], places[b]] = k
        row = np.cumsum(centre) - 1
        sums = np.zeros((int(centre.sum()), len(self.bonds.table), 3))
        for pairs in around:
            where = (row[pairs.i], column[kind[pairs.i], kind[pairs.j]])
            powers = np.stack([np.ones_like(pairs.distance), pairs.distance, pairs.distance**2], 1)
            np.add.at(sums, where, powers)
        return sums


def _counts(around: dict[str, Pairs], centre: np.ndarray) -> IntArray:
    """Anions around each centre, (centre, LIGANDS)."""
    terminal, bridging = (
        np.bincount(around[name].i, minlength=len(centre))[centre]
        for name in ("terminal", "bridging")
    )
    return np.stack([terminal, bridging, terminal + bridging], axis=1)


def _shapes(around: Iterable[Pairs], centre: np.ndarray, environment: IntArray) -> Row:
    """q and the variance of angles of each four-coordinated centre, (centre, environment)."""
    four = environment < len(ENVIRONMENTS) - 1
    i = np.concatenate([pairs.i for pairs in around])
    vectors = np.concatenate([pairs.vector for pairs in around])
    row = (np.cumsum(centre) - 1)[i]
    order = np.argsort(row, kind="stable")
    corners = vectors[order[four[row[order]]]].reshape(-1, 4, 3)
    shape = np.zeros((2, len(environment), len(ENVIRONMENTS) - 1))
    shape[:, four, environment[four]] = order_parameter(corners), angle_variance(corners)
    return {"order": shape[0], "angle": shape[1]}


def _cosines(corners: FloatArray) -> FloatArray:
    unit = corners / np.linalg.norm(corners, axis=-1, keepdims=True)
    first, second = np.array(list(combinations(range(4), 2))).T
    cosines: FloatArray = (unit[:, first] * unit[:, second]).sum(axis=-1)
    return cosines


def order_parameter(corners: FloatArray) -> FloatArray:
    """Tetrahedral order q = 1 − (3/8) Σ_{j<k} (cos ψ_jk + 1/3)², (tetrahedron,).

    1 for a regular tetrahedron, 0 on average for four random directions (Errington and Debenedetti,
    doi:10.1038/35053024).

    Parameters
    ----------
    corners : (tetrahedron, 4, xyz) from the centre to its ligands, any length
    """
    order: FloatArray = 1 - 3 / 8 * ((_cosines(corners) + 1 / 3) ** 2).sum(axis=-1)
    return order


def angle_variance(corners: FloatArray) -> FloatArray:
    """Variance of the six angles, σ² = Σ (θ − 109.47°)²/5 in degrees², (tetrahedron,).

    Robinson, Gibbs and Ribbe, doi:10.1126/science.172.3983.567.

    Parameters
    ----------
    corners : (tetrahedron, 4, xyz) from the centre to its ligands, any length
    """
    angles = np.degrees(np.arccos(np.clip(_cosines(corners), -1, 1)))
    variance: FloatArray = ((angles - TETRAHEDRAL_DEGREES) ** 2).sum(axis=-1) / 5
    return variance

"""Whether ions hop together: neighbours that hop about when an ion does, against chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ionflow.builtin.analysers.hops.cages import Hops
from ionflow.builtin.analysers.hops.hopping import clustered, summed
from ionflow.builtin.analysers.labels import Labelled, labelled
from ionflow.kinds import FloatArray
from ionflow.passes import IntArray

#: hops looked at together
BLOCK = 500
#: hops looked at, evenly spaced
MOST = 4000


@dataclass(frozen=True)
class Vicinity:
    """What counts as near in space and in time."""

    reach: float
    """Å"""
    edges: FloatArray
    """(bin + 1,) Å, of distances in the curve"""
    time: int
    """frames before and after"""
    shuffles: int
    seed: int


@dataclass(frozen=True)
class Concert:
    """Hops of other ions near hops of some; chance is the mean over shuffles."""

    hop: IntArray
    """(hop,) the hops looked at"""
    number: FloatArray
    """(shuffle + 1, hop) hops of other ions near, first as they are, then by chance"""
    any: FloatArray
    """(shuffle + 1, hop) whether there is one"""
    by_distance: FloatArray
    """(shuffle + 1, bin) number by distance"""

    def ratio(self, near: Vicinity, limit: float) -> FloatArray:
        """Hops over those by chance by distance, (bin,), up to a limit (Å); NaN where unknown."""
        seen, chance = self.by_distance[0], self.by_distance[1:].mean(axis=0)
        # fewer than one hop by chance tells nothing
        known = (chance >= 1) & (near.edges[1:] <= limit)
        return np.where(known, seen / np.where(known, chance, 1.0), np.nan)


def combined(parts: Sequence[Hops]) -> Hops:
    """The hops of several species as those of one."""
    offsets = np.cumsum([0, *(len(part.ions) for part in parts[:-1])])
    return Hops(
        np.concatenate([part.ions for part in parts]),
        parts[0].frames,
        parts[0].window,
        np.concatenate([part.cage_ion + k for part, k in zip(parts, offsets, strict=True)]),
        np.concatenate([part.cage_start for part in parts]),
        np.concatenate([part.cage_end for part in parts]),
        np.concatenate([part.site for part in parts]),
    )


def concert(hops: Hops, ions: IntArray, cells: FloatArray, near: Vicinity) -> Concert:
    """Hops of other ions near the hops of some.

    An ion is near a hop if the cage in which it is `near.time` before lies within `near.reach`
    of where the hop starts; it takes part if it hops no more than `near.time` before or after.
    What chance would bring is counted with the times of the hops of each other ion shifted, round
    the ends of the trajectory, by a random time of its own: neighbours, and how each ion's own
    hops follow on each other, stay as they are.

    Parameters
    ----------
    hops : of all mobile ions
    ions : indices of those whose hops are looked at
    cells : (time, vector, xyz) Å
    """
    looked = _looked_at(hops, ions, near.time)
    shifts = _shifts(hops, near)
    timetable = _Timetable.of(hops)
    size = (len(shifts), len(looked))
    number, any_ = np.zeros(size), np.zeros(size)
    by_distance = np.zeros((len(shifts), len(near.edges) - 1))
    for start in range(0, len(looked), BLOCK):
        part = slice(start, start + BLOCK)
        place, other, distance = _neighbours(hops, looked[part], cells, near)
        times = hops.frame[looked[part]][place]
        for k, shift in enumerate(shifts):
            count = timetable.count(other, times - shift[other], near.time)
            close = distance < near.reach
            number[k, part] = np.bincount(place[close], count[close], len(looked[part]))
            any_[k, part] = number[k, part] > 0
            by_distance[k] += np.histogram(distance, near.edges, weights=count)[0]
    return Concert(looked, number, any_, by_distance)


def _looked_at(hops: Hops, ions: IntArray, time: int) -> IntArray:
    """Hops of these ions that are observed long enough before and after; not too many."""
    end = hops.first + hops.observed
    whole = (hops.frame - time >= hops.first) & (hops.frame + time < end)
    chosen = np.flatnonzero(np.isin(hops.ion, ions) & whole)
    return chosen[:: max(1, -(-len(chosen) // MOST))]


def _shifts(hops: Hops, near: Vicinity) -> IntArray:
    """(shuffle + 1, ion) frames; none at first."""
    rng = np.random.default_rng(near.seed)
    low, high = hops.observed // 10, hops.observed - hops.observed // 10
    shifts = rng.integers(low, max(low + 1, high), (near.shuffles + 1, len(hops.ions)))
    shifts[0] = 0
    return shifts


@dataclass(frozen=True)
class _Timetable:
    """When each ion hops, on a time that is closed to a ring."""

    keys: IntArray
    """ascending, ion · stride + frame, each hop also one turn earlier and later"""
    stride: int
    first: int
    turn: int

    @classmethod
    def of(cls, hops: Hops) -> _Timetable:
        stride, turn = 4 * hops.frames, hops.observed
        keys = hops.ion * stride + hops.frame + hops.frames
        return cls(np.sort(np.concatenate([keys - turn, keys, keys + turn])), stride, hops.first,
                   turn)  # fmt: skip

    def count(self, ion: IntArray, frame: IntArray, time: int) -> IntArray:
        """Hops of ions within `time` of frames."""
        frames = (self.stride // 4) + self.first + (frame - self.first) % self.turn
        key = ion * self.stride + frames
        upper = np.searchsorted(self.keys, key + time, side="right")
        return upper - np.searchsorted(self.keys, key - time, side="left")


def _neighbours(
    hops: Hops, looked: IntArray, cells: FloatArray, near: Vicinity
) -> tuple[IntArray, IntArray, FloatArray]:
    """Places in `looked`, other ions, and their distance (Å), up to the last edge."""
    starts = hops.cage_ion * hops.frames + hops.cage_start
    each = np.arange(len(hops.ions))
    frame = hops.frame[looked]
    before = np.maximum(frame - near.time, 0)
    cage = np.searchsorted(starts, each * hops.frames + before[:, None], side="right") - 1
    apart = hops.site[cage] - hops.site[hops.cage[looked] - 1][:, None]
    distance = _shortest(apart, cells[frame])
    within = (distance < max(near.reach, near.edges[-1])) & (each != hops.ion[looked][:, None])
    place, other = np.nonzero(within)
    return place, other, distance[place, other]


def _shortest(apart: FloatArray, cells: FloatArray) -> FloatArray:
    """Distances to the nearest image, exact up to half of the least height of the cell."""
    scaled = apart @ np.linalg.inv(cells)
    scaled -= np.round(scaled)
    distance: FloatArray = np.linalg.norm(scaled @ cells, axis=-1)
    return distance


def least_height(cells: FloatArray) -> float:
    """The least distance between opposite faces of any cell, Å."""
    faces = np.linalg.norm(np.linalg.inv(cells), axis=-2)
    return float(1 / faces.max())


def pair_variables(
    together: Sequence[Concert], near: Vicinity, interval_ps: float
) -> dict[str, Labelled]:
    """Hops of neighbours along with a hop, and by chance, for each species."""
    rows = [_pairs(one) for one in together]
    texts = {
        "pair_hop_number": "hops of neighbours along with a hop",
        "pair_hop_number_independent": "the same by chance",
        "pair_hop_ratio": "hops of neighbours along with a hop over those by chance",
        "pair_hop_ratio_stderr": "standard error of pair_hop_ratio from the spread over hops",
        "pair_hop_ratio_chance": "standard deviation of pair_hop_ratio over shuffles, about 1",
        "pair_hop_probability": "probability that a neighbour hops along with a hop",
        "pair_hop_probability_independent": "the same by chance",
        "pair_hop_excess": "pair_hop_probability less that by chance",
        "pair_hop_excess_stderr": "standard error of pair_hop_excess from the spread over hops",
    }
    return {
        **{
            name: labelled(("species",), [row[name] for row in rows], "1", text)
            for name, text in texts.items()
        },
        "pair_reach": labelled((), near.reach, "angstrom", "how near a neighbour is"),
        "pair_time": labelled(
            (), near.time * interval_ps, "ps", "how much earlier or later it hops"
        ),
    }


def _pairs(one: Concert) -> dict[str, float]:
    names = ("number", "probability")
    if not one.hop.size or not one.number[1:].any():
        return dict.fromkeys(
            [f"pair_hop_{n}{s}" for n in names for s in ("", "_independent")]
            + [f"pair_hop_{n}" for n in ("ratio", "ratio_stderr", "ratio_chance")]
            + ["pair_hop_excess", "pair_hop_excess_stderr"],
            np.nan,
        )
    seen, chance = one.number[0], one.number[1:].mean(axis=0)
    excess = one.any[0] - one.any[1:].mean(axis=0)
    # hops that follow on each other share neighbours: a run of them is one observation
    count = min(len(seen), 32)
    runs = np.arange(len(seen)) * count // len(seen)
    seen_of, chance_of, excess_of, size = (
        summed(runs, values, count) for values in (seen, chance, excess, np.ones(len(seen)))
    )
    return {
        "pair_hop_number": seen.mean(),
        "pair_hop_number_independent": chance.mean(),
        "pair_hop_ratio": seen.sum() / chance.sum(),
        "pair_hop_ratio_stderr": clustered(seen_of, chance_of),
        "pair_hop_ratio_chance": one.number[1:].sum(axis=1).std(ddof=1) / chance.sum(),
        "pair_hop_probability": one.any[0].mean(),
        "pair_hop_probability_independent": one.any[1:].mean(),
        "pair_hop_excess": excess.mean(),
        "pair_hop_excess_stderr": clustered(excess_of, size),
    }

"""How far minima joined by saddles reach through a periodic cell."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ionflow.builtin.analysers.hops.basins import Basins, Image, Saddles, lowest
from ionflow.kinds import FloatArray
from ionflow.passes import IntArray

#: basins are told apart if the saddle between them stands out by so many standard errors
ERRORS = 3.0


@dataclass
class Joined:
    """Things joined to each other across periodic images (union-find with positions).

    A loop that comes back to another image of where it started is a vector by which the whole
    repeats itself; the rank of these vectors is in how many dimensions it percolates.
    """

    parent: list[int]
    place: list[Image]
    """image of each thing, seen from its parent"""
    loops: dict[int, list[Image]] = field(default_factory=dict)

    @classmethod
    def of(cls, count: int) -> Joined:
        """So many things, none joined."""
        return cls(list(range(count)), [(0, 0, 0)] * count)

    def find(self, thing: int) -> tuple[int, Image]:
        """The root of a thing, and the thing's image seen from it."""
        path = []
        root = thing
        while self.parent[root] != root:
            path.append(root)
            root = self.parent[root]
        # nearest to the root first: then each hangs on the root itself
        for passed in reversed(path[:-1]):
            self.place[passed] = _plus(self.place[passed], self.place[self.parent[passed]])
            self.parent[passed] = root
        return root, self.place[thing] if path else (0, 0, 0)

    def join(self, one: int, other: int, image: Image) -> int:
        """Join to `one` the `image` of the other; the rank of their loops now.

        The root of `one` stays a root.
        """
        (a, at), (b, there) = self.find(one), self.find(other)
        reached = _minus(_plus(at, image), there)
        loops = self.loops.pop(a, [])
        if a != b:
            self.parent[b], self.place[b] = a, reached
            added = self.loops.pop(b, [])
        else:
            added = [reached] if any(reached) else []
        self.loops[a] = _independent([*loops, *added]) if added and len(loops) < 3 else loops
        return len(self.loops[a])


def _plus(one: Image, other: Image) -> Image:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _minus(one: Image, other: Image) -> Image:
    return one[0] - other[0], one[1] - other[1], one[2] - other[2]


def _independent(vectors: list[Image]) -> list[Image]:
    kept: list[Image] = []
    for vector in vectors:
        if np.linalg.matrix_rank(np.array([*kept, vector])) > len(kept):
            kept.append(vector)
    return kept


def percolation(basins: Basins) -> FloatArray:
    """The least height below which something connected percolates in 1, 2 and 3 dimensions, (3,).

    NaN where nothing does.
    """
    found = np.full(3, np.nan)
    joined, reached = Joined.of(len(basins.minimum)), 0
    for one, other, image, height in basins.saddles.rows():
        rank = joined.join(one, other, image)
        if rank > reached:
            found[reached:rank] = height
            reached = rank
        if reached == 3:
            break
    return found


@dataclass(frozen=True)
class Network:
    """Basins that are deep enough to be told apart, and the saddles between them."""

    minimum: IntArray
    """(node,) flat index of the lowest voxel"""
    depth: FloatArray
    """(node,) its value"""
    label: IntArray
    """(voxel,) node of each voxel, −1 where the landscape has no value"""
    saddles: Saddles


def network_of(basins: Basins, least: float, visits: float = np.inf) -> Network:
    """Basins merged across saddles that are hardly above the shallower of two.

    Saddles are taken in ascending order. Where one joins two regions, the one whose minimum is
    higher is merged into the basin on the other side if the saddle is not `least`, and not three
    standard errors, above that minimum (persistence; Edelsbrunner, Letscher and Zomorodian,
    doi:10.1007/s00454-002-2885-2).

    Parameters
    ----------
    basins : of a free energy, kT
    least : kT
    visits : that the free energy rests on where it is 0; elsewhere they are fewer by exp(−F)
    """
    depth = basins.depth
    regions, nodes = Joined.of(len(depth)), Joined.of(len(depth))
    for one, other, image, height in basins.saddles.rows():
        (low, _), (high, _) = regions.find(one), regions.find(other)
        if low == high:
            continue
        # the root of a region, as of a node, is its lowest basin
        ends = (one, other, image) if depth[low] <= depth[high] else _reversed(one, other, image)
        regions.join(*ends)
        bottom = max(depth[low], depth[high])
        if height - bottom < max(least, ERRORS * _error(bottom, height, visits)):
            _absorb(nodes, depth, ends)
    return _merged(basins, nodes)


def _error(bottom: float, height: float, visits: float) -> float:
    """Standard error of the difference of two free energies, kT."""
    return float(np.sqrt((np.exp(bottom) + np.exp(height)) / visits))


def _absorb(nodes: Joined, depth: FloatArray, ends: tuple[int, int, Image]) -> None:
    """Make two nodes one, whose root is the lower of the two."""
    (one, _), (other, _) = nodes.find(ends[0]), nodes.find(ends[1])
    nodes.join(*(ends if depth[one] <= depth[other] else _reversed(*ends)))


def _reversed(one: int, other: int, image: Image) -> tuple[int, int, Image]:
    return other, one, _minus((0, 0, 0), image)


def _merged(basins: Basins, nodes: Joined) -> Network:
    roots = [nodes.find(basin) for basin in range(len(basins.minimum))]
    root = np.array([found for found, _ in roots], dtype=np.int64)
    place = np.array([image for _, image in roots], dtype=np.int64).reshape(-1, 3)
    kept = np.unique(root)
    node = np.searchsorted(kept, root)
    saddles, (one, other) = basins.saddles, basins.saddles.ends.T
    image = place[one] + saddles.image - place[other]
    ends = np.stack([node[one], node[other]], axis=1)
    crossing = (ends[:, 0] != ends[:, 1]) | image.any(axis=1)
    between = Saddles(ends, image, saddles.height, saddles.voxel).where(crossing)
    label = np.where(basins.label >= 0, node[basins.label], -1)
    return Network(basins.minimum[kept], basins.depth[kept], label, lowest(between))

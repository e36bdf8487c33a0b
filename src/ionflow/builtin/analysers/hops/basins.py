"""Basins of a landscape on a periodic grid, and the saddles between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ionflow.kinds import FloatArray
from ionflow.passes import IntArray

Image = tuple[int, int, int]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Saddles:
    """The lowest passes between minima; each once for each periodic image."""

    ends: IntArray
    """(saddle, 2) indices of minima"""
    image: IntArray
    """(saddle, 3) the periodic image of the second, seen from the first"""
    height: FloatArray
    """(saddle,) ascending"""
    voxel: IntArray
    """(saddle,) flat index of the highest voxel of the pass"""

    def rows(self) -> Iterator[tuple[int, int, Image, float]]:
        """The two minima, the image of the second and the height of each saddle."""
        rows = zip(self.ends.tolist(), self.image.tolist(), self.height.tolist(), strict=True)
        for (one, other), (a, b, c), height in rows:
            yield one, other, (a, b, c), height

    def where(self, chosen: BoolArray | IntArray) -> Saddles:
        """Some of them."""
        return Saddles(
            self.ends[chosen], self.image[chosen], self.height[chosen], self.voxel[chosen]
        )


@dataclass(frozen=True)
class Basins:
    """A landscape's minima, what belongs to each, and the saddles between them."""

    minimum: IntArray
    """(basin,) flat index of the lowest voxel"""
    depth: FloatArray
    """(basin,) its value"""
    label: IntArray
    """(voxel,) basin of each voxel, −1 where the landscape has no value"""
    saddles: Saddles


def basins_of(landscape: FloatArray) -> Basins:
    """Basins by steepest descent through faces of voxels.

    From each voxel one goes to the lowest of its six neighbours, until none is lower; ties are
    broken by order. So every voxel is joined to its minimum by a path that never rises, and what
    is connected below any height is what minima and saddles below that height connect: the graph
    has exactly the percolation of the grid.

    Parameters
    ----------
    landscape : (a, b, c), periodic; NaN where nothing is known
    """
    known = np.isfinite(landscape)
    order = _order(landscape)
    target, image = _descended(*_steps(order, known))
    minimum = np.unique(target[known.ravel()])
    label = np.where(known.ravel(), np.searchsorted(minimum, target), -1)
    saddles = _saddles(landscape, known, label, image)
    return Basins(minimum, landscape.ravel()[minimum], label, saddles)


def _order(landscape: FloatArray) -> IntArray:
    """Place of each voxel when sorted by height, without ties; the unknown come last."""
    order = np.empty(landscape.size, dtype=np.int64)
    order[np.argsort(landscape, axis=None, kind="stable")] = np.arange(landscape.size)
    return order.reshape(landscape.shape)


def _neighbour(shape: tuple[int, ...], axis: int, step: int) -> tuple[IntArray, IntArray]:
    """Flat index of each voxel's neighbour, and the image that it lies in along the axis."""
    index = np.arange(int(np.prod(shape))).reshape(shape)
    image = np.zeros(shape[axis], dtype=np.int64)
    image[-1 if step > 0 else 0] = step
    along = [1, 1, 1]
    along[axis] = -1
    spread = np.broadcast_to(image.reshape(along), shape)
    return np.roll(index, -step, axis).ravel(), spread.ravel()


def _steps(order: IntArray, known: BoolArray) -> tuple[IntArray, IntArray]:
    """The lowest neighbour of each voxel, or itself, and the image it lies in, (voxel, 3)."""
    flat = order.ravel()
    target, lowest = np.arange(flat.size), flat.copy()
    image = np.zeros((flat.size, 3), dtype=np.int64)
    for axis in range(3):
        for step in (1, -1):
            neighbour, crossed = _neighbour(order.shape, axis, step)
            lower = flat[neighbour] < lowest
            target[lower], lowest[lower] = neighbour[lower], flat[neighbour][lower]
            image[lower] = 0
            image[lower, axis] = crossed[lower]
    apart = ~known.ravel()
    target[apart], image[apart] = np.flatnonzero(apart), 0
    return target, image


def _descended(target: IntArray, image: IntArray) -> tuple[IntArray, IntArray]:
    """Where the steps end, and in which image; each round doubles the steps made."""
    while True:
        further = target[target]
        if (further == target).all():
            return target, image
        image = image + image[target]
        target = further


def _saddles(landscape: FloatArray, known: BoolArray, label: IntArray, image: IntArray) -> Saddles:
    """Faces between basins, of which the lowest is kept for each pair and image."""
    height, inside = landscape.ravel(), known.ravel()
    parts = []
    for axis in range(3):
        other, crossed = _neighbour(landscape.shape, axis, 1)
        shift = image[other] - image
        shift[:, axis] += crossed
        between = inside & inside[other] & ((label != label[other]) | shift.any(axis=1))
        one, two = np.flatnonzero(between), other[between]
        top = np.where(height[one] >= height[two], one, two)
        ends = np.stack([label[one], label[two]], axis=1)
        parts.append(Saddles(ends, shift[between], height[top], top))
    return lowest(
        Saddles(
            np.concatenate([part.ends for part in parts]),
            np.concatenate([part.image for part in parts]),
            np.concatenate([part.height for part in parts]),
            np.concatenate([part.voxel for part in parts]),
        )
    )


def lowest(saddles: Saddles) -> Saddles:
    """The lowest saddle of each pair and image, in ascending order."""
    ends, image = saddles.ends.copy(), saddles.image.copy()
    back = (ends[:, 0] > ends[:, 1]) | ((ends[:, 0] == ends[:, 1]) & _negative(image))
    ends[back], image[back] = ends[back][:, ::-1], -image[back]
    order = np.lexsort((saddles.voxel, saddles.height))
    keys = np.concatenate([ends, image], axis=1)[order]
    first = np.sort(np.unique(keys, axis=0, return_index=True)[1])
    chosen = order[first]
    return Saddles(ends[chosen], image[chosen], saddles.height[chosen], saddles.voxel[chosen])


def _negative(image: IntArray) -> BoolArray:
    """Whether the first component that is not zero is negative, (saddle,)."""
    negative: BoolArray = (np.sign(image) @ np.array([9, 3, 1])) < 0
    return negative

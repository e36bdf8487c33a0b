"""Bragg peaks of the framework: is a part of it a crystal?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.fft

from ionflow.builtin.analysers.thinned import Thinned
from ionflow.kinds import FloatArray
from ionflow.passes import Frame, IntArray, Subject

#: Å between grid points; coarser where the cell would have more than MOST_POINTS
SPACING = 0.4
MOST_POINTS = 1 << 24
#: 1/Å; the edge of a slab of another phase would be taken for planes more than 6 Å apart
SHORTEST_Q, LONGEST_Q = 1.0, 4.0
#: wave vectors of similar length that tell what a glass scatters there
SHELL = 96
#: brightest share of a shell that is left out of its mean, lest it be Bragg peaks
TRIM = 0.2
#: chance that a glass or a liquid is taken for a crystal, nominally
FALSE_ALARM = 1e-3
#: for the scatter of the mean of a shell, and for the slope of S(q) within one
SAFETY = 1.5
#: least scattering that a shell is taken to have, as a share of that of independent atoms
FLOOR = 0.1
#: a domain that scatters less than this share of a perfect crystal's amplitude is none
LEAST_SHARE = 0.2
#: Debye and Waller's factor of intensities that is reckoned with when saying what would be seen
DEBYE_WALLER = 0.7


@dataclass(frozen=True)
class FrozenDensity(Thinned[FloatArray]):
    """Atoms counted on a grid that follows the cell and their centre, summed over frames."""

    species: tuple[str, ...]
    max_frames: int

    def cutoff(self, subject: Subject) -> float:
        return 0.0

    def start(self, subject: Subject) -> FloatArray:
        return np.zeros(grid(subject), dtype=np.float32)

    def add(self, state: FloatArray, frame: Frame) -> None:
        atoms = np.concatenate([frame.subject.atoms[name] for name in self.species])
        scaled = frame.positions[atoms] @ np.linalg.inv(frame.cell)
        scaled -= scaled.mean(axis=0)  # what drifts as a whole stays sharp
        shape = np.array(state.shape)
        place = np.floor(scaled * shape).astype(np.int64) % shape
        np.add.at(state, tuple(place.T), 1.0)

    def merge(self, first: FloatArray, second: FloatArray) -> FloatArray:
        return first + second

    def finish(self, state: FloatArray, subject: Subject) -> Peak:
        frames = int(self.frames_per_block(subject).sum())
        return brightest(state / frames, subject.cells.mean(axis=0))


def grid(subject: Subject) -> tuple[int, int, int]:
    """Numbers of grid points along the cell's vectors."""
    edges = np.linalg.norm(subject.cells.mean(axis=0), axis=1)
    spacing = max(SPACING, float((edges.prod() / MOST_POINTS) ** (1 / 3)))
    a, b, c = (scipy.fft.next_fast_len(int(np.ceil(edge / spacing)), real=True) for edge in edges)
    return a, b, c


@dataclass(frozen=True)
class Peak:
    """The brightest wave vector, against what a glass would scatter there.

    Attributes
    ----------
    share : |⟨ρ_q⟩|/N, 1 for a perfect crystal at rest
    ratio : |⟨ρ_q⟩|²/N over its mean in a glass, exponentially distributed there
    bound : of `ratio`, by the number of wave vectors and the false alarm allowed
    q : 1/Å
    detectable : share of the atoms that a crystal must hold to exceed the bound
    """

    share: float
    ratio: float
    bound: float
    q: float
    detectable: float
    vectors: int

    @property
    def is_crystal(self) -> bool:
        """Whether it is too bright for a glass."""
        return self.ratio > self.bound and self.share > LEAST_SHARE

    @property
    def verdict(self) -> str:
        """In words."""
        if self.is_crystal:
            d = 2 * np.pi / self.q
            return (
                f"crystallised: {self.share:.0%} of a perfect crystal's amplitude at {self.q:.2f} "
                f"1/Å (planes {d:.2f} Å apart), {self.ratio:.0f} times what a glass scatters there"
            )
        if not self.detectable <= 1:
            return "cannot tell: too few atoms for a crystal to stand out"
        seen = f"a crystal of {self.detectable:.0%} of the atoms"
        if self.detectable > 0.7:
            return f"cannot tell: {seen} would not be seen"
        return f"no: no Bragg peak; {seen} would be seen"


def brightest(density: FloatArray, cell: FloatArray) -> Peak:
    """The brightest of all wave vectors between SHORTEST_Q and LONGEST_Q.

    Parameters
    ----------
    density : mean number of atoms at each point of a grid over the cell
    cell : (3, 3) Å, rows are its vectors
    """
    count = float(density.sum())
    intensity, q = _intensities(density, cell)
    if len(q) < SHELL or not count:
        return Peak(np.nan, np.nan, np.nan, np.nan, np.nan, len(q))
    expected = _expected(intensity)
    ratio, bound = intensity / expected, SAFETY * np.log(len(q) / FALSE_ALARM)
    k = int(np.argmax(ratio))
    weakest = max(bound * expected.max() / count, LEAST_SHARE**2) / DEBYE_WALLER
    return Peak(
        share=float(np.sqrt(intensity[k] / count)),
        ratio=float(ratio[k]),
        bound=float(bound),
        q=float(q[k]),
        detectable=float(np.sqrt(weakest)),
        vectors=len(q),
    )


def _intensities(density: FloatArray, cell: FloatArray) -> tuple[FloatArray, FloatArray]:
    """|ρ_q|²/N and |q| of half of all wave vectors, in order of |q|."""
    rho = scipy.fft.rfftn(density)
    index = _indices(density.shape)
    q = 2 * np.pi * np.linalg.norm(index @ np.linalg.inv(cell).T, axis=-1)
    edges = np.linalg.norm(cell, axis=1) / density.shape
    # of q and −q, which are both there where the last index is 0, one
    half = (index[..., 2] > 0) | (index[..., 1] > 0) | ((index[..., 1] == 0) & (index[..., 0] > 0))
    kept = half & (q > SHORTEST_Q) & (q < min(LONGEST_Q, np.pi / 2 / edges.max()))
    index, q = index[kept], q[kept]
    # an atom counted at its nearest point is smeared over a box
    window = np.sinc(index / np.array(density.shape)).prod(axis=-1)
    intensity = np.abs(rho[kept]) ** 2 / window**2 / max(float(density.sum()), 1e-300)
    order = np.argsort(q, kind="stable")
    return intensity[order], q[order]


def _indices(shape: tuple[int, ...]) -> IntArray:
    axes = [np.fft.fftfreq(n, 1 / n) for n in shape[:2]] + [np.arange(shape[2] // 2 + 1)]
    index: IntArray = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).round().astype(np.int64)
    return index


def _expected(intensity: FloatArray) -> FloatArray:
    """Mean intensity at each wave vector were it a glass's: that of the dimmer ones around it."""
    edges = np.linspace(0, len(intensity), max(1, len(intensity) // SHELL) + 1).round().astype(int)
    means = np.array([_trimmed(intensity[a:b]) for a, b in pairwise(edges)])
    # a shell that is dim by chance, or at the foot of a peak of S(q), is as bright as those beside
    around = np.convolve(np.pad(means, 1, mode="edge"), np.full(3, 1 / 3), mode="valid")
    mean: FloatArray = np.repeat(np.maximum(means, around), np.diff(edges))
    return np.maximum(mean, FLOOR)


def _trimmed(values: FloatArray) -> float:
    """The mean of an exponential distribution from the values below its quantile 1 − TRIM."""
    kept = np.sort(values)[: max(1, round(len(values) * (1 - TRIM)))]
    return float(kept.mean() * (1 - TRIM) / (1 - TRIM + TRIM * np.log(TRIM)))

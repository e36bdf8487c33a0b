"""The paths of a trajectory's atoms in a frame of reference, read block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import xarray as xr
from pydantic import Field, model_validator

from ionflow import Analyser
from ionflow.builtin.analysers.brownian import IntArray
from ionflow.builtin.analysers.correlation import mean_squared_displacement, spaced_lags
from ionflow.builtin.analysers.labels import members
from ionflow.errors import DataError
from ionflow.kinds import FloatArray
from ionflow.schema import frame_interval_ps, require

#: a trajectory whose positions take less is read once and kept; a larger one in blocks of this
READ_BYTES = 1 << 28
#: coordinates that one transform takes together: large enough for speed, small enough for a cache
TRANSFORM_SIZE = 2_000_000
#: fewest frames from which a time dependence can be told
MIN_FRAMES = 8


class InFrame(Analyser):
    """An analyser of displacements: in which frame of reference, at which lags."""

    frame: Literal["barycentric", "framework", "none"] = "barycentric"
    """What displacements are relative to: the centre of mass of all atoms (barycentric), that of
    the species named in `framework`, or the box (none)."""

    framework: tuple[str, ...] = ()
    """Species that make up the framework; used by frame: framework alone."""

    max_lag_fraction: float = Field(0.5, gt=0, le=0.9)
    """Longest lag as a fraction of the trajectory."""

    lags: int = Field(64, ge=8, le=100)
    """Number of lags, evenly spaced on a log axis."""

    @model_validator(mode="after")
    def _frame_is_named(self) -> InFrame:
        if (self.frame == "framework") != bool(self.framework):
            raise ValueError("frame: framework and framework: [species, ...] go together")
        return self

    def walkers(self, data: xr.Dataset) -> Walkers:
        """The trajectory's atoms in this frame of reference."""
        return Walkers(data, self.frame, self.framework)

    def lag_frames(self, walkers: Walkers) -> IntArray:
        """Lags in frames."""
        return spaced_lags(walkers.frames, self.max_lag_fraction, self.lags)

    def frame_attrs(self) -> dict[str, str]:
        """How results state the frame of reference."""
        named = f" of {', '.join(self.framework)}" if self.framework else ""
        return {"frame": f"{self.frame}{named}"}


class Walkers:
    """The atoms of a trajectory as walkers in a frame of reference.

    Parameters
    ----------
    data : a trajectory as `ionflow.schema` describes it
    frame : barycentric, framework or none
    framework : species of the framework

    Raises
    ------
    DataError
        If positions are missing, not finite or too few, or a framework species is absent.
    """

    def __init__(self, data: xr.Dataset, frame: str = "none", framework: Sequence[str] = ()):
        require(data, "positions", "element", "mass")
        self.frames = data.sizes["time"]
        if self.frames < MIN_FRAMES:
            raise DataError(
                f"the trajectory has {self.frames} frames; {MIN_FRAMES} are needed",
                hint="lengthen the recorded stage or shorten its frame_ps",
            )
        self.interval_ps = frame_interval_ps(data)
        positions = data["positions"].transpose("time", "atom", "xyz")
        self._positions = positions.compute() if positions.nbytes <= READ_BYTES else positions
        self.atoms: dict[str, IntArray] = members(data)
        self.species: tuple[str, ...] = tuple(self.atoms)
        weights = self._weights(data["mass"].values, frame, framework)
        self._drift = self.sums(weights[None, :])[0]

    def _weights(self, mass: FloatArray, frame: str, framework: Sequence[str]) -> FloatArray:
        absent = sorted(set(framework) - set(self.species))
        if absent:
            raise DataError(
                f"framework species {', '.join(absent)} are not in the trajectory",
                hint=f"it holds {', '.join(self.species)}",
            )
        members = framework if frame == "framework" else self.species
        weights = np.zeros(len(mass))
        for species in members if frame != "none" else ():
            weights[self.atoms[species]] = mass[self.atoms[species]]
        total = weights.sum()
        if frame != "none" and not total > 0:
            raise DataError(
                "the masses of the reference frame are zero", hint="set masses, or frame: none"
            )
        return weights / total if total else weights

    def sums(self, weights: FloatArray) -> FloatArray:
        """Weighted sums of all atoms' positions in the box frame, in one pass.

        Parameters
        ----------
        weights : (sum, atom)

        Returns
        -------
        (sum, xyz, time) in Å times the unit of the weights
        """
        table = xr.DataArray(weights, dims=("sum", "atom"))
        total = xr.dot(table, self._positions.astype(np.float64), dim="atom")
        values: FloatArray = total.transpose("sum", "xyz", "time").values
        if not np.isfinite(values).all():
            raise DataError("the trajectory has positions that are not finite numbers")
        return values

    def paths(self, species: str, every: int = 1) -> Iterator[FloatArray]:
        """Positions of a species, in blocks of atoms: (atom, xyz, time) Å, each `every` frames."""
        members = self.atoms[species]
        readable = max(1, READ_BYTES // (12 * self.frames))
        block = max(1, TRANSFORM_SIZE // (3 * self.frames))
        drift = self._drift[:, ::every]
        for start in range(0, len(members), readable):
            part = self._positions.isel(
                atom=members[start : start + readable], time=slice(None, None, every)
            ).values
            for first in range(0, part.shape[1], block):
                yield part[:, first : first + block].transpose(1, 2, 0) - drift

    def msd(self, species: str, lags: IntArray, parts: int = 1) -> FloatArray:
        """MSD averaged over a species, in each of some consecutive equal parts: (part, lag) Å²."""
        length = self.frames // parts
        total = np.zeros((parts, len(lags)))
        for paths in self.paths(species):
            for part in range(parts):
                piece = paths[..., part * length : (part + 1) * length]
                total[part] += mean_squared_displacement(piece, lags)[0].sum(axis=0)
        return total / len(self.atoms[species])

    def independent(self, species: str, pieces: int = 12) -> float:
        """How many independent walkers a species' atoms are worth: (tr C)²/tr C².

        C_ij is the covariance of the displacements of atoms i and j. N atoms that share nothing
        give N; momentum conservation, atoms that move together and atoms that do not move
        at all give less. C is taken from consecutive displacements of a twelfth of the
        trajectory, and what their noise adds to tr C² is taken off as for Gaussian ones.
        """
        every = max(1, (self.frames - 1) // pieces)
        steps = np.concatenate([np.diff(p, axis=-1) for p in self.paths(species, every)])
        return _participation(steps.reshape(len(steps), -1))


def _participation(steps: FloatArray) -> float:
    """(tr C)²/tr C² of the covariance of (walker, sample), without the bias of few samples."""
    count, samples = steps.shape
    covariance = steps @ steps.T / samples
    variances = np.diag(covariance)
    if count == 1 or not variances.any():
        return float(count)
    own = (variances**2).sum()
    distinct = (covariance**2).sum() - own
    noise = (variances.sum() ** 2 - own) / samples
    # E[C_ii²] = c_ii² (1 + 2/n), E[C_ij²] = c_ij² (1 + 1/n) + c_ii c_jj / n
    squares = own / (1 + 2 / samples) + max(0.0, distinct - noise) / (1 + 1 / samples)
    trace = variances.sum() ** 2 - 2 * squares / samples
    return float(np.clip(trace / squares, 1.0, count))

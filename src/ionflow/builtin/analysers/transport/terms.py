"""Sums over species of charges squared times diffusion coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ionflow.builtin.analysers.transport.regime import Slope, Verdict
from ionflow.kinds import FloatArray


@dataclass(frozen=True)
class Terms:
    """Σ_s k_s D_s, whose factors k are those of Nernst and Einstein or of clusters."""

    species: tuple[str, ...]
    squares: FloatArray
    """(species,) k, e²: Σ q² over the atoms of each species for independent ions"""
    slopes: Sequence[Slope]
    squares_stderr: FloatArray | None = None
    """(species,) standard errors of k, where it is measured"""

    @property
    def values(self) -> FloatArray:
        """(species,) e² Å²/frame; NaN where not diffusive"""
        return self.squares * [slope.value for slope in self.slopes]

    @property
    def stderr(self) -> FloatArray:
        """(species,) e² Å²/frame"""
        return np.hypot(self.squares * [slope.stderr for slope in self.slopes], self._of_squares)

    @property
    def counted(self) -> npt.NDArray[np.bool_]:
        """(species,) which have a term"""
        return np.isfinite(self.values) & (self.squares > 0)

    @property
    def omitted(self) -> float:
        """Upper bound on what the species that are not diffusive could add."""
        bounds = self.squares * [slope.upper_bound for slope in self.slopes]
        return float(bounds[~np.isfinite(self.values) & (self.squares > 0)].sum())

    @property
    def _of_squares(self) -> FloatArray:
        """What the errors of k add, (species,)."""
        if self.squares_stderr is None:
            return np.zeros(len(self.squares))
        return self.squares_stderr * [slope.value for slope in self.slopes]

    def total(self) -> Slope:
        """The sum over diffusive species; their errors count as independent of each other."""
        counted = self.counted
        if not counted.any():
            return Slope(self._why_not(), np.nan, np.nan, upper_bound=self.omitted)
        gls, blocks, interval = (
            self._quadrature([getattr(slope, name) for slope in self.slopes])
            for name in ("stderr_gls", "stderr_blocks", "stderr_interval")
        )
        return Slope(
            "diffusive",
            np.nan,
            np.nan,
            value=float(self.values[counted].sum()),
            stderr_gls=gls,
            stderr_blocks=blocks,
            stderr_interval=interval,
            blocks=min(s.blocks for s, c in zip(self.slopes, counted, strict=True) if c),
        )

    def _why_not(self) -> Verdict:
        charged = [s for s, q in zip(self.slopes, self.squares, strict=True) if q > 0]
        if not charged:
            return "caged"
        return max(charged, key=lambda s: np.nan_to_num(s.upper_bound, nan=np.inf)).verdict

    def _quadrature(self, errors: Sequence[float]) -> float:
        each = np.hypot(self.squares * errors, self._of_squares)
        return float(np.sqrt((each[self.counted] ** 2).sum()))

    def first_lag(self) -> float:
        """Where the MSD of the species that adds most is straight, frames; infinite if none is."""
        if not np.isfinite(self.values).any():
            return np.inf
        return self.slopes[int(np.nanargmax(self.values))].straight_from

"""Partial radial distribution functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from pydantic import Field

from ionflow.builtin.analysers.labels import labelled, result
from ionflow.builtin.analysers.structure.shells import Histogram, PairDistances, first_shell
from ionflow.kinds import FloatArray
from ionflow.passes import AnyMeasure, Measured, Subject


class Rdf(Measured):
    """Partial radial distribution functions, running coordination numbers and first shells.

    g_ab(r) = ⟨n_ab(r)⟩ / (N_a ρ_b v(r)), with n_ab the number of ordered pairs in a bin, v the
    exact volume of its shell and ρ_b = N_b/V with the volume of each frame, so that a changing cell
    is right; N_ab(r) = ∫ ρ_b g_ab 4πr² dr counts `second` around `first` (Allen and Tildesley,
    Computer Simulation of Liquids, doi:10.1093/oso/9780198803195.001.0001). Periodic images count,
    so that r may exceed half of the cell; there g carries the periodicity of the cell.
    """

    use: ClassVar[str] = "rdf"
    version: ClassVar[int] = 3

    r_max_angstrom: float = Field(8.0, gt=0, le=50)
    """Longest distance."""

    bins: int = Field(200, ge=10, le=5000)
    """Number of equal bins from 0 to the longest distance."""

    max_frames: int = Field(200, ge=1)
    """Most frames used; evenly spaced over the trajectory if it has more."""

    smoothing_angstrom: float = Field(0.1, ge=0, le=1)
    """Width of the Gaussian that g(r) is smoothed with before its first minimum is sought."""

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """Distances of pairs."""
        return {"pairs": PairDistances(self.r_max_angstrom, self.bins, self.max_frames)}

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """Partial g(r) for every ordered pair of species.

        Returns
        -------
        Dataset over `pair` ("Li-O"; coords `first`, `second`) and `r` (Å, bin centres) with `g`,
        `g_stderr`, `running_coordination` (at `r_edge`, the outer edge of each bin), and over
        `pair` `first_peak`, `cutoff` (the first minimum behind it, Å) and `coordination_number`
        up to there with its `_stderr` at that cutoff; NaN where g has no such minimum. Errors are
        from the spread over blocks of frames, NaN with a single frame.
        """
        histogram: Histogram = found["pairs"]
        g, stderr = histogram.distribution()
        running = histogram.running_coordination()
        shells = np.array([self._shell(histogram, g, running, k) for k in range(len(g))])
        return self._result(subject.data, histogram, (g, stderr, running), shells)

    def _shell(
        self, histogram: Histogram, g: FloatArray, running: FloatArray, pair: int
    ) -> tuple[float, float, float, float]:
        """First peak and first minimum (Å), the coordination number within it, and its error."""
        noise = histogram.noise(pair)
        width = self.smoothing_angstrom / histogram.width
        found = first_shell(g[pair], noise, width)
        if found is None:
            return np.nan, np.nan, np.nan, np.nan
        peak, minimum = found
        return (
            float(histogram.centres[peak]),
            float(histogram.edges[minimum + 1]),
            float(running[pair, minimum]),
            float(histogram.running_error()[pair, minimum]),
        )

    def _result(
        self,
        trajectory: xr.Dataset,
        histogram: Histogram,
        curves: tuple[FloatArray, FloatArray, FloatArray],
        shells: FloatArray,
    ) -> xr.Dataset:
        g, stderr, running = curves
        both, pairs = ("pair", "r"), histogram.pairs
        variables = {
            "g": labelled(both, g, "1", "partial radial distribution function"),
            "g_stderr": labelled(
                both, stderr, "1", "standard error of g from the spread over blocks of frames"
            ),
            "running_coordination": labelled(
                both, running, "1", "number of `second` around `first` within r_edge"
            ),
            "first_peak": labelled(("pair",), shells[:, 0], "angstrom", "position of first peak"),
            "cutoff": labelled(
                ("pair",), shells[:, 1], "angstrom", "first minimum of g behind its first peak"
            ),
            "coordination_number": labelled(
                ("pair",), shells[:, 2], "1", "number of `second` around `first` within cutoff"
            ),
            "coordination_number_stderr": labelled(
                ("pair",), shells[:, 3], "1", "standard error from the spread over blocks of frames"
            ),
        }
        coords = {
            "pair": labelled(("pair",), [f"{a}-{b}" for a, b in pairs], "1", "first-second"),
            "first": labelled(("pair",), [a for a, _ in pairs], "1", "species at the centre"),
            "second": labelled(("pair",), [b for _, b in pairs], "1", "species around it"),
            "r": labelled(("r",), histogram.centres, "angstrom", "distance, centre of the bin"),
            "r_edge": labelled(
                ("r",), histogram.edges[1:], "angstrom", "distance, outer edge of the bin"
            ),
        }
        attrs = {
            "method": "histogram over all periodic images, exact shell volumes",
            "doi": "10.1093/oso/9780198803195.001.0001",
            "frames": histogram.frames,
            "frames_of": trajectory.sizes["time"],
            "cutoff": (
                "first minimum of g behind its first peak, after smoothing by a Gaussian of "
                f"{self.smoothing_angstrom:g} angstrom, both clear of counting noise"
            ),
        }
        return result(variables, coords, trajectory, attrs)

"""Whether a trajectory is of what it is filed under: a glass or a liquid, mixed, at rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from pydantic import Field

from ionflow.builtin.analysers.labels import Labelled, labelled, result
from ionflow.builtin.analysers.roles import ALKALI
from ionflow.builtin.analysers.structure.bragg import FrozenDensity, Peak
from ionflow.builtin.analysers.structure.drift import Drift, drift
from ionflow.builtin.analysers.structure.longwaves import LongWaves, Waves
from ionflow.passes import AnyMeasure, Measured, Subject


class Soundness(Measured):
    """Whether the framework has crystallised, phases have separated, or the energy drifts.

    Every recipe with analyses has it, unless it lists it with `off: true`. Crystallised: with
    ρ_q = Σ exp(−i q·r_i) over the framework, |⟨ρ_q⟩|²/N of a crystal is about N at a few q; that of
    a glass is distributed exponentially around its S(q), that of a liquid tends to 0. Bragg's are
    those too bright for the exponential. Phase separated: ⟨|ρ_q|²⟩/N of each species and of all
    atoms at the shortest q, the partial structure factors of Ashcroft and Langreth
    (doi:10.1103/PhysRev.156.685), whose growth there means regions rich and poor (Bhatia and
    Thornton, doi:10.1103/PhysRevB.2.3004). Drifting: a line through the potential energy. Where a
    cell is too small for an answer the verdict is "cannot tell".
    """

    use: ClassVar[str] = "soundness"
    version: ClassVar[int] = 1
    outside_identity: ClassVar[frozenset[str]] = frozenset({"off"})

    mobile: tuple[str, ...] = ()
    """Species that do not belong to the framework; Li, Na, K, Rb and Cs if empty."""

    max_frames: int = Field(100, ge=1)
    """Most frames used; evenly spaced over the trajectory if it has more."""

    off: bool = False
    """Leave it out of the recipe, which has it otherwise."""

    @property
    def is_off(self) -> bool:
        return self.off

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """The framework's mean density, and the longest waves."""
        subject.require_species(self.mobile)
        return {
            "density": FrozenDensity(self.framework(subject), self.max_frames),
            "waves": LongWaves(self.max_frames),
        }

    def framework(self, subject: Subject) -> tuple[str, ...]:
        """Species that do not move about; all if there would be none."""
        mobile = self.mobile or tuple(s for s in subject.species if subject.elements[s] in ALKALI)
        return tuple(s for s in subject.species if s not in mobile) or subject.species

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """Verdicts, and the numbers behind them.

        Returns
        -------
        Dataset with `flags` ("crystallised; phase separated; drifting", as far as it is so, or
        ""), `crystal_verdict`, `phase_verdict`, `drift_verdict` ("crystallised: ...", "no: ..." or
        "cannot tell: ..."); `bragg_share`, `bragg_ratio`, `bragg_bound`, `bragg_q`,
        `crystal_detectable`; over `component` (species, "all atoms") `S_long`, `S_long_share`,
        `S_long_detectable`, and their `S_long_bound` and `S_long_q`; `energy_drift` (eV per atom)
        and `energy_drift_stderr`.
        """
        peak: Peak = found["density"]
        waves: Waves = found["waves"]
        drifted = drift(subject)
        phase = "no: a crystal's own order" if peak.is_crystal else waves.verdict
        verdicts = (peak.verdict, phase, drifted.verdict)
        known = ("crystallised", "phase separated", "drifting")
        flags = [flag for flag in known if any(v.startswith(f"{flag}:") for v in verdicts)]
        variables = {
            "flags": labelled((), "; ".join(flags), "1", "what is wrong with the trajectory"),
            "crystal_verdict": labelled((), verdicts[0], "1", "whether it has crystallised"),
            "phase_verdict": labelled((), verdicts[1], "1", "whether phases have separated"),
            "drift_verdict": labelled((), verdicts[2], "1", "whether the energy drifts"),
            **_crystal(peak),
            **_phases(waves),
            **_drift(drifted),
        }
        names = np.array(waves.components, dtype=str)
        coords = {"component": labelled(("component",), names, "1", "species, or all atoms")}
        attrs = {
            "method": "Bragg peaks of the mean density; long waves; a line through the energy",
            "definition": "S_long: <|rho_q|^2>/N at the shortest q; bragg_share: |<rho_q>|/N",
            "doi": "10.1103/PhysRev.156.685, 10.1103/PhysRevB.2.3004",
            "framework": ", ".join(self.framework(subject)),
            "wave_vectors": peak.vectors,
        }
        return result(variables, coords, subject.data, attrs)


def _crystal(peak: Peak) -> dict[str, Labelled]:
    return {
        "bragg_share": labelled((), peak.share, "1", "amplitude as a share of a perfect crystal's"),
        "bragg_ratio": labelled((), peak.ratio, "1", "intensity over a glass's, brightest q"),
        "bragg_bound": labelled((), peak.bound, "1", "bound of bragg_ratio, by chance"),
        "bragg_q": labelled((), peak.q, "1/angstrom", "brightest q"),
        "crystal_detectable": labelled(
            (), peak.detectable, "1", "share of the atoms that a crystal must hold to be seen"
        ),
    }


def _phases(waves: Waves) -> dict[str, Labelled]:
    dims = ("component",)
    return {
        "S_long": labelled(dims, waves.intensity, "1", "partial structure factor, shortest q"),
        "S_long_share": labelled(dims, waves.share, "1", "amplitude by atom"),
        "S_long_detectable": labelled(dims, waves.detectable, "1", "amplitude by atom to be seen"),
        "S_long_bound": labelled((), waves.bound, "1", "bound of S_long, by chance"),
        "S_long_q": labelled((), waves.q, "1/angstrom", "shortest q"),
    }


def _drift(drifted: Drift) -> dict[str, Labelled]:
    name = "change of the potential energy per atom over the trajectory"
    return {
        "energy_drift": labelled((), drifted.change, "eV", name),
        "energy_drift_stderr": labelled((), drifted.stderr, "eV", f"standard error of the {name}"),
    }

"""Static structure factors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from pydantic import Field

from ionflow.builtin.analysers.labels import Labelled, labelled, result
from ionflow.builtin.analysers.structure.form_factors import (
    NEUTRON_SOURCE,
    XRAY_SOURCE,
    neutron_lengths,
    xray_form_factors,
)
from ionflow.builtin.analysers.structure.partials import Curve, Spectra, named
from ionflow.builtin.analysers.structure.scattering import Amplitudes, PairAmplitudes
from ionflow.kinds import FloatArray
from ionflow.passes import AnyMeasure, Measured, Subject


class StructureFactor(Measured):
    """Static structure factors: partial, and total as X-rays and neutrons see them.

    With ρ_a(q) = Σ_{i∈a} exp(−i q·r_i), A_ab = ⟨Re ρ_a ρ_b*⟩/N and c_a = N_a/N, the partials are
    by Faber and Ziman a_ab = 1 + (A_ab − c_a δ_ab)/(c_a c_b) (doi:10.1080/14786436508211931), which
    tend to 1, and by Ashcroft and Langreth S_ab = A_ab/(c_a c_b)^½ (doi:10.1103/PhysRev.156.685),
    which tend to δ_ab. Totals are Faber and Ziman's: S = Σ_ab c_a c_b f_a f_b a_ab/⟨f⟩², with form
    factors f(q) of neutral atoms (X-rays), coherent lengths (neutrons), or 1 (S_number).
    S_charge = ⟨|Σ z ρ|²⟩/(N ⟨z²⟩) tends to 0 at q = 0 where ions screen each other, and to 1.
    Sums run over wave vectors q that the periodic cell allows, without any window or cutoff in r;
    no number exists below the shortest of them.
    """

    use: ClassVar[str] = "structure_factor"
    version: ClassVar[int] = 1

    q_max_per_angstrom: float = Field(12.0, gt=0, le=50)
    """Longest wave vector."""

    bins: int = Field(120, ge=10, le=5000)
    """Number of equal bins of |q| from 0 to the longest."""

    vectors_per_bin: int = Field(32, ge=0)
    """Most wave vectors in a bin, drawn at random from those that the cell allows; all if 0, which
    a crystal wants, whose few bright ones must not be missed."""

    max_frames: int = Field(100, ge=1)
    """Most frames used; evenly spaced over the trajectory if it has more."""

    seed: int = Field(0, ge=0)
    """Of the draw of wave vectors."""

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """Products of amplitudes."""
        amplitudes = PairAmplitudes(
            self.q_max_per_angstrom, self.bins, self.vectors_per_bin, self.seed, self.max_frames
        )
        return {"amplitudes": amplitudes}

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """Structure factors by bin of |q|.

        Returns
        -------
        Dataset over `pair` ("Li-O", unordered; coords `first`, `second`) and `q` (1/Å, bin
        centres) with `S_faber_ziman`, `S_ashcroft_langreth` and `weight_xray`; over `pair`
        `weight_neutron`; over `q` `S_xray`, `S_neutron`, `S_number`, `S_charge`, `q_mean` (mean
        |q| of the wave vectors of a bin, at which form factors are taken) and `vectors` (their
        number); each S with its `_stderr`; limits at q = 0 `S_number_0`, `S_charge_0` with
        `_stderr`. The weighted Faber-Ziman partials add up to the total. NaN where a bin has no
        wave vector, an element no form factor, or atoms no charges (or those of a species several).

        Raises
        ------
        DataError
            If the cell allows no wave vector below the longest, or too many.
        """
        amplitudes: Amplitudes = found["amplitudes"]
        counts = np.array([len(atoms) for atoms in subject.atoms.values()])
        spectra = Spectra(amplitudes, self.bins, counts / counts.sum())
        strengths = _strengths(subject, spectra.q)
        variables = {
            **_curve(spectra.faber_ziman(), "S_faber_ziman", "partial structure factor, to 1"),
            **_curve(
                spectra.ashcroft_langreth(), "S_ashcroft_langreth", "partial structure factor"
            ),
            **_totals(spectra, strengths),
            **_limits(spectra, strengths),
            "q_mean": labelled(("q",), spectra.q, "1/angstrom", "mean |q| of the wave vectors"),
            "vectors": labelled(("q",), spectra.counts, "1", "number of wave vectors, half-space"),
        }
        attrs = self._attrs(subject, amplitudes, strengths)
        return result(variables, self._coords(amplitudes), subject.data, attrs)

    def _coords(self, found: Amplitudes) -> dict[str, Labelled]:
        first, second = (np.array(column, dtype=str) for column in zip(*found.pairs, strict=True))
        width = self.q_max_per_angstrom / self.bins
        centres = (np.arange(self.bins) + 0.5) * width
        return {
            "pair": labelled(("pair",), named(found.pairs), "1", "pair of species, unordered"),
            "first": labelled(("pair",), first, "1", "one species"),
            "second": labelled(("pair",), second, "1", "the other species"),
            "q": labelled(("q",), centres, "1/angstrom", "wave vector, centre of the bin"),
        }

    def _attrs(
        self, subject: Subject, found: Amplitudes, strengths: Mapping[str, FloatArray]
    ) -> dict[str, Any]:
        without = {
            name: [s for s, f in zip(subject.species, strengths[name], strict=True)
                   if not np.isfinite(f).any()]
            for name in ("xray", "neutron", "charge")
        }  # fmt: skip
        return {
            "method": "direct sum over wave vectors of the periodic cell",
            "definition": "totals: Faber-Ziman, S = sum of weight times S_faber_ziman",
            "doi": "10.1080/14786436508211931, 10.1103/PhysRev.156.685",
            "errors": "the larger of the spread over wave vectors and over blocks of frames",
            "limits": "S_0 + s q^2 fitted to single wave vectors up to twice the shortest",
            "form_factors": XRAY_SOURCE,
            "scattering_lengths": NEUTRON_SOURCE,
            "without": "; ".join(f"{k}: {', '.join(v)}" for k, v in without.items() if v) or "none",
            "frames": int(found.frames_per_block.sum()),
            "frames_of": subject.frames,
            "shortest_q": float(found.vectors.q.min()),
        }


def _strengths(subject: Subject, q: FloatArray) -> dict[str, FloatArray]:
    """How strongly each species scatters, (species, q), by kind of radiation."""
    elements = [subject.elements[name] for name in subject.species]
    flat = np.ones_like(q)
    return {
        "xray": xray_form_factors(elements, q),
        "neutron": neutron_lengths(elements)[:, None] * flat,
        "number": np.ones(len(elements))[:, None] * flat,
        "charge": _charges(subject)[:, None] * flat,
    }


def _charges(subject: Subject) -> FloatArray:
    """(species,) e; NaN if there are none, or if those of a species differ."""
    nothing = np.full(len(subject.species), np.nan)
    if "charge" not in subject.data.variables:
        return nothing
    charge = np.asarray(subject.data["charge"].values, dtype=np.float64)
    of_species = [charge[atoms] for atoms in subject.atoms.values()]
    if not np.isfinite(charge).all() or not charge.any() or any(np.ptp(z) for z in of_species):
        return nothing
    return np.array([z[0] for z in of_species])


def _curve(curve: Curve, name: str, long_name: str) -> dict[str, Labelled]:
    dims = ("pair", "q")[-curve.value.ndim :]
    return {
        name: labelled(dims, curve.value, "1", long_name),
        f"{name}_stderr": labelled(dims, curve.stderr, "1", f"standard error of {name}"),
    }


def _totals(spectra: Spectra, strengths: Mapping[str, FloatArray]) -> dict[str, Labelled]:
    neutron = spectra.weights(strengths["neutron"])
    return {
        **_curve(spectra.total(strengths["xray"]), "S_xray", "total structure factor, X-rays"),
        **_curve(
            spectra.total(strengths["neutron"]), "S_neutron", "total structure factor, neutrons"
        ),
        **_curve(spectra.total(strengths["number"]), "S_number", "structure factor of all atoms"),
        **_curve(spectra.normalised(strengths["charge"]), "S_charge", "charge structure factor"),
        "weight_xray": labelled(
            ("pair", "q"), spectra.weights(strengths["xray"]), "1", "weight in S_xray"
        ),
        "weight_neutron": labelled(("pair",), neutron[:, 0], "1", "weight in S_neutron"),
    }


def _limits(spectra: Spectra, strengths: Mapping[str, FloatArray]) -> dict[str, Labelled]:
    variables = {}
    for kind in ("number", "charge"):
        value, stderr = spectra.at_zero(strengths[kind])
        name = f"S_{kind}_0"
        variables[name] = labelled((), value, "1", f"limit of S_{kind} at q = 0")
        variables[f"{name}_stderr"] = labelled((), stderr, "1", f"standard error of {name}")
    return variables

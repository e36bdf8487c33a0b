"""Ionic conductivity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from ionflow.builtin.analysers.labels import (
    Labelled,
    bound_coord,
    labelled,
    lag_coord,
    result,
    species_coord,
)
from ionflow.builtin.analysers.transport.carriers import (
    CLUSTERED,
    WithClusters,
    state_variables,
    to_conductivity,
)
from ionflow.builtin.analysers.transport.clusters import Clustered
from ionflow.builtin.analysers.transport.slopes import regime_variables, value_variables
from ionflow.builtin.analysers.transport.terms import Terms
from ionflow.passes import AnyMeasure, Subject


class Conductivity(WithClusters):
    """Ionic conductivity of independent ions, of clusters of ions, and of all charge together.

    nernst_einstein: σ_NE = Σ_s N_s q_s² D_s / (V kB T) takes the ions to move independently.
    cluster_nernst_einstein: σ_cNE = Σ_c z_c² α_c D_c / (V kB T) takes clusters to (France-Lanord
    and Grossman, doi:10.1103/PhysRevLett.122.136001): α_c is the mean number of clusters of a
    composition, z_c their charge and D_c that of the species most of their ions are of; neutral
    ones drop out. Clusters are fragments of network centres and anions; the `_bound` variant
    counts alkali bound to them as members. einstein: σ_E = 1/(6 V kB T) d/dt
    ⟨|Σ_i q_i (r_i(t) − r_i(0))|²⟩ holds all correlations (Helfand, Phys. Rev. 119, 1 (1960),
    doi:10.1103/PhysRev.119.1). Charges q are the formal ones of the trajectory, which give the
    exact σ_E of an electronic insulator (Grasselli and Baroni, arXiv:1902.07256). V is the mean
    volume and T the mean kinetic temperature.
    A species that does not diffuse adds nothing to σ_NE; `omitted_bound` says how much it could.
    A cluster that percolates has no charge of its own: then σ_cNE has none, and says so. σ_E is the
    slope of a single walker, fitted from where the species that adds most to σ_NE becomes
    diffusive; its window, exponent and verdict are its own. σ_E does not change under a common
    drift of all atoms, since the charges add up to zero; the others do.
    """

    use: ClassVar[str] = "conductivity"
    version: ClassVar[int] = 3

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """Displacements of single atoms, of all charge, and clusters."""
        return self.carriers(subject)

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """Conductivity by definition.

        Returns
        -------
        Dataset over `definition` (nernst_einstein, cluster_nernst_einstein,
        cluster_nernst_einstein_bound, einstein) with `conductivity` (S/cm, NaN if not diffusive),
        its `_stderr`, `_stderr_gls` and `_stderr_blocks`, `ci68`, `ci95` (bound), `upper_bound`,
        `diffusive`, `verdict`, `exponent`, `exponent_stderr`, `fit_start`, `fit_end` (ps),
        `n_blocks`, `omitted_bound_definition`; `conductivity_species` (species) and its
        `_stderr`, the terms of σ_NE; `omitted_bound` (S/cm) of σ_NE; `charge_msd` (lag, e²Å²);
        over `definition_cluster`, `clusters` (cluster_charge), `largest_cluster_share` and
        `percolating_fraction`; `volume` (Å³), `temperature_measured` (K).

        Raises
        ------
        DataError
            If the charges are all zero or do not add up to zero.
        """
        terms, slopes = self.terms(subject, found), self.slopes(subject, found)
        lags = self.lag_frames(subject)
        factor = to_conductivity(subject)
        each = list(slopes.values())
        variables = {
            **value_variables(
                each, "definition", "conductivity", "S/cm", "ionic conductivity", factor
            ),
            **regime_variables(each, "definition", subject.interval_ps),
            **_species_variables(terms["nernst_einstein"], factor),
            "omitted_bound_definition": labelled(
                ("definition",),
                [terms[name].omitted * factor if name in terms else np.nan for name in slopes],
                "S/cm",
                "upper bound on what species that are not diffusive could add",
            ),
            "charge_msd": labelled(
                ("lag",),
                self.collective(subject, found)[1],
                "e^2 angstrom^2",
                "MSD of the sum of charges times positions",
            ),
            **state_variables(subject),
        }
        coords = {
            "definition": labelled(
                ("definition",), np.array(list(slopes)), "1", "definition of the conductivity"
            ),
            "species": species_coord(subject.species),
            "lag": lag_coord(lags, subject.interval_ps),
            "bound": bound_coord(),
        }
        if self.clusters:
            more = _cluster_variables(found)
            variables, coords = {**variables, **more[0]}, {**coords, **more[1]}
        return result(variables, coords, subject.data, self._attrs(subject))

    def _attrs(self, subject: Subject) -> dict[str, str]:
        return {
            **self.fit_attrs(),
            "definition": (
                "nernst_einstein: sum N q^2 D/(V kB T); cluster_nernst_einstein: sum z^2 alpha D/"
                "(V kB T) over clusters; einstein: collective"
            ),
            "doi": "10.1103/PhysRev.119.1, 10.1103/PhysRevLett.122.136001, arXiv:1902.07256",
            "doi_fit": self.fit_attrs()["doi"],
            "temperature": "mean kinetic temperature of the frames, not the target",
            **self.cluster_attrs(subject),
        }


def _species_variables(terms: Terms, factor: float) -> dict[str, Labelled]:
    """The terms of σ_NE, with the factor to S/cm."""
    text = "what a species adds to the Nernst-Einstein conductivity"
    return {
        "conductivity_species": labelled(("species",), terms.values * factor, "S/cm", text),
        "conductivity_species_stderr": labelled(
            ("species",), terms.stderr * factor, "S/cm", "standard error of what a species adds"
        ),
        "omitted_bound": labelled(
            (),
            terms.omitted * factor,
            "S/cm",
            "upper bound on what species that are not diffusive could add to nernst_einstein",
        ),
    }


def _cluster_variables(
    found: Mapping[str, Any],
) -> tuple[dict[str, Labelled], dict[str, Labelled]]:
    """Numbers of clusters by charge, and coordinates."""
    seen: dict[str, Clustered] = {name: found[name] for name in CLUSTERED if name in found}
    charges = sorted({z for of in seen.values() for z in of.charges}) or [0.0]
    missing = np.nan
    numbers = [
        [seen[name].charges.get(z, 0.0) if name in seen else missing for z in charges]
        for name in CLUSTERED
    ]
    shape = (len(CLUSTERED), len(charges))

    def each(attribute: str) -> list[float]:
        return [getattr(seen[n], attribute) if n in seen else missing for n in CLUSTERED]

    by = ("definition_cluster",)
    variables = {
        "clusters": labelled(
            (*by, "cluster_charge"),
            np.array(numbers).reshape(shape),
            "1",
            "mean number of clusters of each charge in a frame, single ions included",
        ),
        "largest_cluster_share": labelled(
            by, each("largest"), "1", "share of the bonded atoms that are in the largest cluster"
        ),
        "percolating_fraction": labelled(
            by, each("percolating"), "1", "share of frames in which a cluster percolates"
        ),
    }
    coords = {
        by[0]: labelled(by, np.array(CLUSTERED), "1", "definition with clusters"),
        "cluster_charge": labelled(("cluster_charge",), np.array(charges), "e", "charge"),
    }
    return variables, coords

"""Chains of tetrahedra: the graph of centres linked through shared anions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import xarray as xr
from pydantic import Field, field_validator

from ionflow.builtin.analysers.labels import result
from ionflow.builtin.analysers.network.bonding import WithBonds
from ionflow.builtin.analysers.network.chain_graph import ChainGraph, GraphFound, charges_of
from ionflow.builtin.analysers.network.chain_results import (
    anion_variables,
    chain_coords,
    chain_variables,
    fragment_variables,
)
from ionflow.builtin.analysers.network.glass import INVARIANTS
from ionflow.builtin.analysers.network.invariants import invariant_variables
from ionflow.builtin.analysers.network.tetrahedra import network_attrs
from ionflow.kinds import Table
from ionflow.passes import AnyMeasure, Subject


class Chains(WithBonds):
    """Fragments of centres M linked through shared anions, and the invariants of the glass.

    Centres and anions bonded up to the first minimum of their g(r) form a graph, whose connected
    fragments of n centres are the chains. An anion that holds k centres adds k − 1 links, so that
    fragments = centres − links + cycle rank in every frame. Links count through bridging anions
    alone (`through` = bridging: the chains) and through all anions (any: the fragments with their
    charge and composition). Averages are N̄_n = Σ n / Σ 1 and N̄_w = Σ n² / Σ n over fragments
    (number and weight average, as of polymers: doi:10.1351/PAC-REC-08-05-02). A fragment percolates
    if it is bonded to its own periodic image; the cycles that wind around the cell are no rings.

    The invariants compare with a network of the same composition in which each X ends, each O
    bridges two centres and there are no rings; their errors are those of the mean over time of
    this one glass, and their tolerances are choices of ionflow.
    """

    use: ClassVar[str] = "chains"
    version: ClassVar[int] = 1

    max_frames: int = Field(1000, ge=1)
    """Most frames used; evenly spaced over the trajectory if it has more."""

    fragments: int = Field(20, ge=1, le=1000)
    """Number of the most frequent fragments that are listed."""

    tolerance: Table = ()
    """How far each invariant of a good glass may be from its ideal, by name, as in
    coordination_number: 0.3; for those that are not named 0.25 for coordination_number and
    bridging_per_centre, 0.15 for links_per_centre, half of the ideal for number_average_length,
    0.1 for rings_per_centre, 0.2 for bridging_fraction and terminal_fraction, and 0.05 for
    free_anion_fraction."""

    @field_validator("tolerance")
    @classmethod
    def _invariants_are_named(cls, value: Table) -> Table:
        wrong = [name for name, _ in value if name not in INVARIANTS]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} is none of {', '.join(INVARIANTS)}")
        return value

    def measures(self, subject: Subject) -> Mapping[str, AnyMeasure]:
        """The graph of centres."""
        roles = self.network(subject)
        return {"graph": ChainGraph(self.bonds(subject, roles), roles, self.max_frames)}

    def conclude(self, subject: Subject, found: Mapping[str, Any]) -> xr.Dataset:
        """Lengths, rings, branches, anions, fragments and invariants.

        Returns
        -------
        Dataset over `through` with `number_average_length`, `weight_average_length`, their
        `_stderr`, `_stderr_blocks`, `_stderr_fragments`, `_ci68` and `_ci95`, `longest`, over
        `length` `length_fraction` (of fragments) and `length_weight` (of centres), over
        `neighbours` `neighbour_fraction`, and `branching_fraction`, `linear_fraction`,
        `links_per_centre`, `cycle_rank_per_centre`, `rings_per_centre`, `percolating_fraction` (of
        frames), `percolating_centres`, `percolation_dimension` and the text `percolation`; over
        (`anion`, `held_by`) `anion_fraction`; over `sharing` `contacts_per_centre`; over `fragment`
        `fragment_formula`, `fragment_count` (mean in a frame), `fragment_centres` and
        `fragment_charge` (e); over `invariant` `invariant_value`, `_stderr`, `_ideal`,
        `_tolerance` and `_verdict`; and the text `quality`.
        """
        graph: GraphFound = found["graph"]
        roles = self.network(subject)
        bonds = self.bonds(subject, roles)
        variables = {
            **chain_variables(graph),
            **anion_variables(graph),
            **fragment_variables(graph, subject, roles, self.fragments),
            **invariant_variables(graph, subject, roles, dict(self.tolerance)),
        }
        _, why = charges_of(subject)
        attrs = network_attrs(self, subject, roles, bonds) | {
            "method": "connected fragments of the graph of centres and anions, with images",
            "doi": "10.1351/PAC-REC-08-05-02",
            "frames": len(graph.frames),
            "fragment_charges": f"unknown: {why}" if why else "sums of formal charges",
            "fragments_without_alkali": "alkali belong to no fragment",
        }
        return result(variables, chain_coords(graph, roles), subject.data, attrs)

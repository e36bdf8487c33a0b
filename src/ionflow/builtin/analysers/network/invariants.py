"""The invariants of a glass from the graph of its centres, as variables."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ionflow.builtin.analysers.labels import Labelled, labelled
from ionflow.builtin.analysers.network.bonding import mask
from ionflow.builtin.analysers.network.chain_graph import GraphFound
from ionflow.builtin.analysers.network.chain_results import mean_of
from ionflow.builtin.analysers.network.glass import INVARIANTS, ideals, quality, verdicts
from ionflow.builtin.analysers.network.ratios import ratio
from ionflow.builtin.analysers.roles import Roles
from ionflow.passes import Subject


def invariant_variables(
    graph: GraphFound, subject: Subject, roles: Roles, tolerance: Mapping[str, float]
) -> dict[str, Labelled]:
    """The invariants against those of a perfect network of the same composition."""
    number = [
        int(mask(subject, species).sum())
        for species in (roles.centre, roles.bridging, roles.terminal)
    ]
    found = verdicts(_invariants(graph), ideals(*number), tolerance)
    dims = ("invariant",)
    return {
        "invariant_value": labelled(dims, [v.value for v in found], "1", "invariant"),
        "invariant_stderr": labelled(
            dims,
            [v.stderr for v in found],
            "1",
            "standard error of the mean over time of this glass, from blocks of frames",
        ),
        "invariant_ideal": labelled(
            dims, [v.ideal for v in found], "1", "of a perfect network of this composition"
        ),
        "invariant_tolerance": labelled(
            dims, [v.tolerance for v in found], "1", "distance from the ideal that is allowed"
        ),
        "invariant_verdict": labelled(
            dims, [v.word for v in found], "1", "met, missed, undecided or not defined"
        ),
        "quality": labelled((), quality(found), "1", "verdict on the glass"),
    }


def _invariants(graph: GraphFound) -> dict[str, tuple[float, float]]:
    def of(through: str, name: str, *where: int) -> tuple[float, float]:
        found = mean_of(graph, through, name)
        place = where or (0,)
        return float(found.value[place]), float(found.blocks[place])

    return dict(
        zip(
            INVARIANTS,
            (
                of("any", "bonds"),
                of("bridging", "bonds"),
                of("bridging", "links"),
                of("bridging", "number_average_length"),
                of("bridging", "rings"),
                of("any", "held_by_role", 1, 2),
                of("any", "held_by_role", 0, 1),
                _free(graph),
            ),
            strict=True,
        )
    )


def _free(graph: GraphFound) -> tuple[float, float]:
    """Share of all anions that are bonded to no centre."""
    free = graph.by_frame["any/held"][..., 0].sum(axis=1, keepdims=True)
    anions = graph.by_frame["any/anions"].sum(axis=(1, 2))[:, None]
    found = ratio(free, anions, np.full(1, np.nan))
    return float(found.value[0]), float(found.blocks[0])

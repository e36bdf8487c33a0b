"""What the graph of centres gives, as variables."""

from __future__ import annotations

from typing import Final

import numpy as np

from ionflow.builtin.analysers.labels import Labelled, bound_coord, labelled
from ionflow.builtin.analysers.network.chain_graph import (
    BRANCH,
    MOST_HELD,
    MOST_NEIGHBOURS,
    RATIOS,
    SHARING,
    THROUGH,
    GraphFound,
)
from ionflow.builtin.analysers.network.fragments import formula
from ionflow.builtin.analysers.network.glass import INVARIANTS
from ionflow.builtin.analysers.network.ratios import (
    Ratio,
    interval_variables,
    ratio,
    ratio_variables,
)
from ionflow.builtin.analysers.roles import Roles
from ionflow.kinds import FloatArray
from ionflow.passes import Subject
from ionflow.statistics import LEVELS

ANION_CLASSES: Final = ("free", "terminal", "bridging", "triply bridging", "more")

#: results over `through`: sum, name, name for people
_SCALARS: Final = (
    ("number_average_length", "number_average_length", "number-average length, centres"),
    ("weight_average_length", "weight_average_length", "weight-average length, centres"),
    ("links", "links_per_centre", "links per centre"),
    ("cycle_rank", "cycle_rank_per_centre", "independent cycles per centre"),
    ("rings", "rings_per_centre", "independent cycles per centre that do not wind around the cell"),
    ("branches", "branching_fraction", f"fraction of centres linked to {BRANCH} or more"),
    ("linear", "linear_fraction", "fraction of centres in fragments without branch or ring"),
    ("percolating", "percolating_centres", "fraction of centres in fragments that percolate"),
)
_LENGTHS: Final = ("number_average_length", "weight_average_length")


def mean_of(graph: GraphFound, through: str, name: str) -> Ratio:
    """A mean over fragments and frames; the error from their finite number is that of one frame."""
    top, bottom, error = (
        graph.by_frame[f"{through}/{x}"] for x in (name, RATIOS[name], f"{name}/error")
    )
    with np.errstate(invalid="ignore"):
        known = np.isfinite(error).sum(axis=0)
        units = np.sqrt(np.nansum(error**2, axis=0) / np.where(known > 0, known, np.nan))
    return ratio(top, np.broadcast_to(bottom, top.shape), units)


def _each(ratios: list[Ratio]) -> Ratio:
    """Of every `through`, (through, ...)."""
    value, blocks, units = (
        np.stack([getattr(r, name) for r in ratios]) for name in ("value", "blocks", "units")
    )
    return Ratio(value, blocks, units, ratios[0].dof)


def _scalar(found: Ratio) -> Ratio:
    """Without the axis of columns, of which there is one."""
    return Ratio(found.value[..., 0], found.blocks[..., 0], found.units[..., 0], found.dof)


def chain_variables(graph: GraphFound) -> dict[str, Labelled]:
    """Lengths, links, rings, branches and percolation, over `through`."""
    variables: dict[str, Labelled] = {}
    for sums, name, long_name in _SCALARS:
        found = _scalar(_each([mean_of(graph, through, sums) for through in THROUGH]))
        variables |= ratio_variables(name, found, ("through",), "1", long_name, "fragments")
        if name in _LENGTHS:
            bounds = {k: np.maximum(found.bounds(level), 1.0) for k, level in LEVELS.items()}
            variables |= interval_variables(name, bounds, ("through",), "1")
    near = _each([mean_of(graph, through, "neighbours") for through in THROUGH])
    variables |= ratio_variables(
        "neighbour_fraction",
        near,
        ("through", "neighbours"),
        "1",
        "fraction of centres linked to so many others",
        "fragments",
    )
    return variables | _distribution(graph) | _percolation(graph)


def _lengths(graph: GraphFound) -> FloatArray:
    """Fragments by length, (through, frame, length), up to the longest seen."""
    counts = np.stack([graph.by_frame[f"{through}/lengths"] for through in THROUGH])
    longest = int(np.flatnonzero(counts.any(axis=(0, 1)))[-1])
    return counts[..., 1 : longest + 1]


def _distribution(graph: GraphFound) -> dict[str, Labelled]:
    counts = _lengths(graph)
    n = np.arange(1, counts.shape[-1] + 1)
    variables: dict[str, Labelled] = {}
    for name, power, long_name in (
        ("length_fraction", 0, "fraction of fragments with so many centres"),
        ("length_weight", 1, "fraction of centres in fragments with so many"),
    ):
        weights = counts * n**power
        found = _each([_share(part, n**power) for part in weights])
        variables |= ratio_variables(
            name, found, ("through", "length"), "1", long_name, "fragments"
        )
    longest = [np.flatnonzero(part.any(axis=0))[-1] + 1 for part in counts]
    variables["longest"] = labelled(
        ("through",), longest, "1", "centres of the longest fragment seen"
    )
    return variables


def _share(weights: FloatArray, each: FloatArray) -> Ratio:
    """Shares of the lengths, (length,), and their errors from the number of fragments in a frame.

    Parameters
    ----------
    weights : (frame, length), of all fragments of a length
    each : (length,) weight of a single fragment
    """
    whole = weights.sum(axis=1, keepdims=True)
    share = weights / whole
    # Σ_f (t_f − R b_f)² of the fragments of a frame, gathered by length
    own, all_of = weights * each, (weights * each).sum(axis=1, keepdims=True)
    square = own * (1 - 2 * share) + share**2 * all_of
    count = (weights / each).sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.where(count > 1, count / (count - 1), np.nan) * square / whole**2
    units = np.sqrt(variance.mean(axis=0))
    return ratio(weights, np.broadcast_to(whole, weights.shape), units)


def _percolation(graph: GraphFound) -> dict[str, Labelled]:
    seen = np.stack([graph.by_frame[f"{through}/dimension"] for through in THROUGH])
    most = seen.max(axis=1).astype(np.int64)
    known = np.full(1, np.nan)
    each = [
        ratio((part > 0.0)[:, None].astype(np.float64), np.ones(len(part)), known) for part in seen
    ]
    found = _scalar(_each(each))
    words = [
        f"in {100 * s:.3g} % of the frames, in up to {d} of 3 directions" if d else "none seen"
        for s, d in zip(found.value, most, strict=True)
    ]
    dims = ("through",)
    return {
        "percolating_fraction": labelled(
            dims, found.value, "1", "fraction of frames with a fragment bonded to its own image"
        ),
        "percolating_fraction_stderr": labelled(
            dims, found.blocks, "1", "standard error from the spread over blocks of frames"
        ),
        "percolation_dimension": labelled(
            dims, most, "1", "most directions in which a fragment is bonded to its own image"
        ),
        "percolation": labelled(dims, words, "1", "percolation of fragments in words"),
    }


def anion_variables(graph: GraphFound) -> dict[str, Labelled]:
    """How many centres the anions hold, and how centres share them."""
    held, contacts = (mean_of(graph, "any", name) for name in ("held", "contacts"))
    return {
        **ratio_variables(
            "anion_fraction",
            held,
            ("anion", "held_by"),
            "1",
            "fraction of the anions of a species bonded to so many centres",
            "fragments",
        ),
        **ratio_variables(
            "contacts_per_centre",
            contacts,
            ("sharing",),
            "1",
            "pairs of centres that share one, two, three or more anions, per centre",
            "fragments",
        ),
    }


def fragment_variables(
    graph: GraphFound, subject: Subject, roles: Roles, most: int
) -> dict[str, Labelled]:
    """The most frequent fragments, through all anions."""
    order = [
        subject.species.index(s)
        for s in (*roles.alkali, *roles.centre, *roles.bridging, *roles.terminal)
    ]
    names = [subject.species[k] for k in order]
    centres = [subject.species.index(s) for s in roles.centre]
    rows = [
        (count, formula([atoms[k] for k in order], charge, names), atoms, charge)
        for (atoms, charge), count in graph.fragments.items()
    ]
    rows = sorted(rows, key=lambda row: (-row[0], row[1]))[:most]
    frames, dims = len(graph.frames), ("fragment",)
    return {
        "fragment_formula": labelled(dims, [r[1] for r in rows], "1", "atoms and charge"),
        "fragment_count": labelled(
            dims, [r[0] / frames for r in rows], "1", "mean number of such fragments in a frame"
        ),
        "fragment_centres": labelled(
            dims, [sum(r[2][k] for k in centres) for r in rows], "1", "centres of a fragment"
        ),
        "fragment_charge": labelled(
            dims, [r[3] for r in rows], "e", "formal charge of a fragment, without alkali"
        ),
    }


def chain_coords(graph: GraphFound, roles: Roles) -> dict[str, Labelled]:
    """Coordinates of all dimensions."""
    held = np.arange(MOST_HELD + 1)
    return {
        "through": labelled(("through",), list(THROUGH), "1", "anions that link centres"),
        "length": labelled(
            ("length",), np.arange(1, _lengths(graph).shape[-1] + 1), "1", "centres of a fragment"
        ),
        "neighbours": labelled(
            ("neighbours",),
            np.arange(MOST_NEIGHBOURS + 1),
            "1",
            f"centres linked to a centre; {MOST_NEIGHBOURS} stands for more too",
        ),
        "anion": labelled(("anion",), list(roles.anions), "1", "species of anion"),
        "held_by": labelled(
            ("held_by",), held, "1", f"centres bonded to an anion; {MOST_HELD} stands for more too"
        ),
        "anion_class": labelled(("held_by",), list(ANION_CLASSES), "1", "what such an anion is"),
        "sharing": labelled(("sharing",), list(SHARING), "1", "what two centres share"),
        "invariant": labelled(("invariant",), list(INVARIANTS), "1", "invariant of the structure"),
        "bound": bound_coord(),
    }

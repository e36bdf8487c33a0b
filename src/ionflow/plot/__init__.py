"""Figures of results: `ionflow.plot.<name>(dataset, ax=None)` takes and returns matplotlib axes.

Each function is named after the analysis whose results it draws. It pools replicas, draws a line
for each combination of the labels that are left, with one standard error, and leaves everything
else to matplotlib: change what you like on the axes that it returns.
"""

from ionflow.plot.dynamics import (
    displacement_correlation,
    hops,
    msd,
    non_gaussian,
    residence,
    van_hove,
    vdos,
)
from ionflow.plot.structure import (
    angles,
    chain_lengths,
    invariants,
    rdf,
    structure_factor,
    tetrahedra,
)
from ionflow.plot.transport import (
    arrhenius,
    chemistry,
    conductivity,
    haven,
    onsager,
    residence_times,
    transference,
)

__all__ = [
    "angles",
    "arrhenius",
    "chain_lengths",
    "chemistry",
    "conductivity",
    "displacement_correlation",
    "haven",
    "hops",
    "invariants",
    "msd",
    "non_gaussian",
    "onsager",
    "rdf",
    "residence",
    "residence_times",
    "structure_factor",
    "tetrahedra",
    "transference",
    "van_hove",
    "vdos",
]

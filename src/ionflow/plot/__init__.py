"""Figures of results: `ionflow.plot.<name>(dataset, ax=None)` takes and returns matplotlib axes.

Each function is named after the analysis whose results it draws, or after what it draws of them
(`residence_times` of `residence`). It pools replicas, draws a line for each combination of the
labels that are left, with one standard error, and leaves everything else to matplotlib: change
what you like on the axes that it returns. Select first what you want to see:
`ionflow.plot.msd(msd.sel(species="Li"))`. What has no number is left out; where nothing has one,
or more lines come together than can be told apart, it is a `DataError` that says what to select.
"""

from ionflow.plot.dynamics import (
    displacement_correlation,
    hops,
    msd,
    non_gaussian,
    residence,
    residence_times,
    vacf,
    van_hove,
    vdos,
)
from ionflow.plot.maps import density_map
from ionflow.plot.scan import arrhenius, chemistry, claims, glass_spread
from ionflow.plot.structure import (
    angles,
    chain_lengths,
    density,
    invariants,
    rdf,
    soundness,
    structure_factor,
    tetrahedra,
)
from ionflow.plot.transport import conductivity, diffusion, haven, onsager, transference

__all__ = [
    "angles",
    "arrhenius",
    "chain_lengths",
    "chemistry",
    "claims",
    "conductivity",
    "density",
    "density_map",
    "diffusion",
    "displacement_correlation",
    "glass_spread",
    "haven",
    "hops",
    "invariants",
    "msd",
    "non_gaussian",
    "onsager",
    "rdf",
    "residence",
    "residence_times",
    "soundness",
    "structure_factor",
    "tetrahedra",
    "transference",
    "vacf",
    "van_hove",
    "vdos",
]

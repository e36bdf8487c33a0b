"""Passes over a trajectory that several analysers share.

An analyser derives from `Measured`, names its measures and concludes from what they found. There
are three kinds of measure: `Sums` of positions at every frame, `PerFrame` (neighbours of single
frames), and `PerAtom` (whole paths of single atoms). `together` takes those of several analysers
in one reading each, in parts that fit into memory, on a Dask cluster if there is one.
"""

from ionflow.passes.analyser import Measured, together
from ionflow.passes.frame import Frame
from ionflow.passes.measures import AnyMeasure, Measure, PerAtom, PerFrame, Sums, added
from ionflow.passes.pairs import Pairs
from ionflow.passes.paths import Paths
from ionflow.passes.reading import MEMORY_BYTES
from ionflow.passes.reference import Reference
from ionflow.passes.running import Blocks, Centre, Failure, measure_all
from ionflow.passes.subject import IntArray, Subject

__all__ = [
    "MEMORY_BYTES",
    "AnyMeasure",
    "Blocks",
    "Centre",
    "Failure",
    "Frame",
    "IntArray",
    "Measure",
    "Measured",
    "Pairs",
    "Paths",
    "PerAtom",
    "PerFrame",
    "Reference",
    "Subject",
    "Sums",
    "added",
    "measure_all",
    "together",
]

"""The kinds of plugin and what passes between them.

A plugin is a frozen set of parameters with one verb. Its fields are the recipe schema, the
documentation, the cache identity and the Dask payload, all at once.
"""

from __future__ import annotations

from ionflow.kinds.motion import FloatArray, Frame, Segment, Stage
from ionflow.kinds.plugin import Parameters, Plugin, Table, answer
from ionflow.kinds.roles import Analyser, Engine, ForceField, Generator, Potential, backend

__all__ = [
    "Analyser",
    "Engine",
    "FloatArray",
    "ForceField",
    "Frame",
    "Generator",
    "Parameters",
    "Plugin",
    "Potential",
    "Segment",
    "Stage",
    "Table",
    "answer",
    "backend",
]

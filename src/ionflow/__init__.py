"""ionflow: how fast ions move, by which mechanism, and how sure we are."""

from ionflow.hookspecs import hookimpl
from ionflow.kinds import (
    Analyser,
    Engine,
    ForceField,
    Frame,
    Generator,
    Parameters,
    Plugin,
    Potential,
    Segment,
    Stage,
    Table,
)

__version__ = "0.1.0"

__all__ = [
    "Analyser",
    "Engine",
    "ForceField",
    "Frame",
    "Generator",
    "Parameters",
    "Plugin",
    "Potential",
    "Segment",
    "Stage",
    "Table",
    "hookimpl",
]

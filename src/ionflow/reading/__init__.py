"""Trajectories of other programs, read frame by frame into the schema."""

from ionflow.reading.options import Reading
from ionflow.reading.sources import from_ase, read
from ionflow.reading.stored import adjusted

__all__ = ["Reading", "adjusted", "from_ase", "read"]

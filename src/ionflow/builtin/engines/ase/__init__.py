"""Molecular dynamics of ASE's Atoms with any ASE calculator."""

from ionflow.builtin.engines.ase.engine import Ase

__all__ = ["Ase"]

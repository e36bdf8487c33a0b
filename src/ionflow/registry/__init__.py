"""Every installed plugin: known by name, loaded when asked for, never able to break another."""

from ionflow.fields import Field, describe
from ionflow.registry.contributions import KINDS, NAME, Entry, Origin, Problem
from ionflow.registry.declarations import GROUP, Declared
from ionflow.registry.registry import Registry, UnknownPluginError, load

__all__ = [
    "GROUP",
    "KINDS",
    "NAME",
    "Declared",
    "Entry",
    "Field",
    "Origin",
    "Problem",
    "Registry",
    "UnknownPluginError",
    "describe",
    "load",
]

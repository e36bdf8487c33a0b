"""The contracts: what a distribution may contribute. Each hook returns classes."""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from ionflow.kinds import Analyser, Engine, Generator, Potential

hookspec = pluggy.HookspecMarker("ionflow")
hookimpl = pluggy.HookimplMarker("ionflow")


@hookspec
def ionflow_generators() -> Sequence[type[Generator]]:  # type: ignore[empty-body]
    """Classes that build starting structures."""


@hookspec
def ionflow_potentials() -> Sequence[type[Potential]]:  # type: ignore[empty-body]
    """Classes that give energies and forces."""


@hookspec
def ionflow_engines() -> Sequence[type[Engine]]:  # type: ignore[empty-body]
    """Classes that move systems in time."""


@hookspec
def ionflow_analysers() -> Sequence[type[Analyser]]:  # type: ignore[empty-body]
    """Classes that turn trajectories, or other results, into results."""

"""Plugins for ionflow, as an example: a crystal, a potential and an analyser."""

from ionflow import Analyser, Generator, Potential, hookimpl


@hookimpl
def ionflow_generators() -> list[type[Generator]]:
    """One crystal."""
    from ionflow_example.fcc import Fcc

    return [Fcc]


@hookimpl
def ionflow_potentials() -> list[type[Potential]]:
    """One pair potential."""
    from ionflow_example.morse import Morse

    return [Morse]


@hookimpl
def ionflow_analysers() -> list[type[Analyser]]:
    """One measure of order."""
    from ionflow_example.lindemann import Lindemann

    return [Lindemann]

"""Which species plays which part: alkali, network centre, bridging and terminal anion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ionflow.errors import DataError
from ionflow.passes import Measured, Subject

ALKALI: Final = ("Li", "Na", "K", "Rb", "Cs")
CHALCOGENS: Final = ("O", "S", "Se")
HALIDES: Final = ("F", "Cl", "Br", "I")


@dataclass(frozen=True)
class Roles:
    """Species by the part that they play."""

    alkali: tuple[str, ...]
    """mobile cations, A"""
    centre: tuple[str, ...]
    """cations at the centres of tetrahedra, M"""
    bridging: tuple[str, ...]
    """anions that can bridge two centres as an oxide does, O"""
    terminal: tuple[str, ...]
    """anions that end a chain, X"""

    @property
    def anions(self) -> tuple[str, ...]:
        """Terminal and bridging anions."""
        return (*self.terminal, *self.bridging)


class WithRoles(Measured):
    """An analyser that tells alkali, centres and anions apart."""

    alkali: tuple[str, ...] = ()
    """Species of the mobile cations; Li, Na, K, Rb and Cs if empty."""

    centre: tuple[str, ...] = ()
    """Species at the centres of tetrahedra; every cation that is not an alkali if empty."""

    bridging: tuple[str, ...] = ()
    """Species of bridging anions; O, S and Se if empty."""

    terminal: tuple[str, ...] = ()
    """Species of terminal anions; F, Cl, Br and I if empty."""

    def roles(self, subject: Subject) -> Roles:
        """The species of each role that are in the trajectory; a role may have none.

        Raises
        ------
        DataError
            If a species that is named is not in the trajectory, or is named for two roles.
        """
        named = (*self.alkali, *self.centre, *self.bridging, *self.terminal)
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise DataError(
                f"species {', '.join(twice)} are named twice",
                hint="a species plays one of the roles alkali, centre, bridging, terminal",
            )
        subject.require_species(named)
        alkali = self.alkali or _of(subject, ALKALI, named)
        bridging = self.bridging or _of(subject, CHALCOGENS, named)
        terminal = self.terminal or _of(subject, HALIDES, named)
        taken = {*alkali, *bridging, *terminal}
        rest = tuple(s for s in subject.species if s not in taken)
        return Roles(alkali, self.centre or rest, bridging, terminal)

    def needed(self, subject: Subject, *roles: str) -> Roles:
        """The roles, of which those named must have a species.

        Raises
        ------
        DataError
            Naming every role that has none.
        """
        found = self.roles(subject)
        empty = [role for role in roles if not getattr(found, role)]
        if empty:
            raise DataError(
                f"no species of the trajectory is {' or '.join(empty)}",
                hint=f"it holds {', '.join(subject.species)}; name species, as in "
                f"{empty[0]}: [{subject.species[0]}]",
            )
        return found


def _of(subject: Subject, elements: tuple[str, ...], named: tuple[str, ...]) -> tuple[str, ...]:
    """Species of these elements that no field names for another role."""
    return tuple(s for s in subject.species if subject.elements[s] in elements and s not in named)

"""Errors that say what happened, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class IonflowError(Exception):
    """Any failure that ionflow understands: `what` happened, `where`, and `hint`, what to do.

    >>> print(IonflowError("no such scale 'lap'", where="amx.yaml:31", hint="scales: laptop"))
    amx.yaml:31: no such scale 'lap'. scales: laptop
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what, where, hint)
        self.what, self.where, self.hint = what, where, hint

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head.rstrip('.')}. {self.hint}" if self.hint else head

    def __reduce__(self) -> tuple[object, ...]:
        # keyword-only arguments do not survive the default pickling of exceptions
        return _rebuild, (type(self), self.what, self.where, self.hint)


def _rebuild(cls: type[IonflowError], what: str, where: str, hint: str) -> IonflowError:
    return cls(what, where=where, hint=hint)


class PluginError(IonflowError):
    """A plugin is missing, broken, or breaks its contract."""


class StructureError(IonflowError):
    """A structure cannot be built as asked."""


class PhysicsError(IonflowError):
    """A trajectory left the region where its numbers mean anything."""


class DataError(IonflowError):
    """Data handed to an analyser or reader is not what it needs."""


class StoreError(IonflowError):
    """The run folder is damaged or cannot be written."""


class HeldError(StoreError):
    """Another process holds the run folder."""


class TakenOverError(HeldError):
    """A newer holder has taken the run folder over; whoever held it before may not write."""


class OutOfSpaceError(StoreError):
    """The disk or a quota is full; what was committed before is whole."""


class InterruptedRunError(IonflowError):
    """The run was stopped by its user; the same command goes on where it stopped."""


@dataclass(frozen=True, order=True)
class Fault:
    """One fault in a recipe, printed as `file:line: path: message`."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.path, self.message) if part)


class RecipeError(IonflowError):
    """Every fault of one recipe, found in one reading."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults))
        super().__init__("\n".join(map(str, self.faults)))

    def __reduce__(self) -> tuple[object, ...]:
        return RecipeError, (self.faults,)


def reason(error: BaseException | None) -> str:
    """An exception in a line: the message of one that ionflow understands, else with its type."""
    return str(error) if isinstance(error, IonflowError) else f"{type(error).__name__}: {error}"


def foreign(what: str, error: BaseException) -> str:
    """A fault in other people's code, in a line."""
    return f"{what} failed with {type(error).__name__}: {error}; this is a fault of that plugin"

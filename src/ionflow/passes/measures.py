"""What can be measured in a pass over a trajectory.

A measure is a small frozen dataclass that says what to accumulate; equal measures of several
analysers are taken once. Its state after some frames (or atoms) is any object that pickles; two
states of neighbouring parts merge into the state of both, so that parts may be read anywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from ionflow.kinds import FloatArray
from ionflow.passes.frame import Frame
from ionflow.passes.paths import Paths
from ionflow.passes.reference import Reference
from ionflow.passes.subject import IntArray, Subject

State = TypeVar("State")

BOX = Reference("none")


class Measure(ABC, Generic[State]):
    """Something accumulated over parts of a trajectory; frozen and hashable."""

    @abstractmethod
    def start(self, subject: Subject) -> State:
        """The state before anything is read."""

    @abstractmethod
    def merge(self, first: State, second: State) -> State:
        """The state of two parts; `first` comes before `second` in time (or by atom)."""

    def finish(self, state: State, subject: Subject) -> Any:
        """What analysers are given: the state after all of the trajectory, or made from it."""
        return state


class PerFrame(Measure[State]):
    """Something seen in single frames: neighbours, environments, densities."""

    def frames(self, subject: Subject) -> IntArray:
        """Which frames are wanted, ascending; all unless overridden."""
        return np.arange(subject.frames)

    @abstractmethod
    def cutoff(self, subject: Subject) -> float:
        """How far neighbours are asked for, Å; 0 if none are."""

    @abstractmethod
    def add(self, state: State, frame: Frame) -> None:
        """Take in one frame, in order of time, changing `state`."""


@dataclass(frozen=True)
class PerAtom(Measure[State]):
    """Something seen in the paths of single atoms: displacements, velocities, hops."""

    reference: Reference = field(default=BOX, kw_only=True)
    """The frame of reference of the paths."""

    variable: ClassVar[str] = "positions"
    """positions or velocities"""

    def atoms(self, subject: Subject) -> IntArray:
        """Which atoms are wanted, ascending; all unless overridden."""
        return np.arange(len(subject.labels))

    @abstractmethod
    def add(self, state: State, paths: Paths) -> None:
        """Take in the whole paths of some atoms of one species, changing `state`."""


class Sums(ABC):
    """Weighted sums of all positions at every frame: centres, dipoles, sums over species.

    What analysers are given is (sum, xyz, time): Å times the unit of the weights, of unwrapped
    positions in the box.
    """

    @abstractmethod
    def weights(self, subject: Subject) -> FloatArray:
        """(sum, atom)"""


AnyMeasure = PerFrame[Any] | PerAtom[Any] | Sums


def added(first: Sequence[Any], second: Sequence[Any]) -> list[Any]:
    """Two states that are sequences of arrays, item by item added: the usual merge of sums."""
    return [one + other for one, other in zip(first, second, strict=True)]

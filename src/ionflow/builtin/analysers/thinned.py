"""Measures of evenly spaced frames, gathered in blocks whose spread gives the error."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from ionflow.passes import Frame, IntArray, PerFrame, Subject

State = TypeVar("State")

#: frames are gathered in at most so many blocks, whose spread gives errors
BLOCKS = 5


class Thinned(PerFrame[State]):
    """Something seen in at most `max_frames` evenly spaced frames, kept by block of frames."""

    max_frames: int

    def frames(self, subject: Subject) -> IntArray:
        return subject.spread(self.max_frames)

    def frames_per_block(self, subject: Subject) -> IntArray:
        """(block,) numbers of frames; they differ by one at most."""
        count = self._count(subject)
        return np.bincount(np.arange(count) * self.blocks(subject) // count)

    def blocks(self, subject: Subject) -> int:
        """Number of blocks."""
        return min(BLOCKS, self._count(subject))

    def block_of(self, frame: Frame) -> int:
        """The block that a frame belongs to."""
        subject = frame.subject
        order = frame.number // self._step(subject)
        return order * self.blocks(subject) // self._count(subject)

    def _step(self, subject: Subject) -> int:
        return -(-subject.frames // self.max_frames)

    def _count(self, subject: Subject) -> int:
        return -(-subject.frames // self._step(subject))

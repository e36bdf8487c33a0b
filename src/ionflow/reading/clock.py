"""At which step and time each frame was taken."""

from __future__ import annotations

from collections.abc import Iterator

from ionflow.errors import DataError
from ionflow.reading.options import Reading
from ionflow.reading.snapshot import Notes, Snapshot
from ionflow.units import FS_PER_PS

#: how far the file's own times and the duration of a step that was told may differ
_TOLERANCE = 1e-3

_ASSUMED = "timestep_fs as the time between frames: frame_every was not told"

Timed = tuple[int, Snapshot]


class Clock:
    """Numbers frames by the steps of the dynamics.

    Attributes
    ----------
    timestep_fs : duration of a step; known once the first frames were seen
    """

    def __init__(self, reading: Reading, notes: Notes) -> None:
        self._reading, self._notes = reading, notes
        self.timestep_fs = reading.timestep_fs or 0.0

    def __call__(self, frames: Iterator[Snapshot]) -> Iterator[Timed]:
        """Each frame with its step; a frame that repeats the step before is left out.

        Raises
        ------
        DataError
            If steps decrease, or the duration of a step is neither told nor in the file.
        """
        timed = self._settled(self._numbered(frames))
        last: Timed | None = None
        repeated = 0
        for step, frame in timed:
            if last is not None and step < last[0]:
                raise DataError(
                    f"step {step} comes after step {last[0]}",
                    where=frame.where,
                    hint="read the parts of the file one by one",
                )
            repeats = last is not None and step == last[0]
            repeated += repeats
            last = step, frame
            if not repeats:
                yield step, frame
        if repeated:
            self._notes["repeated"] = f"{repeated} frames repeat the step before and are left out"

    def _numbered(self, frames: Iterator[Snapshot]) -> Iterator[Timed]:
        every = self._reading.frame_every
        for number, frame in enumerate(frames):
            if frame.step is None:
                self._notes["time_from"] = f"frame_every = {every}" if every else _ASSUMED
                yield number * (every or 1), frame
            elif every is not None:
                raise DataError(
                    "the file numbers its steps; frame_every is for files that do not",
                    where=frame.where,
                    hint=f"leave frame_every out; this is step {frame.step}",
                )
            else:
                yield frame.step, frame

    def _settled(self, timed: Iterator[Timed]) -> Iterator[Timed]:
        """The same frames, once the duration of a step is known from the first of them."""
        held: list[Timed] = []
        for item in timed:
            held.append(item)
            if item[0] > held[0][0]:
                break
        own = _own_timestep_fs(held)
        self.timestep_fs = self._agreed(own, held)
        yield from held
        yield from timed

    def _agreed(self, own: float | None, held: list[Timed]) -> float:
        told = self._reading.timestep_fs
        if told is None and own is None:
            raise DataError(
                "the duration of a step is not known",
                hint="say timestep_fs=..., in fs"
                + ("" if held and held[0][1].step is not None else
                   ", and frame_every=..., the number of steps between frames"),
            )  # fmt: skip
        if told is not None and own is not None and abs(own - told) > _TOLERANCE * told:
            raise DataError(
                f"the times in the file make a step {own:g} fs, not {told:g} fs",
                hint=f"leave timestep_fs out, or say {own:g}",
            )
        return told or own or 0.0


def _own_timestep_fs(held: list[Timed]) -> float | None:
    """fs, from the times of the first frame and the next of another step."""
    if len(held) < 2 or held[0][0] == held[-1][0]:
        return None
    (first, one), (last, other) = held[0], held[-1]
    if one.time_ps is None or other.time_ps is None or other.time_ps <= one.time_ps:
        return None
    # of a long run the time may be written in few digits; ten steps in a million still count
    return round((other.time_ps - one.time_ps) * FS_PER_PS / (last - first), 9)

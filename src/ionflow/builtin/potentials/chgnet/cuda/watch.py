"""Counts of past calls, read without waiting for the present one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

COUNTS = 4


@dataclass
class _Slot:
    host: Tensor
    done: torch.cuda.Event | None


class Watch:
    """Brings the counts of each call to the host, to be read `lag` calls later.

    By then the device has long finished, so that reading them does not hold anything up; and as
    the lag is a number of calls, not a time, what follows from the counts can be repeated to the
    bit.
    """

    def __init__(self, lag: int, device: torch.device) -> None:
        self.calls, self._cuda = 0, device.type == "cuda"
        self._slots = [self._slot() for _ in range(lag + 1)]

    def put(self, counts: Tensor) -> None:
        """Send (4,) counts of a call."""
        slot = self._slots[self.calls % len(self._slots)]
        slot.host.copy_(counts, non_blocking=self._cuda)
        if slot.done is not None:
            slot.done.record()
        self.calls += 1

    def look(self, lag: int) -> tuple[int, ...] | None:
        """Counts of the call `lag` before the last one; None if there was none."""
        number = self.calls - 1 - lag
        if number < 0:
            return None
        slot = self._slots[number % len(self._slots)]
        if slot.done is not None:
            slot.done.synchronize()
        return tuple(slot.host.tolist())

    def _slot(self) -> _Slot:
        host = torch.zeros(COUNTS, dtype=torch.int64, pin_memory=self._cuda)
        event = torch.cuda.Event() if self._cuda else None  # type: ignore[no-untyped-call]
        return _Slot(host, event)

"""Being asked to stop: Ctrl-C, SIGTERM, a closed terminal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stoppable(Protocol):
    """What can be asked to stop."""

    stopping: bool

    def stop(self) -> None:
        """Come to an end soon."""


@contextmanager
def stopped_by_signals(work: Stoppable, say: Callable[[str], None]) -> Iterator[None]:
    """Once: stop at the next commit; a second time: at once, by KeyboardInterrupt.

    Parameters
    ----------
    say : called with a sentence when work is asked to stop
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if work.stopping:
            raise KeyboardInterrupt
        work.stop()
        say("stopping at the next commit; once more to stop at once")

    before = {n: signal.getsignal(n) for n in _SIGNALS}
    # nohup has them ignore a closed terminal: so do we
    caught = [n for n in _SIGNALS if before[n] is not signal.SIG_IGN]
    for number in caught:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, before[number])

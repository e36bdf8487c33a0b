"""Output that may go away: a run outlives the terminal, or the pipe, that it talks to."""

from __future__ import annotations

import os
import sys
from typing import IO, Any

from rich.console import Console

_PIPE_WIDTH = 160


class Lasting:
    """A text stream that falls silent when what it leads to is gone, where others would raise."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self.is_gone = False

    def write(self, text: str) -> int:
        """Write, or do nothing once it is gone."""
        if not self.is_gone:
            try:
                return self._stream.write(text)
            except OSError:  # a closed terminal says EIO, a closed pipe EPIPE
                self._lose()
        return len(text)

    def flush(self) -> None:
        """Flush, or do nothing once it is gone."""
        if not self.is_gone:
            try:
                self._stream.flush()
            except OSError:
                self._lose()

    def _lose(self) -> None:
        self.is_gone = True
        # what is still in the buffer would raise once more when the interpreter ends
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def outlive_terminal() -> None:
    """Let the standard streams of this process fall silent when what they lead to is gone."""
    sys.stdout, sys.stderr = _lasting(sys.stdout), _lasting(sys.stderr)


def _lasting(stream: Any) -> Any:
    # None in a process that was started without any
    return stream if stream is None or isinstance(stream, Lasting) else Lasting(stream)


def console() -> Console:
    """The console of the command line: no colours of numbers, no folding in a pipe."""
    wide = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(file=_lasting(sys.stdout), highlight=False, soft_wrap=True, width=wide)

"""Libraries between a process and the system: a disk that refuses calls, a clock that is wrong."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

HERE = Path(__file__).parent


def compiler() -> str | None:
    """The C compiler, if there is one."""
    return shutil.which("cc") or shutil.which("gcc")


def library(name: str, folder: Path) -> Path:
    """`name.c`, compiled into a folder."""
    made = folder / f"{name}.so"
    command = [str(compiler()), "-O1", "-shared", "-fPIC", "-o", str(made)]
    subprocess.run([*command, str(HERE / f"{name}.c"), "-ldl", "-lpthread"], check=True)
    return made


class Clock:
    """A clock of the wall that can be set while processes run, for those that are given it."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self._library = library("clock", folder)
        self.shift(0)

    @property
    def environment(self) -> dict[str, str]:
        """Of the processes whose clock this is."""
        return {"LD_PRELOAD": str(self._library), "IONFLOW_FAULTS_CLOCK": str(self._file)}

    def shift(self, seconds: int) -> None:
        """Set it wrong by so much, at once and for all of them."""
        with self._file.open("r+b" if self._file.exists() else "xb", buffering=0) as file:
            file.write(struct.pack("=q", seconds))

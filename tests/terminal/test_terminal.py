"""A run outlives the terminal or the pipe that it talks to."""

from __future__ import annotations

import os
import subprocess
import sys

from ionflow.terminal import Lasting

SCRIPT = """
import sys
from ionflow.terminal import console
screen = console()
screen.print("first")
sys.stdin.readline()
for number in range(2000):
    screen.print(f"line {number} into nothing")
print("alive", file=sys.stderr)
"""


def test_a_closed_pipe_silences_and_does_not_stop() -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", SCRIPT], text=True, **pipes) as process:
        assert process.stdout.readline() == "first\n"
        process.stdout.close()
        process.stdin.write("\n")
        process.stdin.close()
        assert process.stderr.read() == "alive\n"
        assert process.wait(timeout=60) == 0


def test_a_closed_terminal_silences_and_does_not_stop() -> None:
    master, terminal = os.openpty()
    pipes = {"stdin": subprocess.PIPE, "stdout": terminal, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", SCRIPT], text=True, **pipes) as process:
        os.close(terminal)
        assert os.read(master, 5) == b"first"
        os.close(master)
        process.stdin.write("\n")
        process.stdin.close()
        assert process.stderr.read() == "alive\n"
        assert process.wait(timeout=60) == 0


def test_what_can_be_written_is_written(tmp_path) -> None:
    with open(tmp_path / "out", "w") as file:
        stream = Lasting(file)
        stream.write("Å\n")
        stream.flush()
        assert not stream.is_gone
        assert not stream.isatty()
    assert (tmp_path / "out").read_text() == "Å\n"

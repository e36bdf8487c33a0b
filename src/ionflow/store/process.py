"""Telling a process from a later one, and a dead one from one of another host."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import Any


def host() -> str:
    """The name of this host."""
    return socket.gethostname()


def is_of_here(record: dict[str, Any]) -> bool:
    """Whether a holder's process number means a process that this one can look for."""
    known = isinstance(record.get("pid"), int)
    return known and (record.get("host"), record.get("namespace")) == (host(), namespace())


def is_stale(record: dict[str, Any]) -> bool:
    """Whether the holder was a process of this very host and is no more."""
    return is_of_here(record) and process_start(record["pid"]) != str(record.get("started"))


def process_start(pid: int) -> str | None:
    """What tells a process from a later one of the same number; None if there is none alive."""
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self/stat").exists():
        return _process_start_ps(pid)
    try:
        fields = stat.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"


def _process_start_ps(pid: int) -> str | None:
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def namespace() -> str:
    """What tells containers apart that share a host name: their process numbers differ."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""

"""One holder per run folder."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ionflow.errors import HeldError
from ionflow.store.files import guarded, publish

_NAME = "holder.json"


def read_holder(root: Path) -> dict[str, Any] | None:
    """Who holds the run folder: host, pid, since, command and what tells processes apart."""
    try:
        record = json.loads((root / _NAME).read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        hint = "if no ionflow runs here, delete the file"
        raise HeldError("unreadable", where=str(root / _NAME), hint=hint) from error
    return record if isinstance(record, dict) else {}


@contextmanager
def held(root: Path) -> Iterator[None]:
    """Hold the run folder while the context lasts.

    The file is won by a hard link, which fails if it exists. The file of a dead process of this
    host is taken over.

    Raises
    ------
    HeldError
        Naming the holder.
    """
    mine = _self()
    _win(root, mine)
    try:
        yield
    finally:
        if (read_holder(root) or {}).get("token") == mine["token"]:
            (root / _NAME).unlink()


def _win(root: Path, mine: dict[str, Any]) -> None:
    data = json.dumps(mine, indent=1).encode()
    try:
        publish(root, root / _NAME, data)
    except FileExistsError:
        _take_over(root, data)


def _take_over(root: Path, data: bytes) -> None:
    # only processes of one host can find each other stale, and among those flock is reliable
    with guarded(root):
        holder = read_holder(root)
        if holder and not is_stale(holder):
            raise _refusal(root, holder)
        (root / _NAME).unlink(missing_ok=True)
        try:
            publish(root, root / _NAME, data)
        except FileExistsError:
            raise _refusal(root, read_holder(root) or {}) from None


def _refusal(root: Path, holder: dict[str, Any]) -> HeldError:
    who = "process {pid} on {host} since {since}: {command}"
    known = {n: holder.get(n, "?") for n in ("pid", "host", "since", "command")}
    return HeldError(
        f"the run is held by {who.format(**known)}",
        where=str(root),
        hint=f"wait for it or stop it; if that process is gone for good, delete {root / _NAME}",
    )


def _self() -> dict[str, Any]:
    pid = os.getpid()
    return {
        "host": socket.gethostname(),
        "namespace": _namespace(),
        "pid": pid,
        "started": process_start(pid),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
        "token": uuid.uuid4().hex,
    }


def is_stale(holder: dict[str, Any]) -> bool:
    """Whether the holder was a process of this very host and is no more."""
    here = (socket.gethostname(), _namespace())
    if (holder.get("host"), holder.get("namespace")) != here:
        return False
    pid = holder.get("pid")
    return isinstance(pid, int) and process_start(pid) != str(holder.get("started"))


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


def _namespace() -> str:
    # two containers may share a host name; their process numbers mean different processes
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""

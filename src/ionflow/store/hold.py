"""One holder per run folder; who comes later wins the next epoch, never by a clock.

No time of any file or host is compared with another's: a holder on another host is told from a
dead one by whether its beat changes while somebody watches.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ionflow.errors import HeldError, StoreError
from ionflow.store.archive import damage
from ionflow.store.documents import document_bytes, read_document
from ionflow.store.epochs import epoch_path, is_released, latest_epoch, look, tidy_epochs
from ionflow.store.files import writing
from ionflow.store.process import host, is_of_here, is_stale, namespace, process_start
from ionflow.store.writer import Writer, fence

PATIENCE_S = 60.0
_BEAT_S = 5.0
_LOOK_S = 1.0

Waiting = Callable[[str], None]


def read_holder(root: Path) -> dict[str, Any] | None:
    """Who holds the run folder: host, pid, since, command and what tells processes apart.

    None if nobody does, or a process of this very host that is no more.

    Raises
    ------
    HeldError
        If it cannot be read.
    """
    epoch = latest_epoch(root)
    if not epoch or is_released(root, epoch):
        return None
    record = _record(root, epoch)
    return None if is_stale(record) else record


def _record(root: Path, epoch: int) -> dict[str, Any]:
    path = epoch_path(root, epoch, "json")
    try:
        return read_document(path)
    except StoreError as error:
        free = epoch_path(root, epoch, "released")
        hint = f"if no ionflow runs this folder on any machine: mv {path} {free}"
        raise HeldError(f"unreadable: {error.what}", where=str(path), hint=hint) from error


@contextmanager
def held(
    root: Path, patience_s: float | None = None, waiting: Waiting | None = None
) -> Iterator[int]:
    """Hold the run folder while the context lasts; gives the epoch.

    Raises
    ------
    HeldError
        Naming the holder.
    StoreError
        If the folder cannot be written, or its file system has no hard links.
    """
    latest, epoch = look(root)
    patience_s = PATIENCE_S if patience_s is None else patience_s
    _wait_out(root, latest, patience_s, waiting or _silent)
    _win(root, epoch)
    try:
        with _beating(root, epoch):
            _fenced(root, epoch)
            tidy_epochs(root)
            yield epoch
    finally:
        _release(root, epoch)


def _silent(_: str) -> None:
    return None


def _win(root: Path, epoch: int) -> None:
    record = _self(epoch)
    try:
        Writer(root).publish(epoch_path(root, epoch, "json"), document_bytes(record))
    except FileExistsError:
        raise _refusal(root, _record(root, epoch)) from None
    except StoreError:
        # the name may be there though the disk refused to make it durable
        if epoch == latest_epoch(root) and _record(root, epoch)["token"] == record["token"]:
            _release(root, epoch)
        raise


def _fenced(root: Path, epoch: int) -> None:
    try:
        fence(root, epoch)
    except (StoreError, FileExistsError):
        Writer(root, epoch).check()
        raise


def _release(root: Path, epoch: int) -> None:
    # a rename needs no space; without a beat (no room for it) the record itself says so
    for kind in ("beat", "json"):
        # where neither can be renamed, this process is found to be no more when it has ended
        with suppress(OSError):
            os.rename(epoch_path(root, epoch, kind), epoch_path(root, epoch, "released"))
            return


def _wait_out(root: Path, epoch: int, patience_s: float, waiting: Waiting) -> None:
    """Return once the holder of an epoch is gone; refuse while it lives."""
    if not epoch or is_released(root, epoch):
        return
    record = _record(root, epoch)
    if is_stale(record):
        return
    if is_of_here(record):
        raise _refusal(root, record)
    waiting(f"held by {_who(record)}; watching for {patience_s:.0f} s whether it is alive")
    if _is_alive(root, epoch, patience_s):
        raise _refusal(root, record)


def _is_alive(root: Path, epoch: int, patience_s: float) -> bool:
    before, until = _beat(root, epoch), time.monotonic() + patience_s
    while True:
        # looked at once more after the last wait: this process may have been stopped meanwhile
        last = time.monotonic() >= until
        if is_released(root, epoch):
            return False
        if _beat(root, epoch) != before:
            return True
        if last:
            return False
        time.sleep(min(_LOOK_S, patience_s / 20))


def _beat(root: Path, epoch: int) -> bytes:
    path = epoch_path(root, epoch, "beat")
    with damage(path):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return b""  # not yet, or released just now


@contextmanager
def _beating(root: Path, epoch: int) -> Iterator[None]:
    path, ended = epoch_path(root, epoch, "beat"), threading.Event()
    with writing(path), open(path, "xb") as file:
        file.write(_count(0))
        os.fsync(file.fileno())
    thread = threading.Thread(target=_beat_on, args=(path, ended), name="beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _beat_on(path: Path, ended: threading.Event) -> None:
    count = 0
    while not ended.wait(_BEAT_S):
        count += 1
        # in place: that needs no space; a disk that refuses once may not the next time
        with suppress(OSError), open(path, "r+b") as file:
            file.write(_count(count))
            os.fsync(file.fileno())


def _count(number: int) -> bytes:
    return b"%020d\n" % number


def _refusal(root: Path, holder: dict[str, Any]) -> HeldError:
    hint = "wait for it or stop it; a holder that is gone for good gives way by itself"
    return HeldError(f"the run is held by {_who(holder)}", where=str(root), hint=hint)


def _who(holder: dict[str, Any]) -> str:
    who = "process {pid} on {host} since {since}: {command}"
    return who.format(**{n: holder.get(n, "?") for n in ("pid", "host", "since", "command")})


def _self(epoch: int) -> dict[str, Any]:
    pid = os.getpid()
    return {
        "epoch": epoch,
        "host": host(),
        "namespace": namespace(),
        "pid": pid,
        "started": process_start(pid),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
        "token": uuid.uuid4().hex,
    }

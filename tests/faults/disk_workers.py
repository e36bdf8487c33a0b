"""A bad disk below the real driver and real workers: each of them is refused its n-th call."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from campaigns import Field
from disk_faults import Fault, Refusals
from harness import Book, Child, child, examine

from ionflow.store import Store


def refuse_processes(ground: Field, calls: Path, fault: Fault, numbers: Iterable[int]) -> Refusals:
    """Refuse the n-th call of every process of a run, for one n after the other."""
    made, started = Refusals(f"every process of a run: {fault.name}"), time.monotonic()
    for at in numbers:
        made.add({"at": at, **_refused(ground, calls, fault, at)})
    made.wall_s = time.monotonic() - started
    return made


def _refused(ground: Field, calls: Path, fault: Fault, at: int) -> dict[str, Any]:
    out = ground.folder / f"{fault.number}-{at}"
    book = Book(out)
    words = f"{at} {fault.number} {int(fault.stays)} {fault.kinds} {out}/"
    with child(ground.site, ground.source, out, LD_PRELOAD=str(calls), DISK_FAULT=words) as run:
        found = {"end": _end(run, run.wait()), "text": run.text()[-3000:]}
    book.look()
    left = Store(out).failures()
    found["failures"] = [record["reason"] for record in left.values()]
    with child(ground.site, ground.source, out, *(["--retry-failed"] if left else [])) as again:
        found["again"] = "" if again.wait() == 0 else again.text()[-3000:]
    after = examine(out, ground.reference, book)
    found["differs"] = [*after.differing, *after.lost, *after.not_a_number, *after.time_axis]
    return found | {"verify_again": after.verify, "finished": not after.failed}


def _end(run: Child, code: int) -> str:
    """How a run ended, in the words of disk_program.py."""
    text = run.text()
    if code == 0:
        return "well"
    if code != 1 or re.search(r"^Traceback", text, re.MULTILINE):
        return "unclear error"
    return "out of space" if "No space left on device" in text else "clear error"

"""The long form of the fault suite, and its figures.

    python tests/faults/long.py --out faults            all of it, some hours
    python tests/faults/long.py --out faults workers    one campaign
    python tests/faults/long.py --out faults --table    the figures of all that has run there

Each campaign writes its rows to a JSON file of its name; the table is Markdown.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "path"), str(HERE.parent)]

from campaigns import (  # noqa: E402
    ALONE,
    WHOLE,
    Field,
    cluster,
    kill_drivers,
    kill_schedulers,
    kill_workers,
)
from disk_faults import DEAD, FULL, ONCE, READ_ONLY, Fault, flips, refuse  # noqa: E402
from disk_repair import REPAIRS  # noqa: E402
from disk_workers import refuse_processes  # noqa: E402
from harness import Child, Site, paced, recipe, write_recipe  # noqa: E402
from preloads import library  # noqa: E402

Rows = list[dict[str, Any]]


class Found(Protocol):
    """What a campaign came to."""

    details: list[Any]
    """What should not have been."""

    def row(self) -> dict[str, Any]:
        """A line of the table."""


Campaign = Callable[..., list[Found]]

TEMPERATURES = (900, 1100, 1300, 1500)


def cheap() -> dict[str, Any]:
    """Four trajectories of 40 segments."""
    return recipe(40, TEMPERATURES, cluster={"use": "local", "workers": 3})


def learned() -> dict[str, Any]:
    """Two trajectories of CHGNet, 21 atoms, of 12 segments of four steps."""
    made = recipe(12, potential={"use": "chgnet"})
    for stage in made["protocol"].values():
        stage |= {"frame_ps": 0.004, "segment_ps": 0.008}
    made["protocol"]["melt"]["duration_ps"] = 0.008
    made["protocol"]["production"]["duration_ps"] = 0.096
    return made


class Grounds:
    """Undisturbed runs, made once, and folders for the disturbed ones."""

    def __init__(self, folder: Path, seed: int) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.folder, self.seed = folder, seed
        self.site = Site.make(folder / "site")

    def ground(self, name: str, made: dict[str, Any], pause_s: float = 0.02, **more: Any) -> Field:
        """A place for a campaign."""
        folder = self.folder / name
        folder.mkdir()
        reference = folder / "undisturbed"
        run = Child(self.site, write_recipe(folder, made), reference)
        assert run.wait(3600) == 0, run.text()
        source = write_recipe(folder, paced({**made, **more}, pause_s))
        return Field(self.site, source, reference, folder, random.Random(self.seed))


def workers(grounds: Grounds, count: int = 200) -> list[Found]:
    """kill -9 of workers."""
    return [kill_workers(grounds.ground("workers", cheap()), count)]


def chgnet(grounds: Grounds, count: int = 200) -> list[Found]:
    """kill -9 of workers that compute CHGNet."""
    ground = grounds.ground("chgnet", learned(), 0.0)
    ground.longest_s = 1.5
    return [kill_workers(ground, count, "kill -9 of a worker, CHGNet")]


def drivers(grounds: Grounds, count: int = 50) -> list[Found]:
    """kill -9 of drivers, at once run again."""
    ground = grounds.ground("drivers", cheap())
    alone = 2 * count // 5
    return [kill_drivers(ground, count - alone, WHOLE), kill_drivers(ground, alone, ALONE)]


def schedulers(grounds: Grounds, count: int = 20) -> list[Found]:
    """kill -9 of a scheduler that is started again."""
    with cluster(grounds.site, grounds.folder) as made:
        where = {"use": "address", "address": made.address}
        ground = grounds.ground("schedulers", recipe(40), cluster=where)
        return [kill_schedulers(ground, made, count)]


def refusals(what: str, fault: Fault, first: int = 0, stride: int = 1) -> Campaign:
    """Refuse every call of an act, or every so many."""

    def campaign(grounds: Grounds, count: int = 0) -> list[Found]:
        calls = library("disk_calls", grounds.folder)
        how = {"first": first, "stride": stride, "count": count}
        return [refuse(calls, grounds.folder, what, fault, **how)]

    return campaign


def repairs(grounds: Grounds, count: int = 0) -> list[Found]:
    """A repair is cut off at every call."""
    calls = library("disk_calls", grounds.folder)
    return [refuse(calls, grounds.folder / what, what, DEAD, count=count) for what in REPAIRS]


def processes(grounds: Grounds, count: int = 20) -> list[Found]:
    """Every process of a run is refused its n-th call."""
    calls = library("disk_calls", grounds.folder)
    ground = grounds.ground("processes", recipe(6), 0.0)
    numbers = range(1, 9 * count, 9)
    return [refuse_processes(ground, calls, fault, numbers) for fault in (ONCE, FULL)]


def bits(grounds: Grounds, count: int = 1200) -> list[Found]:
    """Single bits flipped in the files of a run."""
    return [flips(grounds.folder, count, grounds.seed)]


CAMPAIGNS: dict[str, Campaign] = {
    "workers": workers,
    "drivers": drivers,
    "schedulers": schedulers,
    "chgnet": chgnet,
    "eio": refusals("run", ONCE),
    "enospc": refusals("run", FULL),
    "dead": refusals("run", DEAD, first=3, stride=4),
    "extension": refusals("extension", DEAD, first=1, stride=2),
    "recovery": refusals("recovery", DEAD, first=1, stride=4),
    "repairs": repairs,
    "processes": processes,
    "readonly": refusals("folders", READ_ONLY, stride=2),
    "bits": bits,
}


def table(rows: Rows) -> str:
    """Markdown; rows of different campaigns may have different columns, and make more tables."""
    parts, columns = [], None
    for entry in rows:
        if list(entry) != columns:
            columns = list(entry)
            parts += ["", _line(columns), _line(["---"] * len(columns))]
        parts.append(_line([str(entry[name]) for name in columns]))
    return "\n".join(parts[1:]) + "\n"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def run(name: str, out: Path, seed: int, count: int | None) -> list[Any]:
    """One campaign; what should not have been."""
    print(f"{time.strftime('%H:%M')} {name}", flush=True)
    grounds = Grounds(out / f"runs-{name}", seed)
    counts = {} if count is None else {"count": count}
    found = CAMPAIGNS[name](grounds, **counts)
    record: dict[str, Any] = {
        "rows": [entry.row() for entry in found],
        "details": [detail for entry in found for detail in entry.details],
        "date": time.strftime("%Y-%m-%d"),
        "seed": seed,
    }
    (out / f"{name}.json").write_text(json.dumps(record, indent=1))
    return record["details"]


def main() -> None:
    """Run what is asked for, print the table of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("campaigns", nargs="*", metavar="CAMPAIGN", help=", ".join(CAMPAIGNS))
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, help="how many, in place of the campaign's own")
    parser.add_argument("--table", action="store_true", help="only print what is there")
    asked = parser.parse_args()
    out = asked.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    names = [] if asked.table else asked.campaigns or list(CAMPAIGNS)
    faults = [fault for name in names for fault in run(name, out, asked.seed, asked.count)]
    done = [json.loads(p.read_text()) for n in CAMPAIGNS if (p := out / f"{n}.json").exists()]
    print(table([entry for record in done for entry in record["rows"]]))
    print("\n".join(["nothing was found" if not faults else "FOUND", *map(str, faults)]))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()

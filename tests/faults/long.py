"""The long form of the fault suite, and its figures.

    python tests/faults/long.py --out faults            all of it, half an hour
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
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "path"), str(HERE.parent)]

from campaigns import (  # noqa: E402
    ALONE,
    WHOLE,
    Field,
    Tally,
    cluster,
    kill_drivers,
    kill_schedulers,
    kill_workers,
)
from harness import Child, Site, paced, recipe, write_recipe  # noqa: E402

Rows = list[dict[str, Any]]
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


def workers(grounds: Grounds, count: int = 200) -> list[Tally]:
    """kill -9 of workers."""
    return [kill_workers(grounds.ground("workers", cheap()), count)]


def chgnet(grounds: Grounds, count: int = 20) -> list[Tally]:
    """kill -9 of workers that compute CHGNet."""
    ground = grounds.ground("chgnet", learned(), 0.0)
    ground.longest_s = 1.5
    return [kill_workers(ground, count, "kill -9 of a worker, CHGNet")]


def drivers(grounds: Grounds, count: int = 50) -> list[Tally]:
    """kill -9 of drivers, at once run again."""
    ground = grounds.ground("drivers", cheap())
    alone = 2 * count // 5
    return [kill_drivers(ground, count - alone, WHOLE), kill_drivers(ground, alone, ALONE)]


def schedulers(grounds: Grounds, count: int = 20) -> list[Tally]:
    """kill -9 of a scheduler that is started again."""
    with cluster(grounds.site, grounds.folder) as made:
        where = {"use": "address", "address": made.address}
        ground = grounds.ground("schedulers", recipe(40), cluster=where)
        return [kill_schedulers(ground, made, count)]


def disk(grounds: Grounds) -> Rows:
    """What the tests of the disk count, if they count anything."""
    if find_spec("disk_faults") is None:
        return []
    import disk_faults

    return list(disk_faults.rows())


CAMPAIGNS: dict[str, Callable[[Grounds], list[Tally] | Rows]] = {
    "workers": workers,
    "drivers": drivers,
    "schedulers": schedulers,
    "chgnet": chgnet,
    "disk": disk,
}


def row(found: Tally | dict[str, Any]) -> dict[str, Any]:
    """A line of the table."""
    if isinstance(found, dict):
        return found
    return {
        "what": found.what,
        "how many": found.kills,
        "runs": found.runs,
        "lost frames": found.lost,
        "NaN": found.not_a_number,
        "frames twice or missing": found.time_axis,
        "byte-identical": "yes" if not found.differing else f"no: {found.differing} files",
        "verify --deep": "clean" if not found.verify else f"{found.verify} faults",
        "hit twice in a segment": found.retried,
        "wall time": f"{found.wall_s / 60:.1f} min",
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


def run(name: str, out: Path, seed: int, count: int | None) -> bool:
    """One campaign; whether nothing was found."""
    grounds = Grounds(out / f"runs-{name}", seed)
    counts = {} if count is None else {"count": count}
    found = CAMPAIGNS[name](grounds, **counts)
    record = {
        "rows": [row(entry) for entry in found],
        "details": [asdict(entry)["details"] for entry in found if isinstance(entry, Tally)],
        "date": time.strftime("%Y-%m-%d"),
        "seed": seed,
    }
    (out / f"{name}.json").write_text(json.dumps(record, indent=1))
    return not any(record["details"])


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
    clean = [run(name, out, asked.seed, asked.count) for name in names]
    done = [json.loads(p.read_text()) for n in CAMPAIGNS if (p := out / f"{n}.json").exists()]
    print(table([entry for record in done for entry in record["rows"]]))
    sys.exit(0 if all(clean) else 1)


if __name__ == "__main__":
    main()

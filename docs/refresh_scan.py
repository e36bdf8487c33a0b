"""Puts what a finished `make scan` printed and found into README.md.

make scan 2>&1 | tee scan.log
.venv/bin/python docs/refresh_scan.py runs/amx_scan scan.log
"""

from __future__ import annotations

import datetime
import re
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

import ionflow
from ionflow.view import Run

ROOT = Path(__file__).parents[1]
FIGURE = ROOT / "docs" / "figures" / "amx_scan_laptop.svg"
BLOCK = re.compile(r"(?<=<!-- scan -->\n).*?(?=<!-- /scan -->)", re.S)
UNIT = 1e-5

#: An interval that reaches so many times further than its value has no upper end.
_NO_BOUND = 1000


def block(run: Run, log: str) -> str:
    """The part of the README that a scan fills."""
    host = run.provenance["host"]
    head = (
        f"On {host['cores']} cores of an {host['cpu']} "
        f"({datetime.date.today().isoformat()}, virtual machine), installed already:"
    )
    rows = "\n".join(
        f"| {' | '.join(row)} |" for row in table(run.results["arrhenius"].load(), run)
    )
    return "\n".join(
        [
            "## What `make scan` prints", "", head, "", "```", *printed(run, log), "```", "",
            "| material | T (K) | D of the alkali (10⁻⁵ cm²/s) | Ea (eV) |", "|---|---|---|---|",
            rows, "", *sentences(run), "", f"![D against 1/T]({FIGURE.relative_to(ROOT)})", "",
        ]
    )  # fmt: skip


def printed(run: Run, log: str) -> Iterator[str]:
    """The first lines and the last ones."""
    known = log.replace(str(run.path.resolve()), f"runs/{run.name}").splitlines()
    begin = next(i for i, line in enumerate(known) if line.startswith(f"{run.name}, scale"))
    end = next(i for i, line in enumerate(known) if "tasks done in" in line)
    flags = [line for line in known[end + 1 :] if line.startswith("FLAGGED")]
    yield from [*known[begin : begin + 6], "...", *known[end - 3 : end + 1], *flags]


def table(fits: xr.Dataset, run: Run) -> Iterator[tuple[str, str, str, str]]:
    """A row for each material and temperature."""
    asked = run.provenance["replicas"]
    for alkali in fits["A"].values:
        material = fits.sel(A=alkali, M="Al", X="Cl", species=alkali)
        for n, hot in enumerate(material["temperature_K"].values):
            name = f"{alkali}AlCl2.5O0.75" if n == 0 else ""
            energy = _energy(material) if n == 0 else ""
            yield name, f"{hot:.0f}", _diffusion(material.sel(temperature_K=hot), asked), energy


def _diffusion(at: xr.Dataset, asked: int) -> str:
    value, error = (float(at[f"diffusion_coefficient{end}"]) / UNIT for end in ("", "_stderr"))
    if not np.isfinite(value):
        return "none: not diffusive"
    low, high = (bound / UNIT for bound in at["ci95"].values)
    above = f"to {high:.1f}" if high < _NO_BOUND * value else "to ∞"
    some = f", {int(at['n_replicas'])} of {asked} replicas" if at["n_replicas"] < asked else ""
    return f"{value:.1f} ± {error:.1f} (95 %: {low:.1f} {above}){some}"


def _energy(material: xr.Dataset) -> str:
    value, error = (float(material[f"activation_energy{end}"]) for end in ("", "_stderr"))
    return f"{value:.2f} ± {error:.2f}".replace("-", "−") if np.isfinite(value) else "none"


def sentences(run: Run) -> list[str]:
    """What the run does not show."""
    verdicts = Counter(run.results["claims"]["verdict"].values.tolist())
    claims = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    found = run.results["residence"]["verdict"].values
    around = run.results["tetrahedra"]["coordination_number"].sel(ligands="all").values
    recorded = sum(row.record for row in run.stages)
    flagged = len({flag.key for flag in run.flags})
    text = f"""
        One standard error, then the 95 % interval; the larger of what each trajectory says by
        itself and what the replicas, independent glasses, differ by. Ten picoseconds of 84 atoms
        do not make a study, and the report says so. Of the {sum(verdicts.values())} claims of the
        study: {claims}. Of {found.size} residence times, {(found == "resolved").sum()} are
        resolved. The quick quench is no good glass: aluminium has {np.nanmin(around):.1f} to
        {np.nanmax(around):.1f} neighbours, and {flagged} of {recorded} trajectories are flagged
        († in the figure). The table, every figure, and every warning are in the report."""
    return textwrap.wrap(" ".join(text.split()), 100)


if __name__ == "__main__":
    opened, said = ionflow.open(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="utf-8")
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(BLOCK.sub(lambda _: block(opened, said), text), encoding="utf-8")
    shutil.copy(opened.path / "report" / "figures" / "arrhenius.svg", FIGURE)

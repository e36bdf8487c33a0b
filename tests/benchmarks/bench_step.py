"""What a whole molecular-dynamics step costs beside its forces: engine torch on CHGNet, one thread.

    python tests/benchmarks/bench_step.py [--atoms 84 336] [--steps 200] [--out FILE.json]

One run is timed as a whole and inside its force evaluations; the ratio of the two is the figure
(target 1.05). Starting up (weights, first neighbour list) is left out; medians over runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from bench_chgnet import machine, system

from ionflow import ForceField, Potential, Segment, Stage
from ionflow.builtin.engines.torch import Torch
from ionflow.builtin.potentials.chgnet import CHGNet

TARGET = 1.05


class TimedField(ForceField):
    """A force field with a clock."""

    def __init__(self, field):
        self.field, self.calls = field, []

    def __call__(self, *tensors):
        begin = time.perf_counter()
        result = self.field(*tensors)
        self.calls.append((begin, time.perf_counter()))
        return result


class Timed(Potential):
    """CHGNet whose force evaluations are timed."""

    use = "timed"

    def calculator(self):
        return CHGNet().calculator()

    def force_field(self, device="cpu"):
        self.__dict__["clock"] = TimedField(CHGNet().force_field(device))
        return self.__dict__["clock"]


def ratio(atoms, steps, ensemble):
    """Whole ÷ forces, and ms per step, between the first and the last evaluation."""
    stage = Stage(ensemble=ensemble, temperature_K=1000, duration_ps=10, max_temperature_K=10000)
    segment = Segment((stage,), 0, 0, steps, steps, 50, (1,))
    potential = Timed()
    for _ in Torch(timestep_fs=2.0, device="cpu").advance([system(atoms)], potential, segment):
        pass
    calls = potential.__dict__["clock"].calls[5:]
    whole = calls[-1][0] - calls[0][0]
    forces = sum(end - begin for begin, end in calls[:-1])
    return whole / forces, 1e3 * whole / (len(calls) - 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--atoms", type=int, nargs="+", default=[84, 336])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    rows = []
    for atoms in options.atoms:
        for ensemble in ("nve", "nvt", "npt"):
            runs = [ratio(atoms, options.steps, ensemble) for _ in range(options.runs)]
            whole, ms = (statistics.median(values) for values in zip(*runs, strict=True))
            rows.append({"atoms": atoms, "ensemble": ensemble, "ratio": whole, "ms_per_step": ms})
            print(
                f"{atoms:>5} atoms  {ensemble}  {ms:8.2f} ms per step  whole ÷ forces {whole:.3f}  "
                f"(target {TARGET})",
                flush=True,
            )
    if options.out:
        options.out.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()

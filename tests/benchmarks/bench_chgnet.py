"""How fast CHGNet runs: chgnet itself against ionflow's backends, in one run on one thread.

    python tests/benchmarks/bench_chgnet.py [--atoms 84 168 336 1344] [--out FILE.json]

Every backend evaluates the same moving atoms in turn, so that a busy machine slows all alike;
times are medians of CPU time for energy, forces and stress, topology included. Stock is chgnet's
own ASE calculator as it comes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

DATA = Path(__file__).parents[1] / "data" / "LiAlCl2.5O0.75_84.xyz"
REPEATS = {84: (1, 1, 1), 168: (2, 1, 1), 336: (2, 2, 1), 672: (2, 2, 2), 1344: (4, 2, 2)}
PROPERTIES = ["energy", "forces", "stress"]
MEMORY = """
import sys
sys.path.insert(0, {folder!r})
import bench_chgnet as bench
atoms = bench.system(1344)
bench.calculators(("kernel",))["kernel"].calculate(atoms, bench.PROPERTIES)
print(bench.peak_resident_GB())
"""


def system(atoms):
    """The glass, replicated and shaken."""
    from ase.io import read

    system = read(DATA) * REPEATS[atoms]
    system.rattle(0.02, seed=0)
    return system


def calculators(names):
    """Calculators by name."""
    from ionflow.builtin.potentials.chgnet import CHGNet

    made = {}
    for name in names:
        with contextlib.redirect_stdout(io.StringIO()):
            made[name] = stock() if name == "stock" else CHGNet(backend=name).calculator()
    return made


def stock():
    """chgnet's own calculator, as a user of chgnet has it."""
    from chgnet.model.dynamics import CHGNetCalculator

    return CHGNetCalculator(use_device="cpu")


def measure(atoms, names, budget_s):
    """Median CPU seconds for each name; as many rounds as the budget allows, three at least."""
    moving, made = system(atoms), calculators(names)
    times = {name: [] for name in names}
    start, rounds = time.monotonic(), 0
    while rounds < 4 or (time.monotonic() - start < budget_s and rounds < 40):
        moving.rattle(0.005, seed=rounds)
        for name, calculator in made.items():
            begin = time.process_time()
            calculator.calculate(moving, PROPERTIES)
            if rounds:  # the first round warms up
                times[name].append(time.process_time() - begin)
        rounds += 1
    return {name: statistics.median(values) for name, values in times.items()}


def peak_resident_GB():
    """Of this process; getrusage would count what the parent had when it forked."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x)
    return int(line.split()[1]) / 1024**2


def peak_memory_GB():
    """Peak resident memory of a process that evaluates 1344 atoms by the kernel, all included."""
    code = MEMORY.format(folder=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def machine():
    """What the figures belong to."""
    import torch

    from ionflow.builtin.potentials.chgnet import kernel

    names = [line for line in _cpuinfo() if line.startswith("model name")]
    return {
        "cpu": names[0].split(":")[1].strip() if names else platform.processor(),
        "kernel": kernel.available()[1],
        "torch": torch.__version__,
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def _cpuinfo():
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.is_file() else []


def table(rows, names):
    """The figures as text."""
    lines = ["atoms  " + "".join(f"{name:>26}" for name in names)]
    for row in rows:
        cells = [f"{row['atoms']:>5}  "]
        for name in names:
            seconds = row["seconds"][name]
            ratio = row["seconds"]["stock"] / seconds
            each = 1e3 * seconds / row["atoms"]
            cells.append(f"{1e3 * seconds:>9.1f} ms {each:.3f} {ratio:>6.1f}×")
        lines.append("".join(cells))
    return "\n".join(lines) + "\n(ms per evaluation, ms per atom, stock ÷ this)"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--atoms", type=int, nargs="+", default=[84, 168, 336, 1344])
    parser.add_argument("--backends", nargs="+", default=["torch", "kernel"])
    parser.add_argument("--budget", type=float, default=30.0, help="seconds for each size")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    names = ["stock", *options.backends]
    rows = [
        {"atoms": atoms, "seconds": measure(atoms, names, options.budget)}
        for atoms in options.atoms
    ]
    result = {"machine": machine(), "rows": rows, "peak_memory_1344_GB": peak_memory_GB()}
    print(json.dumps(result["machine"], indent=2))
    print(table(rows, names))
    print(f"peak memory at 1344 atoms, kernel: {result['peak_memory_1344_GB']:.2f} GB")
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

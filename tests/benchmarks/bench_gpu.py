"""How fast CHGNet runs on a CUDA device: accuracy, latency, throughput, whole steps, stock.

    python tests/benchmarks/bench_gpu.py [--out FILE.json] [--quick] [--tune] [--profile]

First the results are compared with float64 on the same device; what fails there is not timed.
Times are medians over repeats, by device events around a row of calls, after a warm-up. Stock is
chgnet's own ASE calculator on the same device, where chgnet is installed. Without a CUDA device
nothing is measured and the script says so.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import platform
import statistics
import sys
import time
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import torch

DATA = Path(__file__).parents[1] / "data" / "LiAlCl2.5O0.75_84.xyz"
REPEATS = {84: (1, 1, 1), 168: (2, 1, 1), 336: (2, 2, 1), 1344: (4, 2, 2), 5376: (4, 4, 4)}
BOUNDS = {"energy_eV_per_atom": 1e-6, "force_eV_A": 5e-4, "stress_eV_A3": 1e-6}
TARGETS = {
    "ms_per_step_1344": 2.0,
    "stock_ratio_1344": 100.0,
    "batch_64x84_ratio": 10.0,
    "us_per_atom_step": 1.0,
    "step_overhead": 1.05,
}


def glass(atoms, seed=0):
    """The glass, replicated and shaken."""
    from ase.io import read

    system = read(DATA) * REPEATS[atoms]
    system.rattle(0.03, seed=seed)
    return system


def tensors(systems, device="cuda"):
    """Positions, cells, numbers, system index."""
    import numpy as np

    sizes = torch.tensor([len(atoms) for atoms in systems])
    made = (
        torch.from_numpy(np.concatenate([atoms.positions for atoms in systems])),
        torch.from_numpy(np.stack([atoms.cell.array for atoms in systems])),
        torch.from_numpy(np.concatenate([atoms.numbers for atoms in systems])),
        torch.repeat_interleave(torch.arange(len(systems)), sizes),
    )
    return tuple(tensor.to(device) for tensor in made)


def weights(model="0.3.0"):
    """Folded, float64."""
    from ionflow.builtin.potentials.chgnet import checkpoints
    from ionflow.builtin.potentials.chgnet.weights import fold

    return fold(checkpoints.read(checkpoints.bundled(model)))


def field(tuning=None, model="0.3.0", lag=2):
    """A fresh CUDA field."""
    from ionflow.builtin.potentials.chgnet.cuda.field import CudaField

    return CudaField(weights(model), "cuda", tuning, lag)


def milliseconds(work, calls, repeats=7):
    """Median over repeats of the time of one call in a row of calls, on the device."""
    for _ in range(3):
        work()
    times = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        begin.record()
        for _ in range(calls):
            work()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / calls)
    return statistics.median(times)


def accuracy():
    """Largest errors against float64, by case."""
    from ionflow.builtin.potentials.chgnet.field import TorchField

    strained = glass(84, 1)
    strained.set_cell(strained.cell.array @ [[1.03, 0.02, 0], [0, 0.97, 0], [0.01, 0, 1]], True)
    cases = {f"{n} atoms": ("0.3.0", [glass(n)]) for n in (84, 336, 1344)}
    cases["64 × 84 atoms"] = ("0.3.0", [glass(84, seed) for seed in range(64)])
    cases |= {f"strained, {m}": (m, [strained, glass(84)]) for m in ("0.3.0", "0.2.0", "r2scan")}
    rows = []
    for name, (model, systems) in cases.items():
        inputs = tensors(systems)
        reference = TorchField(weights(model), "cuda", dtype=torch.float64)(*inputs)
        mine = field(model=model)
        results = mine(*inputs)
        again = field(model=model)(*inputs)
        sizes = torch.bincount(inputs[3])
        error = [
            float(((results[0] - reference[0]).abs() / sizes).max()),
            float((results[1] - reference[1]).abs().max()),
            float((results[2] - reference[2]).abs().max()),
        ]
        rows.append(
            {
                "case": name,
                **dict(zip(BOUNDS, error, strict=True)),
                "bits_repeat": all(map(torch.equal, results, again)),
                "passed": all(e <= b for e, b in zip(error, BOUNDS.values(), strict=True)),
            }
        )
        print(rows[-1], flush=True)
    return rows


def timed(systems, tuning=None):
    """Milliseconds of one evaluation of a batch, moving a little between calls."""
    inputs, made = tensors(systems), field(tuning)
    positions = [inputs[0], inputs[0] + 1e-3 * torch.randn_like(inputs[0])]
    turn = itertools.cycle(positions)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    start = time.perf_counter()
    made(*inputs)
    torch.cuda.synchronize()
    first = time.perf_counter() - start
    atoms = len(inputs[0])
    calls = max(3, min(50, 100_000 // atoms))
    each = milliseconds(lambda: made(next(turn), *inputs[1:]), calls)
    made.settle()
    return {
        "systems": len(systems),
        "atoms": len(systems[0]),
        "ms": each,
        "us_per_atom_step": 1e3 * each / atoms,
        "first_call_s": first,
        "MB": (torch.cuda.max_memory_allocated() - before) / 2**20,
    }


def throughput(quick):
    """Latency of one system and throughput of batches."""
    batches = [(84, 1), (336, 1), (1344, 1), (84, 4), (84, 16), (84, 64), (84, 256), (1344, 8)]
    batches += [] if quick else [(5376, 1), (84, 1024), (336, 64), (1344, 32), (1344, 64)]
    rows = []
    for atoms, count in batches:
        rows.append(timed([glass(atoms, seed) for seed in range(count)]))
        print({name: round(value, 4) for name, value in rows[-1].items()}, flush=True)
        torch.cuda.empty_cache()
    return rows


def stock(atoms, calls=5):
    """Milliseconds of chgnet's own calculator on the same device; None where it is missing."""
    if find_spec("chgnet") is None or find_spec("pymatgen") is None:
        return None
    from chgnet.model.dynamics import CHGNetCalculator

    with contextlib.redirect_stdout(io.StringIO()):
        calculator = CHGNetCalculator(use_device="cuda")
    system, times = glass(atoms), []
    for call in range(calls + 1):
        system.rattle(0.005, seed=call)
        torch.cuda.synchronize()
        start = time.perf_counter()
        calculator.calculate(system, ["energy", "forces", "stress"])
        torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def whole_steps(atoms, count, bare_ms):
    """Milliseconds of a step of engine torch, by wall clock, start-up taken away."""
    from ionflow.builtin.engines.torch import Torch
    from ionflow.builtin.potentials.chgnet import CHGNet
    from ionflow.kinds import Segment, Stage

    stage = Stage(ensemble="nvt", temperature_K=600, duration_ps=10, frame_ps=10, segment_ps=10)

    def run(steps):
        systems = [glass(atoms, seed) for seed in range(count)]
        segment = Segment((stage,) * count, 0, 0, steps, 5000, 5000, tuple(range(count)))
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in Torch(device="cuda").advance(systems, CHGNet(), segment):
            pass
        torch.cuda.synchronize()
        return time.perf_counter() - start

    run(5)
    few, many = 20, 220
    start_up = statistics.median(run(few) for _ in range(3))
    ms = 1e3 * (statistics.median(run(many) for _ in range(3)) - start_up) / (many - few)
    return {"atoms": atoms, "systems": count, "ms": ms, "overhead": ms / bare_ms}


def tune():
    """Every kernel's cut in turn, the others as they are; 1344 atoms and 64 × 84."""
    from dataclasses import replace

    from ionflow.builtin.potentials.chgnet.cuda.context import Tuning

    cuts = [(32, 2), (32, 4), (64, 4), (64, 8), (128, 8)]
    tunings = [Tuning(), Tuning(precision="ieee", messages=(64, 8), firsts=(64, 8))]
    for name in ("messages", "gates", "firsts"):
        tunings += [replace(Tuning(), **{name: cut}) for cut in cuts]
    tunings = list(dict.fromkeys(tunings))
    rows = []
    for tuning in tunings:
        row = {"tuning": str(tuning)}
        for atoms, count in ((1344, 1), (84, 256)):
            try:
                batch = [glass(atoms, seed) for seed in range(count)]
                row[f"{count}x{atoms}"] = round(timed(batch, tuning)["ms"], 4)
            except (RuntimeError, ValueError) as error:  # a cut that a device cannot hold
                row[f"{count}x{atoms}"] = repr(error)[:80]
        rows.append(row)
        print(row, flush=True)
    return rows


def profile():
    """Time by kernel of an evaluation that is not recorded."""
    inputs, made = tensors([glass(1344)]), field()
    made(*inputs)
    evaluation = made._setup.replay.evaluation
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as trace:
        for _ in range(5):
            evaluation(*inputs[:2])
        torch.cuda.synchronize()
    text = trace.key_averages().table(sort_by="self_cuda_time_total", row_limit=40)
    print(text)
    return text


def machine():
    """What the figures belong to."""
    import triton

    device = torch.cuda.get_device_properties(0)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "device": device.name,
        "multiprocessors": device.multi_processor_count,
        "memory_GB": round(device.total_memory / 2**30, 1),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "triton": triton.__version__,
        "python": platform.python_version(),
    }


def summary(result):
    """Measured against what is aimed at."""
    rows = {(row["atoms"], row["systems"]): row for row in result["throughput"]}
    one, many = rows[84, 1], rows[84, 64]
    figures = {
        "ms_per_step_1344": rows[1344, 1]["ms"],
        "stock_ratio_1344": None,
        "batch_64x84_ratio": 64 * one["ms"] / many["ms"],
        "us_per_atom_step": min(row["us_per_atom_step"] for row in rows.values()),
        "step_overhead": None,
    }
    if result.get("stock_ms_1344"):
        figures["stock_ratio_1344"] = result["stock_ms_1344"] / rows[1344, 1]["ms"]
    if result.get("whole_steps"):
        figures["step_overhead"] = result["whole_steps"][0]["overhead"]
    return figures


def table(figures):
    """The summary as text."""
    lines = [f"{'':<22}{'measured':>12}{'target':>10}"]
    for name, value in figures.items():
        shown = "not measured" if value is None else f"{value:.3f}"
        sign = "≤" if name in ("ms_per_step_1344", "us_per_atom_step", "step_overhead") else "≥"
        lines.append(f"{name:<22}{shown:>12}{sign:>4} {TARGETS[name]:g}")
    return "\n".join(lines)


def measure(options):
    """Everything, in the order of what matters if time runs out."""
    result = {"machine": machine(), "accuracy": accuracy()}
    print(json.dumps(result["machine"], indent=2), flush=True)
    if not all(row["passed"] for row in result["accuracy"]):
        print("wrong results: nothing is timed")
        return result
    result["throughput"] = throughput(options.quick)
    result["stock_ms_1344"] = stock(1344)
    bare = {(row["atoms"], row["systems"]): row["ms"] for row in result["throughput"]}
    result["whole_steps"] = [
        whole_steps(atoms, count, bare[atoms, count]) for atoms, count in ((1344, 1), (84, 64))
    ]
    print(*result["whole_steps"], sep="\n", flush=True)
    result["figures"] = summary(result)
    print(table(result["figures"]), flush=True)
    if options.tune:
        result["tune"] = tune()
    if options.profile:
        result["profile"] = profile()
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--quick", action="store_true", help="fewer batch sizes")
    parser.add_argument("--tune", action="store_true", help="try other cuts of the kernels")
    parser.add_argument("--profile", action="store_true", help="time by kernel")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device: nothing measured")
        result = {"measured": False}
    else:
        result = {"measured": True, **measure(options)}
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n")
    rows = result.get("accuracy", [])
    return 0 if all(row["passed"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

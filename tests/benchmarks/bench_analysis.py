"""How fast analyses run beside other libraries, in one run, on one thread.

    python tests/benchmarks/bench_analysis.py [--rows rdf,msd] [--out FILE.json]

A row is a function that returns a `Row`; `rows` names them all. Each library analyses the same
trajectory in turn, three times, so that a busy machine slows both alike; figures are medians of
CPU time, or of wall time where the target is one of time. What is imported is imported before.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402 - threads are told first

REPEATS = 3


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    work: str
    seconds: float
    """of ionflow, median"""
    target: str
    met: bool
    peer: str = ""
    peer_seconds: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times faster than the peer."""
        return None if self.peer_seconds is None else self.peer_seconds / self.seconds


def in_turn(*works: Callable[[], object], clock: Callable[[], float] = time.process_time):
    """Median seconds of each, after one round on the side that imports and warms up."""
    times = [[] for _ in works]
    for turn in range(REPEATS + 1):
        for work, taken in zip(works, times, strict=True):
            start = clock()
            work()
            if turn:
                taken.append(clock() - start)
    return [statistics.median(taken) for taken in times]


def against(work: str, ours, peer: str, theirs, least: float, note: str = "") -> Row:
    """A row whose target is a ratio."""
    seconds, peer_seconds = in_turn(ours, theirs)
    met = peer_seconds / seconds >= least
    return Row(work, seconds, f"≥ {least:g}× faster", met, peer, peer_seconds, note)


# -- trajectories ---------------------------------------------------------------------------

#: 336 atoms of LiAlCl2.5O0.75 at the density of the glass in tests/data, in a cube
COMPOSITION = {"Li": 64, "Al": 64, "Cl": 160, "O": 48}
EDGE = 18.95


def glassy(frames: int, width: float = 0.5):
    """336 atoms that shake about the sites of a lattice, as a trajectory in single precision."""
    from ase import Atoms

    from ionflow import schema

    rng = np.random.default_rng(0)
    sites = np.stack(np.meshgrid(*[np.arange(7)] * 3), -1).reshape(-1, 3) * (EDGE / 7)
    symbols = [element for element, count in COMPOSITION.items() for _ in range(count)]
    sites = sites[rng.permutation(len(sites))[: len(symbols)]]
    atoms = Atoms(symbols, positions=sites, cell=[EDGE] * 3, pbc=True)
    positions = (sites + rng.normal(0, width, (frames, len(atoms), 3))).astype(np.float32)
    cell = np.broadcast_to(atoms.cell.array, (frames, 3, 3))
    return schema.trajectory(
        atoms, np.arange(frames) * 50, 2.0, {"positions": positions, "cell": cell}
    )


# -- rows -----------------------------------------------------------------------------------


def rdf() -> Row:
    """Partial radial distribution functions against freud, which finds neighbours by pair."""
    import freud

    from ionflow.builtin.analysers.structure.rdf import Rdf

    data = glassy(2000)
    freud.parallel.set_num_threads(1)
    analyser = Rdf(r_max_angstrom=8.0, bins=200, max_frames=2000)
    positions = data["positions"].values
    where = {s: np.flatnonzero(data["element"].values == s) for s in COMPOSITION}
    pairs = [(a, b) for k, a in enumerate(COMPOSITION) for b in list(COMPOSITION)[k:]]
    box = freud.box.Box.cube(EDGE)

    def theirs():
        partials = {pair: freud.density.RDF(bins=200, r_max=8.0) for pair in pairs}
        for frame in positions:
            wrapped = box.wrap(frame)
            for (a, b), partial in partials.items():
                system, around = (box, wrapped[where[a]]), wrapped[where[b]]
                partial.compute(system, None if a == b else around, reset=False)
        return {pair: partial.rdf for pair, partial in partials.items()}

    g, expected = analyser.analyse(data)["g"], theirs()
    for (a, b), partial in expected.items():
        np.testing.assert_allclose(g.sel(pair=f"{a}-{b}"), partial, rtol=2e-3, atol=5e-3)
    work = "partial RDFs, 336 atoms × 2,000 frames"
    note = "all 10 partials to 8 Å, 200 bins; results compared"
    return against(work, lambda: analyser.analyse(data), "freud", theirs, 2.0, note)


def msd() -> Row:
    """Mean squared displacements against MDAnalysis, whose FFT gives every lag."""
    import MDAnalysis
    from MDAnalysis.analysis.msd import EinsteinMSD

    from ionflow.builtin.analysers.dynamics.msd import Msd

    frames = 20_000
    data = glassy(frames, 0.1)
    # shaking that adds up is a walk
    shaken = data["positions"] - data["positions"].mean("time")
    data = data.assign(positions=shaken.cumsum("time").astype(np.float32))
    universe = MDAnalysis.Universe.empty(data.sizes["atom"], trajectory=True)
    universe.load_new(data["positions"].values)
    analyser = Msd(frame="none")

    def theirs():
        return EinsteinMSD(universe, select="all", msd_type="xyz", fft=True, verbose=False).run()

    ours = analyser.analyse(data)
    lags = np.rint(ours["lag"].values / 0.1).astype(int)
    expected = theirs().results.msds_by_particle[lags].T
    np.testing.assert_allclose(ours["msd_atom"], expected, rtol=1e-5, atol=1e-3)
    work = "MSD, all species, 336 atoms × 20,000 frames"
    note = (
        "all origins by FFT in both; ionflow writes 64 lags, by species, direction and atom, with "
        "errors, MDAnalysis every lag by atom; results compared"
    )
    return against(work, lambda: analyser.analyse(data), "MDAnalysis", theirs, 2.5, note)


def switching(pairs: int, frames: int):
    """Independent pairs that leave and join at a constant rate, (pair, frame)."""
    rng = np.random.default_rng(0)
    h = np.empty((pairs, frames), dtype=bool)
    h[:, 0] = rng.random(pairs) < 0.1
    for t in range(1, frames):
        u = rng.random(pairs)
        h[:, t] = np.where(h[:, t - 1], u >= 0.02, u < 0.002)
    return h


def resided(h, lags: int):
    """What P(t) and its times are found from: (pair, frame), around 32 centres of one kind."""
    from ionflow.builtin.analysers.dynamics.correlation import spaced_lags
    from ionflow.builtin.analysers.residence.bitseries import BitSeries, packed
    from ionflow.builtin.analysers.residence.occupancy import Occupancy
    from ionflow.builtin.analysers.residence.residence_result import Residences

    bits = packed(h)
    series, place = np.nonzero(bits)
    shell = BitSeries(series, place, bits[series, place])
    labels = np.zeros((h.shape[1], 32), dtype=np.uint8)
    seen = Occupancy(np.arange(h.shape[1]), len(h) // 32, 32, (shell,) * 3, labels)
    fraction = min(0.5, lags / (h.shape[1] - 1))
    return Residences(seen, spaced_lags(h.shape[1], fraction, 64), 0.1, 0, 0)


def residence() -> Row:
    """P(t) of pairs that are known to meet or not: three variants, errors and fits."""
    found = resided(switching(1024, 20_000), 10_000)
    (seconds,) = in_turn(lambda: found.found(8, 10, 0.5), clock=time.perf_counter)
    note = "three variants, by environment and over all, with jackknives and fits"
    work = "residence P(t), 1,024 pairs × 20,000 frames"
    return Row(work, seconds, "≤ 1 s", seconds <= 1.0, note=note)


def residence_beside_mdanalysis() -> Row:
    """The same on a case that MDAnalysis can do: it has the continuous variant alone."""
    from MDAnalysis.lib.correlations import autocorrelation

    h = switching(1024, 1000)
    sets = [set(np.flatnonzero(column).tolist()) for column in h.T]
    ours, longest = resided(h, 100), 100

    curve = ours.found(8, 10, 0.5).rows[1][-1].curve
    expected = np.array(autocorrelation(sets, longest)[1])
    np.testing.assert_allclose(curve, expected[ours.lag_frames], atol=0.02)
    work = "residence P(t), 1,024 pairs × 1,000 frames, 100 lags"
    note = "three variants with errors beside the continuous one without; results compared"
    return against(
        work,
        lambda: ours.found(8, 10, 0.5),
        "MDAnalysis",
        lambda: autocorrelation(sets, longest),
        1.0,
        note,
    )


def transport() -> Row:
    """D and σ with intervals against kinisi, at the same lags and from the same start."""
    import scipp as sc
    from ase import Atoms
    from kinisi.analyze import ConductivityAnalyzer, DiffusionAnalyzer

    from ionflow.builtin.analysers.transport.conductivity import Conductivity
    from ionflow.builtin.analysers.transport.diffusion import Diffusion
    from ionflow.passes import together
    from ionflow.testing.trajectories import Walker, synthetic_trajectory

    # kinisi takes one kind of ion; a single still one keeps the charges neutral
    species = {"Li": Walker(64, 0.5, 1.0), "I": Walker(1, 1e-6, -64.0)}
    data = synthetic_trajectory(species, frames=20_000, length_angstrom=30.0)
    analysers = [Diffusion(frame="none"), Conductivity(frame="none", clusters=False)]

    def ours():
        return together(analysers, data)

    d, sigma = ours()
    ps = sc.Unit("ps")
    frames = [
        Atoms("Li64", frame % 30.0, cell=[30.0] * 3, pbc=True)
        for frame in data["positions"].values[:, :64]
    ]
    lags = np.round(d["lag"].values, 6)
    parsed = {
        "trajectory": frames,
        "specie": "Li",
        "time_step": 0.1 * ps,
        "step_skip": sc.scalar(1),
        "dt": sc.array(dims=["time interval"], values=lags, unit=ps),
        "progress": False,
    }

    def theirs():
        tracer = DiffusionAnalyzer.from_ase(**parsed)
        tracer.diffusion(float(d["fit_start"][0]) * ps, progress=False)
        charge = ConductivityAnalyzer.from_ase(**parsed, ionic_charge=1 * sc.Unit("e"))
        start = float(sigma["fit_start"].sel(definition="einstein"))
        charge.conductivity(start * ps, 800 * sc.Unit("K"), progress=False)
        return tracer.D.to(unit="cm^2/s").values, charge.sigma.to(unit="S/cm").values

    einstein = sigma.sel(definition="einstein")
    for found, result, name in zip(
        theirs(),
        (d.isel(species=0), einstein),
        ("diffusion_coefficient", "conductivity"),
        strict=True,
    ):
        spread = np.hypot(found.std(), float(result[f"{name}_stderr"]))
        # kinisi's slopes lie some percent lower on this trajectory, the exact D is 5e-5
        assert abs(found.mean() - float(result[name])) < 4 * spread + 0.1 * float(result[name])
    work = "D and σ with intervals, 64 ions × 20,000 frames"
    note = (
        f"{len(lags)} lags in both, reading of frames in memory included, their making not; "
        "kinisi's own list has 20,000 lags; results compared"
    )
    return against(work, ours, "kinisi", theirs, 20.0, note)


#: by the name that --rows takes
ROWS: dict[str, Callable[[], Row]] = {
    "rdf": rdf,
    "msd": msd,
    "residence": residence,
    "residence_peer": residence_beside_mdanalysis,
    "transport": transport,
}


# -- the table ------------------------------------------------------------------------------


def machine() -> dict[str, object]:
    """What the figures belong to."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "load": os.getloadavg()[0],
    }


def table(rows: list[Row]) -> str:
    """The figures as text."""
    lines = [f"{'work':<52}{'ionflow':>10}{'peer':>24}{'ratio':>8}  target"]
    for row in rows:
        peer = "" if row.peer_seconds is None else f"{row.peer} {row.peer_seconds:.2f} s"
        ratio = "" if row.ratio is None else f"{row.ratio:.1f}×"
        met = "met" if row.met else "MISSED"
        head = f"{row.work:<52}{row.seconds:>8.2f} s{peer:>24}{ratio:>8}"
        lines.append(f"{head}  {row.target} ({met})")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", default=",".join(ROWS), help=f"some of {', '.join(ROWS)}")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    names = options.rows.split(",")
    unknown = sorted(set(names) - set(ROWS))
    if unknown:
        parser.error(f"no rows {', '.join(unknown)}; there are {', '.join(ROWS)}")
    rows = [ROWS[name]() for name in names]
    print(json.dumps(machine(), indent=2))
    print(table(rows))
    if options.out:
        result = {"machine": machine(), "rows": [asdict(r) | {"ratio": r.ratio} for r in rows]}
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

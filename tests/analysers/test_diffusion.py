import numpy as np
import pytest
import xarray as xr

from ionflow.builtin.analysers.transport.diffusion import Diffusion

CM2_S = 1e-4  # one Å²/ps


def covered(result: xr.Dataset, exact: float) -> list[bool]:
    """Whether the intervals of 68 and 95 % of the only species hold the exact D."""
    intervals = (result["ci68"].values[0], result["ci95"].values[0])
    return [bool(lower < exact < upper) for lower, upper in intervals]


def test_free_walkers_give_their_d_with_intervals_that_cover(trajectory, walk) -> None:
    exact = 0.4**2 / 2 / 0.1 * CM2_S
    hits, values = [], []
    for seed in range(150):
        x = walk(np.random.default_rng(seed), 300, 16, 0.4)
        result = Diffusion(frame="none").analyse(trajectory(x, ["Li"] * 16))
        assert result["diffusive"].all()
        hits.append(covered(result, exact))
        values.append(float(result["diffusion_coefficient"][0]))
    in68, in95 = np.mean(hits, axis=0)
    assert 0.58 <= in68 <= 0.80
    assert 0.90 <= in95 <= 0.995
    assert np.mean(values) == pytest.approx(exact, rel=4 * np.std(values) / exact / np.sqrt(150))


def test_rattling_ions_that_hop_on_a_lattice(trajectory, rattle) -> None:
    """D = rate a²/6, whatever the rattling; the fit starts beyond the cage."""
    rate, step, hits = 0.03, 3.0, []
    exact = rate * step**2 / 6 / 0.1 * CM2_S
    for seed in range(60):
        rng = np.random.default_rng(seed)
        hops = np.zeros((600, 24, 3))
        jumps = (rng.random((600, 24)) < rate) * rng.choice([-step, step], (600, 24))
        np.put_along_axis(hops, rng.integers(0, 3, (600, 24))[..., None], jumps[..., None], axis=2)
        x = np.cumsum(hops, axis=0) + rattle(rng, 600, 24, 0.4, 3)
        result = Diffusion(frame="none").analyse(trajectory(x, ["Li"] * 24))
        assert result["diffusive"].all()
        assert result["fit_start"][0] > 0.1
        hits.append(covered(result, exact))
    in68, in95 = np.mean(hits, axis=0)
    assert 0.52 <= in68 <= 0.85
    assert in95 >= 0.87


def test_walkers_bound_in_pairs_count_once(trajectory, walk) -> None:
    hits = []
    for seed in range(80):
        half = walk(np.random.default_rng(seed), 300, 8, 0.4)
        x = np.concatenate([half, half], axis=1)
        result = Diffusion(frame="none").analyse(trajectory(x, ["Li"] * 16))
        hits.append(covered(result, 0.4**2 / 2 / 0.1 * CM2_S))
    in68, in95 = np.mean(hits, axis=0)
    assert 0.55 <= in68 <= 0.82
    assert in95 >= 0.88


def assert_no_number(result: xr.Dataset, verdict: str) -> None:
    assert not result["diffusive"].any()
    assert result["verdict"].values.tolist() == [verdict]
    for name in ("diffusion_coefficient", "diffusion_coefficient_stderr", "ci68", "ci95"):
        assert result[name].isnull().all()


@pytest.mark.parametrize("seed", range(5))
def test_a_cage_is_not_diffusion(trajectory, rattle, seed) -> None:
    rng = np.random.default_rng(seed)
    narrow = Diffusion().analyse(trajectory(rattle(rng, 400, 12, 0.4, 3), ["Li"] * 12))
    assert_no_number(narrow, "caged")
    wide = Diffusion().analyse(trajectory(rattle(rng, 400, 12, 2.0, 10), ["Li"] * 12))
    assert_no_number(wide, "anomalous")
    assert wide["exponent"][0] < 0.8
    for result in (narrow, wide):
        bound = float(result["upper_bound"][0])
        plateau = float(result["msd"].values[0, -1])
        assert 0 < bound < 2 * plateau / 6 / float(result["lag"][-1]) * CM2_S


def test_free_flight_is_not_diffusion_and_has_no_bound(trajectory, rng) -> None:
    x = np.arange(400)[:, None, None] * rng.normal(size=(1, 12, 3)) * 0.1
    result = Diffusion(frame="none").analyse(trajectory(x, ["Li"] * 12))
    assert_no_number(result, "anomalous")
    assert result["exponent"][0] == pytest.approx(2, abs=0.01)
    assert result["upper_bound"].isnull().all()


def test_atoms_that_never_move_are_caged(trajectory) -> None:
    result = Diffusion().analyse(trajectory(np.ones((50, 3, 3)), ["Al"] * 3))
    assert_no_number(result, "caged")


def test_too_few_displacements_are_undecided_or_a_wide_interval(trajectory, walk) -> None:
    verdicts = set()
    for seed in range(20):
        x = walk(np.random.default_rng(seed), 40, 1, 0.4)
        result = Diffusion(frame="none").analyse(trajectory(x, ["Li"]))
        verdicts.add(str(result["verdict"].values[0]))
        if result["diffusive"].all():
            relative = result["diffusion_coefficient_stderr"] / result["diffusion_coefficient"]
            assert relative > 0.2
    assert "undecided" in verdicts


def test_the_larger_error_is_reported_and_both_are_kept(trajectory, walk, rng) -> None:
    result = Diffusion().analyse(trajectory(walk(rng, 600, 20, 0.4), ["Li"] * 8 + ["Cl"] * 12))
    gls = result["diffusion_coefficient_stderr_gls"]
    blocks = result["diffusion_coefficient_stderr_blocks"]
    np.testing.assert_array_equal(
        result["diffusion_coefficient_stderr"], np.maximum(gls.values, blocks.values)
    )
    assert (result["n_blocks"] >= 8).all()
    assert (result["fit_end"] > 2 * result["fit_start"]).all()
    assert result["diffusion_coefficient"].attrs["units"] == "cm^2/s"
    assert all({"units", "long_name"} <= set(v.attrs) for v in result.data_vars.values())


def test_agrees_with_kinisi(trajectory, walk) -> None:
    pytest.importorskip("kinisi")
    import scipp as sc
    from ase import Atoms
    from kinisi.analyze import DiffusionAnalyzer

    rng = np.random.default_rng(11)
    x = walk(rng, 300, 24, 0.5) + 50.0
    frames = [Atoms("Li24", frame % 100.0, cell=[100.0] * 3, pbc=True) for frame in x]
    ps = sc.Unit("ps")
    theirs = DiffusionAnalyzer.from_ase(
        frames, specie="Li", time_step=0.1 * ps, step_skip=sc.scalar(1),
        dt=sc.arange("time interval", 0.5, 10.0, 0.5, unit=ps), progress=False,
    )  # fmt: skip
    theirs.diffusion(1.0 * ps, progress=False, random_state=np.random.RandomState(1))
    samples = theirs.D.to(unit="cm^2/s").values
    d, their_stderr = samples.mean(), samples.std(ddof=1)
    ours = Diffusion(frame="none", cage_A2=3.0).analyse(trajectory(x, ["Li"] * 24))
    assert ours["fit_start"][0] == pytest.approx(1.0, abs=0.3)
    stderr = float(ours["diffusion_coefficient_stderr"][0])
    spread = np.hypot(stderr, their_stderr)
    assert float(ours["diffusion_coefficient"][0]) == pytest.approx(d, abs=2 * spread)
    assert 0.4 < their_stderr / stderr < 2.5

"""Residence against exact switching, against MDAnalysis, and through labels that change."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from ase import Atoms
from scipy.signal import correlate

from ionflow import schema
from ionflow.builtin.analysers.dynamics.correlation import spaced_lags
from ionflow.builtin.analysers.residence.bitseries import BitSeries, packed
from ionflow.builtin.analysers.residence.occupancy import Occupancy
from ionflow.builtin.analysers.residence.residence import Residence
from ionflow.builtin.analysers.residence.residence_counts import settled
from ionflow.builtin.analysers.residence.residence_result import (
    LABELS,
    VARIANTS,
    Found,
    Residences,
    Row,
)
from ionflow.errors import DataError
from ionflow.passes import Blocks, together
from ionflow.testing import check_analyser
from ionflow.testing.trajectories import synthetic_trajectory

IONS, CENTRES = 16, 16
PAIR = "Li-Al"


def switching(
    rng: np.random.Generator, pairs: int, frames: int, leave: float, join: float
) -> np.ndarray:
    """Independent pairs that leave and join with a constant probability a frame, (pair, frame)."""
    h = np.empty((pairs, frames), dtype=bool)
    h[:, 0] = rng.random(pairs) < join / (join + leave)
    for t, u in enumerate(rng.random((frames - 1, pairs)), start=1):
        h[:, t] = np.where(h[:, t - 1], u >= leave, u < join)
    return h


def changing(
    rng: np.random.Generator, centres: int, frames: int, chance: float, labels: int
) -> np.ndarray:
    """Labels that change at random, (frame, centre)."""
    found = np.empty((frames, centres), dtype=np.uint8)
    found[0] = rng.integers(0, labels, centres)
    for t in range(1, frames):
        step = rng.integers(1, labels, centres) * (rng.random(centres) < chance)
        found[t] = (found[t - 1] + step) % labels
    return found


def residences(
    h: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    inner: np.ndarray | None = None,
    gap: int = 0,
    centres: int = CENTRES,
) -> Found:
    """What is found of pairs (pair, frame); a frame is 1 ps."""
    frames = h.shape[1]
    words = [packed(x) for x in (h, h if inner is None else inner, h)]
    series, place = np.nonzero(words[0])
    shells = tuple(BitSeries(series, place, bits[series, place]) for bits in words)
    labels = np.zeros((frames, centres), dtype=np.uint8) if labels is None else labels
    seen = Occupancy(np.arange(frames), len(h) // centres, centres, shells, labels)
    return Residences(seen, spaced_lags(frames, 0.5, 48), 1.0, gap, 0).found(8, 10, 0.5)


def row(found: Found, variant: str, label: str = "all") -> Row:
    return found.rows[VARIANTS.index(variant)][LABELS.index(label)]


LEAVE, JOIN, CHANGE = 0.05, 0.005, 0.02
EXACT = {"intermittent": -1 / np.log(1 - LEAVE - JOIN), "continuous": -1 / np.log(1 - LEAVE)}


@pytest.fixture(scope="module")
def trials() -> list[Found]:
    """Pairs with exactly exponential lifetimes, around centres whose labels change."""
    rng = np.random.default_rng(4711)
    return [
        residences(
            switching(rng, IONS * CENTRES, 400, LEAVE, JOIN),
            changing(rng, CENTRES, 400, CHANGE, 2),
        )
        for _ in range(100)
    ]


class TestSwitching:
    def test_curves_are_exact_on_average(self, trials) -> None:
        lag, p = trials[0].lags[:25], JOIN / (JOIN + LEAVE)
        expected = {
            "intermittent": p + (1 - p) * (1 - LEAVE - JOIN) ** lag,
            "continuous": (1 - LEAVE) ** lag,
            "stable_states": (1 - LEAVE) ** lag,
        }
        for variant, curve in expected.items():
            for label in ("X4", "X3O1", "all"):
                each = np.array([row(t, variant, label).curve[:25] for t in trials])
                error = each.std(axis=0, ddof=1) / np.sqrt(len(each))
                assert (abs(each.mean(axis=0) - curve) <= 4 * error + 1e-12).all()

    @pytest.mark.parametrize("label", ["X4", "all"])
    @pytest.mark.parametrize("variant", ["intermittent", "continuous"])
    def test_times_are_unbiased_and_covered(self, trials, variant, label) -> None:
        lives = [row(t, variant, label).lifetime for t in trials]
        for numbers in ([x.time for x in lives], [x.stretched[2] for x in lives]):
            known = [n for n in numbers if np.isfinite(n.value)]
            assert len(known) >= 0.9 * len(trials)
            values = np.array([n.value for n in known])
            error = values.std(ddof=1) / np.sqrt(len(values))
            assert values.mean() == pytest.approx(EXACT[variant], abs=4 * error)
            # the largest of three errors is rather too large; too small is what must not be
            for level, low, high in (("68", 0.6, 0.85), ("95", 0.9, 1.0)):
                ends = np.array([n.interval(level) for n in known])
                inside = (ends[:, 0] < EXACT[variant]) & (EXACT[variant] < ends[:, 1])
                assert low <= inside.mean() <= high

    def test_an_exponential_is_not_stretched(self, trials) -> None:
        beta = [row(t, "continuous").lifetime.stretched[1] for t in trials]
        values = np.array([b.value for b in beta])
        assert values.mean() == pytest.approx(1, abs=0.03)
        ends = np.array([b.interval("95") for b in beta])
        assert 0.88 <= ((ends[:, 0] < 1) & (ends[:, 1] > 1)).mean() <= 1

    def test_everything_starts_at_one(self, trials) -> None:
        for rows in trials[0].rows:
            for one in rows:
                if one.lifetime.verdict != "absent":
                    assert one.curve[0] == 1
                    assert one.stderr[0] == 0


def as_sets(h: np.ndarray) -> list[set[int]]:
    return [set(np.flatnonzero(column).tolist()) for column in h.T]


def life_table_of_mdanalysis(sets: list[set[int]], longest: int) -> np.ndarray:
    """The product limit from the counts that MDAnalysis makes at every origin."""
    from MDAnalysis.lib.correlations import autocorrelation

    *_, shares = autocorrelation(sets, longest)
    occupied = [len(s) for s in sets if s]
    counts = [np.array(occupied)]
    counts += [np.rint(np.array(c) * occupied[: len(c)]) for c in shares]
    with np.errstate(invalid="ignore"):
        stay = [later.sum() / now[: len(later)].sum() for now, later in pairwise(counts)]
    return np.concatenate([[1.0], np.cumprod(stay)])


@pytest.mark.parametrize("gap", [0, 2])
def test_continuous_equals_mdanalysis(rng, gap) -> None:
    correlations = pytest.importorskip("MDAnalysis.lib.correlations")
    h = switching(rng, 40, 150, 0.08, 0.1)
    sets = correlations.correct_intermittency(as_sets(h), gap)
    theirs = life_table_of_mdanalysis(sets[gap : 150 - gap], 70)
    found = residences(h, gap=gap, centres=4)
    known = found.lags <= 70
    np.testing.assert_allclose(
        row(found, "continuous").curve[known], theirs[found.lags[known]], rtol=1e-12
    )
    _, plain, _ = correlations.autocorrelation(sets, 30)  # mean of ratios, not ratio of means
    early = found.lags[found.lags <= 30]
    np.testing.assert_allclose(row(found, "continuous").curve[: len(early)],
                               np.array(plain)[early], atol=0.03)  # fmt: skip


def test_intermittent_equals_scipys_correlation(rng) -> None:
    h = switching(rng, 40, 1500, 0.08, 0.1)
    found = residences(h, centres=4)
    returns = sum(correlate(x, x, method="fft")[1499:] for x in h.astype(float))
    origins = np.array([h[:, : 1500 - n].sum() for n in found.lags])
    np.testing.assert_allclose(
        row(found, "intermittent").curve, returns[found.lags] / origins, rtol=1e-9
    )


def origins(h: np.ndarray, labels: np.ndarray, lag: int, label: int) -> Iterator[tuple[int, int]]:
    """Pairs and frames at which an origin has a label that lasts for a lag."""
    for pair, t in zip(*np.nonzero(h), strict=True):
        column = labels[t : t + lag + 1, pair % labels.shape[1]]
        if len(column) == lag + 1 and (column == label).all():
            yield pair, t


def test_labels_censor_as_counting_one_by_one_says(rng) -> None:
    h, labels = switching(rng, 40, 150, 0.08, 0.1), changing(rng, 4, 150, 0.03, 3)
    found = residences(h, labels, centres=4)
    stay = 1.0
    for lag in range(1, 11):
        seen = list(origins(h, labels, lag, 1))
        again = np.mean([h[p, t + lag] for p, t in seen])
        at = int(np.searchsorted(found.lags, lag))
        assert found.lags[at] == lag
        assert row(found, "intermittent", "X3O1").curve[at] == pytest.approx(again)
        held = [(p, t) for p, t in seen if h[p, t : t + lag].all()]
        stay *= np.mean([h[p, t + lag] for p, t in held])
        assert row(found, "continuous", "X3O1").curve[at] == pytest.approx(stay)
    shares = [(labels == k).mean() for k in range(3)]
    np.testing.assert_allclose(found.share[:3], shares)
    pairs = h.reshape(10, 4, 150).sum(axis=0).T
    np.testing.assert_allclose(found.coordination[1], pairs[labels == 1].mean())


def test_visits_that_come_to_nothing_shorten_only_the_continuous_variant(rng) -> None:
    """Ions that are not bound look in; bound ones are in the inner shell seven times of ten."""
    leave, visit = 0.02, 0.2
    bound = switching(rng, IONS * CENTRES, 1500, leave, 0.002)
    h = bound | (rng.random(bound.shape) < visit * 0.2)
    found = residences(h, inner=bound & (rng.random(bound.shape) < 0.7))
    stable, raw = (row(found, v).lifetime.time for v in ("stable_states", "continuous"))
    # an ion that has just left may look in before it is seen to be gone
    exact = -1 / np.log(1 - leave) + visit * 0.2 / (1 - visit * 0.2)
    assert stable.value == pytest.approx(exact, abs=3 * stable.stderr)
    assert raw.value < 0.8 * stable.value


def test_excursions_are_ignored_up_to_their_length(rng) -> None:
    """Bound ions that are out of sight for one frame of ten."""
    bound = switching(rng, IONS * CENTRES, 1500, 0.02, 0.002)
    h = bound & (rng.random(bound.shape) < 0.9)
    raw, ignored = (row(residences(h, gap=gap), "continuous").lifetime.time for gap in (0, 4))
    assert raw.value < 10
    assert ignored.value == pytest.approx(50, abs=4 * ignored.stderr)
    calm = row(residences(h), "intermittent").curve
    assert calm[1] == pytest.approx(0.9 * 0.98, abs=0.02)


class TestVerdicts:
    def test_few_escapes_leave_a_bound(self, rng) -> None:
        h = np.ones((64, 200), dtype=bool)
        h[:3, 100:] = False
        one = row(residences(h), "continuous")
        assert one.lifetime.verdict == "too few events"
        assert np.isnan(one.lifetime.time.value)
        assert one.events == 3
        # 3 escapes in the time watched: 2 T / chi2(8, 0.95)
        assert one.lower_bound == pytest.approx(2 * (61 * 199 + 300) / 15.507, rel=1e-3)

    def test_what_has_not_decayed_has_no_time(self, rng) -> None:
        one = row(residences(switching(rng, 256, 100, 0.004, 0.004)), "continuous")
        assert one.events > 10
        assert one.lifetime.verdict == "not decayed"
        assert np.isnan(one.lifetime.time.value)

    def test_the_lower_bound_holds_in_95_of_100(self, rng) -> None:
        exact, held = -1 / np.log(0.99), []
        for _ in range(100):
            found = residences(switching(rng, 64, 80, 0.01, 0.01), centres=8)
            held.append(row(found, "continuous").lower_bound < exact)
        assert 0.89 <= np.mean(held) <= 0.99

    def test_what_is_absent_is_said_to_be(self, rng) -> None:
        found = residences(switching(rng, 256, 100, 0.1, 0.05))
        assert row(found, "continuous", "O4").lifetime.verdict == "absent"
        assert np.isnan(row(found, "intermittent", "O4").curve).all()


def test_labels_settle() -> None:
    labels = np.array([[0, 0, 5, 0, 0, 1, 1, 5, 5, 1, 2]], dtype=np.uint8).T
    assert settled(labels, 1).ravel().tolist() == [0, 0, 0, 0, 0, 1, 1, 5, 5, 1, 2]
    assert settled(labels, 2).ravel().tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2]


TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)


@pytest.fixture(scope="module")
def hopping() -> xr.Dataset:
    """Six Li that hop among eight Al, X4 to X2O2, and look out of their shell now and then."""
    rng = np.random.default_rng(5)
    frames, ions, side = 400, 6, 18.0
    sites = np.stack(np.meshgrid(*[[1.0, 10.0]] * 3), axis=-1).reshape(-1, 3)
    ligands = (sites[:, None] + 2 * TETRAHEDRON).reshape(-1, 3)
    symbols = ["Al"] * 8 + [s for k in range(8) for s in ["O"] * (k % 3) + ["Cl"] * (4 - k % 3)]
    at = np.zeros((frames, ions), dtype=int)
    for t in range(1, frames):
        at[t] = np.where(rng.random(ions) < 0.95, at[t - 1], rng.integers(0, 8, ions))
    direction = rng.normal(size=(frames, ions, 3))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    out = rng.random((frames, ions)) < 0.05
    radius = np.where(out, 4.2, rng.uniform(2.5, 3.4, (frames, ions)))
    ion = sites[at] + direction * radius[..., None] + side * rng.integers(-2, 3, (1, ions, 3))
    fixed = np.concatenate([sites, ligands])
    x = np.concatenate([np.broadcast_to(fixed, (frames, *fixed.shape)), ion], axis=1)
    atoms = Atoms(symbols + ["Li"] * ions, positions=x[0], cell=np.eye(3) * side, pbc=True)
    cell = np.broadcast_to(np.eye(3) * side, (frames, 3, 3))
    return schema.trajectory(atoms, np.arange(frames) * 50, 2.0, {"positions": x, "cell": cell})


RADII = {
    "cutoffs": {"Al-O": 2.5, "Al-Cl": 2.5},
    "shell": {PAIR: 3.8},
    "inner": {PAIR: 3.0},
    "lags": 32,
}


class TestTrajectory:
    def test_equals_mdanalysis_from_its_own_distances(self, hopping) -> None:
        distances = pytest.importorskip("MDAnalysis.lib.distances")
        box = np.array([18, 18, 18, 90, 90, 90], dtype=np.float32)
        x = hopping["positions"].values.astype(np.float32)
        sets = []
        for frame in x:
            pairs, _ = distances.capped_distance(frame[-6:], frame[:8], 3.8, box=box)
            sets.append(set(map(tuple, pairs.tolist())))
        theirs = life_table_of_mdanalysis(sets, 50)
        ours = Residence(**RADII, excursion_ps=0).analyse(hopping)
        curve = ours["residence"].sel(variant="continuous", environment="all", lag=slice(0, 5))
        lags = np.rint(curve["lag"].values / 0.1).astype(int)
        np.testing.assert_allclose(curve, theirs[lags], rtol=1e-9)
        number = np.mean([len(s) for s in sets]) / 8
        assert ours["mean_coordination"].sel(environment="all") == pytest.approx(number)

    def test_environments_are_those_of_the_centres(self, hopping) -> None:
        result = Residence(**RADII, excursion_ps=0.3).analyse(hopping)
        share = result["share"].values
        np.testing.assert_allclose(share, [3 / 8, 3 / 8, 2 / 8, 0, 0, 0, 1])
        met = (result["mean_coordination"] * share).values
        assert np.nansum(met[:-1]) == pytest.approx(met[-1])
        times = result["residence_time"].sel(environment="all")
        # a hop leads back to the same centre once in eight times
        exact = -0.1 / np.log(1 - 0.05 * 7 / 8)
        error = result["residence_time_stderr"].sel(variant="continuous", environment="all")
        assert abs(times.sel(variant="continuous") - exact) < 3 * error
        assert times.sel(variant="stable_states") < times.sel(variant="continuous")
        assert (result["residence"].sel(environment="X4", lag=0) == 1).all()
        assert (result["verdict"].sel(environment="O4") == "absent").all()

    @pytest.mark.parametrize("frames", [7, 64])
    def test_blocks_change_nothing(self, hopping, frames) -> None:
        analyser = Residence(**RADII, excursion_ps=0.3)
        (cut,) = together([analyser], hopping, Blocks(frames=frames))
        xr.testing.assert_identical(cut, analyser.analyse(hopping))

    def test_keeps_its_promises(self, hopping) -> None:
        check_analyser(Residence(**RADII, excursion_ps=0.3), hopping)

    def test_frames_are_thinned_and_that_is_said(self, hopping) -> None:
        result = Residence(**RADII, excursion_ps=1, max_frames=150).analyse(hopping)
        assert (result.attrs["frames"], result.attrs["frames_of"]) == (134, 400)
        assert result.attrs["time_resolution_ps"] == pytest.approx(0.3)
        assert result["lag"][1] == pytest.approx(0.3)

    def test_radii_come_from_g_of_r(self, hopping) -> None:
        result = Residence(cutoffs=RADII["cutoffs"], shell=RADII["shell"]).analyse(hopping)
        inner = float(result.attrs["inner_shell"].split()[1])
        assert 2.5 <= inner <= 3.4

    def test_too_short_for_its_excursions_only_one_variant_is_lost(self, hopping) -> None:
        result = Residence(**RADII, excursion_ps=15).analyse(hopping)
        lost, other = (result.sel(variant=v) for v in ("continuous", "intermittent"))
        assert (lost["verdict"] == "too short").all()
        assert all(lost[n].isnull().all() for n, v in result.items() if "lag" in v.dims)
        assert lost["residence_time"].isnull().all()
        whole = Residence(**RADII, excursion_ps=0.3).analyse(hopping)
        expected = whole["residence"].sel(variant="intermittent")
        xr.testing.assert_equal(other["residence"], expected)

    def test_faults_say_what_to_do(self, hopping) -> None:
        with pytest.raises(DataError, match="is not below the outer"):
            Residence(**{**RADII, "inner": {PAIR: 3.9}}).analyse(hopping)
        with pytest.raises(DataError, match="alkali"):
            Residence(**RADII).analyse(hopping.isel(atom=slice(0, 40)))
        with pytest.raises(DataError, match="K-Al"):
            Residence(**{**RADII, "shell": {"K-Al": 3.9}}).analyse(hopping)
        with pytest.raises(DataError, match="as in shell: "):
            Residence().analyse(synthetic_trajectory())

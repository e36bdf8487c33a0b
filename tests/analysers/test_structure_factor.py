from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from ase import Atoms
from ase.build import bulk
from ase.io import read

from ionflow import schema
from ionflow.builtin.analysers.structure.form_factors import neutron_lengths, xray_form_factors
from ionflow.builtin.analysers.structure.structure_factor import StructureFactor
from ionflow.errors import DataError
from ionflow.passes import Blocks, together
from ionflow.testing import check_analyser

GLASS = Path(__file__).parent.parent / "data" / "LiAlCl2.5O0.75_84.xyz"
CHARGES = {"Li": 1.0, "Al": 3.0, "Cl": -1.0, "O": -2.0}


def trajectory_of(atoms: Atoms, positions: np.ndarray, cells: np.ndarray | None = None):
    frames = len(positions)
    cell = np.broadcast_to(atoms.cell.array, (frames, 3, 3)) if cells is None else cells
    return schema.trajectory(atoms, np.arange(frames), 2.0, {"positions": positions, "cell": cell})


@pytest.fixture(scope="module")
def glass() -> tuple[Atoms, xr.Dataset]:
    atoms = read(GLASS)
    atoms.set_initial_charges([CHARGES[symbol] for symbol in atoms.get_chemical_symbols()])
    x = atoms.positions + np.random.default_rng(3).normal(0, 0.1, (12, len(atoms), 3))
    return atoms, trajectory_of(atoms, x)


def test_a_gas_of_ion_pairs_is_exact_to_the_limits() -> None:
    """Pairs at a fixed distance l: S_NN = 1 + sin(ql)/(ql), S_ZZ = 1 − sin(ql)/(ql)."""
    rng = np.random.default_rng(1)
    frames, pairs, apart, side = 250, 40, 2.0, 15.0
    centre = rng.random((frames, pairs, 3)) * side
    arm = rng.normal(size=(frames, pairs, 3))
    arm *= apart / np.linalg.norm(arm, axis=-1, keepdims=True)
    atoms = Atoms(f"Na{pairs}Cl{pairs}", cell=[side] * 3, pbc=True)
    atoms.set_initial_charges([1.0] * pairs + [-1.0] * pairs)
    data = trajectory_of(atoms, np.concatenate([centre, centre + arm], axis=1))
    chosen = {"q_max_per_angstrom": 6.0, "bins": 60, "max_frames": frames}
    result = StructureFactor(**chosen).analyse(data)
    result = result.isel(q=result["vectors"].values > 2)
    ql = result["q_mean"].values * apart
    wave = np.sin(ql) / ql
    expected = {"S_number": 1 + wave, "S_charge": 1 - wave}
    for name, exact in expected.items():
        off = (result[name] - exact) / result[f"{name}_stderr"]
        assert abs(result[name] - exact).max() < 0.12
        assert float(np.sqrt((off**2).mean())) < 1.5
    mixed = result["S_ashcroft_langreth"].sel(pair="Na-Cl")
    np.testing.assert_allclose(mixed, wave, atol=0.1)
    # two atoms in each of the molecules of an ideal gas: S(0) = ρ kB T κ_T = 2; neutral ones: 0
    assert result["S_number_0"] == pytest.approx(2, abs=4 * float(result["S_number_0_stderr"]))
    assert result["S_charge_0"] == pytest.approx(0, abs=4 * float(result["S_charge_0_stderr"]))
    assert result["S_number_0_stderr"] < 0.2


def test_a_lattice_gas_has_the_compressibility_of_its_vacancies() -> None:
    """n of M sites taken at random: S = (1 − n/M) M/(M − 1) off the lattice's own peaks."""
    rng = np.random.default_rng(2)
    sites = np.stack(np.meshgrid(*[np.arange(6.0)] * 3), -1).reshape(-1, 3) * 2.5
    taken = [sites[rng.permutation(len(sites))[:120]] for _ in range(300)]
    atoms = Atoms("Li120", cell=[15.0] * 3, pbc=True)
    chosen = {"q_max_per_angstrom": 2.4, "bins": 12, "max_frames": 300}
    result = StructureFactor(**chosen).analyse(trajectory_of(atoms, np.array(taken)))
    exact = (1 - 120 / 216) * 216 / 215
    known = result["S_number"].dropna("q")
    np.testing.assert_allclose(known, exact, atol=0.06)
    assert result["S_number_0"] == pytest.approx(exact, abs=4 * float(result["S_number_0_stderr"]))
    assert result["S_charge"].isnull().all()
    assert "charge: Li" in result.attrs["without"]


def test_equals_freud() -> None:
    """freud takes wave vectors of one octant only, so atoms come with all their mirror images.

    Bins hold one shell of wave vectors each, in which all weigh alike in either way.
    """
    freud = pytest.importorskip("freud")
    rng = np.random.default_rng(4)
    side, bins = 9.0, 30
    mirrors = np.stack(np.meshgrid(*[[-1, 1]] * 3), -1).reshape(-1, 1, 3)
    li, o = ((mirrors * rng.random((3, 1, n, 3))).reshape(3, -1, 3) * side for n in (4, 6))
    atoms = Atoms("Li32O48", cell=[side] * 3, pbc=True)
    q_max = 2.99 * 2 * np.pi / side  # (300) and (221) would share a shell
    chosen = {"q_max_per_angstrom": q_max, "bins": bins, "vectors_per_bin": 0}
    ours = StructureFactor(**chosen).analyse(trajectory_of(atoms, np.concatenate([li, o], axis=1)))
    some = (ours["vectors"] > 0).values
    assert some.sum() == 7
    box, c = freud.box.Box.cube(side), {"Li": 0.4, "O": 0.6}
    for first, second, pair in ((li, li, "Li-Li"), (li, o, "Li-O"), (o, o, "O-O")):
        theirs = freud.diffraction.StaticStructureFactorDirect(bins, q_max)
        for frame, around in zip(first, second, strict=True):
            theirs.compute((box, box.wrap(frame)), box.wrap(around), 80, reset=False)
        a, b = pair.split("-")
        amplitude = ours["S_ashcroft_langreth"].sel(pair=pair) * np.sqrt(c[a] * c[b])
        np.testing.assert_allclose(amplitude[some], theirs.S_k[some], rtol=1e-4, atol=1e-4)


def test_totals_are_the_weighted_sums_and_what_waves_see(glass) -> None:
    atoms, data = glass
    chosen = {"q_max_per_angstrom": 2.0, "bins": 10, "vectors_per_bin": 0}
    result = StructureFactor(**chosen).analyse(data)
    partial = result["S_faber_ziman"]
    for kind in ("xray", "neutron"):
        whole = (result[f"weight_{kind}"] * partial).sum("pair", skipna=False)
        np.testing.assert_allclose(whole, result[f"S_{kind}"], rtol=1e-12)
    some = result["vectors"] > 0
    np.testing.assert_allclose(result["weight_xray"].sum("pair").where(some, 1), 1)
    assert result["weight_neutron"].sum() == pytest.approx(1)
    # all wave vectors of the cell by brute force, each frame as neutrons meet it
    b = neutron_lengths(atoms.get_chemical_symbols())
    h = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3), -1).reshape(-1, 3)
    q = 2 * np.pi * h @ np.linalg.inv(atoms.cell.array).T
    size = np.linalg.norm(q, axis=1)
    q, size = q[(size > 0) & (size < 2)], size[(size > 0) & (size < 2)]
    seen = [abs(np.exp(-1j * q @ x.T) @ b) ** 2 / len(b) for x in data["positions"].values]
    seen = (np.mean(seen, axis=0) - (b**2).mean()) / b.mean() ** 2 + 1
    counts, _ = np.histogram(size, 10, (0, 2))
    sums, _ = np.histogram(size, 10, (0, 2), weights=seen)
    filled = counts > 0
    np.testing.assert_array_equal(result["vectors"], counts // 2)
    np.testing.assert_allclose(result["S_neutron"][filled], sums[filled] / counts[filled])
    assert result["S_neutron"][~filled].isnull().all()


def test_partials_tend_to_their_limits(glass) -> None:
    result = StructureFactor(q_max_per_angstrom=40, bins=80, vectors_per_bin=128).analyse(glass[1])
    far = result.sel(q=slice(30, 40)).mean("q")
    share = {"Al": 16 / 84, "Cl": 40 / 84, "Li": 16 / 84, "O": 12 / 84}
    product = [share[a] * share[b] for a, b in (p.split("-") for p in result["pair"].values)]
    assert (abs(far["S_faber_ziman"] - 1) < 0.006 / np.array(product)).all()
    same = (result["first"] == result["second"]).astype(float)
    np.testing.assert_allclose(far["S_ashcroft_langreth"], same, atol=0.03)
    assert far["S_number"] == pytest.approx(1, abs=0.02)
    assert far["S_charge"] == pytest.approx(1, abs=0.02)


def test_shaken_crystal_scatters_as_debye_and_waller_say() -> None:
    """Off the Bragg peaks, 1 − exp(−q² u²) for displacements of u along each axis."""
    rng = np.random.default_rng(6)
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True) * (3, 3, 3)
    x = atoms.positions + rng.normal(0, 0.2, (100, len(atoms), 3))
    chosen = {"q_max_per_angstrom": 2.5, "bins": 10, "vectors_per_bin": 0}  # first peak: 3.02
    result = StructureFactor(**chosen).analyse(trajectory_of(atoms, x)).dropna("q")
    exact = 1 - np.exp(-(result["q_mean"] ** 2) * 0.04)
    np.testing.assert_allclose(result["S_number"], exact, rtol=0.15)
    assert result["S_number_0"] == pytest.approx(0, abs=5 * float(result["S_number_0_stderr"]))


def test_each_frame_has_the_waves_of_its_own_cell() -> None:
    """A crystal that breathes keeps its Bragg peaks whole."""
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
    scale = 1 + 0.05 * np.sin(np.arange(20))
    x = scale[:, None, None] * atoms.positions
    data = trajectory_of(atoms, x, scale[:, None, None] * atoms.cell.array)
    chosen = {"q_max_per_angstrom": 4, "bins": 40, "vectors_per_bin": 0}
    result = StructureFactor(**chosen).analyse(data)
    assert float(result["S_number"].max()) == pytest.approx(4, rel=1e-5)  # N, at (111)


def test_form_factors_are_those_of_cromer_and_mann() -> None:
    """International Tables for Crystallography C, 6.1.1.4: four Gaussians and a constant."""
    table = {
        "O": ([3.0485, 2.2868, 1.5463, 0.867], [13.2771, 5.7011, 0.3239, 32.9089], 0.2508),
        "Cl": ([11.4604, 7.1964, 6.2556, 1.6455], [0.0104, 1.1662, 18.5194, 47.7784], -9.5574),
        "Al": ([6.4202, 1.9002, 1.5936, 1.9646], [3.0387, 0.7426, 31.5472, 85.0886], 1.1151),
    }
    q = np.linspace(0, 12, 25)
    square = (q / (4 * np.pi))[:, None] ** 2
    ours = xray_form_factors(list(table), q)
    for found, (a, b, c) in zip(ours, table.values(), strict=True):
        theirs = (np.array(a) * np.exp(-np.array(b) * square)).sum(axis=1) + c
        np.testing.assert_allclose(found[q <= 6], theirs[q <= 6], rtol=0.02)
        np.testing.assert_allclose(found, theirs, rtol=0.1)
    assert np.isnan(xray_form_factors(["X"], q)).all()
    # Sears, Neutron News 3(3), 26 (1992), fm
    np.testing.assert_allclose(
        neutron_lengths(["Li", "O", "Cl", "Al"]), [-1.90, 5.803, 9.577, 3.449], rtol=5e-3
    )


def test_blocks_do_not_matter(glass) -> None:
    analyser = StructureFactor(q_max_per_angstrom=4, bins=20)
    (cut,) = together([analyser], glass[1].chunk(time=5), Blocks(frames=5, atoms=2))
    xr.testing.assert_allclose(cut, analyser.analyse(glass[1]), rtol=1e-9, atol=1e-9)


def test_keeps_its_promises(glass) -> None:
    check_analyser(StructureFactor(q_max_per_angstrom=4, bins=20), glass[1])
    result = StructureFactor(q_max_per_angstrom=4, bins=20).analyse(glass[1])
    assert all({"units", "long_name"} <= set(v.attrs) for v in result.variables.values())
    assert result["S_charge"].notnull().any()
    assert int(result["vectors"].max()) == 32


def test_unknown_elements_have_no_total(glass) -> None:
    data = glass[1].assign_coords(element=("atom", np.repeat("X", glass[1].sizes["atom"])))
    data = data.assign_coords(species=("atom", glass[1]["element"].values))
    result = StructureFactor(q_max_per_angstrom=3, bins=12).analyse(data)
    assert result["S_xray"].isnull().all()
    assert result["S_number"].notnull().any()
    assert "xray: Li" in result.attrs["without"]


@pytest.mark.parametrize(("q_max", "words"), [(0.1, "no wave vector"), (50.0, "too many")])
def test_faults_are_named(glass, q_max, words) -> None:
    big = glass[1] if q_max < 1 else glass[1].assign(cell=glass[1]["cell"] * 5)
    with pytest.raises(DataError, match=words):
        StructureFactor(q_max_per_angstrom=q_max).analyse(big)

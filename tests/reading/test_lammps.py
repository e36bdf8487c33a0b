"""Text dumps of LAMMPS: every set of columns, against the walk, MDAnalysis and ASE."""

from __future__ import annotations

import gzip
import warnings

import ase.io
import numpy as np
import pytest

import ionflow
from ionflow.errors import DataError

TOLD = {"timestep_fs": 2, "elements": {1: "Li", 2: "Al", 3: "Cl"}}
COLUMNS = [
    "id type xs ys zs",
    "id element x y z ix iy iz",
    "id type xu yu zu",
    "id type xsu ysu zsu vx vy vz",
    "type id x y z q",
    "id mol type xs ys zs ix iy iz",
]


def displacements(trajectory):
    return (trajectory["positions"] - trajectory["positions"].isel(time=0)).values


@pytest.mark.parametrize("cell", ["cubic", "triclinic"])
@pytest.mark.parametrize("breathing", [0.0, 0.02])
@pytest.mark.parametrize("columns", COLUMNS)
def test_any_columns_give_the_walk(walk, write_dump, tmp_path, cell, breathing, columns):
    truth = walk(cell, breathing=breathing)
    path = write_dump(tmp_path / "a.lammpstrj", truth, columns, origin=(1, -2, 3))
    told = TOLD if "type" in columns.split() else {"timestep_fs": 2}
    read = ionflow.read(path, **told)
    # where the first frame is wrapped, all lies a whole number of cells away
    offset = (
        truth.scaled[0]
        - np.linalg.solve(truth.cells[0].T, read["positions"].values[0].astype(float).T).T
    )
    np.testing.assert_allclose(offset, np.rint(offset), atol=1e-5)
    expected = truth.positions - np.rint(offset) @ truth.cells
    np.testing.assert_allclose(read["positions"], expected, atol=2e-5)
    np.testing.assert_allclose(read["cell"], truth.cells, atol=1e-8)
    assert read["element"].values.tolist() == truth.names
    np.testing.assert_allclose(read["time"], np.arange(40) * 0.1)
    assert read["step"].values.tolist() == list(range(0, 2000, 50))


@pytest.mark.parametrize(
    ("cell", "columns", "options"),
    [
        ("orthogonal", "id type x y z ix iy iz vx vy vz", {"unwrap_images": True}),
        ("triclinic", "id type xu yu zu vx vy vz", {}),
        ("triclinic", "id type xsu ysu zsu vx vy vz", {}),
    ],
)
def test_mdanalysis_reads_the_same(walk, write_dump, tmp_path, cell, columns, options):
    from MDAnalysis.coordinates.LAMMPS import DumpReader

    truth = walk(cell)
    # MDAnalysis shifts scaled positions by the origin, which is no part of them
    origin = (0, 0, 0) if "xsu" in columns else (1.5, -2, 0.5)
    path = write_dump(tmp_path / "a.lammpstrj", truth, columns, origin=origin)
    read = ionflow.read(path, **TOLD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = DumpReader(str(path), **options)
        for t, frame in enumerate(reader):
            np.testing.assert_allclose(read["positions"][t], frame.positions, atol=1e-4)
            np.testing.assert_allclose(read["velocities"][t] * 1000, frame.velocities, atol=1e-4)
            assert frame.data["step"] == read["step"][t]
    reader.close()


def test_ase_reads_the_same_temperature(walk, write_dump, tmp_path):
    path = write_dump(tmp_path / "a.lammpstrj", walk("cubic"), "id element xu yu zu vx vy vz")
    read = ionflow.read(path, timestep_fs=2)
    for t, atoms in enumerate(ase.io.read(path, ":", format="lammps-dump-text")):
        assert read["kinetic_energy"][t] == pytest.approx(atoms.get_kinetic_energy(), rel=1e-6)
        atoms.set_momenta(
            atoms.get_momenta()
            - atoms.get_masses()[:, None] * atoms.get_momenta().sum(0) / atoms.get_masses().sum()
        )
        # ASE counts 3N degrees of freedom
        expected = atoms.get_temperature() * len(atoms) / (len(atoms) - 1)
        assert read["temperature"][t] == pytest.approx(expected, rel=1e-6)


def test_units_of_velocities(walk, write_dump, tmp_path):
    path = write_dump(tmp_path / "a.lammpstrj", walk("cubic"), "id element xu yu zu vx vy vz")
    metal = ionflow.read(path, timestep_fs=2)
    assert metal.attrs["velocities_from"] == "units metal (assumed)"
    real = ionflow.read(path, timestep_fs=2, units="real")
    ratio = real["temperature"] / metal["temperature"]
    np.testing.assert_allclose(ratio, 1e6)
    slow = walk("cubic")
    slow.velocities = slow.velocities / 1000
    path = write_dump(tmp_path / "b.lammpstrj", slow, "id element xu yu zu vx vy vz")
    with pytest.raises(DataError, match=r"temperature of .* say units='real'"):
        ionflow.read(path, timestep_fs=2)
    text = path.read_text().replace("ITEM: TIMESTEP", "ITEM: UNITS\nreal\nITEM: TIMESTEP", 1)
    path.write_text(text)
    said = ionflow.read(path, timestep_fs=2)
    np.testing.assert_allclose(said["temperature"], metal["temperature"], rtol=1e-3)


def test_the_files_own_times_give_the_step(walk, write_dump, tmp_path):
    path = write_dump(tmp_path / "a.lammpstrj", walk("cubic"), "id element xu yu zu")
    step = iter(range(0, 10_000, 50))
    lines = [
        f"ITEM: TIME\n{next(step) * 0.002}\n{line}" if line.startswith("ITEM: TIMESTEP") else line
        for line in path.read_text().splitlines(keepends=True)
    ]
    path.write_text("ITEM: UNITS\nmetal\n" + "".join(lines))
    assert ionflow.read(path).attrs["timestep_fs"] == pytest.approx(2)
    with pytest.raises(DataError, match="make a step 2 fs, not 1 fs"):
        ionflow.read(path, timestep_fs=1)


def test_general_triclinic_boxes(walk, write_dump, tmp_path):
    truth = walk("triclinic")
    path = write_dump(tmp_path / "a.lammpstrj", truth, "id element xu yu zu")
    lines = path.read_text().splitlines(keepends=True)
    rows = [
        f"{a:.8f} {b:.8f} {c:.8f} {o:.1f}\n"
        for (a, b, c), o in zip(truth.cells[0], (0, 0, 0), strict=True)
    ]
    for number, line in enumerate(lines):
        if line.startswith("ITEM: BOX"):
            lines[number : number + 4] = ["ITEM: BOX BOUNDS abc origin pp pp pp\n", *rows]
    path.write_text("".join(lines))
    read = ionflow.read(path, timestep_fs=2)
    np.testing.assert_allclose(read["cell"], truth.cells, atol=1e-7)
    np.testing.assert_allclose(read["positions"], truth.positions, atol=2e-5)


def test_a_box_that_lammps_flips_is_the_same_lattice(walk, write_dump, tmp_path):
    truth = walk("triclinic")
    flipped = walk("triclinic")
    # from frame 20 on, the third vector is written less the second
    change = np.array([[1, 0, 0], [0, 1, 0], [0, -1, 1]])
    flipped.cells = np.where(np.arange(40)[:, None, None] < 20, truth.cells, change @ truth.cells)
    flipped.scaled = np.array(
        [np.linalg.solve(c.T, p.T).T for c, p in zip(flipped.cells, truth.positions, strict=True)]
    )
    path = write_dump(tmp_path / "a.lammpstrj", flipped, "id element xs ys zs")
    read = ionflow.read(path, timestep_fs=2)
    start = walk("triclinic").positions[0]
    moved = truth.positions - truth.positions[0]
    assert start.shape == moved[0].shape
    np.testing.assert_allclose(displacements(read), moved, atol=3e-5)
    np.testing.assert_allclose(read["cell"], truth.cells, atol=1e-7)


def test_gzipped_and_without_a_telling_name(walk, write_dump, tmp_path):
    path = write_dump(tmp_path / "production.out", walk("cubic"), "id element xu yu zu")
    packed = tmp_path / "a.lammpstrj.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    plain, zipped = ionflow.read(path, timestep_fs=2), ionflow.read(packed, timestep_fs=2)
    assert plain.drop_attrs().equals(zipped.drop_attrs())


def test_frames_written_twice_are_left_out(walk, write_dump, tmp_path):
    path = write_dump(tmp_path / "a.lammpstrj", walk("cubic"), "id element xu yu zu")
    text = path.read_text()
    last = text[text.rindex("ITEM: TIMESTEP") :]
    path.write_text(text + last)  # as a continued run begins
    read = ionflow.read(path, timestep_fs=2)
    assert read.sizes["time"] == 40
    assert "1 frames repeat" in read.attrs["repeated"]
    path.write_text(text + text)
    with pytest.raises(DataError, match="step 0 comes after step 1950"):
        ionflow.read(path, timestep_fs=2)


@pytest.mark.parametrize("cut", [3, 40, 200])
def test_a_last_frame_cut_short(walk, write_dump, tmp_path, cut):
    path = write_dump(tmp_path / "a.lammpstrj", walk("cubic"), "id element xu yu zu")
    path.write_text(path.read_text()[:-cut])
    with pytest.raises(DataError, match=r"a\.lammpstrj, frame 39 \(line 12\d\d\): .*ends within"):
        ionflow.read(path, timestep_fs=2)
    read = ionflow.read(path, timestep_fs=2, truncated="drop")
    assert read.sizes["time"] == 39
    assert "frame 39" in read.attrs["truncated"]


def edited(old: str, new: str, count: int = -1):
    return lambda text: text.replace(old, new, count)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (edited("ATOMS\n24\n", "ATOMS\n23\n"), "is not an ITEM of a dump"),
        (edited("ATOMS\n24\n", "ATOMS\n25\n"), "begins another frame"),
        (lambda text: text.replace("Cl", "Br").replace("Br", "Cl", 16), "symbol of atom 8 changes"),
        (edited("pp pp pp", "pp pp ff"), "not periodic in all directions"),
        (edited("xu yu zu", "fx fy fz"), "there are no positions among id element fx"),
        (edited(" Li ", " Qq "), "no elements: Qq"),
        (edited("id element", "id kind"), "does not say which elements"),
        (edited("ITEM: NUMBER OF ATOMS", "ITEM: NUMBERS"), "is not an ITEM of a dump"),
        (lambda _: "", "there are no frames"),
    ],
)
def test_what_cannot_be_understood_is_an_error(walk, write_dump, tmp_path, edit, message):
    path = write_dump(tmp_path / "a.lammpstrj", walk("cubic"), "id element xu yu zu")
    path.write_text(edit(path.read_text()))
    with pytest.raises(DataError, match=message) as caught:
        ionflow.read(path, timestep_fs=2)
    assert str(path) in str(caught.value)


def test_another_number_of_atoms_is_an_error(walk, write_dump, tmp_path):
    path = write_dump(tmp_path / "a.lammpstrj", walk("cubic"), "id element xu yu zu", shuffle=False)
    head, _, tail = path.read_text().rpartition("ITEM: TIMESTEP")
    tail = tail.replace("ATOMS\n24", "ATOMS\n23").rstrip("\n").rpartition("\n")[0] + "\n"
    path.write_text(f"{head}ITEM: TIMESTEP{tail}")
    with pytest.raises(DataError, match=r"frame 39 .*23 atoms, where the first frame has 24"):
        ionflow.read(path, timestep_fs=2)


def test_a_line_that_lost_a_value_is_named(walk, write_dump, tmp_path):
    path = write_dump(tmp_path / "a.lammpstrj", walk("cubic"), "id element xu yu zu")
    lines = path.read_text().splitlines(keepends=True)
    lines[33 * 2 + 12] = lines[33 * 2 + 12].rsplit(" ", 2)[0] + "\n"
    path.write_text("".join(lines))
    with pytest.raises(DataError, match=r"frame 2 .*line 79 has 4 values for 5 columns"):
        ionflow.read(path, timestep_fs=2)


def test_without_a_timestep_there_is_no_time(walk, write_dump, tmp_path):
    path = write_dump(tmp_path / "a.lammpstrj", walk("cubic"), "id element xu yu zu")
    with pytest.raises(DataError, match=r"duration of a step is not known.*timestep_fs"):
        ionflow.read(path)
    with pytest.raises(DataError, match="numbers its steps; frame_every"):
        ionflow.read(path, timestep_fs=2, frame_every=10)

"""Every analysis has its section, with a figure, from what the analysers themselves give."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import dask
import numpy as np
import pytest
import xarray as xr

import ionflow
from ionflow import report
from ionflow.report.compose import DRAWN
from ionflow.store import Store
from page_text import Page

FRAMES = 400
SINGLE = (
    "msd", "diffusion", "rdf", "angles", "structure_factor", "density", "conductivity",
    "non_gaussian", "van_hove", "vacf", "hops", "density_map", "residence", "tetrahedra", "chains",
    "onsager", "transference", "haven", "displacement_correlation", "soundness",
)  # fmt: skip
#: what makes large results small
SMALL = {"density_map": {"points": 16}, "van_hove": {"bins": 60}, "rdf": {"bins": 60}}
JOINED = (
    "arrhenius", "arrhenius_conductivity", "arrhenius_residence", "chemistry", "glass_spread",
    "claims",
)  # fmt: skip
SECTIONS = [
    "claims", "diffusion", "activation", "conductivity", "transport", "residence", "network",
    "structure", "dynamics", "hops", "scan", "soundness", "course", "about",
]  # fmt: skip
FIGURES = {
    "claims": {"claims"},
    "msd": {"msd"},
    "diffusion": {"msd"},
    "arrhenius": {"arrhenius"},
    "conductivity": {"conductivity"},
    "onsager": {"onsager"},
    "transference": {"transference"},
    "haven": {"haven"},
    "displacement_correlation": {"displacement_correlation", "displacement_correlation_part"},
    "residence": {"residence"},
    "arrhenius_residence": {"residence_times"},
    "tetrahedra": {"tetrahedra"},
    "chains": {"chains", "invariants"},
    "rdf": {"rdf"},
    "angles": {"angles"},
    "structure_factor": {"structure_factor_xray", "structure_factor_neutron"},
    "density": {"density"},
    "non_gaussian": {"non_gaussian"},
    "van_hove": {"van_hove", "van_hove_distinct"},
    "vacf": {"vdos"},
    "hops": {"hop_lengths"},
    "density_map": {"density_map"},
    "arrhenius_conductivity": {"arrhenius_conductivity"},
    "chemistry": {"chemistry"},
    "glass_spread": {"glass_spread"},
    "soundness": set(),  # verdicts, in a table
}

CLASSES = ionflow.plugins().of("analyser")


def known(result: xr.Dataset, name: str, value: float, stderr: float) -> xr.Dataset:
    """A result whose quantity is known, whatever the walkers gave."""
    full = xr.full_like(result[name], value)
    variables = {name: full, f"{name}_stderr": xr.full_like(result[name], stderr)}
    if "verdict" in result and result["verdict"].dims == result[name].dims:
        variables["verdict"] = xr.full_like(result["verdict"], "diffusive", dtype="U16")
    return result.assign(variables)


def named(result: xr.Dataset, alkali: str) -> xr.Dataset:
    """The same result of another alkali."""
    texts = {n: c for n, c in result.coords.items() if c.dtype.kind == "U"}
    return result.assign_coords(
        {n: c.copy(data=np.char.replace(c.values, "Li", alkali)) for n, c in texts.items()}
    )


@pytest.fixture(scope="module")
def walkers(synthetic) -> dict[str, xr.Dataset]:
    """Results of all analysers of one trajectory; what short walks leave open is filled in."""
    total = FRAMES * synthetic.FRAME_STEPS
    atoms = synthetic.atoms_of("Li")
    trajectory = synthetic.frames(
        atoms, 0, total, (800.0, 800.0), total, 5, record=True, velocities=True
    )
    with dask.config.set(scheduler="synchronous"):
        found = ionflow.analyse(
            trajectory, [{"use": name} | SMALL.get(name, {}) for name in SINGLE]
        )
        found = {name: result.compute() for name, result in found.items()}
    alkali = found["diffusion"]["species"] == "Li"
    diffusion = known(found["diffusion"], "diffusion_coefficient", 1e-5, 1e-6)
    found["diffusion"] = diffusion.where(alkali).assign(
        verdict=diffusion["verdict"].where(alkali, "caged")
    )
    filled = {
        "conductivity": ("conductivity", 0.2, 0.02),
        "transference": ("transference_number", 0.8, 0.1),
        "haven": ("haven_ratio", 0.9, 0.1),
        "residence": ("residence_time", 3.0, 0.4),
        "onsager": ("onsager", 0.3, 0.1),
    }
    for name, what in filled.items():
        found[name] = known(found[name], *what)
    # frames so far apart alias the spectrum, which is then not known
    vdos = found["vacf"]["vdos"]
    found["vacf"] = found["vacf"].assign(vdos=xr.full_like(vdos, 0.1))
    return found


def at(result: xr.Dataset, name: str, temperature: float, replica: int) -> xr.Dataset:
    """A result at another temperature: what is activated goes up, and residence down."""
    factor = (2.0 if temperature > 900 else 1.0) * (1 + 0.1 * replica)
    if name == "diffusion":
        return result.assign(
            {n: factor * result[n] for n in result if str(n).startswith("diffusion_coefficient")}
        )
    if name == "residence":
        return result.assign(residence_time=result["residence_time"] / factor)
    return result


class Shelf:
    """Results in memory in place of a store's, which costs seconds for so many."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.results: dict[str, xr.Dataset] = {}
        patch.setattr(Store, "write_result", lambda _, key, data: self.results.update({key: data}))
        patch.setattr(Store, "read_result", lambda _, key: self.results[key])
        patch.setattr(Store, "has_result", lambda _, key: key in self.results)


def written(synthetic, root: Path, walkers: dict[str, xr.Dataset]) -> Path:
    """A run with every kind of result, those over the scan made from the others."""
    made = synthetic.Synthetic(root, alkalis=("Li", "Na"), steps=100)
    made.trajectories()
    for A, T, r in made.cases():
        for name, result in walkers.items():
            made.result(name, (A, T, r), at(named(result, A), name, T, r))
    for name in JOINED:
        made.finish()
        results = ionflow.open(root).results
        made.joined(name, CLASSES[name]().analyse(*(results[n] for n in CLASSES[name].needs)))
    return made.finish()


@pytest.fixture(scope="module")
def run(synthetic, tmp_path_factory, walkers) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        Shelf(patch)
        root = written(synthetic, tmp_path_factory.mktemp("sections") / "run", walkers)
        report.write(root)
    return root


@pytest.fixture(scope="module")
def page(run) -> Page:
    return Page(run / "report" / "index.html")


def test_every_built_in_analyser_has_a_section():
    builtin = {
        name for name, found in CLASSES.items() if found.__module__.startswith("ionflow.builtin")
    }
    assert builtin == DRAWN == set(FIGURES)


def test_sections_are_in_order_and_none_failed(page):
    assert [a["id"] for t, a in page.tags if t == "section"] == SECTIONS
    assert "could not be made" not in page.text
    assert "could not be read" not in page.text


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_every_analyser_has_a_figure(run, page, name):
    drawn = {path.stem for path in (run / "report" / "figures").glob("*.svg")}
    assert FIGURES[name] <= drawn
    for stem in FIGURES[name]:
        document = (run / "report" / "figures" / f"{stem}.svg").read_text(encoding="utf-8")
        texts = " ".join(ElementTree.fromstring(document).itertext())
        assert "could not be drawn" not in texts, stem
        assert "mathdefault" not in texts, stem


def test_it_stays_a_page(run, page):
    assert len(page.source) < 3_000_000
    sizes = {p.stem: p.stat().st_size for p in (run / "report" / "figures").glob("*.svg")}
    assert max(sizes.values()) < 400_000, sizes


def test_figures_load_nothing(page):
    links = [value for _, a in page.tags for n, value in a.items() if n in ("href", "src")]
    assert all(link.startswith("#") for link in links)


def test_each_claim_has_its_verdict_and_the_numbers_behind_it(page):
    row = page.row("Ea of diffusion is 0.2 to 0.4 eV")
    # D doubles between 800 and 1000 K: Ea = kB ln 2/(1/800 - 1/1000) = 0.239 eV
    assert row[1:4] == ["supported", "2", "0"]
    assert row[5:] == ["0.239 [0.239, 0.239]", "Ea (eV)"]
    start = next(k for k, row in enumerate(page.rows) if row[:2] == ["Claim", "Verdict"])
    verdicts = [row[1] for row in page.rows[start + 1 : start + 9]]
    assert set(verdicts) <= {"supported", "not supported", "not enough statistics"}
    assert verdicts[0] == verdicts[5] == "supported"
    assert f"{verdicts.count('supported')} supported" in page.text


def test_all_definitions_of_conductivity_have_a_column(page):
    heads = next(row for row in page.rows if "σ(cNE) (S/cm)" in row)
    assert heads[2:] == ["σ(NE) (S/cm)", "σ(cNE) (S/cm)", "σ(cNE, bound) (S/cm)",
                         "σ(E) (S/cm)", "H"]  # fmt: skip
    row = page.row("LiAlCl2O", "800")
    assert row[2].startswith("0.200(14)")


def test_residence_is_told_by_environment_and_beside_diffusion(page):
    heads = next(row for row in page.rows if "X3O1" in row and "all" in row)
    assert heads[2:] == ["X4", "X3O1", "X2O2", "X1O3", "O4", "all"]
    # replicas of 3.0 and 3.0/1.1 ps, each with 0.4
    assert page.row("LiAlCl2O", "800", "2.86(28)")[-1] == "2.86(28)"
    heads = next(row for row in page.rows if row[:2] == ["Material", "Environment"])
    rows = page.rows[page.rows.index(heads) + 1 :]
    # τ halves where D doubles
    assert rows[0][:2] == ["LiAlCl2O", "X4"]
    assert rows[0][2].startswith("0.24(")
    assert rows[0][3].startswith("0.239(") or rows[0][3].startswith("0.24(")
    assert rows[0][4].startswith("0.00(")


def test_the_quality_of_each_glass_is_told(page):
    assert "poor glass: coordination number" in page.text
    assert "LiAlCl2O at 800 K, replica 1: poor glass" in page.text


def test_only_what_was_asked_for_has_a_section(synthetic, tmp_path, walkers):
    made = synthetic.Synthetic(tmp_path / "run", ("Li",), (1000,), replicas=1, steps=200)
    made.trajectories()
    (case,) = made.cases()
    made.result("haven", case, walkers["haven"])
    made.result("vacf", case, None)
    page = Page(report.write(made.finish()))
    assert [a["id"] for t, a in page.tags if t == "section"] == [
        "transport", "dynamics", "course", "about",
    ]  # fmt: skip
    assert "No result of vacf is there yet" in page.text


def test_a_verdict_stands_where_there_is_no_number(synthetic, tmp_path, walkers):
    made = synthetic.Synthetic(tmp_path / "run", ("Li",), (1000,), replicas=1, steps=200)
    made.trajectories()
    (case,) = made.cases()
    haven = walkers["haven"]
    open_ = haven.assign(
        haven_ratio=haven["haven_ratio"] * np.nan,
        verdict=xr.full_like(haven["verdict"], "undecided", dtype="U16"),
    )
    made.result("haven", case, open_)
    page = Page(report.write(made.finish()))
    assert page.row("LiAlCl2O", "1000")[2:] == ["undecided", "undecided"]
    assert not list((tmp_path / "run" / "report" / "figures").glob("haven.svg"))


@pytest.mark.parametrize("name", ["onsager", "residence", "chains", "density_map", "hops"])
def test_a_result_of_an_unexpected_shape_costs_no_more_than_its_section(synthetic, tmp_path, name):
    made = synthetic.Synthetic(tmp_path / "run", ("Li",), (1000,), replicas=1, steps=200)
    made.trajectories()
    (case,) = made.cases()
    made.result(name, case, xr.Dataset({name: ("q", [1.0]), "verdict": ("q", ["x"])}))
    page = Page(report.write(made.finish()))
    assert "What was run" in page.text
    assert "Temperature and potential energy over time" in page.text


def test_a_large_scan_says_what_it_leaves_out(synthetic, tmp_path, walkers, monkeypatch):
    for cap in ("cells.CASES", "multiples.PANELS", "multiples.MATERIALS"):
        monkeypatch.setattr(f"ionflow.report.{cap}", 2)
    made = synthetic.Synthetic(
        tmp_path / "run", ("Li", "Na", "K"), (700, 800), replicas=1, steps=100, sealed=False
    )
    made.trajectories(missing=tuple(made.cases()))
    for A, T, r in made.cases():
        made.result("haven", (A, T, r), named(walkers["haven"], A))
        made.result("non_gaussian", (A, T, r), named(walkers["non_gaussian"], A))
    page = Page(report.write(made.finish()))
    assert "Not listed: 4 more cases" in page.text
    assert page.text.count("Not drawn: 1 of 3 materials") == 2

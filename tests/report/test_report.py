from __future__ import annotations

import math
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import xarray as xr

from ionflow import report
from ionflow.errors import StoreError
from ionflow.report.rounding import uncertain
from page_text import Page

HOSTILE = "<script>alert('x')</script>$\\frac{1}{0}$\x07&amp;"


def diffusion(A: str, value: float, stderr: float, *, diffusive: bool = True) -> xr.Dataset:
    lag = np.geomspace(0.1, 2.0, 12)
    d = value if diffusive else np.nan
    nan = np.nan
    per = "species"
    return xr.Dataset(
        {
            "diffusion_coefficient": (per, [d, nan], {"units": "cm^2/s"}),
            "diffusion_coefficient_stderr": (per, [stderr if diffusive else nan, nan]),
            "diffusive": (per, [diffusive, False]),
            "verdict": (per, ["diffusive" if diffusive else "undecided", "caged"]),
            "upper_bound": (per, [nan if diffusive else 4e-5, 2e-7]),
            "exponent": (per, [1.0 if diffusive else 0.6, 0.0]),
            "fit_start": (per, [0.5 if diffusive else nan, nan]),
            "fit_end": (per, [2.0 if diffusive else nan, nan]),
            "msd": ((per, "lag"), np.stack([6e4 * value * lag + 0.3, np.full(12, 0.3)])),
        },
        {"species": [A, "Cl"], "lag": lag},
    )


def conductivity(sigma: float) -> xr.Dataset:
    return xr.Dataset(
        {
            "conductivity": ("definition", [sigma, 1.25 * sigma]),
            "conductivity_stderr": ("definition", [0.1 * sigma, 0.2 * sigma]),
        },
        {"definition": ["nernst_einstein", "einstein"]},
    )


def rdf(A: str) -> xr.Dataset:
    r = np.linspace(0.05, 6, 60)
    g = np.stack([1 + 5 * np.exp(-((r - p) ** 2) / 0.05) for p in (1.8, 2.2, 2.2)])
    pairs = ["Al-O", f"{A}-Cl", f"Cl-{A}"]
    data = {"g": (("pair", "r"), g), "cutoff": ("pair", [2.5, 3.0, 3.0])}
    data["coordination_number"] = ("pair", [1.51, 3.97, 2.0])
    return xr.Dataset(data, {"pair": pairs, "r": r})


def arrhenius(alkalis: tuple[str, ...]) -> xr.Dataset:
    shape = (len(alkalis), 1)
    dims = ("A", "species")
    values = {"activation_energy": 0.302, "activation_energy_stderr": 0.023, "ln_prefactor": -6.2}
    values |= {"D_300K": 3.1e-8, "ln_D_300K_stderr": 0.2, "n_temperatures": 2.0, "dof": 0.0}
    data = {name: (dims, np.full(shape, value)) for name, value in values.items()}
    data["activation_energy_ci95"] = ((*dims, "bound"), np.tile([0.26, 0.35], (*shape, 1)))
    return xr.Dataset(data, {"A": list(alkalis), "species": ["Li"]})


def whole(made, **more):
    """A run with every kind of result."""
    made.trajectories()
    for A, T, r in made.cases():
        value = 1e-5 * (2 if made.temperatures[-1] == T else 1) * (1 + 0.1 * r)
        made.result("diffusion", (A, T, r), diffusion(A, value, 0.1 * value))
        made.result("conductivity", (A, T, r), conductivity(0.2))
        made.result("rdf", (A, T, r), rdf(A))
        lindemann = {"share": ((), 0.8125, {"units": "1", "long_name": "of tetrahedra"})}
        made.result("lindemann", (A, T, r), xr.Dataset(lindemann))
    made.joined("arrhenius", arrhenius(made.alkalis))
    return made.finish(**more)


@pytest.fixture(scope="module")
def run(synthetic, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("report") / "run"
    return whole(synthetic.Synthetic(root, alkalis=("Li",), steps=400))


@pytest.fixture(scope="module")
def page(run) -> Page:
    return Page(report.write(run))


def test_it_is_written_where_it_belongs(run, page):
    assert (run / "report" / "index.html").is_file()
    names = {path.name for path in (run / "report" / "figures").iterdir()}
    assert names == {"msd.svg", "arrhenius.svg", "conductivity.svg", "rdf.svg", "course.svg"}
    assert not list((run / "report").rglob("*.partial"))


def test_the_table_holds_the_pooled_numbers_with_their_errors(page):
    # of 1.0(1) and 1.1(1)e-5 in quadrature: 1.05 ± 0.074; the spread of two is 0.05
    row = page.row("LiAlCl2O", "Li")
    stderr = 1e-6 * math.hypot(1.0, 1.1) / 2
    assert row[2].startswith(uncertain(1.05e-5, stderr))
    assert row[2].startswith("1.05(7)×10⁻⁵")
    assert row[3].startswith("2.10(15)×10⁻⁵")
    assert "[0.92, 1.21]×10⁻⁵" in row[2]


def test_what_does_not_diffuse_has_a_bound_and_a_verdict(page):
    assert page.row("", "Cl")[2] == "< 2×10⁻⁷ caged"


def test_activation_conductivity_and_other_numbers_are_there(page):
    row = page.row("LiAlCl2O", "Li", "0.302(23)")
    assert row[3:] == ["[0.26, 0.35]", "3.1(6)×10⁻⁸", "2", "–"]
    row = page.row("LiAlCl2O", "800")
    assert row[2].startswith("0.200(14)")
    assert row[3].startswith("0.250(28)")
    assert row[4].startswith("0.80(")
    assert page.row("share of tetrahedra")[3:] == ["0.812", "0.812", "0.812", "100%"]


def test_what_was_run_is_told(page):
    for text in ("laptop", "rigid_ion", "torch 2.13.0", "10 min 0 s", "bitwise", "2000 → 300"):
        assert text in page.text
    # 0.8 ps in 1 s of wall time
    assert page.row("production")[6] == "69.1"


def test_doubts_are_told(page):
    assert "Only two temperatures" in page.text
    assert "beyond half of the trajectory" in page.text
    assert "less than a jump" in page.text
    assert "One replica" not in page.text


def test_it_loads_nothing_and_runs_nothing(page):
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy
    assert {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "base"} == set()
    assert "http://" not in page.source
    assert "https://" not in page.source
    assert not re.search(r"url\((?!#)", page.source)
    links = [value for _, a in page.tags for n, value in a.items() if n in ("href", "src")]
    assert links
    assert all(link.startswith("#") for link in links)
    assert not [name for _, a in page.tags for name in a if name.startswith("on")]


def test_every_link_and_every_label_of_a_drawing_has_one_target(page):
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    links = {a["href"][1:] for _, a in page.tags if a.get("href")}
    assert links <= set(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", page.source)) <= set(ids)


def test_the_contents_list_every_section(page):
    ids = [a["id"] for t, a in page.tags if t == "section"]
    assert ids == [
        "diffusion", "activation", "conductivity", "structure", "course", "other", "about",
    ]  # fmt: skip
    links = [a["href"] for t, a in page.tags if t == "a"]
    assert links == [f"#{name}" for name in ids]


def test_figures_are_sound_svg_with_units_on_their_axes(run, page):
    expected = {
        "msd": ["lag time (ps)", "mean squared displacement (Å²)", "LiAlCl2O, 800 K", "slope 1"],
        "arrhenius": ["1000 K / T", "D (cm²/s)", "800 K"],
        "rdf": ["r (Å)", "Al–O", "N(2.5 Å) = 1.5"],
        "course": ["time (ps)", "temperature (K)", "melt", "quench", "production"],
    }
    for name, texts in expected.items():
        document = (run / "report" / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        drawn = " ".join(ElementTree.fromstring(document).itertext())
        assert all(text in drawn for text in texts), name


def test_one_pair_of_elements_is_drawn_once_metal_first(run, page):
    drawn = (run / "report" / "figures" / "rdf.svg").read_text(encoding="utf-8")
    assert "Li–Cl" in drawn
    assert "Cl–Li" not in drawn


def test_it_is_the_same_page_when_written_again(run, page):
    assert report.write(run).read_text(encoding="utf-8") == page.source


def test_hostile_text_is_shown_and_does_nothing(synthetic, tmp_path):
    made = synthetic.Synthetic(tmp_path / "run", alkalis=("Li",), replicas=1, steps=200)
    made.title = HOSTILE
    reason = {"label": HOSTILE, "name": HOSTILE, "reason": HOSTILE}
    made.store.record_failure(synthetic.key("gone"), reason)
    made.stage(HOSTILE, {"A": "Li", "replica": 0}, (300.0, 300.0), 200, record=False)
    hostile = xr.Dataset({"x": ("y", [1.0], {"units": HOSTILE, "long_name": HOSTILE})})
    made.joined(HOSTILE, hostile)
    whole_page = Page(report.write(whole(made, scale=HOSTILE, host={"cpu": HOSTILE})))
    assert "script" not in {tag for tag, _ in whole_page.tags}
    assert "<script>alert('x')</script>$\\frac" in whole_page.text
    assert "\x07" not in whole_page.source


def test_what_went_wrong_is_listed(synthetic, tmp_path):
    made = synthetic.Synthetic(tmp_path / "run", alkalis=("Li",), replicas=2, steps=200)
    made.trajectories(missing=(("Li", 1000, 1),))
    for A, T, r in made.cases():
        gone = (T, r) == (1000, 1)
        made.result("diffusion", (A, T, r), None if gone else diffusion(A, 1e-5, 1e-6))
    of = synthetic.key(
        "production", sorted({"A": "Li", "temperature_K": 1000, "replica": 1}.items())
    )
    made.store.record_failure(
        of, {"label": "Li 1000K r1", "name": "production", "reason": "atoms closer than 0.5 Å"}
    )
    text = Page(report.write(made.finish(finished=False))).text
    assert "1 task failed" in text
    assert "Li 1000K r1 production: atoms closer than 0.5 Å" in text
    assert "diffusion: 3 of 4" in text
    assert "has not finished" in text


def test_tasks_that_failed_for_the_same_reason_are_told_together(synthetic, tmp_path):
    made = synthetic.Synthetic(tmp_path / "run", alkalis=("Li",), replicas=1, steps=200)
    for n in range(40):
        why = "atoms closer than 0.5 Å" if n else "not a number"
        record = {"label": f"Li {n:02d}", "name": "melt", "reason": why}
        made.store.record_failure(synthetic.key("gone", n), record)
    text = Page(report.write(made.finish())).text
    assert "40 tasks failed" in text
    assert "Li 00 melt: not a number" in text
    assert "Li 30 melt, and 9 more: atoms closer than 0.5 Å" in text
    assert text.count("atoms closer") == 1


def test_numbers_that_the_statistics_do_not_carry_have_a_warning(synthetic, tmp_path):
    made = synthetic.Synthetic(tmp_path / "run", alkalis=("Li",), replicas=1, steps=200)
    made.trajectories()
    cold, hot = made.cases()
    made.result("diffusion", cold, diffusion("Li", 1e-5, 0.0, diffusive=False))
    made.result("diffusion", hot, diffusion("Li", 1e-5, 0.8e-5))
    made.joined("arrhenius", arrhenius(("Li",)).where(False))
    page = Page(report.write(made.finish()))
    assert "Li in LiAlCl2O at 800 K: undecided" in page.text
    assert "Li in LiAlCl2O at 1000 K: D = 1.0(8)×10⁻⁵ cm²/s" in page.text
    assert "Fewer than two temperatures with a D" in page.text
    assert "One replica of each case" in page.text
    assert page.row("LiAlCl2O", "Li")[2] == "< 4×10⁻⁵ undecided"


def test_some_replicas_that_do_not_diffuse_are_counted(synthetic, tmp_path):
    made = synthetic.Synthetic(tmp_path / "run", ("Li",), (1000,), replicas=3, steps=200)
    made.trajectories()
    for number, case in enumerate(made.cases()):
        made.result("diffusion", case, diffusion("Li", 1e-5, 1e-6, diffusive=number > 0))
    page = Page(report.write(made.finish()))
    assert "2/3" in page.row("LiAlCl2O", "Li")[2]
    assert "Li in LiAlCl2O at 1000 K: 2 of 3" in page.text


def test_a_run_that_has_only_begun_has_a_page(synthetic, tmp_path):
    made = synthetic.Synthetic(tmp_path / "run", steps=200)
    made.trajectories(missing=tuple(made.cases()))
    for case in made.cases():
        for name in ("rdf", "msd", "diffusion", "conductivity"):
            made.result(name, case, None)
    made.joined("arrhenius", None)
    page = Page(report.write(made.finish(finished=False)))
    for what in ("diffusion coefficient", "activation energy", "conductivity"):
        assert f"No {what} is there yet" in page.text


def test_a_run_without_tasks_has_a_page(synthetic, tmp_path):
    page = Page(report.write(synthetic.Synthetic(tmp_path / "run").finish(finished=False)))
    assert [a["id"] for t, a in page.tags if t == "section"] == ["about"]


@pytest.mark.parametrize("name", ["diffusion", "rdf", "conductivity", "arrhenius", "msd"])
def test_a_result_of_an_unexpected_shape_costs_its_section_alone(synthetic, tmp_path, name):
    made = synthetic.Synthetic(tmp_path / "run", ("Li",), (1000,), replicas=1, steps=200)
    made.trajectories()
    (case,) = made.cases()
    strange = xr.Dataset({"g": ("q", [1.0]), "diffusion_coefficient": ("q", [1.0])})
    strange["conductivity"] = ("q", [1.0])
    if name == "arrhenius":
        made.joined(name, strange)
    else:
        made.result(name, case, strange)
    page = Page(report.write(made.finish()))
    assert "What was run" in page.text
    assert "Temperature and potential energy over time" in page.text


def test_damaged_data_is_noted(synthetic, tmp_path):
    made = synthetic.Synthetic(tmp_path / "run", ("Li",), (1000,), replicas=1, steps=200)
    made.trajectories()
    (case,) = made.cases()
    made.result("diffusion", case, diffusion("Li", 1e-5, 1e-6))
    root = made.finish()
    key = made.tasks[-1]["key"]
    for chunk in (root / "analyses" / f"{key}.zarr").rglob("c/*"):
        if chunk.is_file():
            chunk.write_bytes(b"damaged")
    page = Page(report.write(root))
    assert "Some data could not be read" in page.text


def test_a_large_scan_stays_a_page(synthetic, tmp_path, monkeypatch):
    for cap in ("displacement.MATERIALS", "displacement.TEMPERATURES", "diffusion.ALL_SPECIES"):
        monkeypatch.setattr(f"ionflow.report.{cap}", 2)
    alkalis, temperatures = ("Li", "Na", "K"), (600, 700, 800)
    made = synthetic.Synthetic(tmp_path / "run", alkalis, temperatures, 1, 100, sealed=False)
    made.trajectories(missing=tuple(case for case in made.cases() if case[1] > 600))
    for A, T, r in made.cases():
        made.result("diffusion", (A, T, r), diffusion(A, 1e-5, 1e-6))
    page = Page(report.write(made.finish()))
    assert "Not drawn: 1 of 3 materials" in page.text
    assert "Not drawn: 1 of 3 temperatures" in page.text
    assert "only the most mobile species is listed" in page.text
    assert len([row for row in page.rows if row and row[0].endswith("AlCl2O")]) == 2 * len(alkalis)


def test_no_run_is_an_error(tmp_path):
    with pytest.raises(StoreError, match="no ionflow run"):
        report.write(tmp_path)

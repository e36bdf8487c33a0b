"""What is wrong with a trajectory is seen in the run, its results, its page and its status."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

import ionflow
from ionflow import report
from ionflow.flags import Flag, marked
from ionflow.join import join
from ionflow.status import status, table
from ionflow.store import State, Store


def verdicts(flags: str = "") -> xr.Dataset:
    """A result of soundness, as far as it is read."""
    return xr.Dataset(
        {
            "flags": flags,
            "crystal_verdict": "crystallised: planes 3 Å apart" if "cry" in flags else "no: none",
            "phase_verdict": "cannot tell: too few atoms",
            "drift_verdict": "drifting: by -3 meV" if "drift" in flags else "no: 0 meV",
        }
    )


@pytest.fixture(scope="module")
def folder(synthetic, tmp_path_factory) -> Path:
    """Eight trajectories: one has crystallised and drifts, one is beyond its potential."""
    made = synthetic.Synthetic(tmp_path_factory.mktemp("flags") / "run", steps=200, sealed=False)
    made.trajectories()
    for case in made.cases():
        flags = "crystallised; drifting" if case == ("Li", 800, 1) else ""
        made.result("soundness", case, verdicts(flags))
        value = xr.DataArray(1.0, attrs={"units": "cm^2/s"})
        made.result("diffusion", case, xr.Dataset({"diffusion_coefficient": value}))
    made.joined("arrhenius", xr.Dataset({"activation_energy": ("A", [0.3, 0.4])},
                                        {"A": ["Li", "Na"]}))  # fmt: skip
    root = made.finish()
    doubted = next(
        t["key"] for t in made.tasks
        if t["name"] == "production"
        and t["coords"] == {"A": "Na", "temperature_K": 1000, "replica": 0}
    )  # fmt: skip
    doubt(Store.open(root), doubted)
    return root


def doubt(store: Store, key: str) -> None:
    """Two more segments, of which the last is in doubt."""
    atoms = store.read_state(key).to_atoms()
    frames = store.trajectory(key).load().isel(time=slice(0, 0))
    for last, said in ((300, ""), (400, "two models disagree")):
        index, first = store.next_segment(key), store.progress(key)
        store.commit_segment(key, index, first, last, frames, State.from_atoms(atoms, last),
                             {"wall_s": 1.0, "doubt": said})  # fmt: skip


def test_a_run_lists_its_flags(folder):
    found = ionflow.open(folder).flags
    assert [(f.case, f.flag) for f in found] == [
        ("Li-800K-r1", "crystallised"),
        ("Li-800K-r1", "drifting"),
        ("Na-1000K-r0", "extrapolating"),
    ]
    assert found[0].sentence == "crystallised: planes 3 Å apart"
    assert found[2].sentence == "extrapolating: two models disagree, at step 400"
    assert found[2].stage == "production"


def test_every_result_says_so_and_goes_on_saying_it(folder):
    result = ionflow.open(folder).results["diffusion"]
    flag = result["flag"]
    assert flag.dims == ("A", "temperature_K", "replica")
    assert flag.sel(A="Li", temperature_K=800, replica=1) == "crystallised; drifting"
    assert flag.sel(A="Na", temperature_K=1000, replica=0) == "extrapolating"
    assert int((flag != "none").sum()) == 2
    assert result["diffusion_coefficient"].notnull().all()  # none is left out
    chosen = result.sel(A="Li", temperature_K=800)["diffusion_coefficient"]
    assert list(chosen["flag"].values) == ["none", "crystallised; drifting"]
    parts = [result.isel(replica=n) for n in range(2)]
    assert join(parts, ["replica"])["flag"].sel(replica=1, A="Li", temperature_K=800) != "none"
    assert join(parts, ["replica"])["flag"].sel(replica=0, A="Li", temperature_K=800) == "none"


def test_a_result_made_of_several_has_the_flags_of_all(folder):
    flag = ionflow.open(folder).results["arrhenius"]["flag"]
    assert dict(zip(flag["A"].values, flag.values, strict=True)) == {
        "Li": "crystallised; drifting",
        "Na": "extrapolating",
    }


def test_a_result_without_axes_has_them_too():
    flags = [Flag("drifting", "", "hold", "all", "", "k", {"replica": 0})]
    assert marked(xr.Dataset({"n": 1}), flags, {"replica": [0, 1]})["flag"] == "drifting"
    alone = xr.Dataset({"n": 1}, {"replica": 1})
    assert marked(alone, flags, {"replica": [0, 1]})["flag"] == "none"


def test_the_run_the_status_and_the_page_show_them(folder):
    run = ionflow.open(folder)
    said = "2 trajectories (1 crystallised, 1 drifting, 1 extrapolating); see flags"
    assert said in repr(run)
    assert said in run._repr_html_()
    screen = Console(file=io.StringIO(), width=200)
    screen.print(table(status(folder)))
    assert screen.file.getvalue().count("FLAGGED") == 3
    page = report.write(folder).read_text(encoding="utf-8")
    assert "2 of 8 recorded trajectories flagged" in page
    assert "extrapolating: two models disagree" in page
    assert "†" in page
    assert "crystallised 1/2" in page


def test_a_sound_run_shows_none(synthetic, tmp_path):
    made = synthetic.Synthetic(tmp_path / "run", ("Li",), (800,), 1, 100).trajectories()
    made.result("soundness", ("Li", 800, 0), verdicts())
    run = ionflow.open(made.finish())
    assert run.flags == ()
    assert "flagged" not in repr(run)
    assert np.all(run.results["soundness"]["flag"] == "none")


def test_a_soundness_that_cannot_be_read_is_not_taken_for_sound(synthetic, tmp_path):
    made = synthetic.Synthetic(tmp_path / "run", ("Li",), (800,), 1, 100).trajectories()
    made.result("soundness", ("Li", 800, 0), verdicts().drop_vars("flags"))
    (flag,) = ionflow.open(made.finish()).flags
    assert flag.flag == "not known"

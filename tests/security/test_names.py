"""Names and paths stay in the run folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr

import ionflow
from ionflow.errors import IonflowError, RecipeError
from ionflow.export import export
from ionflow.recipe import read
from ionflow.registry import load
from ionflow.report import write as write_report

HOSTILE = [
    *("../up", "..", ".", "/etc/passwd", "a/b", "a\\b", ".hidden", "~", "~root", "C:x", "a b"),
    *("a\u202eb", "\uff41", "a" * 65, "$HOME", "`id`", "-rf", "", "con/../x", "Aa", "a.b", "ä"),
]

RECIPE = {
    "name": "good",
    "structure": {"use": "oxyhalide", "atoms": 84},
    "potential": {"use": "rigid_ion"},
    "protocol": {"hot": {"ensemble": "nvt", "temperature_K": 900, "duration_ps": 1}},
}
HOT = RECIPE["protocol"]["hot"]


@pytest.fixture(scope="module")
def registry():
    return load()


def test_the_recipe_itself_is_good(registry):
    assert read(RECIPE, registry).name == "good"


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "edit",
    [
        lambda name: {"name": name},
        lambda name: {"protocol": {name: HOT}},
        lambda name: {"scales": {name: {}}},
        lambda name: {"structure": {"use": name}},
        lambda name: {"potential": {"use": name}},
        lambda name: {"engine": {"use": name}},
        lambda name: {"analyses": [name]},
        lambda name: {"scan": {f"structure.{name}": [1]}},
        lambda name: {"scan": {name: [1]}},
        lambda name: {"cluster": {"use": name}},
    ],
    ids=[
        "recipe",
        "stage",
        "scale",
        "structure",
        "potential",
        "engine",
        "analysis",
        "axis",
        "path",
        "cluster",
    ],
)
def test_a_recipe_takes_no_name_that_is_a_path(registry, edit, name):
    with pytest.raises(RecipeError):
        read({**RECIPE, **edit(name)}, registry)


@pytest.mark.parametrize(
    "name", ["../../up", "/etc/x", "..", ".hidden", "a/b", "x" * 300, "a\x00b"]
)
def test_an_export_of_hostile_names_stays_in_its_folder(synthetic, tmp_path, name):
    made = synthetic.Synthetic(tmp_path / "run", alkalis=("Li",), replicas=1, steps=200)
    made.stage(name, {"A": "Li", "axis": name, "replica": 0}, (300.0, 300.0), 200, record=True)
    made.finish()
    before = {p for p in tmp_path.rglob("*") if "export" not in p.parts}
    (path,) = export(tmp_path / "run", stage=name)
    assert path.parent == tmp_path / "run" / "export"
    assert path.is_file()
    assert {p for p in tmp_path.rglob("*") if "export" not in p.parts} <= before | {path.parent}


def test_names_that_become_alike_stay_two_files(synthetic, tmp_path):
    made = synthetic.Synthetic(tmp_path / "run", alkalis=("Li",), replicas=1, steps=200)
    for value in ("a/b", "a:b"):
        coords = {"A": "Li", "axis": value, "replica": 0}
        made.stage("hot", coords, (300.0, 300.0), 200, record=True)
    made.finish()
    assert len(set(export(tmp_path / "run"))) == 2


@pytest.mark.parametrize("name", ["trajectories", "structures", "analyses", "report"])
def test_a_link_in_a_run_folder_is_not_followed(synthetic, tmp_path, name):
    made = synthetic.Synthetic(tmp_path / "run", alkalis=("Li",), replicas=1, steps=200)
    made.trajectories()
    made.joined("lindemann", xr.Dataset({"x": ("y", [1.0])}))
    made.finish()
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    if (run / name).exists():
        (run / name).rename(elsewhere)
    else:
        elsewhere.mkdir()
    (elsewhere / "figures").mkdir()
    treasure = elsewhere / "figures" / "mine.svg"
    treasure.write_text("mine")
    (run / name).symlink_to(elsewhere, target_is_directory=True)
    before = {p: p.stat().st_mtime_ns for p in elsewhere.rglob("*")}
    try:
        opened = ionflow.open(run)
        opened.trajectory("production", temperature_K=800)
        write_report(run)
    except IonflowError:
        pass
    assert {p: p.stat().st_mtime_ns for p in elsewhere.rglob("*")} == before
    assert treasure.read_text() == "mine"


def test_results_are_not_written_through_a_link(tmp_path):
    from ionflow.store import check_free

    (tmp_path / "out.zarr").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IonflowError):
        check_free(Path(tmp_path / "out.zarr"), False)

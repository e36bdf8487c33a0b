"""The recipes that come with ionflow: valid at every scale, and of the size they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from ionflow.recipe import read, to_yaml
from ionflow.registry import load

ROOT = Path(__file__).parents[2] / "recipes"
SHIPPED = sorted(ROOT.glob("*.yaml"))
INSTALLED = load()


def scales(path: Path) -> list[str | None]:
    return [None, *read(path, INSTALLED).scales]


@pytest.mark.parametrize(
    ("path", "scale"), [(p, s) for p in SHIPPED for s in scales(p)], ids=lambda x: str(x)[-20:]
)
def test_a_shipped_recipe_is_valid_and_reads_back(path, scale):
    recipe = read(path, INSTALLED, scale=scale)
    assert recipe.cases
    assert recipe.name == path.stem
    assert read(to_yaml(recipe.resolved), INSTALLED).cases == recipe.cases


def test_the_paper_scale_is_the_study():
    recipe = read(ROOT / "amx_scan.yaml", INSTALLED, scale="paper")
    sizes = {a.name: a.values for a in recipe.axes}
    assert sizes == {
        "A": ("Li", "Na", "K"),
        "M": ("Al", "Ga", "In"),
        "X": ("Cl", "Br", "I"),
        "temperature_K": (500.0, 600.0, 700.0, 800.0),
    }
    assert (recipe.replicas, len(recipe.cases)) == (3, 324)
    for case in recipe.cases:
        assert sum(case.structure.composition().values()) == pytest.approx(1344, abs=10)
        composition = case.structure.composition()
        metal = composition[case.structure.M]
        assert composition[case.structure.X] == 2.5 * metal
        assert composition["O"] == 0.75 * metal
        assert case.potential.use == "chgnet"


def test_the_default_scale_is_the_laptop():
    recipe = read(ROOT / "amx_scan.yaml", INSTALLED)
    assert recipe.scale == "laptop"
    assert {c.structure.A for c in recipe.cases} == {"Li", "Na", "K"}
    assert {(c.structure.M, c.structure.X) for c in recipe.cases} == {("Al", "Cl")}
    assert len(next(a for a in recipe.axes if a.name == "temperature_K").values) >= 2


def test_the_smoke_scale_is_a_few_hundred_steps():
    recipe = read(ROOT / "amx_scan.yaml", INSTALLED, scale="smoke")
    (case,) = recipe.cases
    duration = sum(stage.duration_ps for _, stage in case.protocol)
    assert 100 <= round(duration * 1000 / case.engine.timestep_fs) <= 600
    assert sum(case.structure.composition().values()) <= 42

"""A recipe that is right: cases, defaults, scales, overrides, and the way back to YAML."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from ionflow.plan import plan
from ionflow.recipe import AddressCluster, LocalCluster, to_yaml


def test_every_combination_is_a_case_replicas_fastest(kit):
    recipe = kit.read(kit.base)
    seen = [(c.coords["A"], c.coords["temperature_K"], c.replica) for c in recipe.cases]
    assert seen == [(a, t, r) for a in ("Li", "Na") for t in (500.0, 600.5) for r in (0, 1)]
    for case in recipe.cases:
        assert case.coords["A"] == case.structure.A
        assert dict(case.protocol)["hot"].temperature_K == case.coords["temperature_K"]
        assert [name for name, _ in case.protocol] == ["warm", "hot"]
        assert case.engine.timestep_fs == 2


def test_axes_hold_values_as_their_fields_understand_them(kit):
    axes = {a.name: a for a in kit.read(kit.base).axes}
    assert axes["temperature_K"].values == (500.0, 600.5)
    assert all(isinstance(v, float) for v in axes["temperature_K"].values)
    assert axes["A"].path == "structure.A"


def test_cases_that_do_not_differ_share_their_parts(kit):
    cases = kit.read(kit.base).cases
    assert cases[0].structure is cases[3].structure
    assert cases[0].potential is cases[-1].potential


def test_defaults(kit):
    text = kit.edit(("engine:\n  use: leap\n  timestep_fs: 2\n", ""), ("seed: 7\n", ""))
    recipe = kit.read(text.replace("replicas: 2\n", ""))
    assert (recipe.seed, recipe.replicas, recipe.scale) == (0, 1, "")
    assert recipe.cases[0].engine.use == "ase"
    assert recipe.cluster == LocalCluster()


def test_needed_analyses_are_added_before_those_that_need_them(kit):
    recipe = kit.read(kit.base)
    assert [a.use for a in recipe.analyses] == ["count", "fit", "final", "soundness"]


def test_soundness_comes_with_every_analysis_of_trajectories_unless_it_is_off(kit):
    def uses(listed):
        return [a.use for a in kit.read(kit.base, overrides=[f"analyses={listed}"]).analyses]

    assert uses("[]") == []
    assert uses("[count]") == ["count", "soundness"]
    assert uses("[{use: soundness, max_frames: 7}, count]") == ["soundness", "count"]
    off = kit.read(kit.base, overrides=["analyses=[{use: soundness, off: true}, count]"])
    assert [task.name for task in plan(off).of("analysis")] == ["count"] * len(off.cases)
    again = kit.read(to_yaml(off.resolved))
    assert again.analyses == off.analyses


def test_listed_analyses_keep_their_fields_when_others_need_them(kit):
    text = kit.edit(("[final]", "[dainty, {use: picky, cutoff_angstrom: 3}]"))
    analyses = kit.read(text).analyses
    assert [a.use for a in analyses] == ["picky", "dainty", "soundness"]
    assert analyses[0].cutoff_angstrom == 3


def test_a_scale_overrides_by_path_and_replaces_an_axis(kit):
    recipe = kit.read(kit.base, scale="small")
    assert recipe.scale == "small"
    assert recipe.scales == ("small", "all")
    assert recipe.axes[0].values == ("Li",)
    assert len(recipe.axes[1].values) == 2
    assert {c.structure.atoms for c in recipe.cases} == {4}
    assert kit.read(kit.base, scale="all").cases == kit.read(kit.base).cases


def test_the_default_scale_is_taken(kit):
    text = kit.base + "default_scale: small\n"
    assert kit.read(text).scale == "small"
    assert kit.read(text, scale="all").scale == "all"


def test_a_scale_merges_mappings_and_may_set_the_scan_wholly(kit):
    change = "  small:\n    protocol: {hot: {duration_ps: 5}}\n    scan: {structure.A: [Na]}\n"
    text = kit.edit(("  small:\n", change), ("    scan.structure.A: [Li]\n", ""))
    recipe = kit.read(text, scale="small")
    hot = dict(recipe.cases[0].protocol)["hot"]
    assert (hot.duration_ps, hot.temperature_K) == (5, 400)
    assert [a.name for a in recipe.axes] == ["A"]


def test_another_plugin_in_a_scale_leaves_no_fields_of_the_first(kit):
    text = kit.edit(("  all: {}", "  all: {engine: {use: ase, friction_per_ps: 3}}"))
    engine = kit.read(text, scale="all").cases[0].engine
    assert (engine.use, engine.timestep_fs, engine.friction_per_ps) == ("ase", 2.0, 3)


@pytest.mark.parametrize(
    ("override", "check"),
    [
        ("seed=3", lambda r: r.seed == 3),
        ("structure.density_g_cm3=1e-1", lambda r: r.cases[0].structure.density_g_cm3 == 0.1),
        ("structure.label=No", lambda r: r.cases[0].structure.label == "No"),
        ("scan.structure.A=[Na]", lambda r: r.axes[0].values == ("Na",)),
        ("scan.structure.atoms=[4, 6]", lambda r: r.axes[2].values == (4, 6)),
        ("analyses=[count]", lambda r: r.analyses[0].use == "count" and len(r.analyses) == 2),
        ("engine.bath={coupling_ps: 2}", lambda r: r.cases[0].engine.bath.coupling_ps == 2),
        ("engine.bath.coupling_ps=3", lambda r: r.cases[0].engine.bath.coupling_ps == 3),
        ("scan={}", lambda r: len(r.cases) == 2 and r.axes == ()),
    ],
)
def test_set_has_the_last_word(kit, override, check):
    assert check(kit.read(kit.base, overrides=[override]))
    later = kit.base + "default_scale: small\n"
    assert check(kit.read(later, overrides=[override]))


def test_a_scan_may_compare_plugins_and_reach_into_their_fields(kit):
    text = kit.edit(("scan:\n", "scan:\n  engine.use: [leap, ase]\n"))
    engines = {c.coords["use"]: c.engine.use for c in kit.read(text).cases}
    assert engines == {"leap": "leap", "ase": "ase"}
    text = kit.edit(("scan:\n", "scan:\n  engine.bath.coupling_ps: [1, 2]\n"))
    assert {c.engine.bath.coupling_ps for c in kit.read(text).cases} == {1.0, 2.0}


@pytest.mark.parametrize("scale", ["small", "all"])
def test_a_resolved_recipe_reads_back_as_the_same_cases(kit, scale):
    recipe = kit.read(kit.base, scale=scale)
    again = kit.read(to_yaml(recipe.resolved))
    assert again.cases == recipe.cases
    assert again.axes == recipe.axes
    assert again.analyses == recipe.analyses
    assert again.resolved == recipe.resolved
    json.dumps(recipe.resolved, allow_nan=False)


def test_a_resolved_recipe_that_compares_plugins_reads_back(kit):
    recipe = kit.read(kit.edit(("scan:\n", "scan:\n  engine.use: [leap, ase]\n")))
    assert kit.read(to_yaml(recipe.resolved)).cases == recipe.cases


def test_a_resolved_recipe_names_every_default(kit):
    resolved = kit.read(kit.base).resolved
    assert resolved["structure"]["density_g_cm3"] is None
    assert resolved["protocol"]["warm"]["frame_ps"] == 0.1
    assert resolved["engine"]["bath"] == {"coupling_ps": 1.0}
    assert resolved["cluster"]["use"] == "local"


@pytest.mark.parametrize(
    "text",
    ["No", "true", "1e-3", "~", "", "a: b", "# x", "- x", "ü\u2028\x85", '"q"', "'", "\\", "0x1f",
     " pad ", "[x]", "a\nb\tc", "\ufeffx", "0.3.0", "no, [yes]", "x" * 300],
)  # fmt: skip
def test_any_text_survives_the_way_to_yaml_and_back(kit, text):
    mapping = kit.read(kit.base).resolved | {"title": text}
    assert kit.read(to_yaml(mapping)).title == text


def test_yaml_is_version_1_2(kit):
    text = kit.edit(
        ("A: [Li, Na]", "A: [No]"), ("A: [Li]", "A: [No]"), ("X: Cl", "X: O, label: yes")
    )
    recipe = kit.read(text)
    assert recipe.cases[0].structure.A == "No"
    assert recipe.cases[0].structure.label == "yes"
    assert dict(recipe.cases[0].protocol)["hot"].duration_ps == 0.1


def test_a_mapping_is_a_recipe_too_with_numpy_in_it(kit):
    mapping = dict(kit.read(kit.base).resolved)
    mapping["scan"] = {"protocol.hot.temperature_K": np.array([500.0, 600.0])}
    mapping["seed"] = np.int64(5)
    recipe = kit.read(mapping)
    assert recipe.axes[0].values == (500.0, 600.0)
    assert (recipe.seed, recipe.source, recipe.text) == (5, "recipe", "")


def test_a_text_of_several_lines_is_a_recipe_too(registry, kit):
    from ionflow.recipe import read

    assert read(kit.base, registry).source == "text"
    path = kit.written(kit.base)
    assert read(str(path), registry).source == str(path)
    assert read(Path(path), registry).text == kit.base


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm(kit):
    data = b"\xef\xbb\xbf" + kit.base.replace("\n", "\r\n").encode()
    assert kit.read(data).cases == kit.read(kit.base).cases


def test_a_running_scheduler(kit):
    recipe = kit.read(kit.base + 'cluster: {use: address, address: "tls://10.0.0.1:8786"}\n')
    assert recipe.cluster == AddressCluster(address="tls://10.0.0.1:8786")


def test_a_recipe_can_be_pickled(registry):
    from ionflow.recipe import read

    path = Path(__file__).parents[2] / "recipes" / "tutorial.yaml"
    recipe = read(path, registry, overrides=["analyses=[]"])
    assert pickle.loads(pickle.dumps(recipe)) == recipe

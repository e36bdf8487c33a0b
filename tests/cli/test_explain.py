"""`ionflow explain KEY`: what made something, and what it was made from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import xarray as xr
from rich.console import Console
from typer.testing import CliRunner

import ionflow
from ionflow.cli import app
from ionflow.errors import DataError, StoreError
from ionflow.explain import explain
from ionflow.store import Store
from quick_run import QuickRun, after_segments

FEW = {"alkalis": ("Li",), "replicas": 1, "steps": 100}


def call(*words: str):
    return CliRunner().invoke(app, ["explain", *words])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> QuickRun:
    """Killed within its first trajectory of production, then finished."""
    made = QuickRun(tmp_path_factory.mktemp("home") / "runs" / "small")
    made.invoke(how="", until=after_segments(made.store, "production", 1))
    return made.invoke()


@pytest.fixture(autouse=True)
def at_home(run: QuickRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.store.root.parent.parent)


# finding


def test_a_key_its_start_and_a_path_mean_the_same(run):
    key, root = run.key("diffusion"), run.store.root
    for word in (key, key[:6], f"runs/small/analyses/{key}.zarr", f"{root}/analyses/{key}.json"):
        assert explain(word)["key"] == key
    part = f"runs/small/trajectories/{run.key('melt')}/trajectory.zarr/positions"
    assert explain(part)["name"] == "melt"


def test_the_run_is_the_current_folder_or_the_one_named(run, tmp_path, monkeypatch):
    key = run.key("melt")
    monkeypatch.chdir(run.store.root)
    assert explain(key[:8])["key"] == key
    monkeypatch.chdir(tmp_path)
    assert explain(key[:8], run.store.root)["key"] == key
    with pytest.raises(DataError, match="no run folder is here"):
        explain(key[:8])


def test_an_unknown_key_says_what_may_be_meant(run):
    key = run.key("diffusion")
    changed = key[:7] + ("0" if key[7] != "0" else "1")
    found = call(changed)
    assert found.exit_code == 1
    assert "no key" in found.stderr
    assert key[:12] in found.stderr
    by_name = call("diffusion")
    assert by_name.exit_code == 1
    assert {run.key("diffusion", n)[:12] in by_name.stderr for n in (0, 1)} == {True}


def test_too_few_digits_are_not_taken_for_a_key(run):
    with pytest.raises(DataError, match="no key"):
        explain(run.key("melt")[:5])


def test_what_may_mean_several_keys_lists_them(synthetic, tmp_path):
    made = synthetic.Synthetic(tmp_path / "run", steps=100)
    for n, title in enumerate(("first", "second")):
        made.task(f"abcdef{n:058d}", "analysis", title, {})
    root = made.finish()
    with pytest.raises(DataError, match=r"(?s)may mean.*first.*second.*more digits"):
        explain("abcdef", root)


def test_one_key_in_two_runs_asks_which(run, tmp_path, monkeypatch):
    for name in "ab":
        shutil.copytree(run.store.root, tmp_path / "runs" / name)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"(?s)runs/a.*runs/b.*--run"):
        explain(run.key("melt"))


def test_a_path_that_names_nothing_is_told(run, tmp_path):
    assert "names no key" in call("runs/small/recipe.yaml").stderr
    assert "not in a run folder" in call(str(tmp_path)).stderr


# what it says


def test_the_tree_leads_down_to_the_structure(run):
    first, second = explain(run.key("arrhenius"))["from"]
    assert {first["name"], second["name"]} == {"diffusion"}
    assert chain(first) == ["diffusion", "production", "melt", "structure"]
    assert chain(second) == ["diffusion", "production", "melt"]
    (melt,) = second["from"][0]["from"]
    assert melt["told"] == "above"
    assert melt["steps"] == 50
    assert first["from"][0]["key"] == run.plan.tasks[first["key"]].inputs[0].key


def chain(node: dict) -> list[str]:
    return [node["name"], *(chain(node["from"][0]) if node.get("from") else [])]


def test_what_was_made_from_it_is_told(run):
    into = explain(run.key("melt"))["into"]
    assert [n["key"] for n in into] == [run.key("production", n) for n in (0, 1)]
    assert "into" not in explain(run.key("arrhenius")).data


def test_a_result_says_what_made_it_and_what_differs_from_the_defaults(run):
    text = call(run.key("diffusion")).stdout
    assert "diffusion, version" in text
    assert "of ionflow" in text
    changed = next(line for line in text.splitlines() if "cage_A2 2.5" in line)
    assert "defaults" not in changed
    assert "defaults: frame barycentric" in text
    assert "bitwise: the same software on the same kind of machine gives the same bits" in text
    assert "checksums in" in text


def test_a_trajectory_says_who_made_which_part(run):
    found = explain(run.key("production"))
    assert [(p["segments"], p["first_step"], p["last_step"]) for p in found["segments"]] == [
        (1, 0, 50), (2, 50, 150),
    ]  # fmt: skip
    assert [e["how"] for e in found["invocations"]] == ["killed", "finished"]
    text = call(run.key("production")).stdout
    assert "1 segment, steps 0 to 50" in text
    assert "killed" in text
    assert set(found["made_by"]) == {"stage", "engine", "potential"}


def test_json_is_the_same_as_data(run):
    found = call(run.key("arrhenius"), "--json")
    assert json.loads(found.stdout) == json.loads(json.dumps(explain(run.key("arrhenius")).data))


@pytest.mark.parametrize("width", [80, 160])
def test_it_fits_the_terminal(run, width):
    console = Console(width=width, color_system=None)
    for name in ("structure", "production", "diffusion", "arrhenius"):
        with console.capture() as captured:
            console.print(explain(run.key(name)))
        lines = [line.rstrip() for line in captured.get().splitlines()]
        assert max(map(len, lines)) <= width
        assert any(line.startswith("key") for line in lines)


def test_notebooks_ask_the_run(run):
    opened = ionflow.open(run.store.root)
    keys = opened.results.keys_of("diffusion")
    assert keys.dims == ("temperature_K", "replica")
    made = opened.explain(keys.sel(temperature_K=1500, replica=0))
    assert made["key"] == run.key("diffusion", 1)
    assert made["coords"]["temperature_K"] == 1500
    trajectory = opened.trajectory(temperature_K=1500)
    assert opened.explain(trajectory.attrs["key"])["key"] == run.key("production", 1)
    assert opened.explain(opened.results["arrhenius"].attrs["key"])["name"] == "arrhenius"
    assert "bitwise" in repr(made)
    assert made._repr_html_().startswith("<pre>")


def test_what_no_recipe_lists_any_more_is_still_explained(run, tmp_path):
    root = Path(shutil.copytree(run.store.root, tmp_path / "run"))
    document = Store(root).read_json("run.json")
    Store(root).write_json("run.json", {**document, "tasks": []})
    found = explain(run.key("diffusion"), root)
    assert found["name"] == "diffusion"
    assert chain(found["from"][0]) == ["stage", "stage", "oxyhalide"]
    assert explain(run.key("production"), root)["made_by"]["engine"]["use"] == "ase"


# what is missing, failed, doubted, damaged


def test_a_run_without_records_is_explained_as_far_as_it_is_known(synthetic, tmp_path):
    made = synthetic.Synthetic(tmp_path / "run", **FEW).trajectories()
    root = made.finish()
    found = explain(made.tasks[-1]["key"], root)
    assert found["state"] == "done"
    assert "reproducibility" not in found.data
    assert "production" in repr(found)


def test_a_failure_is_told_with_all_that_is_known_of_it(synthetic, tmp_path):
    made = synthetic.Synthetic(tmp_path / "run", steps=100)
    made.stage("melt", {"A": "Li", "replica": 0}, (900, 900), 100, record=False, begun=False)
    root = made.finish()
    key = made.tasks[-1]["key"]
    record = {
        "kind": "stage", "name": "melt", "label": "Li 0", "reason": "its worker [b]died[/b]",
        "traceback": "Traceback\n  line\nValueError: odd", "last_lines": ["one", "killed"],
        "system": {"memory_available_GB": 0.1}, "attempts": 2,
        "when": "2026-01-02T03:04:05+00:00",
    }  # fmt: skip
    made.store.record_failure(key, record)
    text = call(key, "--run", str(root)).stdout
    for words in ("failed", "its worker [b]died[/b]", "ValueError: odd", "killed",
                  "memory_available_GB 0.1", "attempts"):  # fmt: skip
        assert words in text
    assert explain(key, root)["failure"]["attempts"] == 2


def test_doubts_of_a_trajectory_follow_into_what_is_made_from_it(synthetic, tmp_path):
    made = synthetic.Synthetic(tmp_path / "run", **FEW).trajectories()
    case = made.cases()[0]
    unsound = xr.Dataset({"flags": "crystallised", "crystal_verdict": "crystallised: 3 peaks"})
    made.result("soundness", case, unsound)
    made.result("diffusion", case, xr.Dataset({"D": 1.0}))
    made.result("diffusion", made.cases()[1], xr.Dataset({"D": 1.0}))
    root = made.finish()
    doubted, other = [t["key"] for t in made.tasks if t["name"] == "diffusion"]
    (doubt,) = explain(doubted, root)["doubts"]
    assert "production" in doubt
    assert "3 peaks" in doubt
    assert "3 peaks" in call(doubted, "--run", str(root)).stdout
    assert "doubts" not in explain(other, root).data


def test_a_damaged_record_is_named(run, tmp_path):
    root = Path(shutil.copytree(run.store.root, tmp_path / "run"))
    path = root / "analyses" / f"{run.key('diffusion')}.json"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    with pytest.raises(StoreError, match=path.name):
        _ = explain(run.key("diffusion"), root).data
    below = explain(run.key("arrhenius"), root)
    assert "from" in below.data

"""The command line: what is printed, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ionflow.cli import app

RECIPES = Path(__file__).parents[2] / "recipes"


def call(*words: str):
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize("scale", ["paper", "laptop", "smoke"])
def test_every_scale_of_the_study_is_valid(scale):
    result = call("check", str(RECIPES / "amx_scan.yaml"), "--scale", scale)
    assert result.exit_code == 0, result.stderr
    assert "valid" in result.stdout


def test_the_paper_scale_is_the_full_scan():
    result = call("plan", str(RECIPES / "amx_scan.yaml"), "--scale", "paper")
    assert "A (3) × M (3) × X (3) × temperature_K (4), 3 replicas" in result.stdout
    assert "81 starting structures" in result.stdout
    production = next(row for row in result.stdout.splitlines() if row.startswith("production"))
    assert production.split()[1] == "324"


def test_a_bad_recipe_prints_every_fault_with_its_line_and_exits_with_2(tmp_path):
    path = tmp_path / "bad.yaml"
    text = (RECIPES / "tutorial.yaml").read_text()
    path.write_text(text.replace("timestep_fs", "timestep").replace("rigid_ion", "rigid_iron"))
    result = call("run", str(path), "--out", str(tmp_path / "out"))
    assert result.exit_code == 2
    assert "engine.timestep: unknown field" in result.stderr
    assert "Did you mean 'timestep_fs'?" in result.stderr
    assert "Did you mean 'rigid_ion'?" in result.stderr
    assert f"{path}:" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_missing_recipe_is_one_line(tmp_path):
    result = call("run", str(tmp_path / "none.yaml"))
    assert result.exit_code == 2
    assert result.stderr.strip().endswith("no such file")


def test_plugins_lists_kinds_and_fields():
    listing = call("plugins")
    for name in ("chgnet", "rigid_ion", "oxyhalide", "ase", "diffusion"):
        assert name in listing.stdout
    fields = call("plugins", "oxyhalide")
    assert "density_g_cm3" in fields.stdout
    assert "g/cm³" in fields.stdout
    unknown = call("plugins", "chgnt")
    assert unknown.exit_code == 2
    assert "unknown plugin 'chgnt'. Did you mean 'chgnet'?" in unknown.stderr


def test_schema_is_json_that_names_the_plugins():
    schema = json.loads(call("schema").stdout)
    assert "chgnet" in json.dumps(schema)


@pytest.mark.parametrize("command", ["status", "report", "export", "verify"])
def test_a_folder_that_is_no_run_is_one_line_not_a_traceback(command, tmp_path):
    result = call(command, str(tmp_path))
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert str(tmp_path) in result.stderr

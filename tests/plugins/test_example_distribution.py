"""A distribution of someone else's: installed, listed with its version, and run by a recipe."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import ionflow
from ionflow.cli import app

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "plugins" / "ionflow-example"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The shipped recipe, run once."""
    out = tmp_path_factory.mktemp("example") / "run"
    return ionflow.run(ROOT / "recipes" / "example.yaml", overrides=["cluster.workers=2"], out=out)


def test_plugins_lists_its_distribution_and_version():
    version = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]["version"]
    listing = CliRunner().invoke(app, ["plugins", "--load"]).stdout
    rows = [line.split()[:4] for line in listing.splitlines() if "ionflow-example" in line]
    assert rows == [
        ["generator", "fcc", "ionflow-example", version],
        ["potential", "morse", "ionflow-example", version],
        ["analyser", "lindemann", "ionflow-example", version],
    ]
    assert "problem" not in listing
    names = CliRunner().invoke(app, ["plugins"]).stdout
    assert "not loaded: fcc, lindemann, morse;" in names


def test_its_own_tests_pass():
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(PLUGIN)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_recipe_runs_and_tells_warm_from_hot(run):
    assert not run.failures
    index = run.results["lindemann"]["lindemann_index"].sel(species="Cu", replica=0)
    assert list(index["temperature_K"].values) == [300.0, 3000.0]
    warm, hot = index.values
    # at 300 K copper's rms displacement is 0.15 Å (X-rays: B = 0.57 Å²), 0.06 of (V/N)^(1/3)
    assert 0.03 < warm < 0.08
    assert hot > 2 * warm


def test_the_trajectory_is_that_of_the_structure_asked_for(run):
    hot = run.trajectory("production", temperature_K=3000)
    assert hot.sizes["atom"] == 32
    assert set(np.unique(hot["element"].values)) == {"Cu"}
    assert (np.abs(np.linalg.det(hot["cell"].values)) > 32 * 11.0).all()

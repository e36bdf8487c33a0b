"""Code of an installed distribution runs when one of its plugins is named, and not before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

RECIPE = """\
name: small
structure: {use: oxyhalide, atoms: 84}
potential: {use: rigid_ion}
engine: {use: ase, timestep_fs: 2}
protocol:
  hot: {ensemble: nvt, temperature_K: 900, duration_ps: 0.02, record: true, frame_ps: 0.01}
analyses: [density]
cluster: {use: local, workers: 1, dashboard: false}
"""

MODULE = """\
import os, pathlib
pathlib.Path(os.environ["MARKER"]).touch()
from ionflow import Analyser, hookimpl

class Spy(Analyser):
    \"\"\"Counts nothing.\"\"\"
    use = "spy"
    def analyse(self, *data):
        return data[0][["cell"]].mean("time")

@hookimpl
def ionflow_analysers():
    return [Spy]
"""

SEVERAL = """\
import json, os, sys
from pathlib import Path
from typer.testing import CliRunner
from ionflow.cli import app
if __name__ == "__main__":
    rows = []
    for words in json.loads(sys.argv[1]):
        result = CliRunner().invoke(app, words)
        text = result.output + ("" if result.exception is None else repr(result.exception))
        rows.append((result.exit_code, text, Path(os.environ["MARKER"]).exists()))
    print(json.dumps(rows))
"""


class Done(NamedTuple):
    """How a command ended, and whether the distribution's module had been imported by then."""

    code: int
    output: str
    imported: bool


class Sandbox:
    """A folder on the import path with a distribution that leaves a mark when it is imported."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.marker = folder, folder / "ran"
        site = folder / "site"
        info = site / "spyware-6.6.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: spyware\nVersion: 6.6\n")
        (info / "entry_points.txt").write_text("[ionflow]\nspy = spyware\nghost = spyware\n")
        (site / "spyware.py").write_text(MODULE)
        (folder / "small.yaml").write_text(RECIPE)
        (folder / "named.yaml").write_text(RECIPE.replace("[density]", "[density, spy]"))
        path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
        self._env = {**os.environ, "PYTHONPATH": path, "MARKER": str(self.marker)}

    def __call__(self, *commands: str) -> list[Done]:
        """Several commands in one process, which is what takes the time."""
        words = json.dumps([command.split() for command in commands])
        done = subprocess.run(
            [sys.executable, "-c", SEVERAL, words], cwd=self.folder, env=self._env,
            capture_output=True, text=True, check=False, timeout=280,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return [Done(*row) for row in json.loads(done.stdout.splitlines()[-1])]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("sandbox"))


def test_what_does_not_name_a_plugin_does_not_import_it(sandbox):
    commands = [
        "plugins", "plugins chgnet", "plugins chgnt", "check small.yaml", "plan small.yaml",
        "run small.yaml", "status runs/small", "report runs/small", "verify runs/small",
    ]  # fmt: skip
    done = sandbox(*commands)
    for command, result in zip(commands, done, strict=True):
        assert result.code == (2 if "chgnt" in command else 0), (command, result.output)
        assert not result.imported, command
    assert "spyware" in done[0].output
    assert "6.6" in done[0].output
    assert not sandbox.marker.exists()


def test_what_names_it_imports_it(sandbox):
    (named,) = sandbox("check named.yaml")
    assert (named.code, named.imported) == (0, True), named.output
    fields, listed, ghost = sandbox("plugins spy", "plugins --load", "plugins ghost")
    assert fields.imported
    assert "spy (analyser, spyware 6.6)" in fields.output
    why = "declares 'ghost', which spyware does not contribute"
    assert f"problem: spyware: {why}" in listed.output
    assert ghost.code == 2
    assert f"'ghost' of spyware 6.6 does not work: {why}" in ghost.output
    sandbox.marker.unlink()


def test_a_name_that_two_distributions_claim_is_nobodys(sandbox):
    other = sandbox.folder / "site" / "doppel-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: doppel\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text("[ionflow]\nspy = spyware\n")
    (done,) = sandbox("check named.yaml")
    assert done.code == 2
    assert "claimed by" in done.output
    assert "spyware 6.6" in done.output
    assert "doppel 1.0" in done.output
    assert not done.imported

"""Files of others are data: whatever stands in them, reading runs nothing and leads nowhere."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk

import ionflow
from ionflow.builtin.potentials.chgnet import CHGNet, checkpoints
from ionflow.builtin.structures.from_file import FromFile
from ionflow.errors import IonflowError, PluginError, StoreError, StructureError
from ionflow.registry import load

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("src/ionflow/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")])

#: Calls that run what they read. torch.load is judged by its arguments.
DANGEROUS = {
    "pickle.load", "pickle.loads", "pickle.Unpickler", "cloudpickle.load", "cloudpickle.loads",
    "joblib.load", "dill.load", "dill.loads", "shelve.open", "marshal.loads", "marshal.load",
    "pd.read_pickle", "pandas.read_pickle", "torch.jit.load", "yaml.load", "yaml.unsafe_load",
    "os.system", "os.popen", "eval", "exec", "np.memmap",
}  # fmt: skip
#: Pickles that the same function has just made: the conformance checks of plugins.
ALLOWED = {("testing/plugins.py", "pickle.loads")}


def calls(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_source_loads_what_could_run(path):
    short = "/".join(path.parts[-2:])
    for name, words in calls(path):
        if name == "torch.load":
            assert words.get("weights_only") == "True", path
        if name in ("np.load", "numpy.load"):
            assert words.get("allow_pickle") == "False", path
        assert words.get("shell") != "True", path
        assert name not in DANGEROUS or (short, name) in ALLOWED, f"{path}: {name}"


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def marker(tmp_path):
    path = tmp_path / "ran"
    yield path
    assert not path.exists(), "the file was executed"


def test_the_bomb_goes_off_where_nothing_prevents_it(tmp_path):
    pickle.loads(pickle.dumps(Bomb(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


def torch_zip(marker: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save({"model": {"state_dict": Bomb(marker), "model_args": {}}}, buffer)
    return buffer.getvalue()


def torch_old(marker: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save({"model": Bomb(marker)}, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def raw_pickle(marker: Path) -> bytes:
    return pickle.dumps(Bomb(marker))


def numpy_objects(marker: Path) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb(marker)], dtype=object), allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize("make", [torch_zip, torch_old, raw_pickle, numpy_objects])
@pytest.mark.parametrize("backend", ["stock", "torch"])
def test_a_checkpoint_is_data(tmp_path, marker, make, backend):
    path = tmp_path / "weights.pth.tar"
    path.write_bytes(make(marker))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(PluginError, match="cannot be loaded with weights_only=True"):
        CHGNet(checkpoint=path, sha256=sha256, backend=backend).calculator()


def test_the_bytes_that_are_loaded_are_those_that_were_hashed(tmp_path):
    good, path = Path(CHGNet(model="0.2.0").path), tmp_path / "weights.pth.tar"
    other = Path(CHGNet(model="r2scan").path)
    path.write_bytes(good.read_bytes())
    pinned = checkpoints.sha256_of(path)
    path.write_bytes(other.read_bytes())
    with pytest.raises(PluginError, match="is pinned") as error:
        checkpoints.read(path, pinned)
    assert pinned in str(error.value)


def test_a_wrong_pin_in_a_recipe_is_told_by_check(tmp_path):
    from typer.testing import CliRunner

    from ionflow.cli import app

    path = tmp_path / "weights.pth.tar"
    path.write_bytes(b"other weights")
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "name: r\nstructure: {use: oxyhalide, atoms: 84}\n"
        f'potential: {{use: chgnet, checkpoint: "{path}", sha256: "{"0" * 64}"}}\n'
        "protocol: {hot: {ensemble: nvt, temperature_K: 900, duration_ps: 1, record: true}}\n"
    )
    done = CliRunner().invoke(app, ["check", str(recipe)])
    assert done.exit_code == 2
    found = hashlib.sha256(b"other weights").hexdigest()
    assert f"the checkpoint's SHA-256 is {found}, but {'0' * 64} is pinned" in done.output


@pytest.mark.parametrize(
    "name",
    ["a.traj", "a.db", "a.json", "a.xyz", "a.cif", "a.bundle", "a.gpw", "a.pckl", "a.nc", "POSCAR",
     "a.npy", "a.npz", "a.yaml", "a.xml", "a.py", "a"],
)  # fmt: skip
@pytest.mark.parametrize("make", [raw_pickle, numpy_objects])
def test_a_structure_is_data(tmp_path, marker, name, make):
    path = tmp_path / name
    path.write_bytes(make(marker))
    with pytest.raises(StructureError):
        FromFile(path=str(path)).build(np.random.default_rng(0))


@pytest.mark.parametrize("kind", ["db", "json", "bundletrajectory", "gpw", "mysql", "eon"])
def test_formats_that_are_more_than_data_are_refused(tmp_path, kind):
    path = tmp_path / "a.xyz"
    bulk("NaCl", "rocksalt", a=5.64, cubic=True).write(path)
    with pytest.raises(StructureError, match=f"the format '{kind}' are not taken"):
        FromFile(path=str(path), format=kind).composition()


@pytest.mark.parametrize("name", ["a.traj", "a.xyz", "XDATCAR", "a.lammpstrj", "a.bin"])
@pytest.mark.parametrize("make", [raw_pickle, numpy_objects])
def test_a_trajectory_is_data(tmp_path, marker, name, make):
    path = tmp_path / name
    path.write_bytes(make(marker))
    with pytest.raises(IonflowError):
        ionflow.read(path, timestep_fs=1)


def test_what_never_ends_is_not_read(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (str(pipe), "/dev/zero", str(tmp_path)):
        with pytest.raises(StructureError, match="not a regular file"):
            FromFile(path=path).content()
        with pytest.raises(PluginError, match="not a regular file"):
            CHGNet(checkpoint=path, sha256="0" * 64).content()


def test_a_small_file_that_unpacks_to_everything_is_refused(tmp_path, monkeypatch):
    import gzip

    from ionflow.builtin.structures import parsing

    monkeypatch.setattr(parsing, "MAX_BYTES", 1_000_000)
    path = tmp_path / "a.xyz.gz"
    path.write_bytes(gzip.compress(b"0" * 2_000_000))
    with pytest.raises(StructureError, match="unpacks to more than"):
        FromFile(path=str(path)).composition()


@pytest.mark.parametrize(
    "text",
    ["!!python/object/apply:os.mkdir ['{}']", "!!python/object/new:os.mkdir ['{}']",
     "!!python/name:os.mkdir", "!!python/module:os", "!<tag:yaml.org,2002:python/object:a.b> {{}}"],
)  # fmt: skip
def test_a_tag_of_yaml_makes_nothing(marker, text):
    from ionflow.errors import RecipeError
    from ionflow.recipe import read

    with pytest.raises(RecipeError, match="tags are refused"):
        read(f"name: x\ntitle: {text.format(marker)}\n", load())


@pytest.mark.parametrize("member", ["../evil", "/tmp/evil", "a/../../evil", "..\\evil"])
def test_members_of_a_segment_lead_nowhere(tmp_path, member, synthetic):
    made = synthetic.Synthetic(
        tmp_path / "run", alkalis=("Li",), replicas=1, steps=200, sealed=False
    )
    made.trajectories()
    made.finish()
    (path, *_) = sorted((tmp_path / "run").glob("trajectories/*/segments/*.zip"))
    with zipfile.ZipFile(path) as archive:
        kept = {info.filename: archive.read(info) for info in archive.infolist()}
    path.unlink()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**kept, member: b"evil"}.items():
            archive.writestr(name, data)
    before = sorted(p for p in tmp_path.rglob("*") if "run" not in p.parts)
    key = path.parent.parent.name
    with contextlib.suppress(IonflowError):
        made.store.trajectory(key).load()
    made.store.verify(deep=True)
    assert sorted(p for p in tmp_path.rglob("*") if "run" not in p.parts) == before
    assert not Path("/tmp/evil").exists()


def test_what_is_json_in_a_run_makes_no_objects(tmp_path, marker, synthetic):
    made = synthetic.Synthetic(tmp_path / "run", alkalis=("Li",), replicas=1, steps=200)
    made.trajectories()
    made.finish()
    hostile = {"__reduce__": ["os.mkdir", str(marker)], "py/object": "os.mkdir", "a": str(marker)}
    run_json = tmp_path / "run" / "run.json"
    record = {**json.loads(run_json.read_text()), "extra": hostile, "name": hostile}
    record.pop("sha256", None)
    run_json.write_text(json.dumps(record))
    with contextlib.suppress(StoreError):
        repr(ionflow.open(tmp_path / "run"))

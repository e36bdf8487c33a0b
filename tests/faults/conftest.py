"""What the tests of faults share: plugins that misbehave, a cluster, an undisturbed run."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "path")]

from campaigns import Field  # noqa: E402
from harness import PLUGINS, Site, paced, recipe, write_recipe  # noqa: E402

Run = Callable[..., object]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Where plugins and tests leave each other words."""
    made = Site.make(tmp_path_factory.mktemp("site"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IONFLOW_FAULTS_DIR", str(made.words))
        patch.setenv("PYTHONPATH", str(PLUGINS))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield made


@pytest.fixture
def words(site: Site) -> Path:
    """The folder of those words, empty."""
    for path in site.words.iterdir():
        path.unlink()
    return site.words


@pytest.fixture(scope="session")
def cluster(site: Site) -> Iterator[dict[str, str]]:
    """A scheduler and two workers for all runs that are driven from the tests themselves."""
    from quick_start import forked_workers

    from ionflow.cluster import connect
    from ionflow.recipe import LocalCluster

    with forked_workers(), connect(LocalCluster(workers=2, memory_limit_GB=1.5)) as client:
        yield {"use": "address", "address": client.scheduler.address}


@pytest.fixture(scope="session")
def run(cluster: dict[str, str]) -> Run:
    """Runs a recipe on that cluster, with the plugins that misbehave."""
    import misbehaving

    import ionflow
    from ionflow.registry import load

    registry = load(misbehaving)

    def act(made: dict, out: Path, **more: object) -> object:
        where = {**cluster, **made.get("on", {})}
        plain = {name: value for name, value in made.items() if name != "on"}
        return ionflow.run({**plain, "cluster": where}, out=out, registry=registry, **more)

    return act


@pytest.fixture(scope="session")
def reference(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that all others must equal, undisturbed."""
    out = tmp_path_factory.mktemp("reference") / "run"
    run(recipe(), out)
    return out


@pytest.fixture
def ground(site: Site, words: Path, reference: Path, tmp_path: Path) -> Field:
    """Where a run is disturbed: it takes its time, on workers of its own."""
    source = write_recipe(tmp_path, paced(recipe(), 0.05))
    return Field(site, source, reference, tmp_path, random.Random(7), longest_s=0.3)

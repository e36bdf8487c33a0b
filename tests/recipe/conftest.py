"""A registry with plugins whose faults are known, and a recipe that uses them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from pydantic import Field, model_validator

from ionflow import Analyser, Engine, Generator, Parameters, Potential, Table, hookimpl
from ionflow.errors import RecipeError, StructureError
from ionflow.recipe import read
from ionflow.registry import Registry, load

CHARGES = {"Li": 1, "Na": 1, "Mg": 2, "Xe": 0, "Cl": -1, "Br": -1, "O": -2, "No": 2}


class Salt(Generator):
    """As many A as X."""

    use = "salt"
    A: str = "Li"
    """Cation."""
    X: str = "Cl"
    """Anion."""
    atoms: int = Field(8, ge=2, le=1000)
    """Even."""
    density_g_cm3: float | None = Field(None, gt=0)
    """Density."""
    label: str = ""
    radii: Table = ()

    @model_validator(mode="after")
    def _neutral(self) -> Salt:
        charge = CHARGES.get(self.A, 0) + CHARGES.get(self.X, 0)
        if charge:
            raise ValueError(f"{self.A}{self.X} is not charge neutral ({charge:+d} e)")
        return self

    def composition(self) -> Mapping[str, int]:
        if self.atoms % 2:
            raise StructureError(f"{self.atoms} atoms are not even", hint="Take an even number")
        return {self.A: self.atoms // 2, self.X: self.atoms // 2}

    def build(self, rng: Any) -> Any:
        raise AssertionError("reading a recipe builds nothing")


class Bomb(Generator):
    """A plugin with a fault of its own."""

    use = "bomb"
    when: str = "composition"

    @model_validator(mode="after")
    def _explode(self) -> Bomb:
        return {}["validator"] if self.when == "validator" else self

    def composition(self) -> Mapping[str, int]:
        return {}["composition"]

    def build(self, rng: Any) -> Any: ...


class Springs(Potential):
    """Knows a few elements."""

    use = "springs"
    stiffness_eV_A2: float = Field(1.0, ge=0)
    """Of all springs."""

    def elements(self) -> frozenset[str]:
        return frozenset(CHARGES) - {"Xe"}

    def calculator(self) -> Any:
        raise AssertionError("reading a recipe calculates nothing")


class Dud(Springs):
    """A potential with a fault of its own."""

    use = "dud"
    when: str = "elements"

    def _answer(self, method: str, answer: Any) -> Any:
        return {}[method] if self.when == method else answer

    def elements(self) -> frozenset[str]:
        return self._answer("elements", super().elements())

    def content(self) -> Mapping[str, str]:
        return self._answer("content", {})

    def provenance(self, device: str = "cpu") -> dict[str, Any]:
        return self._answer("provenance", {})


class Bath(Parameters):
    coupling_ps: float = Field(1.0, gt=0)


class Leap(Engine):
    """Moves nothing."""

    use = "leap"
    bath: Bath = Bath()

    def advance(self, systems: Any, potential: Any, segment: Any) -> Any: ...


def analyser(name: str, *needs: str, **fields: Any) -> type[Analyser]:
    body = {
        "use": name,
        "needs": needs,
        "__doc__": f"Test {name}.",
        "__module__": __name__,
        "__annotations__": {"use": ClassVar[str], "needs": ClassVar[tuple[str, ...]], **fields},
        "analyse": lambda self, *data: data[0],
    }
    return type(name.title(), (Analyser,), body)


class Fakes:
    @hookimpl
    def ionflow_generators(self) -> list:
        return [Salt, Bomb]

    @hookimpl
    def ionflow_potentials(self) -> list:
        return [Springs, Dud]

    @hookimpl
    def ionflow_engines(self) -> list:
        return [Leap]

    @hookimpl
    def ionflow_analysers(self) -> list:
        return [
            analyser("count"),
            analyser("fit", "count"),
            analyser("final", "fit", "count"),
            analyser("chicken", "egg"),
            analyser("egg", "chicken"),
            analyser("lost", "nowhere"),
            analyser("picky", cutoff_angstrom=float),
            analyser("dainty", "picky"),
        ]


class Broken:
    @hookimpl
    def ionflow_potentials(self) -> list:
        raise ImportError("no module named 'warp'")


BASE = """\
name: base
seed: 7
scan:
  structure.A: [Li, Na]
  protocol.hot.temperature_K: [500, 600.5]
replicas: 2
structure: {use: salt, X: Cl, atoms: 8}
potential: {use: springs}
engine:
  use: leap
  timestep_fs: 2
protocol:
  warm: {ensemble: nvt, temperature_K: [900, 300], duration_ps: 1}
  hot:
    ensemble: nvt
    temperature_K: 400
    duration_ps: 1e-1
    record: true
    frame_ps: 0.05
analyses: [final]
scales:
  small:
    structure.atoms: 4
    scan.structure.A: [Li]
  all: {}
"""


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load(Fakes(), Broken())


@pytest.fixture
def kit(registry: Registry, tmp_path: Path) -> SimpleNamespace:
    """The base recipe, `edit`, `read` and `faults`, all with the same registry."""

    def edit(*changes: tuple[str, str]) -> str:
        text = BASE
        for old, new in changes:
            assert text.count(old) == 1, f"{old!r} is not in the recipe once"
            text = text.replace(old, new)
        return text

    def written(text: str | bytes) -> Path:
        path = tmp_path / "r.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def faults(source: Any, **options: Any) -> list[str]:
        source = written(source) if isinstance(source, (str, bytes)) else source
        with pytest.raises(RecipeError) as error:
            read(source, registry, **options)
        return [str(f).replace(f"{tmp_path}/", "") for f in error.value.faults]

    def reading(source: Any, **options: Any) -> Any:
        source = written(source) if isinstance(source, (str, bytes)) else source
        return read(source, registry, **options)

    shared: dict[str, Callable[..., Any]] = {"edit": edit, "faults": faults, "read": reading}
    return SimpleNamespace(base=BASE, written=written, registry=registry, **shared)

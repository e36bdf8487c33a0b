"""Plugins are found; broken ones are told and hurt nobody else."""

from __future__ import annotations

import pickle
from importlib import metadata
from types import ModuleType
from typing import Any, ClassVar

import pytest
from pydantic import Field

from ionflow import Analyser, Potential, Table, hookimpl
from ionflow.errors import PluginError
from ionflow.registry import GROUP, KINDS, Problem, Registry, describe, load


class Good(Potential):
    """Good for tests.

    More about it.
    """

    use = "good"
    stiffness_eV_A2: float = Field(1.5, ge=0, le=10)
    """Of every
    spring."""
    name: str
    cutoffs: Table = ()

    def calculator(self) -> Any: ...


class Abstract(Potential):
    use = "abstract"


class Nameless(Potential):
    def calculator(self) -> Any: ...


class Shouting(Good):
    use = "GOOD"


class Clash(Good):
    use = "chgnet"


class Twin(Good):
    use = "good"


class Needy(Analyser):
    use = "needy"
    needs: ClassVar[Any] = "rdf"

    def analyse(self, *data: Any) -> Any: ...


def module(**hooks: Any) -> ModuleType:
    """A plugin module with the given hooks; a value is what the hook returns or raises."""
    made = ModuleType("made")
    for name, answer in hooks.items():
        setattr(made, name, hookimpl(hook(name, answer)))
    return made


def hook(name: str, answer: Any) -> Any:
    def implementation() -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    implementation.__name__ = name
    return implementation


class Point:
    """An entry point as importlib.metadata gives it: one name of a plugin."""

    def __init__(self, distribution: str, name: str, plugin: Any) -> None:
        self.dist = type("Dist", (), {"name": distribution, "version": "1.2"})()
        self.name, self.value, self._plugin = name, f"{distribution}_module", plugin

    def load(self) -> Any:
        if isinstance(self._plugin, Exception):
            raise self._plugin
        return self._plugin


OWN = tuple(p for p in metadata.entry_points(group=GROUP) if p.dist and p.dist.name == GROUP)


@pytest.fixture
def install(monkeypatch):
    """The registry with what ionflow declares and what `acme=(module, "name", ...)` does."""

    def install(**declared: tuple[Any, ...]) -> Registry:
        points = [Point(owner, n, made[0]) for owner, made in declared.items() for n in made[1:]]
        monkeypatch.setattr(metadata, "entry_points", lambda group: (*OWN, *points))
        return load()

    return install


def only(registry: Registry) -> Problem:
    """The one problem that there is when all code is loaded."""
    assert registry.entries
    (problem,) = registry.problems
    return problem


def test_the_built_in_plugins_are_there(install):
    registry = install()
    assert registry.entries
    assert not registry.problems
    assert set(registry.of("generator")) == {"from_file", "oxyhalide", "packing"}
    assert {"ase_calculator", "chgnet", "rigid_ion"} <= set(registry.of("potential"))
    assert "ase" in registry.of("engine")
    assert {"rdf", "msd", "diffusion", "conductivity", "arrhenius"} <= set(registry.of("analyser"))
    for entry in registry.entries:
        assert entry.distribution == "ionflow"
        assert entry.distribution_version == metadata.version("ionflow")
        assert entry.summary
        assert issubclass(entry.cls, KINDS[entry.kind])


def test_every_field_of_every_built_in_is_documented(install):
    for entry in install().entries:
        for field in describe(entry.cls):
            assert field.doc, f"{entry.name}.{field.name}"


def test_an_installed_plugin_is_found_with_its_distribution(install):
    registry = install(acme=(module(ionflow_potentials=[Good]), "good"))
    assert registry["good"] is Good
    assert registry.find("potential", "good") is Good
    (entry,) = [e for e in registry.entries if e.name == "good"]
    assert (entry.distribution, entry.distribution_version) == ("acme", "1.2")
    assert entry.summary == "Good for tests."
    assert len(registry) == len(registry.entries) == len(list(registry))


def test_plugins_may_be_given_without_being_installed():
    assert load(module(ionflow_potentials=[Good]))["good"] is Good
    assert "good" not in load()


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        (ImportError("no module named 'warp'"),
         "cannot be loaded: ImportError: no module named 'warp'"),
        (SystemError("boom"), "cannot be loaded: SystemError: boom"),
        (module(ionflow_potentials=RuntimeError("no GPU")),
         "ionflow_potentials() failed: RuntimeError: no GPU"),
        (module(ionflow_potentials=None),
         "ionflow_potentials() returned None, not a list of classes"),
        (module(ionflow_potentials=3),
         "ionflow_potentials() failed: TypeError: 'int' object is not iterable"),
        (module(ionflow_potentials=[Good(name="x")]),
         "name='x'"),
        (module(ionflow_engines=[Good]), "Good is no subclass of ionflow.Engine"),
        (module(ionflow_potentials=[dict]), "dict is no subclass of ionflow.Potential"),
        (module(ionflow_potentials=[Abstract]), "Abstract does not define calculator"),
        (module(ionflow_potentials=[Nameless]),
         "Nameless has no `use`, the name that a recipe writes"),
        (module(ionflow_potentials=[Shouting]), "Shouting has use = 'GOOD'; names are of a-z"),
        (module(ionflow_analysers=[Needy]), "Needy has needs = 'rdf', not a tuple of names"),
        (module(ionflow_potential=[Good]), "unknown hook 'ionflow_potential'"),
        (module(), "contributes no plugin: it has no ionflow_* hook"),
    ],
)  # fmt: skip
def test_a_broken_plugin_is_a_problem_and_the_others_work(install, plugin, message):
    registry = install(acme=(plugin, "warp"), other=(module(ionflow_potentials=[Twin]), "good"))
    with pytest.raises(PluginError, match=r"'warp' of acme 1.2 does not work: ") as error:
        registry.find("potential", "warp")
    assert message in str(error.value)
    problem = only(registry)
    assert problem.origin == "acme"
    assert message in problem.message
    assert "\n" not in problem.message
    assert registry["good"] is Twin
    assert "chgnet" in registry


def test_a_hook_of_the_wrong_signature_is_a_problem(install):
    class Wrong:
        @hookimpl
        def ionflow_potentials(self, device):
            return [Good]

    problem = only(install(acme=(Wrong(), "good")))
    assert "cannot be loaded" in problem.message
    assert "device" in problem.message


def test_a_problem_keeps_the_traceback(install):
    problem = only(install(acme=(module(ionflow_potentials=RuntimeError("no GPU")), "warp")))
    assert problem.cause.startswith("Traceback")
    assert "raise answer" in problem.cause


def test_one_bad_class_does_not_take_its_neighbours_away(install):
    registry = install(acme=(module(ionflow_potentials=[Abstract, Good]), "abstract", "good"))
    assert registry["good"] is Good
    assert "Abstract" in only(registry).message


def test_a_clash_names_both_distributions_and_neither_wins(install):
    first, second = module(ionflow_potentials=[Good]), module(ionflow_potentials=[Twin])
    registry = install(acme=(first, "good"), bolt=(second, "good"))
    assert "good" not in registry
    assert "good" not in registry.own()
    assert only(registry).message == (
        "the name 'good' is claimed by acme 1.2 and bolt 1.2; uninstall one"
    )
    with pytest.raises(PluginError, match=r"claimed by acme 1.2 and bolt 1.2"):
        registry.find("potential", "good")


def test_a_clash_with_a_built_in_is_told_as_any_other(install):
    registry = install(acme=(module(ionflow_potentials=[Clash]), "chgnet"))
    assert "chgnet" not in registry
    assert only(registry).message.startswith("the name 'chgnet' is claimed by ionflow ")


def test_an_unknown_name_gets_the_nearest_what_is_installed_and_what_failed(install):
    registry = install(
        acme=(ImportError("no warp"), "warp"), bolt=(module(ionflow_potentials=[Good]), "good")
    )
    with pytest.raises(PluginError):
        registry.find("potential", "warp")
    with pytest.raises(PluginError) as error:
        registry.find("potential", "chgnt")
    text = str(error.value)
    assert text.startswith("unknown potential 'chgnt'. Did you mean 'chgnet'? Installed: ")
    assert "rigid_ion" in text
    assert "rdf" not in text
    assert "; not loaded: good;" in text
    assert text.endswith("; failed to load: acme: cannot be loaded: ImportError: no warp")


def test_a_name_of_another_kind(install):
    with pytest.raises(PluginError, match="'msd' is an analyser, not a potential"):
        install().find("potential", "msd")


def test_the_registry_is_a_mapping(install):
    registry = install()
    assert registry.get("chgnt") is None
    with pytest.raises(KeyError) as error:
        registry["chgnt"]
    assert isinstance(error.value, PluginError)
    assert str(error.value).startswith("unknown plugin 'chgnt'. Did you mean 'chgnet'?")
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)
    with pytest.raises(TypeError):
        registry["x"] = Good  # type: ignore[index]


def test_it_shows_itself(install):
    registry = install(
        acme=(ImportError("<b>warp</b>"), "warp"), bolt=(module(ionflow_potentials=[Good]), "good")
    )
    assert any(line.split() == ["good", "bolt", "1.2"] for line in repr(registry).splitlines())
    assert "problem" not in repr(registry)
    assert registry.entries
    lines = repr(registry).splitlines()
    assert any(line.split()[:2] == ["potential", "chgnet"] for line in lines)
    assert "problem: acme: cannot be loaded" in lines[-1]
    page = registry._repr_html_()
    assert "<td>chgnet</td>" in page
    assert "<b>" not in page


def test_names_are_known_before_anything_is_loaded(install):
    registry = install(acme=(AssertionError("loaded"), "warp"))
    assert "warp" in registry
    assert "warp" in list(registry)
    assert registry["chgnet"].use == "chgnet"
    assert registry.own()
    assert "warp" in registry.installed("potential")
    assert not registry.problems
    assert "loaded" in only(registry).message


def test_a_plugin_that_is_not_declared_is_told_with_the_line_to_add(install):
    registry = install(acme=(module(ionflow_potentials=[Good], ionflow_analysers=[]), "goo"))
    message = only(registry).message
    assert message.startswith("contributes 'good' without declaring it")
    assert 'good = "acme_module"' in message
    assert "good" not in registry
    assert "good" not in registry.of("potential")
    with pytest.raises(PluginError, match=r"'goo' of acme 1.2 does not work: contributes 'good'"):
        registry.find("potential", "goo")


def test_a_name_that_nothing_stands_behind_is_told_with_the_line_to_remove(install):
    registry = install(acme=(module(ionflow_potentials=[Good]), "good", "best"))
    assert registry["good"] is Good
    message = only(registry).message
    assert message.startswith("declares 'best', which acme_module does not contribute")
    assert 'best = "acme_module"' in message


def test_a_name_that_no_recipe_could_write_is_refused_unloaded(install):
    registry = install(acme=(AssertionError("loaded"), "../warp"))
    assert "../warp" not in registry
    assert registry.problems[0].message.startswith("declares '../warp'; names are of a-z")


def test_a_module_contributes_a_name_once(install):
    registry = install(acme=(module(ionflow_potentials=[Good, Twin]), "good"))
    assert "contributes two plugins called 'good'" in only(registry).message


def test_fields_are_described_for_people():
    stiffness, name, cutoffs = describe(Good)
    assert (stiffness.name, stiffness.type) == ("stiffness_eV_A2", "number ≥ 0 and ≤ 10")
    assert (stiffness.units, stiffness.default) == ("eV/Å²", "1.5")
    assert stiffness.doc == "Of every spring."
    assert (name.type, name.default) == ("text", "required")
    assert (cutoffs.type, cutoffs.default) == ("table of number", "none")

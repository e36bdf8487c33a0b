"""Any ASE calculator by its path, and clear words where the path leads nowhere."""

from __future__ import annotations

import pickle

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from pydantic import ValidationError

from ionflow.builtin.potentials.ase_calculator import AseCalculator
from ionflow.errors import PluginError

LJ = "ase.calculators.lj.LennardJones"


def test_it_is_the_calculator_that_ase_makes():
    copper = bulk("Cu", cubic=True)
    copper.calc = AseCalculator(class_path="ase.calculators.emt.EMT").calculator()
    energy = copper.get_potential_energy()
    copper.calc = EMT()
    assert energy == copper.get_potential_energy()


def test_arguments_reach_it_with_their_types():
    arguments = {"sigma": 2.5, "rc": 6, "smooth": True}
    potential = AseCalculator(class_path=LJ, arguments=arguments)
    made = potential.calculator()
    assert isinstance(made, LennardJones)
    assert {name: made.parameters[name] for name in arguments} == arguments
    assert made.parameters["smooth"] is True
    assert type(made.parameters["rc"]) is int
    assert potential.model_dump(mode="json")["arguments"] == arguments
    assert AseCalculator(**potential.model_dump(mode="json")) == potential
    assert hash(pickle.loads(pickle.dumps(potential))) == hash(potential)


def test_every_call_gives_a_fresh_one():
    potential = AseCalculator(class_path=LJ)
    assert potential.calculator() is not potential.calculator()
    assert potential.force_field() is None


def test_elements_are_those_given():
    assert AseCalculator(class_path=LJ).elements() is None
    assert AseCalculator(class_path=LJ, only_elements=("Ar",)).elements() == {"Ar"}
    with pytest.raises(ValidationError, match="Arr: no such element"):
        AseCalculator(class_path=LJ, only_elements=("Arr",))


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("no_such_package.Calculator", "No module named 'no_such_package'"),
        ("ase.calculators.emt.ETM", "has no attribute 'ETM'"),
        ("ase.calculators.emt.parameters", "is a dict, not a class"),
        ("fractions.Fraction", "makes a Fraction, not an ASE calculator"),
    ],
)
def test_a_path_that_leads_to_no_calculator_says_so(path, why):
    with pytest.raises(PluginError, match=why) as caught:
        AseCalculator(class_path=path).calculator()
    assert path in str(caught.value)


def test_arguments_that_it_refuses_are_shown():
    potential = AseCalculator(class_path="fractions.Fraction", arguments={"numerator": "x"})
    with pytest.raises(PluginError, match=r"refuses the arguments \{'numerator': 'x'\}"):
        potential.calculator()


@pytest.mark.parametrize("path", ["EMT", "ase calculators", "os.system('x')", ".emt.EMT", ""])
def test_what_is_no_dotted_path_is_refused_at_once(path):
    with pytest.raises(ValidationError):
        AseCalculator(class_path=path)


def test_arguments_are_scalars():
    with pytest.raises(ValidationError):
        AseCalculator(class_path=LJ, arguments={"sigma": [1, 2]})

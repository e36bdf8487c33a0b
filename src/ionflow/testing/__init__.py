"""Conformance tests for plugin authors, and data to try plugins on.

Each check raises an AssertionError that says which contract is broken and how to mend it:

>>> from ionflow.testing import SoftSpheres, check_potential
>>> check_potential(SoftSpheres())
"""

from ionflow.testing.analysers import check_analyser
from ionflow.testing.engines import check_engine
from ionflow.testing.generators import check_generator
from ionflow.testing.plugins import check_plugin
from ionflow.testing.potentials import check_potential
from ionflow.testing.soft_spheres import SoftSpheres
from ionflow.testing.trajectories import Walker, synthetic_trajectory

__all__ = [
    "SoftSpheres",
    "Walker",
    "check_analyser",
    "check_engine",
    "check_generator",
    "check_plugin",
    "check_potential",
    "synthetic_trajectory",
]

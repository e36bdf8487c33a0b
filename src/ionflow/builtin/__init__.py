"""The plugins that come with ionflow, contributed as any other distribution contributes its own."""

from __future__ import annotations

from collections.abc import Sequence

from ionflow import Analyser, Engine, Generator, Potential, hookimpl


@hookimpl
def ionflow_generators() -> Sequence[type[Generator]]:
    """Random packings, oxyhalides among them, and structures from a file."""
    from ionflow.builtin.structures.from_file import FromFile
    from ionflow.builtin.structures.oxyhalide import Oxyhalide
    from ionflow.builtin.structures.packing import Packing

    return [FromFile, Oxyhalide, Packing]


@hookimpl
def ionflow_potentials() -> Sequence[type[Potential]]:
    """CHGNet, a cheap rigid-ion model, and any calculator of ASE's."""
    from ionflow.builtin.potentials.ase_calculator import AseCalculator
    from ionflow.builtin.potentials.chgnet import CHGNet
    from ionflow.builtin.potentials.rigid_ion import RigidIon

    return [AseCalculator, CHGNet, RigidIon]


@hookimpl
def ionflow_engines() -> Sequence[type[Engine]]:
    """One system at a time with any calculator, or many at once on tensors."""
    from ionflow.builtin.engines.ase import Ase
    from ionflow.builtin.engines.torch import Torch

    return [Ase, Torch]


@hookimpl
def ionflow_analysers() -> Sequence[type[Analyser]]:
    """Structure and transport."""
    from ionflow.builtin.analysers.dynamics.msd import Msd
    from ionflow.builtin.analysers.dynamics.non_gaussian import NonGaussian
    from ionflow.builtin.analysers.dynamics.vacf import Vacf
    from ionflow.builtin.analysers.dynamics.van_hove import VanHove
    from ionflow.builtin.analysers.hops.density_map import DensityMap
    from ionflow.builtin.analysers.hops.hops import HopAnalysis
    from ionflow.builtin.analysers.network.chains import Chains
    from ionflow.builtin.analysers.network.tetrahedra import Tetrahedra
    from ionflow.builtin.analysers.residence.residence import Residence
    from ionflow.builtin.analysers.scan.arrhenius import (
        Arrhenius,
        ArrheniusConductivity,
        ArrheniusResidence,
    )
    from ionflow.builtin.analysers.scan.chemistry import Chemistry
    from ionflow.builtin.analysers.scan.claims import Claims
    from ionflow.builtin.analysers.scan.glass_spread import GlassSpread
    from ionflow.builtin.analysers.structure.angles import AngleDistributions
    from ionflow.builtin.analysers.structure.density import Density
    from ionflow.builtin.analysers.structure.rdf import Rdf
    from ionflow.builtin.analysers.structure.soundness import Soundness
    from ionflow.builtin.analysers.structure.structure_factor import StructureFactor
    from ionflow.builtin.analysers.transport.conductivity import Conductivity
    from ionflow.builtin.analysers.transport.diffusion import Diffusion
    from ionflow.builtin.analysers.transport.displacement_correlation import DisplacementCorrelation
    from ionflow.builtin.analysers.transport.haven import Haven
    from ionflow.builtin.analysers.transport.onsager import Onsager
    from ionflow.builtin.analysers.transport.transference import Transference

    return [
        AngleDistributions,
        Arrhenius,
        ArrheniusConductivity,
        ArrheniusResidence,
        Chains,
        Chemistry,
        Claims,
        Conductivity,
        Density,
        DensityMap,
        Diffusion,
        DisplacementCorrelation,
        GlassSpread,
        Haven,
        HopAnalysis,
        Msd,
        NonGaussian,
        Onsager,
        Rdf,
        Residence,
        Soundness,
        StructureFactor,
        Tetrahedra,
        Transference,
        Vacf,
        VanHove,
    ]

"""What is a crystal, what has separated, what drifts; and what nobody can tell."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from ase import Atoms
from ase.build import bulk
from ase.io import read
from scipy.signal import lfilter

from ionflow import schema
from ionflow.builtin.analysers.structure import bragg
from ionflow.builtin.analysers.structure.soundness import Soundness
from ionflow.builtin.structures.oxyhalide import Oxyhalide
from ionflow.testing import check_analyser, synthetic_trajectory

GLASS = Path(__file__).parents[1] / "data" / "LiAlCl2.5O0.75_84.xyz"
KELVIN = 500.0


def trajectory(
    atoms: Atoms, rattle: float = 0.2, frames: int = 10, seed: int = 0, **more: np.ndarray
) -> xr.Dataset:
    """Atoms that rattle about their places."""
    noise = np.random.default_rng(seed).normal(0, rattle, (frames, len(atoms), 3))
    variables = {
        "positions": atoms.positions + noise,
        "cell": np.broadcast_to(atoms.cell.array, (frames, 3, 3)),
        **more,
    }
    return schema.trajectory(atoms, np.arange(frames) * 50, 2.0, variables)


def verdict(data: xr.Dataset, which: str, **fields: object) -> str:
    return str(Soundness(**fields).analyse(data)[f"{which}_verdict"].values)


def gas(count: int, seed: int = 0, symbols: Sequence[str] = ("Al", "Cl")) -> Atoms:
    """Atoms at random places, 0.05 of them in 1 Å³."""
    side = (count / 0.05) ** (1 / 3)
    where = np.random.default_rng(seed).random((count, 3)) * side
    return Atoms([symbols[i % len(symbols)] for i in range(count)], where, cell=[side] * 3)


@cache
def packing() -> Atoms:
    """336 atoms of an oxyhalide, packed at random."""
    return Oxyhalide(atoms=336).build(np.random.default_rng(0))


CRYSTALS = {
    "fcc": bulk("Cu", "fcc", a=4.2, cubic=True) * (2, 2, 2),
    "bcc": bulk("Fe", "bcc", a=3.3, cubic=True) * (3, 3, 3),
    "rocksalt": bulk("NaCl", "rocksalt", a=5.64, cubic=True) * (2, 2, 2),
    "caesium chloride": bulk("CsCl", "cesiumchloride", a=4.12, cubic=True) * (3, 3, 3),
    "diamond": bulk("Si", "diamond", a=5.43, cubic=True) * (2, 2, 2),
    "wurtzite": bulk("ZnO", "wurtzite", a=3.25, c=5.2) * (4, 4, 3),
    "fluorite": bulk("CaF2", "fluorite", a=5.46, cubic=True) * (2, 2, 2),
    "triclinic cell": bulk("MgO", "rocksalt", a=4.3) * (4, 4, 4),
}


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("rattle", [0.1, 0.3])
def test_a_hot_crystal_is_one(name: str, rattle: float) -> None:
    result = Soundness().analyse(trajectory(CRYSTALS[name], rattle))
    assert str(result["flags"].values) == "crystallised"
    assert str(result["crystal_verdict"].values).startswith("crystallised: ")
    # Debye and Waller: exp(−q²u²/2) of the amplitude, of atoms about sites that do not move
    expected = np.exp(-((float(result["bragg_q"]) * rattle) ** 2) / 2)
    dimmest = 0.75 if name == "wurtzite" else 1.0  # its structure factors are not 1
    assert dimmest * expected - 0.1 < float(result["bragg_share"]) < expected + 0.1


def test_a_crystal_that_drifts_and_grows_is_one() -> None:
    atoms = CRYSTALS["rocksalt"]
    data = trajectory(atoms, 0.1)
    scale = np.linspace(1, 1.05, 10)[:, None, None]
    drift = np.linspace(0, 40, 10)[:, None, None]
    grown = data.assign(positions=data["positions"] * scale + drift, cell=data["cell"] * scale)
    assert verdict(grown, "crystal").startswith("crystallised")


def test_the_framework_is_asked_and_may_be_a_crystal_while_the_mobile_ions_are_molten() -> None:
    atoms = bulk("LiCl", "rocksalt", a=5.13, cubic=True) * (3, 3, 3)
    mobile = atoms.symbols == "Li"
    atoms.positions[mobile] = gas(216).positions[: mobile.sum()] % 15.39
    data = trajectory(atoms)
    result = Soundness().analyse(data)
    assert result.attrs["framework"] == "Cl"
    assert "crystallised" in str(result["flags"].values)
    assert float(result["bragg_share"]) > 0.85
    assert verdict(data, "crystal", mobile=("Cl",)).startswith("no: ")


@pytest.mark.parametrize(("share", "found"), [(0.5, True), (0.35, True), (0.0, False)])
def test_a_crystal_in_a_part_of_the_cell_is_found_down_to_the_share_that_is_said(share, found):
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True) * (4, 4, 4)
    side, rng = atoms.cell[0, 0], np.random.default_rng(1)
    molten = atoms.positions[:, 2] >= share * side
    low = [0, 0, share * side]
    atoms.positions[molten] = rng.uniform(low, side, (molten.sum(), 3))
    result = Soundness().analyse(
        trajectory(Atoms("Al256Cl256", atoms.positions, cell=atoms.cell))
    )  # fmt: skip
    assert ("crystallised" in str(result["flags"].values)) is found
    assert 0.1 < float(result["crystal_detectable"]) < 0.35


def test_no_gas_of_250_is_taken_for_a_crystal() -> None:
    found = []
    for seed in range(150):
        atoms = gas(250, seed)
        density, _ = np.histogramdd(
            atoms.get_scaled_positions(), bins=(45, 45, 45), range=[(0, 1)] * 3
        )
        found.append(bragg.brightest(density, atoms.cell.array))
    assert not any(peak.is_crystal for peak in found)
    # the brightest of M exponentials is ln M + 0.577 on average
    ratios = np.mean([peak.ratio for peak in found])
    assert ratios == pytest.approx(np.log(found[0].vectors) + 0.577, rel=0.15)


def test_a_packing_and_a_glass_are_none_and_a_small_glass_is_not_told() -> None:
    assert verdict(trajectory(packing(), 0.0, 1), "crystal").startswith("no: no Bragg peak")
    glass = read(GLASS)
    assert verdict(trajectory(glass, 0.0, 1), "crystal").startswith("cannot tell: ")


@pytest.mark.parametrize("atoms", [gas(21), bulk("NaCl", "rocksalt", a=5.64, cubic=True)])
def test_a_cell_too_small_is_never_called_sound(atoms: Atoms) -> None:
    result = Soundness().analyse(trajectory(atoms))
    assert str(result["crystal_verdict"].values).startswith("cannot tell: ")
    assert str(result["phase_verdict"].values).startswith("cannot tell: ")
    assert str(result["flags"].values) == ""


def slab(share: float, seed: int = 0) -> Atoms:
    """Al in one part of the cell, Cl in the rest; oxygen everywhere."""
    atoms = gas(600, seed, ("Al", "Cl", "O"))
    where = atoms.get_scaled_positions()
    where[atoms.symbols == "Al", 0] *= share
    where[atoms.symbols == "Cl", 0] = share + (1 - share) * where[atoms.symbols == "Cl", 0]
    atoms.set_scaled_positions(where)
    return atoms


def droplet(void: bool) -> Atoms:
    """All atoms within a sphere of a third of the cell, or all outside it."""
    many = gas(4000)
    side = many.cell[0, 0]
    inside = (
        np.linalg.norm(many.positions - side / 2, axis=1)
        < side * (0.75 / np.pi / 3) ** (1 / 3) * 1.1
    )
    return many[inside != void][:600]


SEPARATED = {
    "slab of a half": (slab(0.5), {"Al", "Cl"}),
    "slab of a third": (slab(1 / 3), {"Al", "Cl"}),
    "droplet": (droplet(void=False), {"all atoms"}),
    "void": (droplet(void=True), {"all atoms"}),
}


@pytest.mark.parametrize("name", SEPARATED)
def test_separated_phases_and_voids_are_found_and_are_no_crystal(name: str) -> None:
    atoms, components = SEPARATED[name]
    result = Soundness().analyse(trajectory(atoms))
    assert str(result["flags"].values) == "phase separated"
    beyond = result["S_long"] > result["S_long_bound"]
    assert components <= set(result["component"].values[beyond.values])
    assert "O" not in result["component"].values[beyond.values] or "all atoms" in components


def test_a_sharp_slab_of_a_half_has_the_amplitude_of_its_integral() -> None:
    result = Soundness().analyse(trajectory(slab(0.5), 0.0))
    assert float(result["S_long_share"].sel(component="Al")) == pytest.approx(2 / np.pi, abs=0.05)


def test_a_mixture_is_told_to_be_one() -> None:
    for seed in range(5):
        text = verdict(trajectory(gas(900, seed)), "phase")
        assert text == "no: Al, Cl, all atoms spread evenly"
    atoms = packing()
    text = verdict(trajectory(atoms), "phase")
    assert text.startswith("no: ")
    assert text.endswith("too few atoms to tell of Li, Al, O")


def series(slope: float, frames: int = 400, seed: int = 0) -> dict[str, np.ndarray]:
    """Energies of 100 atoms with a memory of ten frames; `slope` eV per atom over all."""
    kicks = np.random.default_rng(seed).normal(0, 0.3, frames + 100)
    noise = lfilter([1], [1, -0.9], kicks)[100:]
    energy = -300 + noise + 100 * slope * np.linspace(0, 1, frames)
    return {"potential_energy": energy, "temperature": np.full(frames, KELVIN)}


def test_an_energy_that_sinks_is_told_and_one_that_wavers_is_not() -> None:
    atoms = gas(100)
    result = Soundness().analyse(trajectory(atoms, frames=400, **series(-0.05)))
    assert str(result["flags"].values) == "drifting"
    assert float(result["energy_drift"]) == pytest.approx(-0.05, abs=0.006)
    for seed in range(10):
        still = trajectory(atoms, frames=1500, **series(0, 1500, seed))
        assert verdict(still, "drift").startswith("no: ")


def test_energies_of_a_quench_and_of_few_frames_are_not_compared() -> None:
    atoms, ramp = gas(100), series(-0.05)
    ramp["temperature"] = np.linspace(1000, 300, 400)
    assert "temperature changes" in verdict(trajectory(atoms, frames=400, **ramp), "drift")
    few = {name: values[:6] for name, values in series(-1).items()}
    assert verdict(trajectory(atoms, frames=6, **few), "drift").startswith("cannot tell")
    assert "not recorded" in verdict(trajectory(atoms), "drift")


def test_it_keeps_the_contract_of_analysers() -> None:
    check_analyser(Soundness(), synthetic_trajectory())

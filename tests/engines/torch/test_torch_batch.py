"""A batch: no system feels its company, restarts are bitwise, memory may run out."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ionflow.builtin.engines.torch import Torch
from ionflow.errors import DataError, PhysicsError, PluginError, StructureError
from ionflow.kinds import ForceField

ENGINES = [("nve", "langevin"), ("nvt", "langevin"), ("nvt", "nose_hoover"),
           ("npt", "langevin"), ("npt", "nose_hoover")]  # fmt: skip


def _systems(models):
    return [models.random_gas(n, 9.0 + n, seed=n) for n in (6, 10, 4, 8)]


def _bits(frames):
    return [
        (f.step, f.positions.tobytes(), f.cell.tobytes(), f.kinetic_energy_eV,
         f.potential_energy_eV, f.temperature_K, f.conserved_energy_eV, f.stress_eV_A3.tobytes())
        for f in frames
    ]  # fmt: skip


def _ends(systems):
    return [
        (a.positions.tobytes(), a.get_momenta().tobytes(), a.cell.array.tobytes(),
         json.dumps(a.info["ionflow"]))
        for a in systems
    ]  # fmt: skip


@pytest.mark.parametrize(("ensemble", "thermostat"), ENGINES)
def test_a_batch_of_one_equals_a_batch_of_many_bit_for_bit(models, ensemble, thermostat):
    engine = Torch(timestep_fs=1, thermostat=thermostat, batch_size=100)
    temperatures = (300.0, (900.0, 100.0), 500.0, 700.0)
    if ensemble == "nve":
        temperatures = (300.0, 900.0, 500.0, 700.0)
    stages = [models.stage(ensemble, t, 0.1 * i) for i, t in enumerate(temperatures)]
    potential, together = models.Analytic(kind="dimers"), _systems(models)
    frames = models.run(engine, together, potential, stages, 60, 20)
    for i, atoms in enumerate(_systems(models)):
        (single,) = models.run(engine, [atoms], potential, [stages[i]], 60, 20, seed=1000 * i)
        assert _bits(single) == _bits(frames[i])
        assert _ends([atoms]) == _ends([together[i]])


@pytest.mark.parametrize(("ensemble", "thermostat"), ENGINES)
def test_a_state_written_to_json_goes_on_bit_for_bit(models, ensemble, thermostat):
    """Segments from one process equal the same segments, each begun from a written state."""
    engine = Torch(timestep_fs=1, thermostat=thermostat)
    potential = models.Analytic(kind="dimers")
    target = models.stage(ensemble, 500.0 if ensemble == "nve" else (800.0, 400.0), 0.1)

    def advance(systems, index):
        return models.run(
            engine, systems, potential, target, 30, 10, 30 * index, index, total=90
        )[0]  # fmt: skip

    steady, broken = [models.random_gas(10, 12.0)], [models.random_gas(10, 12.0)]
    for index in range(3):
        frames = advance(steady, index)
        written = json.dumps(
            {k: getattr(broken[0], f"get_{k}")().tolist() for k in ("positions", "momenta")}
            | {"cell": broken[0].cell.array.tolist(), "info": broken[0].info.get("ionflow", {})}
        )
        read, fresh = json.loads(written), models.random_gas(10, 12.0)
        fresh.set_cell(read["cell"])
        fresh.positions = read["positions"]
        if index:
            fresh.set_momenta(read["momenta"])
            fresh.info["ionflow"] = read["info"]
        broken = [fresh]
        assert _bits(advance(broken, index)) == _bits(frames)
        assert [f.step for f in frames] == ([0] if index == 0 else []) + [
            30 * index + s for s in (10, 20, 30)
        ]
    assert _ends(broken) == _ends(steady)


def test_streams_differ_between_systems_seeds_and_segments(models):
    def end(seed, index, first=0):
        atoms = models.random_gas(4, 9.0)
        atoms.set_momenta(np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]) * 1e-3)
        atoms.info["ionflow"] = {
            "received_eV": 0.0, "chain_rates": [0.0] * 3,
            "piston_momentum": 0.0, "piston_inertia": 0.0,
        }  # fmt: skip
        models.run(
            Torch(friction_per_ps=50), [atoms], models.Analytic(), models.stage("nvt"),
            10, 10, first, index, seed=seed,
        )  # fmt: skip
        return atoms.get_momenta().tobytes()

    assert end(1, 0) == end(1, 0)
    assert len({end(1, 0), end(2, 0), end(1, 1, 10), end(1, 2, 20)}) == 4


class Cramped(ForceField):
    """Refuses more than so many atoms; from some call on, if told."""

    def __init__(self, field, most, after):
        self.field, self.most, self.left = field, most, after
        self.calls = 0

    def __call__(self, positions, cells, numbers, system):
        self.calls += 1
        if self.calls > self.left and len(positions) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.field(positions, cells, numbers, system)


def _cramped(models, most, after, salt):
    class CrampedPotential(models.Analytic):
        def force_field(self, device="cpu"):
            return Cramped(super().force_field(device), most, after)

    return CrampedPotential(kind="dimers", salt=salt)


@pytest.mark.parametrize("after", [0, 25])
@pytest.mark.parametrize(("ensemble", "thermostat"), ENGINES)
def test_out_of_memory_halves_the_batch_and_loses_nothing(models, ensemble, thermostat, after):
    engine = Torch(timestep_fs=1, thermostat=thermostat)
    target, free, tight = models.stage(ensemble, 400, 0.1), _systems(models), _systems(models)
    expected = models.run(engine, free, models.Analytic(kind="dimers"), target, 60, 20)
    potential = _cramped(models, 10, after, salt=after)
    with pytest.warns(RuntimeWarning, match="out of memory") as warned:
        frames = models.run(engine, tight, potential, target, 60, 20)
    assert f"at step {max(0, after - 1)}" in str(warned[0].message)
    assert [_bits(f) for f in frames] == [_bits(f) for f in expected]
    assert _ends(tight) == _ends(free)


def test_what_did_not_fit_is_not_tried_again(models, recwarn):
    potential = _cramped(models, 16, 0, salt=7)
    with pytest.warns(RuntimeWarning, match="2 and 2"):
        models.run(Torch(), _systems(models), potential, models.stage("nvt"), 2, 2)
    recwarn.clear()
    models.run(Torch(), _systems(models), potential, models.stage("nvt"), 2, 2)
    assert not recwarn.list


def test_one_system_that_does_not_fit_says_so(models):
    potential = _cramped(models, 3, 0, salt=8)
    with pytest.raises(PhysicsError, match="one system of 8 atoms does not fit"):
        models.run(
            Torch(), [models.random_gas(8, 9.0)], potential, models.stage("nvt"), 2, 2
        )  # fmt: skip


class Poisoned(ForceField):
    """Forces of the first system turn to NaN after some calls; NaN positions are an error."""

    def __init__(self, field):
        self.field, self.calls = field, 0

    def __call__(self, positions, cells, numbers, system):
        self.calls += 1
        assert positions.isfinite().all()
        assert cells.isfinite().all()
        energies, forces, stresses = self.field(positions, cells, numbers, system)
        if self.calls > 30:
            forces[system == 0] = float("nan")
            stresses[0] = float("nan")
        return energies, forces, stresses


@pytest.mark.parametrize("ensemble", ["nvt", "npt"])
def test_a_system_that_blows_up_does_not_touch_its_company(models, ensemble):
    class PoisonedPotential(models.Analytic):
        def force_field(self, device="cpu"):
            return Poisoned(super().force_field(device))

    engine, target = Torch(timestep_fs=1), models.stage(ensemble, 400)
    well, ill = _systems(models), _systems(models)
    expected = models.run(engine, well, models.Analytic(kind="dimers"), target, 60, 20)
    frames = models.run(engine, ill, PoisonedPotential(kind="dimers"), target, 60, 20)
    assert [_bits(f) for f in frames[1:]] == [_bits(f) for f in expected[1:]]
    assert _bits(frames[0][:2]) == _bits(expected[0][:2])
    assert np.isnan(frames[0][2].positions).all()
    assert np.isnan(frames[0][2].temperature_K)
    assert np.isnan(ill[0].positions).all()


class Captured(ForceField):
    """Writes every answer into the same tensors, as a captured CUDA graph does."""

    def __init__(self, field):
        self.field, self.answer = field, None

    def __call__(self, *tensors):
        fresh = self.field(*tensors)
        if self.answer is None:
            self.answer = tuple(t.clone() for t in fresh)
        for kept, new in zip(self.answer, fresh, strict=True):
            kept.copy_(new)
        return self.answer


def test_a_field_that_reuses_its_tensors_is_fine(models):
    class CapturedPotential(models.Analytic):
        def force_field(self, device="cpu"):
            return Captured(super().force_field(device))

    ours, theirs = _systems(models), _systems(models)
    target = models.stage("npt", 400)
    frames = models.run(Torch(), ours, CapturedPotential(kind="dimers"), target, 40, 10)
    expected = models.run(Torch(), theirs, models.Analytic(kind="dimers"), target, 40, 10)
    assert [_bits(f) for f in frames] == [_bits(f) for f in expected]


class Count(TorchDispatchMode):
    """Counts operations by name."""

    def __init__(self):
        super().__init__()
        self.names = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names[function.__name__.split(".")[0]] += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("ensemble", "thermostat", "most"),
    [
        ("nve", "langevin", 30),
        ("nvt", "langevin", 55),
        ("nvt", "nose_hoover", 110),
        ("npt", "langevin", 145),
        ("npt", "nose_hoover", 200),
    ],
)
def test_a_step_is_few_operations_and_never_waits_for_the_device(
    models, ensemble, thermostat, most
):
    def count(steps):
        engine, atoms = Torch(thermostat=thermostat), models.random_gas(8, 10.0)
        with Count() as counted:
            models.run(
                engine, [atoms], models.Analytic(), models.stage(ensemble), steps, 400
            )  # fmt: skip
        return counted.names

    per_step = count(300)
    per_step.subtract(count(100))
    waits = {"_local_scalar_dense", "_to_copy", "copy_", "item", "nonzero", "is_nonzero"}
    assert not {name for name in waits if per_step[name]}
    assert sum(per_step.values()) / 200 < most


def test_what_the_engine_refuses(models):
    class Plain(models.Analytic):
        def force_field(self, device="cpu"):
            return None

    gas, target = models.random_gas(4, 9.0), models.stage("nvt")
    with pytest.raises(PluginError, match="use engine 'ase'"):
        models.run(Torch(), [gas], Plain(), target, 1, 1)
    slab = models.random_gas(4, 9.0)
    slab.pbc = (True, True, False)
    with pytest.raises(StructureError, match="not periodic"):
        models.run(Torch(), [slab], models.Analytic(), target, 1, 1)
    with pytest.raises(StructureError, match="single atom"):
        models.run(Torch(), [models.random_gas(1, 9.0)], models.Analytic(), target, 1, 1)
    with pytest.raises(DataError, match=r"step 5: no received_eV.*momenta"):
        models.run(Torch(), [gas], models.Analytic(), target, 1, 1, first=5)
    with pytest.raises(PluginError, match="one ensemble"):
        models.run(Torch(), [gas] * 2, models.Analytic(), [target, models.stage("npt")], 1, 1)
    with pytest.raises(ValueError, match="at least 10 timesteps"):
        Torch(timestep_fs=5, barostat_time_fs=20)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_a_device_that_is_not_here(models):
    assert Torch().place() == "cpu"
    assert Torch().batch(84) == 1
    assert Torch(batch_size=5).batch(84) == 5
    assert Torch(device="cuda").batch(84) > 1
    with pytest.raises(PluginError, match="no CUDA device"):
        models.run(
            Torch(device="cuda"), [models.random_gas(4, 9.0)], models.Analytic(),
            models.stage("nvt"), 1, 1,
        )  # fmt: skip


def test_where_it_runs_is_no_part_of_the_identity():
    assert Torch(device="cpu", batch_size=3).identity() == Torch().identity()
    assert Torch(friction_per_ps=2).identity() != Torch().identity()

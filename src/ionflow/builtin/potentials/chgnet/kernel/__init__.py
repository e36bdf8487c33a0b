"""The compiled evaluation: finding it, and handing it weights and a graph.

The C sources beside this file are compiled when ionflow is installed, if there is a compiler.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ionflow.builtin.potentials.chgnet.kernel.layout import (
    ABI,
    GraphLayout,
    ListLayout,
    PackedModel,
    ResultLayout,
    addresses,
)
from ionflow.builtin.potentials.chgnet.topology import Graph, NeighbourList, refuse_isolated
from ionflow.errors import PluginError

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int32]
Results = tuple[Floats, Floats, Floats]

Integer, Double = ctypes.c_int64, ctypes.c_double

#: Best first; a library holds those that its compiler and machine know.
INSTRUCTIONS = ("avx512", "avx2", "generic")

#: Environment variable that names the instruction set to use instead of the best one.
CHOICE = "IONFLOW_KERNEL"


@dataclass(frozen=True)
class Kernel:
    """One instruction set of the library."""

    library: ctypes.CDLL
    instructions: str

    def graph(
        self, lists: NeighbourList, positions: Floats, cell: Floats, cutoff: float, short: float
    ) -> Graph:
        """The same as `topology.graph`, compiled: bonds within the cutoff and their angles."""
        atoms, most = len(positions), len(lists.first)
        first, second = np.empty(most, np.int32), np.empty(most, np.int32)
        vectors, sizes = np.empty((most, 3)), np.empty(2, np.int64)
        source = ListLayout.of(lists.first, lists.second, lists.shifts, positions, cell)
        address = ctypes.byref(source.structure)
        self.library.chgnet_filter(
            address, Double(cutoff), Double(short), *addresses(first, second, vectors, sizes)
        )
        near, bonds = sizes.tolist()
        first, second, vectors = first[:bonds], second[:bonds], vectors[:bonds]
        seen = np.empty(atoms, np.int8)
        if not self.library.chgnet_connected(
            Integer(atoms), Integer(bonds), *addresses(first, second, seen)
        ):
            refuse_isolated(first, second, atoms, cutoff)
        left, right = self._pairs(atoms, near, first, second)
        return Graph(atoms, first, second, vectors, near, left, right)

    def _pairs(
        self, atoms: int, shorts: int, first: Indices, second: Indices
    ) -> tuple[Indices, ...]:
        starts, order = np.empty(atoms + 1, np.int32), np.empty(2 * shorts, np.int32)
        group = self.library.chgnet_group
        group.restype = ctypes.c_int64
        count = group(Integer(atoms), Integer(shorts), *addresses(first, second, starts, order))
        left, right = np.empty(count, np.int32), np.empty(count, np.int32)
        self.library.chgnet_pairs(Integer(atoms), *addresses(starts, order, left, right))
        return left, right

    def evaluate(self, model: PackedModel, graph: Graph, numbers: npt.NDArray[np.int64]) -> Results:
        """Energies (atom,) eV, forces (atom, 3) eV/Å and virial (3, 3) eV of one system."""
        layout = GraphLayout.of(graph, numbers)
        workspace = self._function("workspace")
        workspace.restype = ctypes.c_int64
        size = workspace(ctypes.byref(model.layout), ctypes.byref(layout.structure))
        block = model.block(size)
        energies = np.empty(graph.atoms)
        forces, virial = np.empty((graph.atoms, 3)), np.empty((3, 3))
        result = ResultLayout.of(energies, forces, virial)
        self._function("evaluate")(
            ctypes.byref(model.layout),
            ctypes.byref(layout.structure),
            ctypes.c_void_p(block),
            ctypes.byref(result),
        )
        return energies, forces, virial

    def _function(self, name: str) -> Any:
        return getattr(self.library, f"chgnet_{name}_{self.instructions}")


def path() -> Path | None:
    """The compiled library, if there is one."""
    folder = Path(__file__).parent
    found = (folder / f"chgnet{suffix}" for suffix in (*EXTENSION_SUFFIXES, ".so"))
    return next((candidate for candidate in found if candidate.is_file()), None)


def available() -> tuple[Kernel | None, str]:
    """The kernel for this machine, or None, and a sentence saying which or why."""
    return _available(os.environ.get(CHOICE, ""))


@lru_cache(maxsize=8)
def _available(choice: str) -> tuple[Kernel | None, str]:
    library_path = path()
    if library_path is None:
        return None, "the kernel was not compiled when ionflow was installed (no C compiler?)"
    try:
        library = ctypes.CDLL(str(library_path))
    except OSError as error:
        return None, f"the kernel cannot be loaded: {error}"
    if library.chgnet_abi() != ABI:
        return None, f"the kernel {library_path} is of another version; install ionflow again"
    names = [name for name in INSTRUCTIONS if _runs(library, name)]
    if choice and choice not in names:
        raise PluginError(
            f"{CHOICE}={choice}: this machine and library run {', '.join(names)}",
            hint=f"unset {CHOICE} to take the best",
        )
    chosen = choice or names[0]
    return Kernel(library, chosen), f"{chosen} instructions"


def _runs(library: ctypes.CDLL, name: str) -> bool:
    compiled = hasattr(library, f"chgnet_evaluate_{name}")
    runs = getattr(library, f"chgnet_runs_{name}", None)
    return compiled and runs is not None and bool(runs())

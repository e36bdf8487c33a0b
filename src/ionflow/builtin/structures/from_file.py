"""Structures read from files."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from ionflow.builtin.structures.parsing import FORMATS, UNREADABLE, parsed
from ionflow.errors import StructureError
from ionflow.ions import oxidation_numbers
from ionflow.kinds import Generator, Table

if TYPE_CHECKING:
    from ase import Atoms

Count = Annotated[int, Field(ge=1, le=100)]


class FromFile(Generator):
    """A periodic structure from a file: CIF, POSCAR, extended XYZ, and others that ASE reads.

    Momenta in the file are kept, comments and other data are not. Every replica starts from the
    same structure.
    """

    use = "from_file"
    outside_identity: ClassVar[frozenset[str]] = frozenset({"path", "sha256"})

    path: str = Field(min_length=1, max_length=4096)
    """The file. What counts for the identity of results is its content, not its name."""

    format: str | None = None
    """ASE's name of the format, such as cif, vasp, extxyz or traj, where the file's name does not
    tell. Those are read that are plain data in one file."""

    index: int = -1
    """Which image, in a file of several; -1 is the last."""

    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    """Expected SHA-256 of the file; refused if it differs."""

    repeat: tuple[Count, Count, Count] = (1, 1, 1)
    """Copies along the three lattice vectors."""

    charges: Table = ()
    """Formal charge in e by element. If empty, the file's own; if it has none, the common
    oxidation numbers where they make the cell neutral, otherwise no charges."""

    def content(self) -> Mapping[str, str]:
        """SHA-256 of the file."""
        return {"file": hashlib.sha256(self._verified()).hexdigest()}

    def composition(self) -> Mapping[str, int]:
        """Number of atoms of each element in the file, times the copies."""
        return dict(Counter(self._read().symbols))

    def build(self, rng: np.random.Generator) -> Atoms:
        """The structure of the file; `rng` is not used.

        Raises
        ------
        StructureError
            If it cannot be read, is not periodic in all directions, or fixes atoms.
        """
        atoms = self._read()
        atoms.arrays["initial_charges"] = np.array(self._charges(atoms))
        return atoms

    def _bytes(self) -> bytes:
        path = Path(self.path).expanduser()
        try:
            # a pipe or a device may never end
            if path.exists() and not path.is_file():
                raise StructureError("not a regular file", where=self.path)
            return path.read_bytes()
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            raise StructureError(
                f"cannot read the structure file ({getattr(error, 'strerror', None) or error})",
                where=self.path,
                hint="paths count from the folder in which ionflow runs",
            ) from error

    def _verified(self) -> bytes:
        """The file's bytes, which are those that were pinned."""
        data = self._bytes()
        digest = hashlib.sha256(data).hexdigest()
        if self.sha256 is not None and digest != self.sha256:
            raise StructureError(
                f"the file's SHA-256 is {digest}, {self.sha256} is expected",
                where=self.path,
                hint="restore the file, or change sha256 if the new content is meant",
            )
        return data

    def _read(self) -> Atoms:
        try:
            # the bytes that were hashed, not the file: it may have changed since
            atoms = parsed(self._verified(), self.path, self.format, self.index)
        except UNREADABLE as error:
            raise StructureError(
                f"ASE cannot read image {self.index} of this file "
                f"({type(error).__name__}: {error})",
                where=self.path,
                hint=f"name the format, e.g. format: vasp; one of {', '.join(FORMATS)}",
            ) from error
        atoms.calc = None
        atoms.info = {}
        self._check(atoms)
        repeated: Atoms = atoms.repeat(self.repeat)
        return repeated

    def _check(self, atoms: Any) -> None:
        if not atoms.pbc.all() or atoms.cell.rank < 3:
            raise StructureError(
                "the structure is not periodic in all three directions",
                where=self.path,
                hint='give the file a cell (extended XYZ: Lattice=... pbc="T T T")',
            )
        if atoms.constraints:
            raise StructureError(
                "the file fixes atoms, and ionflow moves every atom",
                where=self.path,
                hint="remove the constraints (POSCAR: the line 'Selective dynamics' and its flags)",
            )

    def _charges(self, atoms: Any) -> list[float]:
        symbols = atoms.get_chemical_symbols()
        strangers = sorted({element for element, _ in self.charges} - set(symbols))
        if strangers:
            raise StructureError(
                f"charges names {', '.join(strangers)}, which the structure does not have",
                where=self.path,
            )
        if not self.charges and atoms.has("initial_charges"):
            return list(map(float, atoms.get_initial_charges()))
        known = oxidation_numbers(symbols, dict(self.charges))
        charges = [known[symbol] or 0.0 for symbol in symbols]
        settled = bool(self.charges) or abs(sum(charges)) < 1e-9
        return charges if settled and None not in known.values() else [0.0] * len(symbols)

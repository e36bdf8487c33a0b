"""Files of other programs as ASE Atoms: of formats that are plain data, from bytes in memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable, Mapping
from io import BytesIO, StringIO
from typing import Any, Final

from ionflow.errors import StructureError

#: ASE's names of the formats that are taken: each is one file of data. Others open databases,
#: further files or other packages.
FORMATS: Final = (
    *("abinit-in", "castep-cell", "cfg", "cif", "cp2k-restart", "cube", "dlp4", "elk"),
    *("espresso-in", "espresso-out", "extxyz", "gen", "gromacs", "lammps-data"),
    *("lammps-dump-text", "proteindatabank", "siesta-xv", "traj", "turbomole", "vasp"),
    *("vasp-out", "vasp-xdatcar", "vasp-xml", "xsd", "xsf", "xyz"),
)

# ASE's readers raise whatever their parsing trips over
UNREADABLE: Final = (OSError, ValueError, LookupError, AttributeError, TypeError, RuntimeError,
                     AssertionError, StopIteration, EOFError, ImportError, SyntaxError,
                     MemoryError, lzma.LZMAError)  # fmt: skip

_COMPRESSIONS: Final[Mapping[str, Callable[..., Any]]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
#: A megabyte of zeros is a kilobyte compressed: what unpacks to more than this is refused.
MAX_BYTES: Final = 2**30


class _Named(BytesIO):
    """Bytes that ASE judges by their file's name as well."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


def parsed(data: bytes, name: str, kind: str | None, index: int) -> Any:
    """One image of a file, as Atoms.

    Parameters
    ----------
    name : of the file, which tells the format where `kind` does not, and the compression

    Raises
    ------
    StructureError
        If the format is not one of `FORMATS`.
    """
    from ase.io import read
    from ase.io.formats import UnknownFileTypeError, ioformats

    data, name = _unpacked(data, name)
    try:
        kind = kind or _filetype(_Named(data, name))
    except UnknownFileTypeError as error:
        raise ValueError(f"unknown format: {error}") from error
    if kind not in FORMATS:
        hint = f"convert it to one of {', '.join(FORMATS)}"
        raise StructureError(f"files of the format {kind!r} are not taken", where=name, hint=hint)
    binary = ioformats[kind].isbinary
    stream = BytesIO(data) if binary else StringIO(data.decode("utf-8", errors="replace"))
    return read(stream, index=index, format=kind)


def _unpacked(data: bytes, name: str) -> tuple[bytes, str]:
    for ending, opened in _COMPRESSIONS.items():
        if name.endswith(ending):
            with opened(BytesIO(data), "rb") as file:
                data, name = file.read(MAX_BYTES + 1), name.removesuffix(ending)
            if len(data) > MAX_BYTES:
                raise ValueError(f"unpacks to more than {MAX_BYTES} bytes")
    return data, name


def _filetype(file: _Named) -> str:
    from ase.io.formats import filetype

    return str(filetype(file))

"""ionflow: how fast ions move, by which mechanism, and how sure we are."""

from typing import TYPE_CHECKING, Any

from ionflow.hookspecs import hookimpl
from ionflow.kinds import (
    Analyser,
    Engine,
    ForceField,
    Frame,
    Generator,
    Parameters,
    Plugin,
    Potential,
    Segment,
    Stage,
    Table,
)

if TYPE_CHECKING:
    from ionflow.analysis import analyse
    from ionflow.driver import run
    from ionflow.reading import from_ase, read
    from ionflow.registry import Registry
    from ionflow.view import open

__version__ = "0.1.0"

#: Loaded on first use: Dask and zarr take a second that `import ionflow` need not pay.
_LAZY = {
    "analyse": "ionflow.analysis",
    "from_ase": "ionflow.reading",
    "open": "ionflow.view",
    "read": "ionflow.reading",
    "run": "ionflow.driver",
}


def plugins() -> "Registry":
    """Every installed plugin by name: `ionflow.plugins()["chgnet"]` is a class."""
    from ionflow.registry import load

    return load()


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "plot":
        return import_module("ionflow.plot")
    if name not in _LAZY:
        raise AttributeError(f"module 'ionflow' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


__all__ = [
    "Analyser",
    "Engine",
    "ForceField",
    "Frame",
    "Generator",
    "Parameters",
    "Plugin",
    "Potential",
    "Segment",
    "Stage",
    "Table",
    "analyse",
    "from_ase",
    "hookimpl",
    "open",
    "plot",
    "plugins",
    "read",
    "run",
]

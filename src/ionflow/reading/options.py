"""What a reader is told that a file does not say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, ValidationError

from ionflow.errors import DataError
from ionflow.kinds import Parameters


def _words(value: Any) -> Any:
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else value


def _numbers(value: Any) -> Any:
    return np.asarray(value).tolist() if isinstance(value, np.ndarray | list) else _words(value)


ByLabel = Annotated[dict[str, float], BeforeValidator(_words)]


class Reading(Parameters):
    """How a trajectory that ionflow did not make is read."""

    timestep_fs: float | None = Field(None, gt=0)
    """Duration of one step of the dynamics; taken from the file's own times if it has any."""

    frame_every: int | None = Field(None, ge=1)
    """Steps between frames, for files that do not number their steps. If null it is 1, so that
    timestep_fs is the time between frames."""

    every: int = Field(1, ge=1)
    """Keep each n-th frame. Atoms are followed through all of them."""

    start_ps: float = Field(0.0, ge=0)
    """Leave out so much time at the start."""

    format: Literal["lammps", "xdatcar", "extxyz", "traj", "zarr"] | None = None
    """Format of the file, where its name and first bytes do not tell."""

    elements: Annotated[dict[str, str], BeforeValidator(_words)] = Field(default_factory=dict)
    """Element by type (or by the name that the file gives it), as in {1: Li, 2: Cl}."""

    species: str | None = Field(None, min_length=1)
    """Property of atoms that tells species apart, such as type or tags; the element if null."""

    charges: (
        Annotated[
            ByLabel | tuple[float, ...] | Literal["formal", "none"], BeforeValidator(_numbers)
        ]
        | None
    ) = None
    """Formal charges in e: by species or element (those not named get their common oxidation
    number), one for each atom, formal (common oxidation numbers), or none. If null: those of the
    file; if it has none, the common oxidation numbers where they make the cell neutral."""

    masses: Annotated[ByLabel | tuple[float, ...], BeforeValidator(_numbers)] | None = None
    """Masses in amu: by species or element, or one for each atom. If null, those of the file; if
    it has none, those of the elements."""

    temperature_K: float | None = Field(None, gt=0)
    """Temperature of the simulation, used where the file has no velocities to tell it."""

    unwrapped: bool | None = None
    """Whether positions run on beyond the cell and are taken as they are (true), or are followed
    by minimum image from frame to frame (false). If null, as the file says."""

    units: Literal["metal", "real"] | None = None
    """Style of units of a LAMMPS file: velocities in Å/ps (metal) or Å/fs (real). If null, what the
    file says; if it does not, metal."""

    truncated: Literal["error", "drop"] = "error"
    """Whether a last frame that is cut short is an error, or is left out."""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """The options, checked.

        Raises
        ------
        DataError
            Naming every option that does not exist or has a wrong value.
        """
        try:
            return cls(**options)
        except ValidationError as error:
            raise DataError(_told(error), hint=f"options: {', '.join(cls.model_fields)}") from error


def _told(error: ValidationError) -> str:
    from ionflow.recipe.faults import did_you_mean, shown

    texts: dict[str, str] = {}
    for fault in error.errors(include_url=False):
        name = str(fault["loc"][0])
        if fault["type"] == "extra_forbidden":
            texts[name] = f"unknown option. {did_you_mean(name, list(Reading.model_fields))}"
        else:
            texts.setdefault(name, f"{fault['msg']}, not {shown(fault['input'])}")
    return "; ".join(f"{name}: {text}" for name, text in texts.items())
